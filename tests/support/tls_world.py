"""A real TLS server with a certificate of an authority of ours, and a real CONNECT proxy: what offices have."""

from __future__ import annotations

import base64
import datetime as dt
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from carnet.client.wire import HttpAnswer, HttpRequest

_PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority that nobody but a test trusts."""

    def __init__(self, name: str = "Office Firewall") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._own = self._sign(self._name, self._key, ((x509.BasicConstraints(ca=True, path_length=0), True),))

    def save(self, path: Path) -> Path:
        """Its certificate, as a PEM file."""
        path.write_bytes(self._own.public_bytes(_PEM))
        return path

    def server_context(self, folder: Path, *, host: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """TLS for a server called *host*, with a certificate of this authority that ends after *days*."""
        key = ec.generate_private_key(ec.SECP256R1())
        called: x509.GeneralName
        try:
            called = x509.IPAddress(ip_address(host))
        except ValueError:
            called = x509.DNSName(host)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        extensions = (
            (x509.SubjectAlternativeName([called]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        )
        certificate = self._sign(name, key, extensions, days=days)
        file = folder / f"server-{certificate.serial_number}.pem"
        secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(certificate.public_bytes(_PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extensions: tuple[tuple[x509.ExtensionType, bool], ...],
        *,
        days: int = 1,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=10))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


@contextmanager
def https_server(
    answer: Callable[[HttpRequest], HttpAnswer], context: ssl.SSLContext | None
) -> Iterator[tuple[str, list[str]]]:
    """
    A server that answers as *answer* does, over TLS, or plainly without a *context*.

    Returns:
        Its address, and the paths that were asked for.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            request = HttpRequest(method="POST", path=self.path, headers=tuple(self.headers.items()), body=body)
            answered = answer(request)
            self.send_response(answered.status)
            self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that the base has
            del format, arguments

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            with suppress(OSError):  # a client that does not like the certificate hangs up
                wrapped = request if context is None else context.wrap_socket(request, server_side=True)
                self.RequestHandlerClass(wrapped, client_address, self)  # type: ignore[arg-type]
                if context is not None:
                    wrapped.close()

        def handle_error(self, request: Any, client_address: Any) -> None:
            del request, client_address

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)


class ConnectProxy:
    """
    A proxy that knows CONNECT and nothing else.

    Attributes:
        asked: ``host:port`` of every tunnel that was asked for.
        route: Where tunnels really lead, by what was asked for; without an entry, there.
        password: ``user:password`` that it wants; None wants none.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.route: dict[str, str] = {}
        self.password: str | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(120)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(120)
            head = b""
            while b"\r\n\r\n" not in head:
                more = client.recv(4096)
                if not more:
                    return
                head += more
            method, target, *_ = head.split(b"\r\n")[0].decode().split()
            self.asked.append(target)
            if method != "CONNECT":
                client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            if self.password is not None:
                wanted = b"Basic " + base64.b64encode(self.password.encode())
                if wanted not in head:
                    client.sendall(
                        b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                        b'Proxy-Authenticate: Basic realm="office"\r\nContent-Length: 0\r\n\r\n'
                    )
                    return
            host, _, port = self.route.get(target, target).rpartition(":")
            with socket.create_connection((host, int(port)), timeout=120) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pump(client, server)


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([one, other], [], [], 20)
        if not ready:
            return
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)

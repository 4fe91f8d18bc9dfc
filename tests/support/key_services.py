"""
Key services on the wire: what AWS KMS, Google Cloud KMS and Vault say by their documentation, on real sockets.

Each keeps one key, refuses what the real one refuses (callers it does not know, messages that are too long, digests of
another size, keys of another kind), and has weathers: down in several ways, and lying in several.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal, Self, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import Algorithm, PublicKey

_Down: TypeAlias = Literal["slow", "reset", "5xx", "throttled"]
_Lie: TypeAlias = Literal["other key", "short", "long", "empty", "garbage", "no json", "endless", "redirected"]
Weather: TypeAlias = Literal["fine", "forbidden", "missing"] | _Down | _Lie
DOWN: tuple[Weather, ...] = ("slow", "reset", "5xx", "throttled")
"""How a service can be away."""
LIES: tuple[Weather, ...] = ("other key", "short", "long", "empty", "garbage", "no json", "endless", "redirected")
"""How its answers can be wrong."""

_Private: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def private_key(alg: Algorithm) -> _Private:
    """A fresh private key."""
    if alg == "Ed25519":
        return Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(65537, 2048)


def pem_of(private: _Private) -> str:
    """The public half."""
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Refusal(Exception):  # noqa: N818 - an answer
    """What the service answers in place of a result: a status and the name of the error."""

    def __init__(self, status: int, name: str) -> None:
        super().__init__(name)
        self.status = status
        self.name = name


class KeyServiceStub:
    """
    A service that listens until `close`.

    Attributes:
        weather: How it is now.
        asked: How many requests came.
    """

    secrets: ClassVar[tuple[str, ...]] = ()
    what: ClassVar[str] = ""
    scheme: ClassVar[str] = ""

    def __init__(self, alg: Algorithm = "Ed25519") -> None:
        self.alg = alg
        self.private = private_key(alg)
        self.other = private_key(alg)
        self.weather: Weather = "fine"
        self.asked = 0
        self.faults: list[Exception] = []
        self._changed = threading.Condition()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    stub.respond(self, body)
                except OSError:
                    pass  # who asked has gone
                except Exception as fault:  # told at the end of the test
                    stub.faults.append(fault)
                    raise

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Callers that went away are part of the weather."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.becomes("fine")
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(120)
        assert not self.faults, self.faults

    @property
    def public_key(self) -> PublicKey:
        """What the signer has to be."""
        return public_key_from_pem(pem_of(self.private))

    def becomes(self, weather: Weather) -> None:
        """Change the weather; who waits in a slow answer gets none."""
        with self._changed:
            self.weather = weather
            self._changed.notify_all()

    def wait_until_asked(self, times: int) -> None:
        """Return when *times* requests came."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked >= times, 60), "nobody asked"

    @contextmanager
    def being(self, weather: Weather) -> Iterator[None]:
        """A weather for the length of a `with`."""
        self.becomes(weather)
        try:
            yield
        finally:
            self.becomes("fine")

    def environ(self) -> dict[str, str]:
        """What opening its key needs."""
        raise NotImplementedError

    def location(self) -> str:
        """Where its key is."""
        raise NotImplementedError

    # ── what a service of one kind says ──────────────────────────────────────────────────────────────────────────────

    def handle(self, method: str, path: str, headers: Any, body: Any) -> dict[str, Any]:
        """
        The result of a call; raises `Refusal`.

        Args:
            method: As received.
            path: As received.
            headers: As received.
            body: Its bytes.
        """
        raise NotImplementedError

    def problem(self, refusal: Refusal) -> dict[str, Any]:
        """A refusal, as this service writes it. It repeats what no message of ours may repeat."""
        raise NotImplementedError

    # ── what is the same ─────────────────────────────────────────────────────────────────────────────────────────────

    def respond(self, to: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request, as the weather is."""
        with self._changed:
            self.asked += 1
            self._changed.notify_all()
        weather = self.weather
        if weather == "slow":
            with self._changed:
                self._changed.wait_for(lambda: self.weather != "slow", 60)
            to.close_connection = True
            return
        if weather == "reset":
            to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            to.connection.close()
            to.close_connection = True
            return
        if weather == "no json":
            self._send(to, 200, b"<html>a proxy's page</html>", "text/html")
            return
        if weather == "redirected":
            to.send_response(307)
            to.send_header("Location", f"{self.url}/elsewhere")
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        if weather == "endless":
            self._send(to, 200, b'{"a":"' + b"a" * 400_000 + b'"}', "application/json")
            return
        try:
            self._refuse(weather)
            said = self.handle(to.command, to.path, to.headers, body)
            self._send(to, 200, json.dumps(said, indent=1).encode(), self.media_type)
        except Refusal as refusal:
            self._send(to, refusal.status, json.dumps(self.problem(refusal)).encode(), self.media_type)

    def _refuse(self, weather: Weather) -> None:
        statuses = {"throttled": self.throttled, "forbidden": self.forbidden, "missing": self.missing, "5xx": 500}
        if weather in statuses:
            raise Refusal(statuses[weather], self.names[weather])

    media_type: ClassVar[str] = "application/json"
    names: ClassVar[dict[str, str]] = {}
    throttled: ClassVar[int] = 429
    forbidden: ClassVar[int] = 403
    missing: ClassVar[int] = 404

    def signed(self, message: bytes | None, digest: bytes | None) -> bytes:
        """The service's own signature: DER for ECDSA, as all of them make it. Lies where the weather says so."""
        private = self.other if self.weather == "other key" else self.private
        if isinstance(private, Ed25519PrivateKey):
            made = private.sign(message or b"")
        else:
            digest = digest or hashlib.sha256(message or b"").digest()
            hashed = utils.Prehashed(hashes.SHA256())
            if isinstance(private, rsa.RSAPrivateKey):
                made = private.sign(digest, padding.PKCS1v15(), hashed)
            else:
                made = private.sign(digest, ec.ECDSA(hashed))
        lies: dict[str, Callable[[], bytes]] = {
            "short": lambda: made[:-1],
            "long": lambda: made + b"\0",
            "empty": lambda: b"",
            "garbage": lambda: bytes(reversed(made)),
        }
        return lies.get(self.weather, lambda: made)()

    @staticmethod
    def _send(to: BaseHTTPRequestHandler, status: int, body: bytes, media_type: str) -> None:
        to.send_response(status)
        to.send_header("Content-Type", media_type)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)


def encoded(data: bytes) -> str:
    """Base64, as JSON carries bytes in all three."""
    return base64.b64encode(data).decode()

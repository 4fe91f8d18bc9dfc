"""The real transport against real sockets that misbehave (REL-16, SEC-49 from the client's side, users-ask 54, 55)."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from carnet.client.transport import AsyncHttpTransport, HttpTransport, check_server
from carnet.client.wire import MAX_ANSWER, HttpAnswer, HttpRequest
from carnet.errors import TransportError, UsageError
from support.ports import own_port

REQUEST = HttpRequest(method="POST", path="/v1/activate", headers=(("Idempotency-Key", "k"),), body=b'{"a":1}')

Script = Callable[[socket.socket, bytes], None]


class Server:
    """A socket on loopback that reads one request and then follows a script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    data = b""
                    while not data.endswith(REQUEST.body):
                        more = connection.recv(65536)
                        if not more:
                            break
                        data += more
                    self.requests.append(data)
                    self.script(connection, data)
                except OSError:
                    continue

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self.listener.close()
        self.thread.join(120)


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ask(server: Server, *, timeout_seconds: float = 120.0, path: str = "") -> tuple[HttpAnswer, HttpAnswer]:
    """The answer to the request, from both transports."""
    address = f"http://127.0.0.1:{server.port}{path}"

    async def on_loop() -> HttpAnswer:
        transport = AsyncHttpTransport(address)
        try:
            return await transport.asend(REQUEST, timeout_seconds=timeout_seconds)
        finally:
            await transport.aclose()

    transport = HttpTransport(address)
    try:
        return transport.send(REQUEST, timeout_seconds=timeout_seconds), asyncio.run(on_loop())
    finally:
        transport.close()


def refused(server: Server, *, timeout_seconds: float = 120.0) -> list[str]:
    """The codes with which both transports fail."""
    address = f"http://127.0.0.1:{server.port}"

    async def on_loop() -> None:
        transport = AsyncHttpTransport(address)
        try:
            await transport.asend(REQUEST, timeout_seconds=timeout_seconds)
        finally:
            await transport.aclose()

    codes = []
    for call in (
        lambda: HttpTransport(address).send(REQUEST, timeout_seconds=timeout_seconds),
        lambda: asyncio.run(on_loop()),
    ):
        with pytest.raises(TransportError) as caught:
            call()
        assert caught.value.fix
        codes.append(caught.value.code)
    return codes


def drip(connection: socket.socket) -> None:
    """A byte now and then, for two minutes."""
    stop = time.monotonic() + 120
    while time.monotonic() < stop:
        connection.sendall(b"x")
        time.sleep(0.02)


def http(status: str, body: bytes, *headers: str) -> Script:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""))
    return lambda connection, _: connection.sendall(head.encode() + body)


def test_a_plain_answer_comes_back_as_it_is(serve: Callable[[Script], Server]) -> None:
    server = serve(http("201 Created", b'{"proof":"x"}'))
    assert ask(server, path="/licensing/") == (HttpAnswer(status=201, body=b'{"proof":"x"}'),) * 2
    head = server.requests[0].split(b"\r\n\r\n")[0].decode().lower()
    assert head.startswith("post /licensing/v1/activate http/1.1")
    assert "accept-encoding: identity" in head
    assert "content-type: application/json" in head
    assert "user-agent: carnet-python/" in head
    assert "idempotency-key: k" in head


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Callable[[Script], Server]) -> None:
    elsewhere = serve(http("200 OK", b"{}"))
    server = serve(http("307 Temporary Redirect", b"", f"Location: http://127.0.0.1:{elsewhere.port}/"))
    assert [answer.status for answer in ask(server)] == [307, 307]
    assert elsewhere.requests == []


def test_a_compressed_answer_is_not_unpacked(serve: Callable[[Script], Server]) -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    server = serve(http("200 OK", bomb, "Content-Encoding: gzip"))
    assert [answer.body for answer in ask(server)] == [b"", b""]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("1e9", None), ("9999999", None)],
)
def test_retry_after_is_read_where_it_is_a_number(
    serve: Callable[[Script], Server], value: str, seconds: int | None
) -> None:
    server = serve(http("503 Service Unavailable", b"{}", f"Retry-After: {value}"))
    assert [answer.retry_after_seconds for answer in ask(server)] == [seconds, seconds]


def test_an_endless_answer_is_cut_at_its_limit(serve: Callable[[Script], Server]) -> None:
    def endless(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(3 * MAX_ANSWER // 65536):
            connection.sendall(bytes(65536))

    assert refused(serve(endless)) == ["answer_too_large"] * 2


def test_users_ask_54_an_answer_that_drips_ends_with_the_budget(serve: Callable[[Script], Server]) -> None:
    def dripping(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        stop = time.monotonic() + 120
        while time.monotonic() < stop:
            connection.sendall(b" ")
            time.sleep(0.02)

    began = time.monotonic()
    assert refused(serve(dripping), timeout_seconds=0.3) == ["server_unreachable"] * 2
    assert time.monotonic() - began < 100


def test_users_ask_54_a_head_that_drips_ends_with_the_budget(serve: Callable[[Script], Server]) -> None:
    def dripping(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        drip(connection)

    began = time.monotonic()
    assert refused(serve(dripping), timeout_seconds=0.3) == ["server_unreachable"] * 2
    assert time.monotonic() - began < 100


def test_users_ask_54_a_handshake_that_drips_ends_with_the_budget() -> None:
    def handshake() -> None:
        with listener.accept()[0] as connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"\x16\x03\x03\x40\x00")
            drip(connection)

    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=handshake, daemon=True)
        thread.start()
        with pytest.raises(TransportError) as caught:
            HttpTransport(f"https://127.0.0.1:{listener.getsockname()[1]}").send(REQUEST, timeout_seconds=0.3)
        thread.join(120)
    assert caught.value.code == "server_unreachable"
    assert time.monotonic() - began < 100


def test_silence_ends_with_the_budget(serve: Callable[[Script], Server]) -> None:
    def silent(connection: socket.socket, _: bytes) -> None:
        connection.settimeout(120)
        connection.recv(1)

    assert refused(serve(silent), timeout_seconds=0.2) == ["server_unreachable"] * 2


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 999999 ?\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + bytes(200),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
    ids=["nothing", "ssh", "half a body", "bad chunk", "two lengths", "bad status", "tls", "endless headers"],
)
def test_what_is_not_http_is_no_answer(serve: Callable[[Script], Server], reply: bytes) -> None:
    assert refused(serve(lambda connection, _: connection.sendall(reply))) == ["server_unreachable"] * 2


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(TransportError) as caught:
        HttpTransport(f"http://127.0.0.1:{own_port()}").send(REQUEST, timeout_seconds=120)
    assert caught.value.code == "server_unreachable"
    assert caught.value.retryable


def test_a_name_that_does_not_exist_is_no_answer() -> None:
    with pytest.raises(TransportError):
        HttpTransport("https://license.invalid").send(REQUEST, timeout_seconds=120)


@pytest.mark.parametrize(
    "address",
    [
        "https://license.example.com",
        "https://license.example.com:8443/carnet/",
        "https://[2001:db8::1]/",
        "http://localhost:8787",
        "http://127.0.0.1",
        "http://[::1]:8787",
        "http://10.1.2.3",
        "http://192.168.0.7:8787/",
        "http://[fd00::7]",
        "http://carnet:8787",
        "http://license.internal",
        "http://license.home.arpa",
    ],
)
def test_addresses_that_are_taken(address: str) -> None:
    assert check_server(f" {address} ") == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "license.example.com",
        "ftp://license.example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@license.example.com",
        "https://license.example.com/?key=1",
        "https://license.example.com/#x",
        "https://license.example.com:port",
        "https://[::1",
        "http://license.example.com",
        "http://93.184.216.34",
        "http://local.example.com",
        "http://evil.com/.internal",
    ],
)
def test_addresses_that_are_refused_and_say_what_to_do(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_server(address)
    assert caught.value.code == "bad_server"
    assert "https" in caught.value.fix
    assert "secret" not in str(caught.value)

"""SEC-49 and REL-14: slow, endless, contradictory and cut-off requests, and an orderly stop, on raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from carnet.server.api import protocol
from support.live_server import LiveServer, application, serving

ASK = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


class Echo:
    """Answers every request with the number of its body's bytes; holds requests to /wait until `let_go`."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self._gate = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def let_go(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._gate.set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            if not message["more_body"]:
                break
        if scope["path"] == "/wait":
            self._loop = asyncio.get_running_loop()
            self.waiting.set()
            await self._gate.wait()
        body = str(size).encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def live(echo: Echo) -> Iterator[LiveServer]:
    with serving(application(echo)) as server:
        yield server
        if echo.waiting.is_set():
            echo.let_go()


def _read(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def _answer(connection: socket.socket) -> bytes:
    """One answer with a short body, leaving the connection open."""
    received = b""
    while b"\r\n\r\n" not in received or not received.partition(b"\r\n\r\n")[2]:
        received += connection.recv(65536)
    return received


def _alive(live: LiveServer) -> bool:
    with live.connect() as connection:
        connection.sendall(ASK)
        return _answer(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2x\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo\x00st: x\r\n\r\n",
        b"GET / HTTP/1.1\nfolded:\n a\x01\n\n",
    ],
)
def test_sec_49_what_is_not_http_is_refused_and_closed(live: LiveServer, garbage: bytes) -> None:
    with live.connect() as connection:
        connection.sendall(garbage)
        received = _read(connection)
    assert received.startswith(b"HTTP/1.1 400"), received[:200]
    assert _alive(live)


def test_sec_49_a_head_that_never_ends_is_cut_off(live: LiveServer) -> None:
    with live.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        received = _flood(connection, b"X-Filler: " + b"a" * 1000 + b"\r\n", 200)
    assert received.startswith(b"HTTP/1.1 431")
    assert _alive(live)


def test_sec_49_one_header_that_never_ends_is_cut_off(live: LiveServer) -> None:
    with live.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Filler: ")
        received = _flood(connection, b"a" * 1000, 200)
    assert received.startswith(b"HTTP/1.1 431")


def test_sec_49_a_large_head_in_one_piece_is_refused(live: LiveServer) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"a" * protocol.MAX_HEAD_BYTES + b"\r\n\r\n"
    with live.connect() as connection:
        connection.sendall(head)
        assert _read(connection).startswith(b"HTTP/1.1 431")


def test_a_head_just_within_the_limit_is_answered(live: LiveServer) -> None:
    start, end = b"GET /", b" HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"a" * (protocol.MAX_HEAD_BYTES - 200) + b"\r\n\r\n"
    with live.connect() as connection:
        connection.sendall(start + end)
        assert _answer(connection).startswith(b"HTTP/1.1 200")


def _flood(connection: socket.socket, piece: bytes, times: int) -> bytes:
    """Send *piece* again and again until the server has had enough; what it said."""
    try:
        for _ in range(times):
            connection.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return _read(connection)


def test_sec_49_an_endless_body_is_cut_off(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_DRAINED_BYTES", 200_000)
    with live.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = _flood(connection, b"2710\r\n" + b"a" * 10_000 + b"\r\n", 400)
    assert received == b""  # cut off in the middle, not answered, not waited for
    assert _alive(live)


@pytest.mark.parametrize("start", [b"", b"PO", b"POST / HTTP/1.1\r\nHost: x\r\n", ASK[:-1]])
def test_sec_49_a_request_that_does_not_arrive_in_time_is_cut_off(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    with monkeypatch.context() as quick:
        quick.setattr(protocol.BoundedProtocol, "receive_seconds", 1.0)
        with live.connect() as connection:
            connection.sendall(start)
            received = _read(connection)
    assert received.startswith(b"HTTP/1.1 408")
    assert _alive(live)


def test_sec_49_dripping_bytes_do_not_buy_more_time(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.BoundedProtocol, "receive_seconds", 1.0)
    received = b""
    while not received:  # again where a byte crossed the answer: the system then forgets what was not read
        with live.connect() as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            for _ in range(3000):  # a minute of patience, if it had it
                if select.select([connection], [], [], 0.02)[0]:
                    received = connection.recv(1000)
                    break
                connection.sendall(b"a")
            else:
                pytest.fail("each byte buys more time")
    assert received.startswith(b"HTTP/1.1 408")


def test_a_slow_answer_is_our_time_and_not_the_clients(
    live: LiveServer, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol.BoundedProtocol, "receive_seconds", 2.0)
    with live.connect() as connection:
        connection.sendall(ASK.replace(b"/echo", b"/wait"))
        assert echo.waiting.wait(120)
        threading.Timer(3.0, echo.let_go).start()
        assert _answer(connection).startswith(b"HTTP/1.1 200")


def test_sec_49_two_hundred_slow_connections_do_not_stop_service(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol.BoundedProtocol, "receive_seconds", 3600.0)  # nobody waits for their end
    slow = [live.connect() for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na")
        assert all(_alive(live) for _ in range(20))
    finally:
        for connection in slow:
            connection.close()


def test_keep_alive_and_pipelined_requests_are_answered_in_order(live: LiveServer) -> None:
    with live.connect() as connection:
        for _ in range(3):
            connection.sendall(ASK)
            assert _answer(connection).endswith(b"\r\n\r\n2")
        connection.sendall(ASK + ASK.replace(b"Content-Length: 2\r\n\r\nhi", b"Content-Length: 3\r\n\r\nhey"))
        received = b""
        while received.count(b"HTTP/1.1 200") < 2 or not received.endswith((b"\r\n\r\n3", b"\r\n\r\n2")):
            received += connection.recv(65536)
    assert received.index(b"\r\n\r\n2") < received.index(b"\r\n\r\n3")


OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n",
]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("split", [False, True])
def test_an_offer_of_another_protocol_is_declined_and_the_body_read(
    live: LiveServer,
    offer: bytes,
    split: bool,  # noqa: FBT001
) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\n" + offer + b"Content-Length: 5\r\n\r\n"
    with live.connect() as connection:
        if split:
            for byte in head:
                connection.sendall(bytes([byte]))
            connection.sendall(b"he")
            connection.sendall(b"llo")
        else:
            connection.sendall(head + b"hello")
        answered = _answer(connection)
        assert answered.startswith(b"HTTP/1.1 200")
        assert answered.endswith(b"\r\n\r\n5")
        connection.sendall(ASK)
        assert _answer(connection).endswith(b"\r\n\r\n2")


def test_an_offer_with_close_is_closed_after_the_answer(live: LiveServer) -> None:
    offer = b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n"
    with live.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + offer + b"Content-Length: 2\r\n\r\nhi")
        assert _read(connection).endswith(b"\r\n\r\n2")


def test_it_is_no_proxy(live: LiveServer) -> None:
    with live.connect() as connection:
        connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert _read(connection).startswith(b"HTTP/1.1 400")


def test_expect_continue_is_answered(live: LiveServer) -> None:
    with live.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"hi")
        assert _answer(connection).endswith(b"2")


def test_rel_14_a_stop_finishes_what_is_under_way_and_takes_nothing_new(echo: Echo) -> None:
    live = LiveServer(application(echo))
    live.start()
    with live.connect() as connection:
        connection.sendall(ASK.replace(b"/echo", b"/wait"))
        assert echo.waiting.wait(120)
        assert live.server is not None
        live.server.should_exit = True
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:  # the listening socket closes within a tick
            try:
                live.connect().close()
            except OSError:
                break
        else:
            pytest.fail("the server still takes connections")
        echo.let_go()
        assert _read(connection).startswith(b"HTTP/1.1 200")
    live.stop()
    assert live.server.cut_off == 0


def test_rel_14_a_request_that_never_ends_is_cut_off_after_the_grace(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveServer(application(echo))
    live.start()
    assert live.server is not None
    live.server.config.timeout_graceful_shutdown = 1
    with live.connect() as connection:
        connection.sendall(ASK.replace(b"/echo", b"/wait"))
        assert echo.waiting.wait(120)
        live.stop()
        _read(connection)
    assert live.server.cut_off == 1

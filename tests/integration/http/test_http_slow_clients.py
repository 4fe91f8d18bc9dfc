"""SEC-49 against the whole server: hundreds of slow connections stop nobody who asks properly."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from carnet.server.api import protocol
from support.vendor import Vendor, fingerprint

SLOW = 200
STARTS = [
    b"",
    b"POST /v1/acti",
    b"POST /v1/activate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    b"POST /v1/admin/licenses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"GET /v1/root HTTP/1.1\r\nHost: x\r\nX-Slow: ",
]


@pytest.fixture
def slow(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    monkeypatch.setattr(protocol.BoundedProtocol, "receive_seconds", 3600.0)  # nobody can wait for their end
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(vendor.live.connect()) for _ in range(SLOW)]
        for number, connection in enumerate(connections):
            connection.sendall(STARTS[number % len(STARTS)])
        yield connections


def test_sec_49_two_hundred_slow_connections_do_not_stop_service(vendor: Vendor, slow: list[socket.socket]) -> None:
    made = vendor.license()
    for number in range(20):
        assert vendor.ask("validate", made).status_code == 200
        assert vendor.http.get("/readyz").json()["ready"] is True
        slow[number].sendall(b"a")
    assert vendor.ask("activate", made, fingerprint()).status_code == 201
    assert len(slow) == SLOW


def test_sec_49_all_of_them_are_closed_in_time(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack, monkeypatch.context() as quick:
        quick.setattr(protocol.BoundedProtocol, "receive_seconds", 1.0)
        connections = [stack.enter_context(vendor.live.connect()) for _ in range(50)]
        for number, connection in enumerate(connections):
            connection.sendall(STARTS[number % len(STARTS)])
        for connection in connections:
            received = connection.recv(1000)
            assert received == b"" or received.startswith((b"HTTP/1.1 408", b"HTTP/1.1 401")), received
    assert vendor.http.get("/livez").status_code == 200

"""
REL-06: no space, or a file system that takes no writes: nothing is acknowledged that is not durable, the answer is a
coded "again later", and the server is whole again when there is room.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.campaigns import LONG
from support.faults import Servers, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import Client, Shop
from support.faults_shim import HOWS, Order, Shim
from support.installations import settings_in
from support.ledger import Ledger
from support.vendor import fingerprint

WRITES = 200 if LONG else 8
"""At how many places of the log there is no more room (REL-06: the first 200 writes in a release)."""


class Stall:
    """One client of a server that has no room."""

    def __init__(self, servers: Servers, ledger: Ledger, token: str) -> None:
        self.servers = servers
        self.ledger = ledger
        self.client = Client(servers.target, ledger, token)
        self.license: Any = Shop(self.client, count=1).licenses[0]
        self.again("warm")

    def _asked(self, device: str) -> tuple[tuple[str, ...], dict[str, Any]]:
        body = {"product": "hustl", "license_key": self.license["key"], "device": {"fingerprint": fingerprint(device)}}
        return ("activate", self.license["id"], fingerprint(device)), body

    def once(self, device: str) -> int:
        """One attempt; its status. A yes goes into the ledger; a no must be a coded "again later"."""
        what, body = self._asked(device)
        status, answer = self.client.once("POST", "/v1/activate", body)
        if status < 300:
            self.ledger.answered(what, answer)
        else:
            assert (status, answer["code"], answer["retryable"]) == (503, "unavailable", True), answer
            assert answer["detail"]
        return status

    def again(self, device: str) -> None:
        """Until it is answered."""
        what, body = self._asked(device)
        assert self.client.ask(what, "POST", "/v1/activate", body) is not None, self.ledger.unexpected


@contextmanager
def stalled(folder: Path, shim: Shim | None = None) -> Iterator[Stall]:
    settings = settings_in(folder)
    with faults_in(settings, shim) as servers:
        servers.start()
        stall = Stall(servers, Ledger(), admin_token(settings))
        yield stall
        stall.again("afterwards")
        assert stall.client.once("GET", "/readyz")[0] == 200
        stall.client.close()
        assert servers.running is not None
        servers.running.kill()
        assert stall.ledger.unexpected == []
        assert stall.ledger.compare(rows_of(settings)) == []
        assert "storage_unavailable" in servers.said()


def limit(pid: int, what: int, most: int) -> None:
    """Bound a resource of another process of ours."""
    resource.prlimit(pid, what, (most, resource.prlimit(pid, what)[1]))


ROOMS = ("file size", "full", "readonly") if "calls" in HOWS else ("file size",)
"""The system's limit of file sizes works everywhere; errors at one write after the other where calls can be watched."""


@pytest.mark.parametrize("room", ROOMS)
def test_rel_06_a_disk_without_room_at_each_write_is_an_outage_and_nothing_is_acknowledged(
    tmp_path: Path, room: str
) -> None:
    orders: dict[str, Order] = {"full": "full", "readonly": "readonly"}
    shim = Shim(tmp_path, "calls") if room in orders else None
    with stalled(tmp_path, shim) as stall:
        assert stall.servers.running is not None
        pid = stall.servers.running.pid
        log = settings_in(tmp_path).database_path.with_name("carnet.db-wal")
        refused = 0
        for number in range(1, WRITES + 1):
            if shim is None:
                # A page's frame is 4,120 bytes: the limit falls before, into and behind each of the next ones.
                limit(pid, resource.RLIMIT_FSIZE, log.stat().st_size + (number - 1) * 1030)
            else:
                shim.order(orders[room], number)
            refused += stall.once(f"device {number}") == 503
            if shim is None:
                limit(pid, resource.RLIMIT_FSIZE, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1])
            else:
                shim.rest()
            stall.again(f"device {number}")
        assert refused >= 1

"""
REL-06: no space, or a file system that takes no writes: nothing is acknowledged that is not durable, the answer is a
coded "again later", and the server is whole again when there is room. On both databases.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.campaigns import LONG
from support.faults_shim import HOWS, Order, Shim
from support.faults_stalls import Disk, a_disk, limit, stalled
from support.installations import settings_in

pytestmark = pytest.mark.timeout(3600 if LONG else 300)

WRITES = 200 if LONG else 8
RESTARTS = 200 if LONG else 3
"""
At how many places there is no more room (REL-06: the first 200 writes in a release). PostgreSQL goes down by most of
them and takes seconds to come back.
"""

ORDERS: tuple[Order, ...] = ("full", "readonly", "no sync") if "calls" in HOWS else ()
"""Errors at one write after the other, and at one fsync after the other, where calls can be watched."""


def test_rel_06_a_limit_of_the_file_size_is_an_outage_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with stalled(settings) as stall:
        assert stall.servers.running is not None
        pid = stall.servers.running.pid
        log = settings.database_path.with_name("carnet.db-wal")
        for number in range(WRITES):
            # A page's frame is 4,120 bytes: the limit falls before, into and behind each of the next ones.
            limit(pid, resource.RLIMIT_FSIZE, log.stat().st_size + number * 1030)
            stall.once(f"device {number}")
            limit(pid, resource.RLIMIT_FSIZE, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1])
            stall.again(f"device {number}")
        assert stall.tally[503] >= 1
        assert "storage_unavailable" in stall.servers.said()
    print(f"REL-06 sqlite, file size: {WRITES} places, {stall.told()}")  # noqa: T201 - the campaign's counts


@pytest.mark.parametrize("order", ORDERS)
def test_rel_06_sqlite_without_room_at_each_write_is_an_outage_and_nothing_is_acknowledged(
    tmp_path: Path, order: Order
) -> None:
    shim = Shim(tmp_path, "calls")
    with stalled(settings_in(tmp_path), shim) as stall:
        for number in range(1, WRITES + 1):
            shim.order(order, number)
            stall.once(f"device {number}")
            shim.rest()
            stall.again(f"device {number}")
        assert stall.tally[503] >= 1
        assert "storage_unavailable" in stall.servers.said()
    print(f"REL-06 sqlite, {order}: {WRITES} places, {stall.told()}")  # noqa: T201


@pytest.fixture(scope="module")
def disk() -> Iterator[Disk]:
    """One PostgreSQL server for these tests, whose writes fail on order where calls can be watched."""
    with a_disk(watched="calls" in HOWS) as made:
        yield made


@pytest.mark.parametrize("order", ORDERS if LONG else ORDERS[::2])
def test_rel_06_postgresql_without_room_at_each_write_is_an_outage_and_nothing_is_acknowledged(
    tmp_path: Path, disk: Disk, order: Order
) -> None:
    """PostgreSQL itself gives up where its log cannot be written; it is started again when there is room."""
    with stalled(disk.installation(tmp_path)) as stall:
        assert disk.shim is not None
        for number in range(1, RESTARTS + 1):
            disk.shim.order(order, number)
            stall.once(f"device {number}")
            disk.shim.rest()
            disk.revive()
            stall.again(f"device {number}")
        assert stall.tally[503] >= 1
        assert "storage_unavailable" in stall.servers.said()
    print(f"REL-06 postgresql, {order}: {RESTARTS} places, {stall.told()}")  # noqa: T201


def test_rel_06_postgresql_that_was_told_to_take_no_writes_is_an_outage_of_writes_only(
    tmp_path: Path, disk: Disk
) -> None:
    """What hosted databases do when their disk is full: everything is read-only until somebody makes room."""
    with stalled(disk.installation(tmp_path)) as stall:
        body = {"product": "hustl", "license_key": stall.license["key"]}
        for number in range(WRITES):
            disk.take_writes(False)
            attempt = 0
            while stall.once(f"device {number}-{attempt}") != 503:  # its processes hear of it one after the other
                attempt += 1
                assert attempt < 1000
            assert stall.client.once("POST", "/v1/validate", body)[0] == 200, "what is read goes on"
            disk.take_writes(True)
            stall.again(f"device {number}-{attempt}")
        assert stall.tally[503] == WRITES
    print(f"REL-06 postgresql, read-only: {WRITES} times, {stall.told()}")  # noqa: T201

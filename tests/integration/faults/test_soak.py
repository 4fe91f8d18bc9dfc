"""
REL-13: many requests with kills and database restarts inside: nothing acknowledged is lost, memory does not grow. Speed
is printed, not asserted: it says more about the machine than about the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from carnet.server.settings import Settings
from support.campaigns import LONG
from support.faults import Running, Servers, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import DAILY, Client, Shop, load
from support.faults_stalls import a_disk
from support.installations import settings_in
from support.ledger import Ledger

REQUESTS = {"sqlite": 1_000_000 if LONG else 100_000, "postgres": 1_000_000 if LONG else 8_000}
KILLS = {"sqlite": 20 if LONG else 4, "postgres": 20 if LONG else 2}
RESTARTS = 5 if LONG else 2
"""Of the database, which only PostgreSQL has as a server of its own."""

GROWTH = 0.05
"""REL-13: memory grows by less than this once the server is warm."""

ENOUGH = 100_000
"""With fewer requests a server is still warming up: its memory is printed only."""

PATIENCE_SECONDS = 4 * 3600 if LONG else 1500

Event = Callable[[], object]


def soak(settings: Settings, requests: int, events: Callable[[Servers], Sequence[Event]]) -> str:
    """*requests* of daily life with *events* spread over the first half; the line that tells of it."""
    ledger, token = Ledger(), admin_token(settings)
    with faults_in(settings) as servers:
        servers.start()
        opening = Client(servers.target, ledger, token)
        shop = Shop(opening)
        opening.close()
        happening, began, used = events(servers), time.monotonic(), time.process_time()
        with load(servers.target, ledger, token, shop, mixture=DAILY):
            for number, event in enumerate(happening):
                ledger.wait_for(requests // 10 + requests * 4 // 10 * number // len(happening), PATIENCE_SECONDS)
                event()
            assert servers.running is not None
            if requests >= ENOUGH:
                wait_for_jobs(settings, servers.running, ledger)
            warm = max(ledger.acknowledged + requests // 10, requests * 6 // 10)
            memory, processor = [], []
            for tenth in range(5):
                ledger.wait_for(warm + requests * tenth // 10, PATIENCE_SECONDS)
                memory.append(servers.running.memory_kib())
                processor.append(servers.running.cpu_seconds())
        took, used = time.monotonic() - began, time.process_time() - used
        servers.running.terminate()
        assert ledger.unexpected == []
        assert ledger.compare(rows_of(settings)) == []
        if requests >= ENOUGH:
            assert max(memory) <= memory[0] * (1 + GROWTH), memory
    share = requests * 4 / 10 / ledger.acknowledged  # that the processor was measured for
    first, last = ledger.p99(0, 0.1), ledger.p99(0.9, 1)
    return (
        f"{ledger.acknowledged} requests, {len(happening)} kills and restarts, 0 lost of {ledger.seats} seats,"
        f" memory {memory[0]} to {max(memory)} KiB, p99 {first * 1000:.1f} to {last * 1000:.1f} ms"
        f" ({last / first:.2f}), starts {servers.slowest:.1f} s at most, {ledger.acknowledged / took:.0f}/s,"
        f" processor: clients {used:.0f} s, server {(processor[-1] - processor[0]) / share:.0f} s"
    )


def wait_for_jobs(settings: Settings, running: Running, ledger: Ledger) -> None:
    """Until *running* does all jobs: what a killed server held is another's only after a while, and needs memory."""
    elsewhere = f"SELECT count(*) FROM jobs WHERE holder NOT LIKE '%/{running.pid}/%'"  # noqa: S608 - a number of ours
    until = time.monotonic() + PATIENCE_SECONDS
    while rows_of(settings)(elsewhere) != [(0,)]:
        assert time.monotonic() < until, rows_of(settings)("SELECT name, holder FROM jobs")
        ledger.wait_for(ledger.acknowledged + 500, PATIENCE_SECONDS)


def kills(servers: Servers, count: int) -> list[Event]:
    """As many times kill -9 and a new server."""

    def kill() -> None:
        assert servers.running is not None
        servers.running.kill()
        servers.start()

    return [kill] * count


@pytest.mark.timeout(PATIENCE_SECONDS)
def test_rel_13_a_soak_with_kills_loses_nothing_and_does_not_grow(tmp_path: Path) -> None:
    told = soak(settings_in(tmp_path), REQUESTS["sqlite"], lambda servers: kills(servers, KILLS["sqlite"]))
    print(f"REL-13 sqlite: {told}")  # noqa: T201 - the campaign's counts


@pytest.mark.timeout(PATIENCE_SECONDS)
def test_rel_13_a_soak_with_kills_and_database_restarts_loses_nothing(tmp_path: Path) -> None:
    with a_disk(watched=False) as disk:

        def events(servers: Servers) -> list[Event]:
            restarts = [lambda: disk.restart("fast"), lambda: disk.restart("immediate")] * RESTARTS
            mixed: list[Event] = kills(servers, KILLS["postgres"])
            for number in range(RESTARTS):
                mixed.insert((number + 1) * len(mixed) // (RESTARTS + 1), restarts[number])
            return mixed

        told = soak(disk.installation(tmp_path), REQUESTS["postgres"], events)
    print(f"REL-13 postgres: {told}")  # noqa: T201

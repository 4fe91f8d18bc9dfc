"""The service clock: what it counts, what it writes down, and what it never does (REL-10, design.md §2 rule 9)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import UsageError
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.server.domain.leases.commands import ClaimLease
from carnet.server.records import OPERATOR
from carnet.server.storage.migrate import upgrade
from carnet.server.storage.postgres.service_clock import BEAT, SILENCE_MS
from carnet.server.storage.postgres.service_clock import ServiceClock as SharedClock
from carnet.server.storage.sqlite.service_clock import SAVE_MS, ServiceClock
from support.databases import on
from support.installations import PRODUCT, give_back, licensed, query
from support.installations import opened as opened_installation


class Running:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 5000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    path = tmp_path / "carnet.db"
    upgrade(path)
    return sqlite3.connect(path, isolation_level=None)


def written(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT ran_ms FROM service_clock").fetchone()
    return None if row is None else int(row[0])


def opened(connection: sqlite3.Connection, running: Callable[[], float]) -> ServiceClock:
    clock = ServiceClock(running)
    clock.start(connection)
    return clock


def test_rel_10_the_clock_goes_on_after_a_restart_and_time_away_does_not_count(connection: sqlite3.Connection) -> None:
    running = Running()
    clock = opened(connection, running)
    running.seconds += 100
    assert clock.keep(connection) == 100
    running.seconds += 86400  # the machine is off
    clock = opened(connection, running)
    assert clock.seconds() == 100
    running.seconds += 7
    assert clock.keep(connection) == 107
    connection.close()


def test_the_clock_is_written_at_most_once_a_second(connection: sqlite3.Connection) -> None:
    running = Running()
    clock = opened(connection, running)
    assert clock.keep(connection) == 0
    changes = connection.total_changes
    for _ in range(100):
        running.seconds += (SAVE_MS - 10) / 100_000
        clock.keep(connection)
    assert connection.total_changes == changes
    running.seconds += 0.02
    clock.keep(connection)
    assert connection.total_changes == changes + 1
    connection.close()


def test_rel_10_a_change_that_is_refused_does_not_keep_the_next_one_from_writing_the_clock_down(
    tmp_path: Path,
) -> None:
    """A transaction that was undone took the clock's line with it, and the clock took it as written."""

    async def story() -> None:
        async with opened_installation(tmp_path) as installation:
            created = await licensed(installation)
            await installation.leases.change_terms(LeaseTerms(limit=1), OPERATOR, license_id=created.license.id)
            storage: Any = installation._storage
            running = Running()
            storage._service_clock = ServiceClock(running)
            storage._service_clock.start(storage._hot_reader())
            running.seconds += 100
            with pytest.raises(UsageError):
                await installation.leases.force("nothing", OPERATOR)
            holder = LeaseHolder(kind="process", id="one")
            await installation.leases.claim(ClaimLease(license_key=created.key, product=PRODUCT, holder=holder))
            assert query(tmp_path, "SELECT ran_ms FROM service_clock") == [(100_000,)]

    asyncio.run(story())


def test_a_beat_writes_only_while_a_lease_depends_on_the_clock(connection: sqlite3.Connection) -> None:
    running = Running()
    clock = opened(connection, running)
    running.seconds += 60
    clock.beat(connection)
    assert written(connection) is None
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(
        "INSERT INTO leases (license_id, slot, name, is_borrowed, ttl_seconds, claimed_at, renewed_at, deadline,"
        " expires_at, covered_until, mark, jti, kid) VALUES ('l', 0, '', 0, 1, 1, 1, 50, 1, 1, 0, '', '')"
    )
    clock.beat(connection)
    assert written(connection) == 60_000
    running.seconds += 60
    clock.beat(connection)  # it is over by what is written down
    assert written(connection) == 60_000
    connection.close()


def test_two_processes_on_one_file_agree_within_a_second_and_the_clock_never_goes_back(
    connection: sqlite3.Connection,
) -> None:
    running = Running()
    first, second = opened(connection, running), opened(connection, running)
    running.seconds += 300
    assert first.keep(connection) == 300
    late = opened(connection, running)
    running.seconds += 10
    assert second.keep(connection) == 310
    assert late.keep(connection) == 310
    running.seconds += 2
    assert late.keep(connection) == first.keep(connection) == 312
    assert written(connection) == 312_000
    connection.close()


# ── PostgreSQL's: the same sum, by whoever beats ─────────────────────────────────────────────────────────────────────


class Row:
    """What the one statement does, in memory; `test_lease_histories` runs the statement itself."""

    def __init__(self) -> None:
        self.ran, self.beat_at = 0, 0

    async def write(self, _: str, now: int) -> list[tuple[int]]:
        gap = now - self.beat_at
        self.ran += gap if self.beat_at and 0 <= gap <= SILENCE_MS else 0
        self.beat_at = self.beat_at if 0 <= -gap <= SILENCE_MS else now
        return [(self.ran,)]


@pytest.mark.parametrize(
    ("step", "counted"),
    [(-3_600_000, 0), (-1, 0), (0, 0), (1, 1), (SILENCE_MS, SILENCE_MS), (SILENCE_MS + 1, 0), (86_400_000, 0)],
)
def test_rel_10_a_silence_or_a_step_of_the_databases_clock_counts_as_nothing(step: int, counted: int) -> None:
    now = [1_000_000_000]

    async def story() -> int:
        row, clock = Row(), SharedClock(lambda: now[0])
        await clock.beat(row.write)
        now[0] += step
        await clock.beat(row.write)
        return row.ran

    assert asyncio.run(story()) == counted


def test_rel_10_a_beat_that_comes_late_moves_the_clock_neither_back_nor_twice(tmp_path: Path) -> None:
    """Of two that beat at once the one that waited for the other's row has the older time; found by a history."""

    async def story() -> list[int]:
        async with opened_installation(tmp_path) as installation:
            storage: Any = installation._storage
            ran = []
            for at in (10_000_000, 10_014_000, 10_009_000, 10_024_000, 10_039_000, 9_000_000, 9_001_000):
                rows = await storage._pool.write(BEAT, at)
                ran.append(rows[0][0])
            return [each - ran[0] for each in ran]

    with on("postgres"):
        counted = asyncio.run(story())
        give_back()
    assert counted == [0, 14_000, 14_000, 24_000, 39_000, 39_000, 40_000]


def test_between_beats_a_process_goes_on_by_itself_but_not_for_ever() -> None:
    now = [1_000_000_000]

    async def story() -> list[int]:
        row, clock = Row(), SharedClock(lambda: now[0])
        await clock.beat(row.write)
        seen = []
        for passed in (0, 2000, SILENCE_MS, 3_600_000, -3_600_000):
            now[0] = 1_000_000_000 + passed
            seen.append(clock.seconds())
        return seen

    assert asyncio.run(story()) == [0, 2, SILENCE_MS // 1000, SILENCE_MS // 1000, 0]

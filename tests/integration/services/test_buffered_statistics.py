"""Build 5 of the server: statistics are buffered, bounded, flushed, and facts never are; on both databases."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import StateError
from carnet.core.instant import Instant
from carnet.server.domain.activations.commands import RefreshCommand, ValidateCommand
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.ids import Ids
from carnet.server.domain.statistics.anomalies import DAY_SECONDS, Alert, Anomalies, AnomalyRules
from carnet.server.domain.statistics.flushing import Flusher
from carnet.server.domain.statistics.service import CALLER_NETWORK, Statistics
from carnet.server.installation import Installation
from carnet.server.ports import DayCount, LastSeen
from support.databases import Kind
from support.installations import PRODUCT, START, Device, HeldClock, fingerprint, licensed, opened, query

IDS = Ids(os.urandom)
DAY = int(START) // DAY_SECONDS

pytestmark = pytest.mark.usefixtures("database")


def tell(folder: Path, story: Callable[[Installation, HeldClock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            await story(installation, clock)

    asyncio.run(run())


def counts(folder: Path) -> dict[tuple[int, str, str], int]:
    return {(row[0], row[1], row[2]): row[3] for row in query(folder, "SELECT * FROM day_counts")}


def test_what_devices_do_is_counted_and_seen_once_it_is_flushed(tmp_path: Path, database: Kind) -> None:
    seen: dict[str, Any] = {}

    async def story(installation: Installation, clock: HeldClock) -> None:
        made = await licensed(installation)
        answer = await installation.activations.activate(Device().activate(made.key, with_key=False))
        seen.update(license=made.license.id, activation=answer.result.activation.id)  # type: ignore[union-attr]
        clock.advance(100)
        for _ in range(3):
            command = ValidateCommand(license_key=made.key, product=PRODUCT, device=Device().claim(with_key=False))
            await installation.activations.validate(command)
        refresh = RefreshCommand(license_key=made.key, product=PRODUCT, device=Device().claim(with_key=False))
        await installation.activations.refresh(refresh)
        assert counts(tmp_path) == {}
        assert query(tmp_path, "SELECT * FROM last_seen") == []
        await installation.statistics.flush()

    tell(tmp_path, story)
    assert counts(tmp_path) == {
        (DAY, "activate", PRODUCT): 1,
        (DAY, "validate", PRODUCT): 3,
        (DAY, "refresh", PRODUCT): 1,
    }
    assert dict(query(tmp_path, "SELECT subject_id, seen_at FROM last_seen")) == {
        seen["license"]: int(START) + 100,
        seen["activation"]: int(START) + 100,
    }
    assert database


def test_counts_add_up_and_the_last_contact_never_goes_back(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        storage = installation._storage
        for at, count in ((100, 2), (300, 3), (200, 5)):
            await storage.add_statistics(
                (LastSeen(subject="license", subject_id="one", at=Instant(at)),),
                (DayCount(day=1, name="validate", subject_id="p", count=count),),
            )
        assert await storage.last_seen("license", ("one", "two")) == {"one": Instant(300)}
        assert await storage.last_seen("activation", ("one",)) == {}
        (counted,) = await storage.day_counts(first_day=1, last_day=1, subject_id=None)
        assert counted.count == 10
        assert await storage.day_counts(first_day=2, last_day=9, subject_id=None) == ()
        assert await storage.day_counts(first_day=0, last_day=9, subject_id="q") == ()

    tell(tmp_path, story)


def test_a_stop_writes_what_is_buffered_and_a_crash_loses_statistics_and_no_fact(tmp_path: Path) -> None:
    async def stopped(installation: Installation, _: HeldClock) -> None:
        await installation.flusher.start()
        made = await licensed(installation)
        await installation.activations.activate(Device().activate(made.key, with_key=False))

    tell(tmp_path, stopped)
    assert counts(tmp_path) == {(DAY, "activate", PRODUCT): 1}

    async def crashed(installation: Installation, _: HeldClock) -> None:  # never flushed
        made = await licensed(installation)
        await installation.activations.activate(Device("two").activate(made.key, with_key=False))

    tell(tmp_path, crashed)
    assert counts(tmp_path) == {(DAY, "activate", PRODUCT): 1}
    assert len(query(tmp_path, "SELECT 1 FROM activations")) == 2


class Broken:
    """A storage that is away."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.is_away = True

    def __getattr__(self, name: str) -> Any:
        if self.is_away:
            raise StateError("storage_unavailable", "It is away.", "")
        return getattr(self._storage, name)


def test_what_a_broken_database_did_not_take_is_kept_for_the_next_time(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        broken = Broken(installation._storage)
        statistics = Statistics(broken, IDS)
        flusher = Flusher(statistics.flush)
        statistics.count("validate", "p", START)
        statistics.seen("license", "one", START)
        await flusher.flush()
        assert flusher.failures == 1
        statistics.count("validate", "p", START)
        statistics.seen("license", "one", Instant(START + 5))
        broken.is_away = False
        await flusher.flush()
        assert flusher.failures == 1
        assert counts(tmp_path) == {(DAY, "validate", "p"): 2}
        assert query(tmp_path, "SELECT seen_at FROM last_seen") == [(int(START) + 5,)]

    tell(tmp_path, story)


def test_buffers_are_bounded_and_say_what_they_dropped(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        statistics = Statistics(installation._storage, IDS, most=10)
        for number in range(25):
            statistics.seen("license", str(number), START)
            statistics.count("validate", str(number), START)
        for __ in range(5):
            statistics.count("validate", "3", START)  # known already
        assert statistics.dropped == 30
        await statistics.flush()
        assert len(counts(tmp_path)) == 10
        assert counts(tmp_path)[DAY, "validate", "3"] == 6
        assert len(query(tmp_path, "SELECT 1 FROM last_seen")) == 10

    tell(tmp_path, story)


def test_r_25_an_alert_is_written_told_and_counted_once(tmp_path: Path) -> None:
    heard: list[Alert] = []

    async def story(installation: Installation, _: HeldClock) -> None:
        made = await licensed(installation, overrides={"seat_limit": 2})
        activations = installation.activations
        activations._statistics = Statistics(
            installation._storage, IDS, Anomalies(AnomalyRules(activations=6, addresses=2, device_keys=5))
        )
        activations._statistics.on_alert(heard.append)
        for number in range(7):  # seven networks; odd from more than three times two seats on
            CALLER_NETWORK.set(bytes([number]) * 16)
            await activations.validate(ValidateCommand(license_key=made.key, product=PRODUCT))
        await activations._statistics.flush()
        await activations._statistics.flush()
        found = await installation.audit.list(AuditFilter(action="license.suspected"))
        assert [(each.object_id, each.actor.kind) for each in found.items] == [(made.license.id, "system")]
        assert found.items[0].details == {"suspicion": "many_addresses", "count": 7}
        (waiting,) = [
            each for each in await installation._storage.waiting_events(after=None, limit=100) if "suspect" in each.kind
        ]
        assert (waiting.object_id, waiting.product) == (made.license.id, PRODUCT)
        assert waiting.payload == found.items[0].details
        assert [(each.kind, each.license_id) for each in heard] == [("many_addresses", made.license.id)]
        assert activations._statistics.alerts == {"many_addresses": 1}

    tell(tmp_path, story)


def test_sec_45_two_devices_with_one_identity_are_told(tmp_path: Path) -> None:
    heard: list[Alert] = []

    async def story(installation: Installation, _: HeldClock) -> None:
        installation.statistics.on_alert(heard.append)
        made = await licensed(installation)
        one, clone = Device("same", seed=1), Device("same", seed=2)
        for device in (one, clone, one):
            await installation.activations.activate(device.activate(made.key))
        await installation.statistics.flush()
        assert [each.kind for each in heard] == ["cloned_device"]
        assert heard[0].activation_id is not None

    tell(tmp_path, story)


def test_an_idle_flusher_writes_nothing(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        before = installation.storage_stats().jobs
        for __ in range(5):
            await installation.flusher.flush()
        assert installation.storage_stats().jobs == before

    tell(tmp_path, story)
    assert fingerprint("x")


def test_the_flusher_calls_its_parts_every_few_seconds_and_at_the_end() -> None:
    async def run() -> list[str]:
        called: list[str] = []
        enough = asyncio.Event()

        async def part() -> None:
            called.append("part")
            if len(called) == 3:
                enough.set()

        async def broken() -> None:
            raise StateError("storage_busy", "It is busy.", "")

        flusher = Flusher(broken, part, seconds=0.01)
        await flusher.stop()  # never started
        assert called == []
        await flusher.start()
        await flusher.start()
        await asyncio.wait_for(enough.wait(), 120)
        before = len(called)
        await flusher.stop()
        assert len(called) > before
        await flusher.stop()
        assert flusher.failures >= 3
        return called

    assert asyncio.run(run())

"""The event log: whole lines in one order, on the disk before they are acknowledged, through cuts and full disks."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.server.installation import open_installation
from carnet.server.jobs.backups import backup_name
from carnet.server.jobs.catalog import jobs_of
from carnet.server.jobs.event_log import EventLog
from carnet.server.jobs.running import running_jobs
from carnet.server.records import Event
from carnet.server.settings import BackupSchedule
from support.installations import START, HeldClock, licensed, settings_in

pytestmark = pytest.mark.sqlite_file


def event(number: int) -> Event:
    return Event(
        id=f"e-{number}",
        at=Instant(START + number),
        kind="license.created",
        object_id=f"l-{number}",
        product="hustl",
        payload={"name": "Zoë\n"},
        seq=number,
    )


def lines(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_rel_09_a_line_that_was_cut_off_at_any_byte_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    assert asyncio.run(log.deliver((event(1), event(2)))).count == 2
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert asyncio.run(log.deliver((event(2), event(3)))).problem is None
        assert lines(path) == ["e-1", "e-2", "e-3"]
    assert path.stat().st_mode & 0o077 == 0


def test_rel_09_a_log_that_cannot_be_written_takes_nothing(tmp_path: Path) -> None:
    sent = asyncio.run(EventLog(tmp_path / "nowhere" / "events.jsonl").deliver((event(1),)))
    assert sent.count == 0
    assert sent.problem == "The event log cannot be written (No such file or directory)."
    full = Path("/dev/full")
    if full.exists():
        assert asyncio.run(EventLog(full).deliver((event(1),))).count == 0


def test_rel_09_a_log_that_is_moved_away_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    asyncio.run(log.deliver((event(1),)))
    path.rename(tmp_path / "old")
    asyncio.run(log.deliver((event(2),)))
    assert (lines(tmp_path / "old"), lines(path)) == (["e-1"], ["e-2"])


def test_what_happens_reaches_the_log_of_a_server_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    settings = replace(settings_in(tmp_path), event_log=path)

    async def go() -> str:
        async with open_installation(settings) as installation, running_jobs(installation) as runner:
            assert runner is not None
            sold = await licensed(installation)
            pause = asyncio.Event()
            for _ in range(2000):
                if path.exists() and path.stat().st_size:
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(pause.wait(), 0.1)
            return sold.license.id

    license_id = asyncio.run(go())
    (found,) = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert (found["kind"], found["object_id"], found["product"]) == ("license.created", license_id, "hustl")
    assert set(found) == {"id", "seq", "at", "kind", "object_id", "product", "data"}


def test_who_leaves_jobs_to_a_worker_does_none(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), jobs=False)

    async def go() -> None:
        async with open_installation(settings) as installation, running_jobs(installation) as runner:
            assert runner is None
            assert (await installation.store.jobs()).held == ()

    asyncio.run(go())


def test_backups_by_the_clock_keep_so_many_and_touch_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "mine.backup").write_text("keep")
    clock = HeldClock()
    settings = replace(settings_in(tmp_path), backups=BackupSchedule(directory=folder, every_seconds=3600, keep=2))

    async def go() -> list[str]:
        names = []
        async with open_installation(settings, clock=clock) as installation:
            jobs = {job.name: job for job in jobs_of(installation, (), lambda *_: None)}
            assert jobs["backup"].every_seconds == 3600
            for _ in range(4):
                assert not await jobs["backup"].run()
                names.append(backup_name(clock.at))
                clock.advance(3600)
            await jobs["backup"].run()
            await jobs["backup"].run()  # twice in a second is once
            names.append(backup_name(clock.at))
        return names

    names = asyncio.run(go())
    assert sorted(each.name for each in folder.iterdir()) == [*names[-2:], "mine.backup"]

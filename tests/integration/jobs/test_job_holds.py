"""Who holds a job, on both databases: one at a time, to the millisecond, whatever clocks and killed runners do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from carnet.server.installation import Installation
from carnet.server.ports import JobReport
from support.installations import START, opened

_T = TypeVar("_T")

LEASE = 30
AT = int(START) * 1000
JOBS = {"one": 60, "two": 600}


def run(folder: Path, story: Callable[[Installation], Awaitable[_T]]) -> _T:
    async def go() -> _T:
        async with opened(folder) as installation:
            return await story(installation)

    return asyncio.run(go())


async def held(installation: Installation, holder: str, at_ms: int, *reports: JobReport) -> list[str]:
    kept = await installation.store.keep_jobs(holder, JOBS, lease_seconds=LEASE, reports=reports, at_ms=at_ms)
    return [row.name for row in kept.held]


def test_a_job_is_held_by_one_until_its_hold_is_over_to_the_millisecond(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        assert await held(installation, "a", AT) == ["one", "two"]
        assert await held(installation, "b", AT + LEASE * 1000 - 1) == []
        assert await held(installation, "a", AT + 10_000) == ["one", "two"]  # and so 10 seconds longer
        assert await held(installation, "b", AT + LEASE * 1000) == []
        assert await held(installation, "b", AT + LEASE * 1000 + 9_999) == []
        assert await held(installation, "b", AT + LEASE * 1000 + 10_000) == ["one", "two"]
        assert await held(installation, "a", AT + LEASE * 1000 + 10_001) == []

    run(tmp_path, story)


def test_a_runner_that_stops_frees_its_jobs_at_once(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        assert await held(installation, "a", AT) == ["one", "two"]
        await installation.store.release_jobs("b")  # who holds nothing frees nothing
        assert await held(installation, "b", AT + 1) == []
        await installation.store.release_jobs("a")
        assert await held(installation, "b", AT + 1) == ["one", "two"]

    run(tmp_path, story)


def test_a_hold_from_a_clock_that_was_ahead_is_not_believed(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        year = 365 * 86_400_000
        assert await held(installation, "a", AT + year) == ["one", "two"]
        assert await held(installation, "b", AT) == ["one", "two"]
        # A hold that is exactly as long as one given now is one given now.
        assert await held(installation, "c", AT) == []
        assert await held(installation, "c", AT - 1) == ["one", "two"]

    run(tmp_path, story)


def test_of_many_who_ask_at_once_one_holds_each_job(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        for number in range(10):
            at = AT + number * (LEASE * 1000)
            asked = await asyncio.gather(*(held(installation, f"{number}-{each}", at) for each in range(12)))
            assert sorted(name for names in asked for name in names) == ["one", "two"]

    run(tmp_path, story)


def test_what_the_holder_reports_is_kept_and_what_another_reports_is_not(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        store = installation.store
        assert await held(installation, "a", AT) == ["one", "two"]
        (one, two) = (await store.jobs()).held
        assert (one.ran_at, one.ok_at, one.problem, one.every_seconds) == (None, START, None, 60)
        well, ill = (
            JobReport(name="one", seconds_ago=2, problem=None),
            JobReport(name="two", seconds_ago=3, problem="x"),
        )
        assert await held(installation, "b", AT + 5_000, JobReport(name="one", seconds_ago=0, problem="lies")) == []
        assert await held(installation, "a", AT + 10_000, well, ill) == ["one", "two"]
        (one, two) = (await store.jobs()).held
        assert (one.ran_at, one.ok_at, one.problem) == (START + 8, START + 8, None)
        assert (two.ran_at, two.ok_at, two.problem) == (START + 7, START, "x")
        assert (two.late_seconds(two.ok_at), two.late_seconds(START)) == (0, 0)
        assert [two.late_seconds(type(START)(START + 600 + more)) for more in (-1, 0, 1)] == [0, 0, 1]

    run(tmp_path, story)


def test_a_jobs_memory_moves_once_for_each_state(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        store = installation.store
        assert await held(installation, "a", AT) == ["one", "two"]
        assert await store.job_memory("one") == ""
        moved = await asyncio.gather(*(store.move_job("one", was="", state=str(number)) for number in range(8)))
        assert sorted(moved) == [False] * 7 + [True]
        assert await store.job_memory("one") == str(moved.index(True))
        assert not await store.move_job("none", was="", state="x")

    run(tmp_path, story)

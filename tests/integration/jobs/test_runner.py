"""The runner on real databases: does what is due, hands over, survives failing jobs and a database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from carnet.core._base import replace
from carnet.core.errors import StateError
from carnet.server.installation import Installation
from carnet.server.jobs.catalog import destinations_of, jobs_of
from carnet.server.jobs.runner import QUIET, Job, Runner, Watcher
from carnet.server.jobs.running import runner_of
from support.installations import opened

_T = TypeVar("_T")

WAIT = 120.0


def run(folder: Path, story: Callable[[Installation], Awaitable[_T]]) -> _T:
    async def go() -> _T:
        async with opened(folder) as installation, asyncio.timeout(2 * WAIT):
            return await story(installation)

    return asyncio.run(go())


class Bell:
    """A job that counts its runs and tells them."""

    def __init__(self, *outcomes: Any) -> None:
        self.runs = 0
        self._outcomes = list(outcomes)
        self._rung = asyncio.Event()

    async def ring(self) -> bool:
        self.runs += 1
        self._rung.set()
        outcome = self._outcomes.pop(0) if self._outcomes else False
        if isinstance(outcome, Exception):
            raise outcome
        return bool(outcome)

    async def wait_for(self, runs: int) -> None:
        while self.runs < runs:
            self._rung.clear()
            async with asyncio.timeout(WAIT):
                await self._rung.wait()

    def job(self, name: str = "bell", every: int = 3600) -> Job:
        return Job(name=name, every_seconds=every, about="rings", run=self.ring)


def runner(installation: Installation, *jobs: Job, watcher: Watcher = QUIET, lease_seconds: int = 2) -> Runner:
    return Runner(installation.store, jobs, watcher=watcher, lease_seconds=lease_seconds, beat_seconds=0.05)


def test_a_job_is_done_at_once_then_at_its_pace_and_by_one_runner(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        bell, other, taken = Bell(True, True), Bell(), asyncio.Event()
        first = runner(installation, bell.job(), lease_seconds=600)
        watcher = replace(QUIET, took=lambda _: taken.set())
        second = runner(installation, other.job(), watcher=watcher, lease_seconds=600)
        await first.start()
        await second.start()
        await bell.wait_for(3)  # there was more twice
        assert (first.held, second.held) == (("bell",), ())
        await first.stop()
        assert bell.runs == 3
        await taken.wait()
        await second.stop()
        assert other.runs == 0  # it was done less than an hour ago, whoever did it

    run(tmp_path, story)


def test_a_runner_that_dies_is_replaced_and_its_job_goes_on(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        dead, bell = Bell(), Bell()
        first, second = runner(installation, dead.job(every=1)), runner(installation, bell.job(every=1))
        await first.start()
        await dead.wait_for(1)
        for task in first._tasks:  # as kill -9 does: nothing is released
            task.cancel()
        await second.start()
        assert not second.held or first._running() > first._states["bell"].until, "not before the hold is over"
        before = asyncio.get_running_loop().time()
        await bell.wait_for(2)
        assert asyncio.get_running_loop().time() - before < WAIT
        assert "bell" in second.held
        await second.stop()

    run(tmp_path, story)


def test_a_failing_job_is_told_once_stops_no_other_and_is_told_when_it_works_again(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        said: list[tuple[str, ...]] = []
        watcher = replace(
            QUIET,
            failed=lambda name, problem, fault: said.append((name, problem, type(fault).__name__)),
            recovered=lambda name: said.append((name, "works")),
        )
        away = StateError("storage_unavailable", "It is away.", "Wait.")
        ill, well = Bell(away, away, ValueError("secret"), False), Bell()
        own = runner(installation, ill.job("ill", every=1), well.job("well", every=1), watcher=watcher)
        await own.start()
        await ill.wait_for(3)
        await well.wait_for(3)
        kept = {row.name: row for row in (await installation.store.jobs()).held}
        await ill.wait_for(5)
        await own.stop()
        assert said == [
            ("ill", str(away), "NoneType"),
            ("ill", "It failed by itself (ValueError).", "ValueError"),
            ("ill", "works"),
        ]
        assert "secret" not in str(kept)
        after = {row.name: row for row in (await installation.store.jobs()).held}
        assert (after["ill"].problem, after["ill"].holder) == (None, "")

    run(tmp_path, story)


def test_stopping_waits_for_a_batch_under_way_and_not_for_ever(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        began, ended = asyncio.Event(), asyncio.Event()

        async def work() -> bool:
            began.set()
            await asyncio.sleep(0.2)
            ended.set()
            return True

        async def hang() -> bool:
            await asyncio.Event().wait()
            return False

        own = runner(
            installation,
            Job(name="work", every_seconds=1, about="works", run=work),
            Job(name="hang", every_seconds=1, about="hangs", run=hang),
        )
        await own.start()
        await began.wait()
        await own.stop()
        assert ended.is_set()
        assert not own.held
        assert {row.holder for row in (await installation.store.jobs()).held} == {""}

    run(tmp_path, story)


def test_every_job_of_an_installation_runs_and_is_done_twice_without_harm(tmp_path: Path) -> None:
    async def story(installation: Installation) -> None:
        names = {job.name for job in jobs_of(installation, destinations_of(installation), lambda *_: None)}
        for _ in range(2):
            own = await runner_of(installation)
            done = await own.once()
            assert set(done) == names >= {"hand-out", "terms", "pools", "forget-requests", "forget-traffic"}
            assert set(done.values()) == {None}
        await (other := await runner_of(installation)).start()
        assert await (await runner_of(installation)).once() == {}  # another does them
        await other.stop()

    run(tmp_path, story)

"""
The runner: holds jobs, does those that are due, gives them up when it stops (docs/decisions/0061).

A job is held by a row of the database that its holder renews every `BEAT_SECONDS`. A runner that is killed renews
nothing; whoever asks next after `LEASE_SECONDS` holds its jobs, so nothing waits longer than both together. A runner
that cannot renew stops between two batches by its own running clock, before anybody else could hold what it held.
Should two ever do a job at once, because a machine was asleep, no harm is done: a job's batches are transactions that
may be repeated.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from carnet.core._base import Struct
from carnet.core.errors import CarnetError
from carnet.server.ports import JobReport, JobRow, JobStore

LEASE_SECONDS: Final = 30
BEAT_SECONDS: Final = 10.0
_MARGIN: Final = 0.8
"""Of a hold's time, how much its holder relies on."""

STOP_SECONDS: Final = 3
"""How long a batch may take to end when the process stops: less than requests are given (REL-14)."""

_RETRY_SECONDS: Final = 1.0
_SLOW_SECONDS: Final = 60
"""The run of a job that is done this seldom is written down at once, not with the next beat."""


class Job(Struct):
    """
    Something to be done again and again.

    Attributes:
        name: As it is held, shown and measured; never changes.
        every_seconds: How long after it was done it is due again.
        about: What it does, in a line.
        run: Does one small batch of it; whether there is more to do now. Safe to repeat, and to be ended between two.
    """

    name: str
    every_seconds: int
    about: str
    run: Callable[[], Awaitable[bool]]


class Watcher(Struct):
    """
    Who is told what a runner does.

    Attributes:
        took: Called with the names of the jobs that it holds from now on and did not before.
        lost: With those that it does not hold any more.
        failed: With a job's name, what is wrong with it, and the exception where it is a fault of ours.
        recovered: With the name of a job that works again.
    """

    took: Callable[[tuple[str, ...]], None]
    lost: Callable[[tuple[str, ...]], None]
    failed: Callable[[str, str, Exception | None], None]
    recovered: Callable[[str], None]


def _quiet(*_: Any) -> None:
    """Nobody is told."""


QUIET: Final = Watcher(took=_quiet, lost=_quiet, failed=_quiet, recovered=_quiet)


class _State:
    """What a runner knows of one job."""

    __slots__ = ("done_at", "problem", "ran_at", "until")

    def __init__(self) -> None:
        self.until = 0.0
        self.done_at: float | None = None
        self.ran_at: float | None = None
        self.problem: str | None = None


class Runner:
    """
    Does jobs.

    Args:
        store: Who holds what.
        jobs: What this runner would do.
        watcher: Told what happens.
        lease_seconds: How long a job is held unless it is asked for again.
        beat_seconds: How often that is asked.
        running: Seconds of a clock that only runs on.
    """

    def __init__(
        self,
        store: JobStore,
        jobs: tuple[Job, ...],
        *,
        watcher: Watcher = QUIET,
        lease_seconds: int = LEASE_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
        running: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._jobs = {job.name: job for job in jobs}
        self._states = {job.name: _State() for job in jobs}
        self._watcher = watcher
        self._lease_seconds = lease_seconds
        self._beat_seconds = beat_seconds
        self._running = running
        self._beat_now = asyncio.Event()
        self._changed = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.holder = f"{socket.gethostname()[:40]}/{os.getpid()}/{secrets.token_hex(4)}"

    @property
    def held(self) -> tuple[str, ...]:
        """The jobs that it holds now."""
        return tuple(name for name in self._jobs if self._is_held(name))

    async def start(self) -> None:
        """Hold what nobody holds, and do it from now on."""
        try:
            await self._beat()
        except CarnetError as error:  # it is tried again and again
            self._watcher.failed("jobs", str(error), None)
        self._tasks = [asyncio.create_task(self._beats(), name="carnet-jobs")]
        for job in self._jobs.values():
            self._tasks.append(asyncio.create_task(self._work(job), name=f"carnet-job-{job.name}"))

    async def stop(self) -> None:
        """
        Let the batches that are under way end, break off those that take longer than `STOP_SECONDS`, and hold nothing
        any more. Doing it twice is fine.
        """
        self._stopping = True
        self._beat_now.set()
        self._wake()
        tasks, self._tasks = self._tasks, []
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(CarnetError):
                await self._beat()
            for state in self._states.values():
                state.until = 0.0
            with suppress(CarnetError):  # else it is over by itself
                await self._store.release_jobs(self.holder)

    async def once(self) -> dict[str, str | None]:
        """
        Do everything that it can hold until nothing is left, then hold nothing any more.

        Returns:
            What went wrong, or None, by job; nothing for those that another runner does.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``: what is held cannot be known.
        """
        await self._beat()
        held = self.held
        for name in held:
            while await self._run(self._jobs[name]) and self._is_held(name):
                pass
        await self._beat()
        await self._store.release_jobs(self.holder)
        return {name: self._states[name].problem for name in held}

    # ── holding ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _beats(self) -> None:
        while not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat_seconds):
                    await self._beat_now.wait()
            self._beat_now.clear()
            if not self._stopping:
                try:
                    await self._beat()
                except CarnetError as error:  # what is held ends by itself, by our own clock
                    self._watcher.failed("jobs", str(error), None)
                    await asyncio.sleep(_RETRY_SECONDS)

    async def _beat(self) -> None:
        before, asked_at = set(self.held), self._running()
        reports = tuple(
            JobReport(name=name, seconds_ago=max(0, int(asked_at - state.ran_at)), problem=state.problem)
            for name, state in self._states.items()
            if state.ran_at is not None
        )
        wanted = {job.name: job.every_seconds for job in self._jobs.values()}
        kept = await self._store.keep_jobs(self.holder, wanted, lease_seconds=self._lease_seconds, reports=reports)
        for row in kept.held:
            state = self._states[row.name]
            state.until = asked_at + _MARGIN * self._lease_seconds
            if row.name not in before:
                self._take_over(state, row, int(kept.at), asked_at)
        held = {row.name for row in kept.held}
        for name in before - held:
            self._states[name].until = 0.0
        if took := tuple(sorted(held - before)):
            self._watcher.took(took)
            self._wake()
        if lost := tuple(sorted(before - held)):
            self._watcher.lost(lost)

    def _take_over(self, state: _State, row: JobRow, now: int, asked_at: float) -> None:
        """Go on where the last holder was. A time that is ahead of the database's own is none."""
        state.ran_at, state.problem = None, row.problem
        ago = now - row.ok_at
        state.done_at = None if row.ran_at is None or ago < 0 else asked_at - ago

    def _is_held(self, name: str) -> bool:
        return self._running() < self._states[name].until

    # ── doing ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _work(self, job: Job) -> None:
        while not self._stopping:
            wait = self._wait(job)
            if wait > 0:
                changed = self._changed
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await changed.wait()
                continue
            await self._run(job)

    def _wait(self, job: Job) -> float:
        """Seconds until *job* is to be done here, as far as is known."""
        if not self._is_held(job.name):
            return self._beat_seconds
        done_at = self._states[job.name].done_at
        return 0.0 if done_at is None else done_at + job.every_seconds - self._running()

    async def _run(self, job: Job) -> bool:
        """Do one batch; whether there is more."""
        state = self._states[job.name]
        more, problem, fault = False, None, None
        try:
            more = await job.run()
        except CarnetError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - one job's fault must not stop the others
            problem, fault = f"It failed by itself ({type(error).__name__}).", error
        if problem is not None and (problem != state.problem or fault is not None):
            self._watcher.failed(job.name, problem, fault)
        elif problem is None and state.problem is not None:
            self._watcher.recovered(job.name)
        changed, state.problem = problem != state.problem, problem
        if more:
            state.done_at = None
        else:
            state.done_at = state.ran_at = self._running()
            if changed or job.every_seconds >= _SLOW_SECONDS:
                self._beat_now.set()
        return more

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

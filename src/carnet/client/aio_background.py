"""
The task that keeps an `AsyncCarnet` fresh: as the thread in `background.py`, on the loop that started it.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from carnet.client.background import failure
from carnet.client.network import LOOK_SECONDS, SETTLE_SECONDS, NetworkWatch
from carnet.client.operations import Steps
from carnet.client.upkeep import Rest, Upkeep
from carnet.core.errors import CarnetError
from carnet.core.instant import HOUR

_LONGEST_SECONDS = 86400.0 * 365


class Host(Protocol):
    """What the background needs of a client."""

    async def _contact(self, online: Callable[[], Steps]) -> None:
        """Come to the server; never raises."""
        ...

    def _failed(self, error: CarnetError) -> None:
        """Keep what went wrong."""
        ...


class AsyncBell:
    """A sleep that others can end, on the loop's thread."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._resting = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._settling: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        self.is_closed = False

    def is_running(self) -> bool:
        """Whether the task is there, on the loop that runs now."""
        return self.task is not None and not self.task.done() and self._loop is asyncio.get_running_loop()

    def ring(self) -> None:
        """End the sleep, or the next one."""
        self._resting.clear()
        self._rung.set()

    async def aclose(self) -> None:
        """End the task, and wait for its end."""
        self.is_closed = True
        if self.task is not None and self._loop is asyncio.get_running_loop():
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def rested(self, seconds: float) -> bool:
        """Wait until the task sleeps again; whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._resting.wait()
        return self._resting.is_set()

    async def rest(self, rest: Rest) -> None:
        """Sleep."""
        seconds = _LONGEST_SECONDS if rest.seconds is None else min(rest.seconds, _LONGEST_SECONDS)
        watch = None
        if self._rung.is_set():
            self._rung.clear()
            return
        if rest.watches:
            with suppress(OSError):  # no descriptors left: then it sleeps by the clock alone
                watch = NetworkWatch()
        try:
            if watch is not None and not self._hears(watch):
                seconds = min(seconds, LOOK_SECONDS)
            self._resting.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
        finally:
            self._resting.clear()
            self._rung.clear()
            if self._settling is not None:
                self._settling.cancel()
                self._settling = None
            if watch is not None:
                if watch.reports is not None:
                    with suppress(NotImplementedError):
                        self._loop.remove_reader(watch.reports)
                watch.close()

    def _hears(self, watch: NetworkWatch) -> bool:
        """Whether the loop is woken by the reports of *watch*."""
        if watch.reports is None:
            return False
        reports = watch.reports

        def settle() -> None:
            self._loop.remove_reader(reports)
            self._settling = self._loop.call_later(SETTLE_SECONDS, self._rung.set)

        try:
            self._loop.add_reader(reports, settle)
        except NotImplementedError:  # Windows' own loop
            return False
        return True


def start(host: Host, upkeep: Upkeep) -> AsyncBell:
    """
    Start the task on the running loop.

    Args:
        host: The client; only weakly held.
        upkeep: Its plans.
    """
    bell = AsyncBell()
    loop = asyncio.get_running_loop()

    def forgotten(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed before
            loop.call_soon_threadsafe(bell.ring)

    client = weakref.ref(host, forgotten)
    bell.task = asyncio.create_task(_keep(client, upkeep, bell), name="carnet")
    return bell


async def _keep(client: weakref.ref[Host], upkeep: Upkeep, bell: AsyncBell) -> None:
    while not bell.is_closed and client() is not None:
        plan = await _plan(upkeep)
        host = client()
        if isinstance(plan, Rest):
            if host is not None and plan.problem is not None:
                host._failed(plan.problem)  # noqa: SLF001 - its own background
            del host
            await bell.rest(plan)
            continue
        if host is not None:
            await host._contact(plan)  # noqa: SLF001
        del host


async def _plan(upkeep: Upkeep) -> Rest | Callable[[], Steps]:
    try:
        return await asyncio.to_thread(upkeep.next)
    except CarnetError as error:
        return Rest(seconds=HOUR, problem=error)
    except Exception as error:  # noqa: BLE001 - never raised into a host from the background (users-ask 58)
        return Rest(seconds=HOUR, problem=failure(error))

"""
What writes buffered statistics every few seconds, and once more at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from carnet.core.errors import CarnetError

FLUSH_SECONDS = 5
"""How much of the statistics a crash may lose, unless the operator says otherwise."""


class Flusher:
    """
    Calls *parts* every *seconds*, one after the other.

    A part that fails is called again the next time, and keeps no other from its turn.

    Args:
        parts: What to call.
        seconds: How long to wait in between.
    """

    def __init__(self, *parts: Callable[[], Awaitable[None]], seconds: float = FLUSH_SECONDS) -> None:
        self._parts = parts
        self._seconds = seconds
        self._running: tuple[asyncio.Task[None], asyncio.Event] | None = None
        self._starting: asyncio.Lock | None = None
        self.is_started = False
        self.failures = 0

    async def start(self) -> None:
        """Call the parts once, so that what was there before a restart is known, and from then on every few seconds."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if not self.is_started:
                await self.flush()
                stopping = asyncio.Event()
                self._running = asyncio.get_running_loop().create_task(self._run(stopping)), stopping
                self.is_started = True

    async def stop(self) -> None:
        """Call the parts for the last time. Nothing happens where it was never started, or in another event loop."""
        running, self._running = self._running, None
        if running is not None and running[0].get_loop() is asyncio.get_running_loop():
            task, stopping = running
            stopping.set()  # never in the middle of a part: it would not know whether its statistics were written
            await task

    async def flush(self) -> None:
        """Call every part now."""
        for part in self._parts:
            try:
                await part()
            except CarnetError:  # busy, full, away: the buffers keep what they can, and readiness names the database
                self.failures += 1

    async def _run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                async with asyncio.timeout(self._seconds):
                    await stopping.wait()
            except TimeoutError:
                pass
            await self.flush()

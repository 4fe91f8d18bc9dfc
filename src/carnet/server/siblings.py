"""
The other processes of this `carnet serve`, asked for their counters, so that one scrape shows all of them (REL-14).

Each process answers on a socket of its own in a directory that only this user can enter, made by the parent before it
forks. Whoever is scraped asks the others; one that does not answer in time is shown as down, and holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

ANSWER_SECONDS: Final = 1.0
_MAX_BYTES: Final = 16 * 1024 * 1024


class Siblings:
    """
    The processes of one server.

    Args:
        folder: Where their sockets are.
        own: Which of them this one is, from 0.
        count: How many there are.
    """

    def __init__(self, folder: Path, own: int, count: int) -> None:
        self._folder = folder
        self.own = own
        self.count = count

    @asynccontextmanager
    async def answering(self, text: Callable[[], bytes]) -> AsyncIterator[None]:
        """Answer the others with *text* for the length of a `with`."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                writer.write(text())
                await writer.drain()
            writer.close()

        path = self._path(self.own)
        path.unlink(missing_ok=True)  # of the process that had this number before and died
        try:
            server = await asyncio.start_unix_server(answer, path)
        except OSError:  # a path that is too long for a socket: the others show this process as down
            yield
            return
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)

    async def texts(self) -> dict[int, bytes | None]:
        """What each of the others answers; None: nothing in time."""
        others = [number for number in range(self.count) if number != self.own]
        answers = await asyncio.gather(*map(self._ask, others))
        return dict(zip(others, answers, strict=True))

    async def _ask(self, number: int) -> bytes | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path(number), limit=_MAX_BYTES)
                try:
                    return await reader.read(-1) or None
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.sock"

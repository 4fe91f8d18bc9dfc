"""
A network that misbehaves, between clients and a server: our own TCP proxy on port 0.

For each connection a fault is drawn. "Reset after the request" is the one that matters most: the server has got the
request and answers, and the client never hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias, get_args

Fault: TypeAlias = Literal[
    "none",
    "slow",
    "lost request",
    "lost answer",
    "refused",
    "cut request",
    "cut answer",
    "reset after request",
    "half closed",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
LOST: Final[tuple[Fault, ...]] = ("lost request", "lost answer")
"""Nothing comes any more, and nobody says so: the client has to give up by itself."""


class Proxy:
    """
    Passes bytes on, but for the faults that it draws.

    Attributes:
        port: Where clients connect.
        drawn: How often each fault happened.
        delays: How long the slow messages took, in seconds.
    """

    def __init__(self, port_of: Callable[[], int], weights: dict[Fault, int], seed: int, slowest: float) -> None:
        self._slowest = slowest
        self._port_of = port_of
        self._weights = weights
        # Two, so that the order in which connections go on does not change which faults are drawn.
        self._draws = random.Random(seed)  # noqa: S311 - which fault comes next
        self._chance = random.Random(seed + 1)  # noqa: S311 - how late, and where it is cut
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="proxy")
        self.port = 0
        self.drawn: Counter[Fault] = Counter()
        self.delays: list[float] = []

    def start(self) -> None:
        """Listen from the return of this call on."""
        self._thread.start()
        assert self._ready.wait(120)

    def stop(self) -> None:
        """Close everything."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(120)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._meet(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(met, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._draws.choices(list(self._weights), list(self._weights.values()))[0]
        self.drawn[fault] += 1
        upstream: asyncio.StreamWriter | None = None
        try:
            if fault == "refused":
                return
            answers, upstream = await asyncio.open_connection("127.0.0.1", self._port_of())
            await self._carry(fault, reader, writer, answers, upstream)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            for each in (writer, upstream):
                if each is not None:
                    if fault != "none":
                        _reset(each)
                    each.close()
                    with contextlib.suppress(OSError):
                        await each.wait_closed()

    async def _carry(
        self,
        fault: Fault,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        is_late = self._chance.random() < 0.5
        while True:
            request = await _message(reader)
            if fault == "cut request":
                request = request[: self._chance.randrange(len(request) or 1)]
            if fault == "lost request":
                await reader.read()  # until the client gives up
                return
            if fault == "slow" and is_late:
                await self._delay()
            upstream.write(request)
            await upstream.drain()
            if fault == "cut request" or not request:
                return
            if fault == "half closed":
                upstream.write_eof()
            answer = await _message(answers)
            if fault == "slow" and not is_late:
                await self._delay()
            if fault == "lost answer":
                await reader.read()
                return
            if fault == "reset after request":  # it has answered: whatever it did is committed
                return
            if fault == "cut answer":
                answer = answer[: self._chance.randrange(len(answer) or 1)]
            writer.write(answer)
            await writer.drain()
            if fault in {"cut answer", "half closed"} or not answer:
                return

    async def _delay(self) -> None:
        self.delays.append(self._chance.uniform(0, self._slowest))
        await asyncio.sleep(self.delays[-1])


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One whole HTTP message, or what there is of it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        return head + await reader.readexactly(int(length))
    except asyncio.IncompleteReadError as cut:
        return cut.partial


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the end be a reset and not an orderly one."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def proxied(
    port_of: Callable[[], int], weights: dict[Fault, int], *, seed: int = 1, slowest: float = 5.0
) -> Iterator[Proxy]:
    """
    A proxy for the length of a `with`.

    Args:
        port_of: Where the server is.
        weights: How often each fault is drawn.
        seed: Of the draws.
        slowest: Up to how many seconds a slow message takes.
    """
    proxy = Proxy(port_of, weights, seed, slowest)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()

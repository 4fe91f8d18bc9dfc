"""
Taking connections off a listening socket, for a process whose descriptors are bounded (REL-06, docs/decisions/0057).

Why not the event loop's own: uvloop answers "too many open files" by asking again without a pause, so that a shortage
takes a whole processor while newcomers hang in the kernel's queue; and connections that nobody uses may take every
descriptor, the database's too.

Invariants:
* connections leave `RESERVED` descriptors to the databases and files of the process, by the limit in force now;
* where there is no room, who has been idle longest makes some: a connection whose client is not waiting for anything;
  so connections that are only held cannot keep out those who ask;
* nobody hangs: who cannot be let in is told so at once and sent away;
* however it went, the socket is asked again: a shortage ends when its cause does.

POSIX only; elsewhere the event loop's own is used (`serve.Server.startup`). Knows no HTTP but one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import socket
from collections.abc import Callable, Collection
from contextvars import copy_context
from operator import itemgetter
from typing import Any, Final, Protocol

from carnet.server.api.logs import log
from carnet.server.api.problems import RETRY_AFTER_SECONDS, unavailable

RESERVED: Final = 128
"""Descriptors that connections leave alone: two pools of PostgreSQL, SQLite's files, keys, backups, with room."""

WANTED: Final = 16_384
"""How many descriptors a process asks the system for. An idle connection costs some kilobytes: 100 MB in all."""

AT_ONCE: Final = 64
"""Connections taken in one turn of the loop, so that those that are there are answered in between."""

IDLE_SECONDS: Final = 1.0
"""Who has been silent for so long makes room for others; who asks one thing after the other does not."""

AGAIN_SECONDS: Final = 0.01
"""How long a shortage is left to itself before the socket is asked again; the loop does not turn for nothing."""

TELL_SECONDS: Final = 10.0
"""A shortage is logged once in so many seconds, however many are sent away."""

_ROOM_FOR: Final = 64
"""When room is made, one connection in so many ends at least: it is not made for each newcomer anew."""

_NOTHING_THERE: Final = (BlockingIOError, InterruptedError, ConnectionAbortedError)
_DRAINED_BYTES: Final = 65_536
_BODY: Final = bytes(copy_context().run(unavailable).content)
_NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: %d\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (RETRY_AFTER_SECONDS, len(_BODY), _BODY)
)


class Connection(Protocol):
    """What is asked of a protocol instance."""

    transport: Any

    @property
    def idle_since(self) -> float | None:
        """Since when it is the client's turn, by the loop's clock; None while the client waits for an answer."""
        ...


def raise_limit() -> None:
    """Ask the system for `WANTED` descriptors, or as many as it gives; many systems begin with 1,024 or 256."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def room() -> int:
    """How many connections there may be: by the limit now, which may have been changed since the start."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > WANTED:
        return WANTED - RESERVED
    return max(soft - RESERVED, soft // 4, 1)


class Spare:
    """
    A descriptor for a time when there is none. Made before all others, its number is low: a limit that is lowered
    while the process runs has room for it.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self.take()

    def take(self) -> None:
        """Hold one, unless there is none just now."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                self._descriptor = os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def close(self) -> bool:
        """Let it go; whether there was one."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None


class Acceptor:
    """
    Takes connections until it is closed.

    Args:
        listening: Bound, listening, not blocking; may be shared with other processes. It is not closed here.
        make: A new protocol instance.
        connections: Those that are open; the protocol keeps it.
        spare: Used in a shortage; whoever made it closes it.
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.BaseProtocol],
        connections: Collection[Connection],
        spare: Spare,
    ) -> None:
        self._listening = listening
        self._make = make
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._told_at = -math.inf
        self._spare = spare
        self._loop.add_reader(listening.fileno(), self._take)

    def close(self) -> None:
        """Take no more. Closing twice is fine."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening.fileno())

    # ── one turn of the loop ─────────────────────────────────────────────────────────────────────────────────────────

    def _take(self) -> None:
        """Let in those who wait."""
        most, let_in = room(), 0
        for _ in range(AT_ONCE):
            surplus = len(self._connections) + let_in + 1 - most
            if surplus > 0 and self._make_room(surplus):
                self._pause()  # until their descriptors are free
                return
            try:
                newcomer, _ = self._listening.accept()
            except _NOTHING_THERE:
                return
            except OSError as error:
                self._run_short(error)
                return
            if surplus > 0:
                self._tell("every connection is busy: newcomers are sent away")
                _send_away(newcomer)
            else:
                self._let_in(newcomer)
                let_in += 1

    def _let_in(self, newcomer: socket.socket) -> None:
        newcomer.setblocking(False)
        task = self._loop.create_task(self._enter(newcomer))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _enter(self, newcomer: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, newcomer)
        except OSError:  # it has gone already
            newcomer.close()

    # ── a shortage ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_room(self, wanted: int) -> bool:
        """End the connections that have been idle longest, *wanted* of them or more; False where nobody is idle."""
        since = self._loop.time() - IDLE_SECONDS
        idle = [(at, each) for each in self._connections if (at := each.idle_since) is not None and at <= since]
        idle.sort(key=itemgetter(0))
        for _, each in idle[: max(wanted, len(idle) // _ROOM_FOR)]:
            each.transport.close()
        if idle:
            self._tell("idle connections are closed")
        return bool(idle)

    def _run_short(self, error: OSError) -> None:
        """Nobody can be let in: who waits is sent away by means of the spare descriptor."""
        self._make_room(1)
        self._tell(f"no connection can be taken ({errno.errorcode.get(error.errno or 0, 'unknown')})")
        for _ in range(AT_ONCE):
            if not self._send_one_away():
                break
        self._pause()

    def _send_one_away(self) -> bool:
        if not self._spare.close():
            return False
        try:
            newcomer, _ = self._listening.accept()
        except OSError:  # nobody is left, or another thread took the descriptor
            return False
        else:
            _send_away(newcomer)
            return True
        finally:
            self._spare.take()

    def _pause(self) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._again = self._loop.call_later(AGAIN_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._again = None
        self._spare.take()
        self._loop.add_reader(self._listening.fileno(), self._take)

    def _tell(self, why: str) -> None:
        now = self._loop.time()
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            log.warning("connections.short", problem=why, connections=len(self._connections), room=room())


def _send_away(newcomer: socket.socket) -> None:
    """Answer "again later", whatever was asked."""
    with newcomer, contextlib.suppress(OSError):
        newcomer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            newcomer.recv(_DRAINED_BYTES)  # what is unread at a close would turn the answer into a reset
        newcomer.send(_NO_ROOM)

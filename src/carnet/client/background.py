"""
The thread that keeps a `Carnet` fresh: it rests as `upkeep.py` plans, and wakes up for a contact (R-34).

One daemon thread for each started client. It holds nothing of the client while it rests, so a client that its host
forgot ends its thread; and nothing that goes wrong in it reaches the host (users-ask 58).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from carnet.client.upkeep import Rest, Upkeep
from carnet.core.errors import CarnetError, TransportError
from carnet.core.instant import HOUR

if TYPE_CHECKING:
    from carnet.client.network import NetworkWatch
    from carnet.client.operations import Steps


_DEAF_SECONDS = 120.0
"""How long it sleeps by the clock alone after its watch of the network was taken from it, before it makes another."""


class Host(Protocol):
    """What the background needs of a client."""

    def _contact(self, online: Callable[[], Steps]) -> None:
        """Come to the server; never raises."""
        ...

    def _failed(self, error: CarnetError) -> None:
        """Keep what went wrong."""
        ...


class Bell:
    """A sleep that others can end, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings: SimpleQueue[None] = SimpleQueue()
        self._resting = threading.Event()
        self._watch: NetworkWatch | None = None
        self.is_closed = False

    def ring(self) -> None:
        """End the sleep, or the next one."""
        with self._lock:
            self._resting.clear()
            self._wake()

    def close(self) -> None:
        """Ring for the last time."""
        self.is_closed = True
        self.ring()

    def abandon(self) -> None:
        """
        As `close`, for the collector of garbage, which may come in the middle of anything on any thread, of `ring` and
        `rest` too: takes no lock. `SimpleQueue.put` is made for that.
        """
        self.is_closed = True
        self._wake()

    def rested(self, seconds: float | None) -> bool:
        """Wait until whoever sleeps here sleeps again; whether he does."""
        return self._resting.wait(seconds)

    def rest(self, rest: Rest) -> None:
        """Sleep."""
        seconds = threading.TIMEOUT_MAX if rest.seconds is None else min(rest.seconds, threading.TIMEOUT_MAX)
        with self._lock:
            if rest.watches and self._watch is None:
                from carnet.client.network import NetworkWatch

                with suppress(OSError):  # no descriptors left: then it sleeps by the clock alone
                    self._watch = NetworkWatch()
            elif not rest.watches:
                self._unwatch()
            if self._was_rung():
                return
            self._resting.set()
            watch = self._watch
        is_deaf = watch is not None and watch.wait(seconds) == "deaf"
        if watch is None or is_deaf:
            with suppress(Empty):
                self._rings.get(timeout=min(seconds, _DEAF_SECONDS) if is_deaf else seconds)
        with self._lock:
            self._resting.clear()
            self._was_rung()
            if is_deaf:
                self._unwatch()

    def leave(self) -> None:
        """Nobody sleeps here any more."""
        with self._lock:
            self._unwatch()
            self._resting.set()

    def _wake(self) -> None:
        self._rings.put(None)
        watch = self._watch
        if watch is not None:
            watch.ring()

    def _was_rung(self) -> bool:
        """Whether there were rings since the last time; forgets them."""
        rang = False
        with suppress(Empty):
            while True:
                self._rings.get_nowait()
                rang = True
        return rang

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


def start(host: Host, upkeep: Upkeep) -> Bell:
    """
    Start the thread.

    Args:
        host: The client; only weakly held.
        upkeep: Its plans.

    Raises:
        RuntimeError: No thread can be started, for one at the end of the interpreter.
    """
    bell = Bell()
    client = weakref.ref(host, lambda _: bell.abandon())
    threading.Thread(target=_keep, args=(client, upkeep, bell), name="carnet", daemon=True).start()
    return bell


def _keep(client: weakref.ref[Host], upkeep: Upkeep, bell: Bell) -> None:
    try:
        while not bell.is_closed:
            plan = _plan(upkeep)
            host = client()
            if isinstance(plan, Rest):
                if host is not None and plan.problem is not None:
                    host._failed(plan.problem)  # noqa: SLF001 - its own background
                del host
                bell.rest(plan)
                continue
            if host is not None and not bell.is_closed:
                host._contact(plan)  # noqa: SLF001
            del host
    finally:
        bell.leave()


def _plan(upkeep: Upkeep) -> Rest | Callable[[], Steps]:
    try:
        return upkeep.next()
    except CarnetError as error:
        return Rest(seconds=HOUR, problem=error)
    except Exception as error:  # noqa: BLE001 - never raised into a host from the background (users-ask 58)
        return Rest(seconds=HOUR, problem=failure(error))


def failure(error: Exception) -> CarnetError:
    """An error that nobody expected, as one that can be told."""
    wrapped = TransportError(
        "background_failed",
        f"The refresh in the background failed ({type(error).__name__}).",
        "The app goes on with what is stored on this device; report this to the vendor if it stays.",
    )
    wrapped.__cause__ = error
    return wrapped

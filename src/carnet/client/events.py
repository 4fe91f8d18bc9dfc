"""
What a user interface may be told: the decision changed, a notice is due, a refresh has finished (R-32, R-43).

A listener is a plain function. It is never called on the thread of whoever asked for something: with `Carnet` on a
thread of its own, named ``carnet-events``, one event after the other in the order they came about; with `AsyncCarnet`
on its event loop. So a slow listener delays other events and nothing else, and one that raises is called again with the
next event (users-ask 58); where the host has loaded the standard `logging`, it is told there, as ``carnet``. A UI hands
over to its own thread.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from carnet.client.schedule import seen_as
from carnet.core._base import Struct
from carnet.core.decision import Decision
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from queue import SimpleQueue

EventKind = Literal["decision_changed", "notice_due", "refresh_finished"]


class Event(Struct):
    """
    Something happened.

    Attributes:
        kind: ``decision_changed``: what `check()` says is not what it said: another state, access, feature or number
            of days. ``notice_due``: there is something to show, and it was not shown before: `decision.notice`, with
            `decision.days_left`; the hook for hosts that can notify (R-43). ``refresh_finished``: a contact with the
            server has ended, asked for or not.
        decision: What holds now.
        before: For ``decision_changed``: what held before.
        problem: For ``refresh_finished``: why no authentic answer came, or None.
    """

    kind: EventKind
    decision: Decision
    before: Decision | None = None
    problem: CarnetError | None = None


Listener = Callable[[Event], None]
Post = Callable[[Callable[[], None]], None]


class Listeners:
    """
    Who is told, and what was told last.

    Args:
        post: Runs a function where listeners are to be called, later and in order.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._listeners: list[Listener] = []
        self._lock = allocate_lock()
        self._seen: Decision | None = None
        self._noticed: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* from now on; what is returned ends that, also when it is called twice."""
        entry: Listener = lambda event: listener(event)  # noqa: E731, PLW0108 - the same function may be added twice
        with self._lock:
            self._listeners.append(entry)

        def remove() -> None:
            with self._lock:
                if entry in self._listeners:
                    self._listeners.remove(entry)

        return remove

    def see(self, decision: Decision) -> None:
        """A decision was made: tell if it differs from the one before, and if it brings a notice."""
        with self._lock:
            before, self._seen = self._seen, decision
            if not self._listeners:
                return
            notice = None if decision.notice is None else (decision.notice.code, decision.notice.title)
            is_new_notice = notice is not None and notice != self._noticed
            self._noticed = notice
            if before is not None and seen_as(before) != seen_as(decision):
                self._tell(Event(kind="decision_changed", decision=decision, before=before))
            if is_new_notice:
                self._tell(Event(kind="notice_due", decision=decision))

    def finished(self, decision: Decision, problem: CarnetError | None) -> None:
        """A contact ended."""
        self.see(decision)
        with self._lock:
            if self._listeners:
                self._tell(Event(kind="refresh_finished", decision=decision, problem=problem))

    def _tell(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            self._post(lambda told=listener: self._call(told, event))  # type: ignore[misc]

    def _call(self, listener: Listener, event: Event) -> None:
        if listener not in self._listeners:
            return  # it was removed meanwhile
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - a mistake of the host stays the host's
            logging = sys.modules.get("logging")  # a host that logs has it; for others it costs too much to load
            if logging is not None:
                logging.getLogger("carnet").exception("A listener of the host failed.")


class EventThread:
    """Calls functions one after the other on a daemon thread, which begins with the first and ends when it is idle."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] | None = None
        self._lock = allocate_lock()
        self._is_running = False

    def post(self, call: Callable[[], None]) -> None:
        """Have *call* called on the thread."""
        from queue import SimpleQueue
        from threading import Thread

        with self._lock:
            if self._queue is None:
                self._queue = SimpleQueue()
            self._queue.put(call)
            if not self._is_running:
                self._is_running = True
                try:
                    Thread(target=self._run, name="carnet-events", daemon=True).start()
                except RuntimeError:  # the interpreter is going down: nobody is there to be told
                    self._is_running = False

    def _run(self) -> None:
        while True:
            with self._lock:
                queue = self._queue
                if queue is None or queue.empty():
                    self._is_running = False
                    return
                call = queue.get_nowait()
            with suppress(SystemExit):  # as `threading` has it: to exit on a thread ends nothing, other events neither
                call()

"""
What `Carnet` does behind its methods: workers that keep a budget, the thread that keeps it fresh, the events' thread.

Imports no thread and no HTTP before they are needed (docs/decisions/0026, 0067).
"""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING

from carnet.client.base import Client
from carnet.core.errors import CarnetError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

    from carnet.client.background import Bell
    from carnet.client.events import EventThread, Listeners
    from carnet.client.operations import Outcome, Steps
    from carnet.client.ports import Transport
    from carnet.core.decision import Decision

_MAX_WORKERS = 8
"""Calls of ours that may hang at once beyond their budgets, in a name look-up for one; a further one is not begun."""


class Running(Client):
    """The threads of a `Carnet`. Not used by itself."""

    last_problem: CarnetError | None

    def _carry(self, transport: Transport | None) -> None:
        """Requests go over *transport*; None: over HTTP, when the first one does."""
        self._transport = transport
        self._own_transport: Transport | None = None
        self._bell: Bell | None = None
        self._events: EventThread | None = None
        self._workers: list[Thread] = []
        self._lock = allocate_lock()

    def _run(self, online: Callable[[], Steps]) -> Decision:
        """
        Run an operation in a worker thread and wait for it within the budget.

        The thread is what makes the budget hold: looking up a name has no time limit of its own. One that comes back
        late still takes its answer in, for the next check.
        """
        self._check_open()
        self._begin()
        outcomes: list[Outcome | CarnetError] = []
        worker = self._spawn(online, outcomes)
        if worker is not None:
            worker.join(self._timeout_seconds)
        if not outcomes:
            from carnet.client.device import with_problem
            from carnet.client.driving import out_of_time

            self.last_problem = out_of_time()
            return with_problem(self._check(), self.last_problem)
        (outcome,) = outcomes
        if isinstance(outcome, TransportError):  # not an answer, and nobody's mistake
            from carnet.client.device import with_problem

            return with_problem(self._check(), outcome)
        if isinstance(outcome, CarnetError):
            raise outcome
        if self._bell is not None:
            self._bell.ring()
        return outcome.decision

    def _spawn(self, online: Callable[[], Steps], outcomes: list[Outcome | CarnetError]) -> Thread | None:
        """A worker on its way; None where too many others hang, or where no thread can be started any more."""
        from threading import Thread

        def work() -> None:
            from carnet.client.driving import drive

            try:
                outcome = drive(online(), self._connected(), self._timeout_seconds)
                self._learn(outcome)
                outcomes.append(outcome)
            except CarnetError as error:
                self.last_problem = error
                outcomes.append(error)
            except Exception as error:  # noqa: BLE001 - a disk or a library that fails in its own way is no answer
                from carnet.client.background import failure

                self.last_problem = failure(error)
                outcomes.append(self.last_problem)

        with self._lock:
            self._workers = [worker for worker in self._workers if worker.is_alive()]
            if len(self._workers) >= _MAX_WORKERS:
                return None
            thread = Thread(target=work, name="carnet-contact", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is going down
                return None
            self._workers.append(thread)
        return thread

    def _keep(self, *, is_start: bool) -> None:
        """See to it that the background runs, and let it look."""
        self._begin()
        if self._is_closed or (not self._listeners and not self._reaches_a_server()):
            return
        upkeep = self._planned()
        if is_start:
            upkeep.starting()
        else:
            upkeep.contacted(is_answered=self.last_problem is None)
        with self._lock:
            if self._bell is not None and not self._bell.is_closed:
                self._bell.ring()
                return
            from carnet.client.background import start

            with suppress(RuntimeError):  # the interpreter is going down
                self._bell = start(self, upkeep)

    def _contact(self, online: Callable[[], Steps]) -> None:
        """For the background: run an operation on its thread."""
        from carnet.client.background import failure
        from carnet.client.driving import drive

        outcome = None
        try:
            outcome = drive(online(), self._connected(), self._timeout_seconds)
            self._learn(outcome)
        except CarnetError as error:
            self.last_problem = error
        except Exception as error:  # noqa: BLE001 - never raised into a host from the background (users-ask 58)
            self.last_problem = failure(error)
        if self._upkeep is not None:
            self._upkeep.contacted(is_answered=outcome is not None and outcome.problem is None)

    def _told(self) -> Listeners:
        with self._lock:
            if self._listeners is None:
                from carnet.client.events import EventThread, Listeners

                self._events = EventThread()
                self._listeners = Listeners(self._events.post)
            return self._listeners

    def _begin(self) -> None:
        if self._is_forked():
            self._forget_parent()
            self._lock = allocate_lock()
            self._bell = self._events = self._own_transport = None
            self._workers = []

    def _has_transport(self) -> bool:
        return self._transport is not None

    def _connected(self) -> Transport:
        with self._lock:
            if self._transport is not None:
                return self._transport
            if self._own_transport is None:
                from carnet.client.transport import HttpTransport

                self._own_transport = HttpTransport(
                    self._config.server_address(),
                    proxy=self._config.proxy_address(),
                    ca_file=self._config.authority_file(),
                )
            return self._own_transport

"""
`ports.LeaseStore` on SQLite: the writer, the reader and the service clock around `lease_steps`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from carnet.core.errors import StateError
from carnet.server.ports import IndexPlace
from carnet.server.ports.leases import LeaseFacts, LeaseQuery, LeaseRenewal, LeaseRenewed, LeaseRule
from carnet.server.storage import lease_statements, lease_steps
from carnet.server.storage.core.leases import LeasePart
from carnet.server.storage.errors import seat_guard
from carnet.server.storage.lease_steps import Steps
from carnet.server.storage.sqlite.service_clock import ServiceClock
from carnet.server.storage.sqlite.writer import GroupCommitWriter, storage_error

_T = TypeVar("_T")

BEAT_SECONDS = 10.0
"""How often the service clock is written down while nobody changes a lease."""

_WRITTEN = {text: text.replace("{locked}", "") for text in (lease_statements.FREE_SLOT, lease_statements.OWN_SLOT)}


def run(connection: sqlite3.Connection, steps: Steps[_T]) -> _T:
    """
    Run *steps* on *connection*.

    Raises:
        StateError: ``seat_guard``: a key or check of the table refused; the transaction must be undone.
    """
    try:
        statement = next(steps)
        while True:
            text = _WRITTEN.get(statement.sql, statement.sql)
            statement = steps.send(connection.execute(text, statement.values).fetchall())
    except StopIteration as done:
        result: _T = done.value
        return result
    except sqlite3.IntegrityError as error:
        raise seat_guard("takes a slot that is not free") from error


class SqliteLeasePart(LeasePart):
    """
    The leases of `SqliteStorage`.

    Args:
        place: As `CoreUnits`.
        running: Seconds of a clock that only runs on.
    """

    _writer: GroupCommitWriter

    def __init__(self, place: IndexPlace, running: Callable[[], float]) -> None:
        super().__init__(place)
        self._service_clock = ServiceClock(running, self.time_counts)
        self._beating: asyncio.Task[None] | None = None

    @abstractmethod
    def _hot_reader(self) -> sqlite3.Connection:
        """The connection that the event loop reads with."""

    def start_service_clock(self) -> None:
        """Go on from where the clock stood; from here on it beats."""
        self._service_clock.start(self._hot_reader())
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def stop_service_clock(self) -> None:
        """Write the clock down and stop the beats. Doing it twice is fine."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            with suppress(StateError):  # what cannot be written is time that did not pass: leases last longer
                await self._writer.submit(self._service_clock.beat)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(StateError):
                await self._writer.submit(self._service_clock.beat)

    async def service_seconds(self) -> int:
        """See `ports.LeaseStore`."""
        return self._service_clock.seconds()

    async def renew_lease(self, renewal: LeaseRenewal) -> LeaseRenewed | None:
        """See `ports.LeaseStore`."""
        return await self._change(lambda service_now: lease_steps.renew(renewal, service_now))

    async def find_lease(self, query: LeaseQuery) -> LeaseFacts:
        """See `ports.LeaseStore`."""
        try:
            return run(self._hot_reader(), lease_steps.find(query, self._service_clock.seconds()))
        except sqlite3.Error as error:
            raise storage_error(error) from error

    async def change_lease(self, query: LeaseQuery, rule: LeaseRule[_T]) -> _T:
        """See `ports.LeaseStore`."""
        return await self._change(lambda service_now: lease_steps.change(query, rule, service_now))

    async def _change(self, steps: Callable[[int], Steps[_T]]) -> _T:
        clock = self._service_clock

        def job(connection: sqlite3.Connection) -> _T:
            try:
                return run(connection, steps(clock.keep(connection)))
            except BaseException:
                clock.undone()  # at once: the next job of this group writes it down
                raise

        try:
            return await self._writer.submit(job)
        except BaseException:
            clock.undone()
            raise

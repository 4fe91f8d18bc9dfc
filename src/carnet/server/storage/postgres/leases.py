"""
`ports.LeaseStore` on PostgreSQL: the service clock, and the ways in which a lease is changed.

A renewal is one statement; a claim or a return a read and one statement (`lease_guards`). Whatever those are not enough
for locks the row of its pool first and reads in statements of their own after it (`lease_steps`): under READ COMMITTED
each of them sees everything that was committed before the lock was given, and nobody else gives or takes a slot of this
pool before the commit. Only a renewal or a return under way may hold a row of it: those are passed by (SKIP LOCKED),
and the table's keys stand behind it all.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final, TypeVar

from carnet.core.errors import StateError
from carnet.server.ports import IndexPlace
from carnet.server.ports.leases import LeaseFacts, LeaseQuery, LeaseRenewal, LeaseRenewed, LeaseRule
from carnet.server.storage import lease_statements, lease_steps
from carnet.server.storage.core.leases import LeasePart
from carnet.server.storage.errors import StorageError, seat_guard
from carnet.server.storage.lease_steps import OvertakenError, Statement, Steps
from carnet.server.storage.postgres import lease_guards
from carnet.server.storage.postgres.connection import Connection
from carnet.server.storage.postgres.errors import DRIVER_ERRORS, is_conflict, sqlstate_of, storage_error
from carnet.server.storage.postgres.named import numbered
from carnet.server.storage.postgres.pool import HotPool
from carnet.server.storage.postgres.service_clock import BEAT_SECONDS, ServiceClock

_T = TypeVar("_T")

_TRIES: Final = 4
"""How often a change that others were in the way of is done anew."""

_RULES_BROKEN: Final = frozenset(("23505", "23514"))
"""A unique key, a check: the table refuses what the decision wants."""


def _lock_statement(license_: str) -> str:
    return f"SELECT license_id FROM lease_pools WHERE license_id = {license_} FOR UPDATE"  # noqa: S608 - our own text


def _make_statement(license_: str) -> str:
    return (
        "INSERT INTO lease_pools (license_id, mark, is_settled)"  # noqa: S608 - our own text
        f" SELECT id, 0, 0 FROM licenses WHERE id = {license_} ON CONFLICT DO NOTHING"
    )


_LOCK: Final = {way: _lock_statement(text) for way, text in lease_statements.LICENSES.items()}
_MAKE: Final = {way: _make_statement(text) for way, text in lease_statements.LICENSES.items()}


async def _fetch(connection: Connection, text: str, values: Mapping[str, Any]) -> list[Any]:
    statement, names = numbered(text)
    rows: list[Any] = await connection.fetch(statement, *(values[name] for name in names))
    return rows


async def _run(connection: Connection, steps: Steps[_T]) -> _T:
    try:
        statement = next(steps)
        while True:
            statement = steps.send(await _fetch(connection, statement.sql, statement.values))
    except StopIteration as done:
        result: _T = done.value
        return result


class PostgresLeasePart(LeasePart):
    """
    The leases of `PostgresStorage`.

    Args:
        place: As `CoreUnits`.
        database_ms: The database's time, for tests.
    """

    _pool: HotPool

    def __init__(self, place: IndexPlace, database_ms: Callable[[], int] | None) -> None:
        super().__init__(place)
        self._service_clock = ServiceClock(database_ms)
        self._beating: asyncio.Task[None] | None = None

    @abstractmethod
    def _counted(self) -> AbstractAsyncContextManager[None]:
        """Counts one change."""

    async def start_service_clock(self) -> None:
        """
        The first beat; from here on it beats by itself.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        await self.beat()
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def stop_service_clock(self) -> None:
        """One last beat. Doing it twice is fine."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            with suppress(StateError):  # time that is not written down lets leases last longer, no more
                await self.beat()

    async def beat(self) -> None:
        """
        Move the service clock on; not while this machine's clock is in doubt: what no process beats is time in which
        nobody could renew a lease.
        """
        if not self.time_counts():
            return
        async with self._pool.operation():
            try:
                await self._service_clock.beat(self._pool.write)
            except DRIVER_ERRORS as error:
                raise storage_error(error) from error

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(StateError):
                await self.beat()

    async def service_seconds(self) -> int:
        """See `ports.LeaseStore`."""
        return self._service_clock.seconds()

    async def renew_lease(self, renewal: LeaseRenewal) -> LeaseRenewed | None:
        """See `ports.LeaseStore`."""
        async with self._counted(), self._pool.operation():
            try:
                return await self._one_by_one(
                    lease_steps.renew(renewal, self._service_clock.seconds()), self._pool.write
                )
            except DRIVER_ERRORS as error:
                raise storage_error(error, was_sent=True) from error

    async def find_lease(self, query: LeaseQuery) -> LeaseFacts:
        """See `ports.LeaseStore`."""
        async with self._pool.operation():
            return await self._one_by_one(lease_steps.find(query, self._service_clock.seconds()), self._pool.read)

    async def change_lease(self, query: LeaseQuery, rule: LeaseRule[_T]) -> _T:
        """See `ports.LeaseStore`."""
        async with self._counted(), self._pool.operation():
            with suppress(lease_guards.LockNeededError):
                return await lease_guards.change(self._pool, query, rule, self._service_clock.seconds())
            for attempt in range(_TRIES):
                try:
                    async with self._pool.transaction() as connection:
                        await _lock(connection, query)
                        now = self._service_clock.seconds()
                        return await _run(
                            connection, lease_steps.change(query, rule, now, spare=lease_guards.SPARE_SLOTS)
                        )
                except OvertakenError:
                    continue
                except DRIVER_ERRORS as error:
                    if attempt + 1 < _TRIES and is_conflict(error):
                        continue
                    if sqlstate_of(error) in _RULES_BROKEN and getattr(error, "table_name", "") == "leases":
                        raise seat_guard("takes a slot that is not free") from error
                    raise storage_error(error, was_sent=True) from error
            raise StorageError("storage_busy", "Too many others change this license at once.", "Try again in a moment.")

    @staticmethod
    async def _one_by_one(steps: Steps[_T], ask: Callable[..., Any]) -> _T:
        """Run *steps*, each statement a transaction of its own."""
        try:
            statement: Statement = next(steps)
            while True:
                text, names = numbered(statement.sql)
                statement = steps.send(await ask(text, *(statement.values[name] for name in names)))
        except StopIteration as done:
            result: _T = done.value
            return result


async def _lock(connection: Connection, query: LeaseQuery) -> None:
    """Lock the pool that is asked about; make its row if there is none."""
    way, values = lease_steps.way_to_license(query), lease_steps.query_values(query)
    if not await _fetch(connection, _LOCK[way], values):
        await _fetch(connection, _MAKE[way], values)
        await _fetch(connection, _LOCK[way], values)

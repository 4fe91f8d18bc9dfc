"""
PostgreSQL, for any number of stateless processes (design.md §9).

What devices wait for is SQL straight on asyncpg (`seats`). Everything else runs the units of `storage.core` on
SQLAlchemy's engine over the same driver, on a few connections of its own, so that a long report or a batch never takes
a connection from a device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from carnet.server.database import PostgresAddress
from carnet.server.ports import (
    IndexPlace,
    NextIndex,
    SeatChanges,
    SeatFacts,
    SeatQuery,
    StorageStats,
    needs_care,
    remembering,
)
from carnet.server.records import ApiKey
from carnet.server.storage import rows
from carnet.server.storage.core import CoreStore
from carnet.server.storage.core.traffic import remember
from carnet.server.storage.errors import StorageError
from carnet.server.storage.postgres import seats
from carnet.server.storage.postgres.connection import connect
from carnet.server.storage.postgres.errors import DRIVER_ERRORS, driver_error, is_conflict, storage_error
from carnet.server.storage.postgres.leases import PostgresLeasePart
from carnet.server.storage.postgres.numbers import NEXT_BLOCKS, OutOfNumbersError, StatusNumbers, blocks_for
from carnet.server.storage.postgres.pool import POOL_SIZE, HotPool
from carnet.server.storage.postgres.replica import Replica
from carnet.server.storage.postgres.statements import columns
from carnet.server.storage.tables import api_keys

_T = TypeVar("_T")

ADMIN_CONNECTIONS: Final = 4
"""Connections for everything that no device waits for."""

_ADMIN_WAIT_SECONDS: Final = 10
_TRIES: Final = 4
"""How often a unit that others were in the way of is done anew."""

_API_KEY: Final = f"SELECT {columns(api_keys)} FROM api_keys WHERE token_hash = $1"  # noqa: S608 - our own names
_ISSUER: Final = "SELECT issuer FROM installation"
_PING: Final = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') FROM installation"


class PostgresStorage(PostgresLeasePart, CoreStore):
    """
    `ports.Storage` on PostgreSQL. Open it with `await PostgresStorage.open(…)`, inside the event loop that will use it.

    Args:
        address: The database, migrated.
        place: Sequence number to status list position.
        pool_size: Connections for what devices wait for.
        database_ms: The database's time in milliseconds, for the service clock of leases; None: ask it.
    """

    def __init__(
        self,
        address: PostgresAddress,
        place: IndexPlace,
        *,
        pool_size: int = POOL_SIZE,
        database_ms: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(place, database_ms)
        self._pool = HotPool(address, size=pool_size)
        self._numbers = StatusNumbers()
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: connect(address),
            pool_size=ADMIN_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_ADMIN_WAIT_SECONDS,
            pool_pre_ping=True,  # the first unit after a restart of the database works
        )
        self._replica: Replica | None = None
        self._written = 0
        self._failed = 0

    @classmethod
    async def open(
        cls,
        address: PostgresAddress,
        place: IndexPlace,
        *,
        pool_size: int = POOL_SIZE,
        database_ms: Callable[[], int] | None = None,
        replica: PostgresAddress | None = None,
        replica_lag_seconds: int = 0,
    ) -> PostgresStorage:
        """
        Open the database.

        Args:
            address: As for the class, and those that follow.
            place: Sequence number to status list position.
            pool_size: Connections for what devices wait for, to each of primary and replica.
            database_ms: The database's time in milliseconds.
            replica: A streaming replica that `look_at_seat` may read.
            replica_lag_seconds: How far behind it may be.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``, ``database_not_durable``.
        """
        storage = cls(address, place, pool_size=pool_size, database_ms=database_ms)
        await storage._pool.open()
        try:
            await storage.start_service_clock()
            if replica is not None:
                await storage._follow(replica, replica_lag_seconds, pool_size)
        except BaseException:
            await storage.close()
            raise
        return storage

    async def _follow(self, address: PostgresAddress, lag_seconds: int, size: int) -> None:
        issuer = (await self._pool.read(_ISSUER))[0][0]
        self._replica = Replica(address, self._service_clock, issuer=issuer, lag_seconds=lag_seconds, size=size)
        await self._replica.open()

    async def close(self) -> None:
        """See `ports.Storage`."""
        if self._replica is not None:
            await self._replica.close()
        await self.stop_service_clock()
        await self._pool.close()
        await self._engine.dispose()

    # ── what devices wait for ────────────────────────────────────────────────────────────────────────────────────────

    async def find_seat(self, query: SeatQuery) -> SeatFacts:
        """See `ports.Storage`."""
        async with self._pool.operation():
            facts = await seats.find(self._pool, query)
            return await self.find_seat_with_care(query) if needs_care(query, facts) else facts

    async def look_at_seat(self, query: SeatQuery) -> SeatFacts:
        """See `ports.Storage`."""
        if self._replica is not None:
            facts = await self._replica.find(query)
            if facts is not None and not needs_care(query, facts):
                return facts
        return await self.find_seat(query)

    async def change_seat(self, query: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]]) -> _T:
        """See `ports.Storage`."""
        async with self._pool.operation():
            try:
                async with self._counted():
                    return await seats.change(self._pool, self._numbers, query, decide, self._place)
            except seats.CareNeededError:
                return await self.change_seat_with_care(query, decide)

    async def api_key_by_hash(self, token_hash: bytes) -> ApiKey | None:
        """See `ports.Storage`."""
        async with self._pool.operation():
            found = await self._pool.read(_API_KEY, token_hash)
        return rows.api_key_from(found[0]) if found else None

    async def ping(self) -> None:
        """See `ports.Storage`."""
        async with self._pool.operation():
            for in_recovery, read_only in await self._pool.read(_PING):
                if in_recovery or read_only != "off":
                    raise StorageError(
                        "storage_unavailable",
                        "The database server is a replica, or takes no writes now.",
                        "Point CARNET_DATABASE_URL at the primary.",
                    )

    async def check_replica(self) -> str | None:
        """See `ports.Storage`."""
        return None if self._replica is None else await self._replica.check()

    def stats(self) -> StorageStats:
        """See `ports.Storage`; each operation is its own commit here."""
        return StorageStats(
            commits=self._written,
            jobs=self._written + self._failed,
            failed_jobs=self._failed,
            largest_group=min(1, self._written),
            waiting=self._pool.waiting,
            replica=None if self._replica is None else self._replica.stats,
        )

    # ── how SQLAlchemy Core gets its connection ──────────────────────────────────────────────────────────────────────

    async def _write(self, work: Callable[[sa.Connection], _T]) -> _T:
        unit = remembering(work, remember)
        async with self._pool.operation(), self._counted():
            for attempt in range(_TRIES):
                try:
                    async with self._engine.begin() as connection:
                        return await connection.run_sync(unit)
                except (DBAPIError, PoolTimeoutError, *DRIVER_ERRORS) as error:
                    cause = driver_error(error) if isinstance(error, DBAPIError) else error
                    if attempt + 1 < _TRIES and is_conflict(cause):
                        continue
                    raise storage_error(cause, was_sent=True) from error
            raise AssertionError  # the last attempt returned or raised

    async def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        async with self._pool.operation():
            for attempt in range(_TRIES):
                try:
                    async with self._engine.connect() as connection:
                        # One snapshot for all statements of the unit.
                        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                        return await connection.run_sync(work)
                except (DBAPIError, PoolTimeoutError, *DRIVER_ERRORS) as error:
                    cause = driver_error(error) if isinstance(error, DBAPIError) else error
                    if attempt + 1 < _TRIES and is_conflict(cause):
                        continue
                    raise storage_error(cause) from error
            raise AssertionError  # the last attempt returned or raised

    def _next_number(self, connection: sa.Connection) -> Callable[[], int]:
        wanted = 1

        def next_number() -> int:
            nonlocal wanted
            try:
                return self._numbers.draw()
            except OutOfNumbersError:
                # A batch asks for twice as many each time.
                blocks = connection.exec_driver_sql(NEXT_BLOCKS, (blocks_for(wanted),))
                self._numbers.add(row[0] for row in blocks)
                wanted *= 2
                return self._numbers.draw()

        return next_number

    # ── beside the requests ──────────────────────────────────────────────────────────────────────────────────────────

    def _counted(self) -> _Counted:
        return _Counted(self)


class _Counted:
    """Counts one change of a storage, by how it ends."""

    def __init__(self, storage: PostgresStorage) -> None:
        self._storage = storage

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._storage._written += 1  # noqa: SLF001 - one thing in two classes
        elif kind is not seats.CareNeededError:
            self._storage._failed += 1  # noqa: SLF001

"""
The embedded database: SQLite in WAL mode with full durability, one writer thread, readers in process (design.md §9).

Writes go through `GroupCommitWriter`, admin work in SQLAlchemy Core included, so that everything has one order and one
lock. What devices read is read on the event loop (tens of microseconds); admin reads, which may be long, run in two
threads on connections of their own. Other processes (the CLI) may open the same file: the write lock is SQLite's own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

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
from carnet.server.storage.errors import storage_closed
from carnet.server.storage.sqlite import seats
from carnet.server.storage.sqlite.connection import JoinedConnection, connect, connect_reader
from carnet.server.storage.sqlite.leases import SqliteLeasePart
from carnet.server.storage.sqlite.remembering import remember
from carnet.server.storage.sqlite.writer import GroupCommitWriter, storage_error

_T = TypeVar("_T")

_ADMIN_READERS = 2
_API_KEY = "SELECT * FROM api_keys WHERE token_hash = ?"


class SqliteStorage(SqliteLeasePart, CoreStore):
    """
    `ports.Storage` on SQLite. Open it with `await SqliteStorage.open(…)`, inside the event loop that will use it.

    Args:
        path: The database, migrated.
        place: Sequence number to status list position.
        running: Seconds of a clock that only runs on, for the service clock of leases.
    """

    def __init__(self, path: Path, place: IndexPlace, *, running: Callable[[], float] = time.monotonic) -> None:
        super().__init__(place, running)
        self._path = path
        self._writer = GroupCommitWriter(self._connect_writer)
        self._write_engine: sa.Engine | None = None
        self._executor = ThreadPoolExecutor(_ADMIN_READERS, thread_name_prefix="carnet-reader")
        self._reader: sqlite3.Connection | None = None
        self._read_engine = sa.create_engine(
            "sqlite://",
            creator=lambda: connect_reader(path),
            poolclass=QueuePool,
            pool_size=_ADMIN_READERS,
            max_overflow=0,
        )

    @classmethod
    async def open(
        cls, path: Path, place: IndexPlace, *, running: Callable[[], float] = time.monotonic
    ) -> SqliteStorage:
        """
        Open the database and start the writer.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        storage = cls(path, place, running=running)
        try:
            storage._writer.start()
            storage._reader = connect_reader(path)
            storage.start_service_clock()
        except sqlite3.Error as error:
            await storage.close()
            raise storage_error(error) from error
        return storage

    def _connect_writer(self) -> sqlite3.Connection:
        connection = connect(self._path, factory=JoinedConnection)
        self._write_engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        return connection

    async def close(self) -> None:
        """See `ports.Storage`."""
        await self.stop_service_clock()
        await self._writer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        self._read_engine.dispose()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # ── what devices wait for ────────────────────────────────────────────────────────────────────────────────────────

    async def find_seat(self, query: SeatQuery) -> SeatFacts:
        """See `ports.Storage`."""
        try:
            facts = seats.find(self._hot_reader(), query)
        except sqlite3.Error as error:
            raise storage_error(error) from error
        return await self.find_seat_with_care(query) if needs_care(query, facts) else facts

    async def look_at_seat(self, query: SeatQuery) -> SeatFacts:
        """See `ports.Storage`."""
        return await self.find_seat(query)

    async def change_seat(self, query: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]]) -> _T:
        """See `ports.Storage`."""
        try:
            return await self._writer.submit(
                remembering(lambda connection: seats.change(connection, query, decide, self._place), remember)
            )
        except seats.CareNeededError:
            return await self.change_seat_with_care(query, decide)

    async def api_key_by_hash(self, token_hash: bytes) -> ApiKey | None:
        """See `ports.Storage`."""
        try:
            row = self._hot_reader().execute(_API_KEY, (token_hash,)).fetchone()
        except sqlite3.Error as error:
            raise storage_error(error) from error
        return None if row is None else rows.api_key_from(row)

    async def ping(self) -> None:
        """See `ports.Storage`."""
        await self._writer.submit(lambda connection: connection.execute("SELECT 1 FROM installation").fetchone())

    async def check_replica(self) -> str | None:
        """See `ports.Storage`; there is none."""
        return None

    def stats(self) -> StorageStats:
        """See `ports.Storage`."""
        return self._writer.stats()

    # ── how SQLAlchemy Core gets its connection ──────────────────────────────────────────────────────────────────────

    async def _write(self, work: Callable[[sa.Connection], _T]) -> _T:
        def job(_: sqlite3.Connection) -> _T:
            engine = self._write_engine
            assert engine is not None  # noqa: S101 - made together with the connection this job runs on
            try:
                with engine.connect() as connection:
                    return work(connection)
            except DBAPIError as error:
                raise _driver_error(error) from error

        return await self._writer.submit(remembering(job, remember))

    async def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        def job() -> _T:
            try:
                with self._read_engine.connect() as connection:
                    connection.exec_driver_sql("BEGIN")  # one snapshot for all statements of the unit
                    try:
                        return work(connection)
                    finally:
                        connection.exec_driver_sql("COMMIT")
            except DBAPIError as error:
                raise _driver_error(error) from error

        self._hot_reader()
        return await asyncio.get_running_loop().run_in_executor(self._executor, job)

    def _next_number(self, connection: sa.Connection) -> Callable[[], int]:
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'status_indices'"
        numbers: Iterator[int] | None = None

        def next_number() -> int:
            # The write lock is held: nobody else can take the numbers behind the last.
            nonlocal numbers
            if numbers is None:
                numbers = count((connection.exec_driver_sql(query).scalar() or 0) + 1)
            return next(numbers)

        return next_number

    def _hot_reader(self) -> sqlite3.Connection:
        if self._reader is None:
            raise storage_closed()
        return self._reader


def _driver_error(error: DBAPIError) -> Exception:
    original = error.orig
    return storage_error(original) if isinstance(original, sqlite3.Error) else error

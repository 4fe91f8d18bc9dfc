"""
What is done to a PostgreSQL database before anything serves: one transaction on a connection of its own, waited for.

No event loop is needed, and one that runs is not used: `carnet init` and `carnet db` are plain programs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from carnet.server.database import PostgresAddress
from carnet.server.storage.postgres.connection import LOCK_SECONDS, connect
from carnet.server.storage.postgres.errors import DRIVER_ERRORS, driver_error, is_conflict, storage_error

_T = TypeVar("_T")

_TRIES: Final = 5
_ONE_MIGRATES: Final = 4_137_001_925
"""The advisory lock under which the schema changes: any number, as long as it is always this one."""


def in_transaction(address: PostgresAddress, work: Callable[[sa.Connection], _T]) -> _T:
    """
    Run *work* in one transaction, and wait for its end; again, if others were in its way and nothing was written.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``, ``database_not_durable``.
        Exception: Whatever *work* raised; nothing was written.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="carnet-schema") as thread:
        return thread.submit(asyncio.run, _in_transaction(address, work)).result()


async def _in_transaction(address: PostgresAddress, work: Callable[[sa.Connection], _T]) -> _T:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(address), poolclass=NullPool)
    try:
        for attempt in range(_TRIES):
            try:
                async with engine.begin() as connection:
                    return await connection.run_sync(work)
            except (DBAPIError, *DRIVER_ERRORS) as error:
                cause = driver_error(error) if isinstance(error, DBAPIError) else error
                if attempt + 1 < _TRIES and is_conflict(cause):
                    continue  # tables are locked one by one, and those who serve meanwhile lock them in another order
                raise storage_error(cause) from error
        raise AssertionError  # the last attempt returned or raised
    finally:
        await engine.dispose()


def become_the_one_who_migrates(connection: sa.Connection) -> None:
    """
    Wait until no other process changes the schema, and be the one until the transaction ends.

    Tables' locks are not waited for without end: whatever came behind us would wait too, and nothing would be served.
    """
    for setting in ("statement_timeout = 0", "lock_timeout = 0"):
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_MIGRATES)))
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def revision(connection: sa.Connection) -> str | None:
    """The schema's revision; None for a database without our tables."""
    if not has_table(connection, "alembic_version"):
        return None
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def has_table(connection: sa.Connection, name: str) -> bool:
    """Whether there is a table called *name* where ours are."""
    return connection.scalar(sa.select(sa.func.to_regclass(name))) is not None


def other_tables(connection: sa.Connection) -> list[str]:
    """Tables where ours would be made."""
    query = sa.text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename LIMIT 3")
    return [str(name) for name in connection.scalars(query)]

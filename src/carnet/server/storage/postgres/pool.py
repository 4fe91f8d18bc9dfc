"""
The connections that hot statements use: as many as requests usually run at once, and no query but the one asked for.

Measured (measurements.md B3): a pool narrower than the concurrency multiplies p99 by five, and asyncpg's own reset
query costs a quarter of the CPU. So each connection is given back as it is: statements here leave no session state, and
a transaction that was left open (a cancelled request) the driver rolls back.

Broken connections are noticed when the server closes them and replaced when one is next needed, so that after a restart
of the database the first request finds it again (REL-05). A read that meets a broken one is done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]

from carnet.server.database import PostgresAddress
from carnet.server.storage.errors import StorageError, storage_closed
from carnet.server.storage.postgres.connection import HOT_SECONDS, Connection, make_durable, options
from carnet.server.storage.postgres.errors import DRIVER_ERRORS, is_conflict, is_lost, storage_error, was_not_sent

POOL_SIZE: Final = 16
"""Connections of one process; as wide as the requests it usually has under way."""

MAX_WAITING: Final = 1024
"""Operations that wait for a connection; more are told to come back, before they cost memory and time."""


_INSIDE: ContextVar[bool] = ContextVar("carnet_storage_operation", default=False)


class HotPool:
    """
    A pool of asyncpg connections, counting what is under way.

    Args:
        address: The database.
        size: At most this many connections.
        is_primary: Whether it commits; a replica's connections commit nothing that had to be durable, and are made
            when they are needed first.
    """

    def __init__(self, address: PostgresAddress, *, size: int = POOL_SIZE, is_primary: bool = True) -> None:
        self._address = address
        self._size = size
        self._is_primary = is_primary
        self._pool: Any = None
        self._closed = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """
        Make the first connection, where it is to a primary.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``, ``database_not_durable``.
        """
        try:
            self._pool = await asyncpg.create_pool(
                self._address.url,
                min_size=0,  # no connection but for somebody: else the driver keeps trying while the server is away
                max_size=self._size,
                init=make_durable if self._is_primary else None,
                reset=_reset,
                **options(HOT_SECONDS),
            )
            if self._is_primary:
                async with self._pool.acquire():
                    pass
        except DRIVER_ERRORS as error:
            raise storage_error(error) from error

    async def close(self) -> None:
        """Let what is under way end, then close every connection. Closing twice is fine."""
        self._closed = True
        await self._idle.wait()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @property
    def under_way(self) -> int:
        """Operations begun and not ended."""
        return self._under_way

    @property
    def waiting(self) -> int:
        """How many of them have no connection yet, at least."""
        return max(0, self._under_way - self._size)

    @asynccontextmanager
    async def operation(self) -> AsyncIterator[None]:
        """
        One operation of the storage: `close` waits for its end. One inside another belongs to it.

        Raises:
            StateError: ``storage_closed``; ``storage_busy``: too many wait already.
        """
        if _INSIDE.get():
            yield
            return
        if self._closed:
            raise storage_closed()
        if self._under_way >= self._size + MAX_WAITING:
            raise StorageError("storage_busy", "Too many requests wait for the database.", "Try again in a moment.")
        self._under_way += 1
        self._idle.clear()
        token = _INSIDE.set(True)
        try:
            yield
        finally:
            _INSIDE.reset(token)
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def read(self, sql: str, *values: Any) -> list[Any]:
        """
        The rows of one statement that changes nothing. It is asked again where the connection is lost, on another, and
        where it and a change of the schema waited for each other.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        try:
            return await self._fetch(sql, values, again_if=_may_be_asked_again)
        except DRIVER_ERRORS as error:
            raise storage_error(error) from error

    async def write(self, sql: str, *values: Any) -> list[Any]:
        """
        The rows of one statement that is its own transaction; sent once, whatever happens. The driver's errors pass
        through; see `errors.storage_error` for those that leave its outcome unknown.
        """
        return await self._fetch(sql, values, again_if=was_not_sent)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction, inside an `operation`. The driver's errors pass through."""
        async with AsyncExitStack() as stack:
            connection, begun = await self._begin(stack)
            try:
                yield connection
            except BaseException:
                with suppress(*DRIVER_ERRORS):  # where the connection is lost, the server does it
                    await begun.rollback()
                raise
            await begun.commit()

    async def _begin(self, stack: AsyncExitStack) -> tuple[Connection, Any]:
        for attempt in range(self._size + 1):
            connection = await stack.enter_async_context(self._pool.acquire())
            begun = connection.transaction()
            try:
                await begun.start()
            except DRIVER_ERRORS as error:
                _give_up(connection, error)
                if not is_lost(error) or attempt == self._size:
                    raise
                await stack.aclose()
            else:
                return connection, begun
        raise AssertionError  # the last attempt returned or raised

    async def _fetch(
        self, sql: str, values: tuple[Any, ...], *, again_if: Callable[[BaseException], bool]
    ) -> list[Any]:
        # After a restart of the server every connection of the pool may be a broken one; each is met once.
        for attempt in range(self._size + 1):
            async with self._pool.acquire() as connection:
                try:
                    rows: list[Any] = await connection.fetch(sql, *values)
                except DRIVER_ERRORS as error:
                    _give_up(connection, error)
                    if isinstance(error, TimeoutError) or not again_if(error) or attempt == self._size:
                        raise
                else:
                    return rows
        raise AssertionError  # the last attempt returned or raised


def _may_be_asked_again(error: BaseException) -> bool:
    return is_lost(error) or is_conflict(error)


def _give_up(connection: Connection, error: BaseException) -> None:
    """Never use a lost connection again."""
    if is_lost(error):
        with suppress(asyncpg.InterfaceError):  # it was given up already
            connection.terminate()


async def _reset(_: Connection) -> None:
    """Nothing: the driver has rolled back what was left open, and our statements leave nothing else."""

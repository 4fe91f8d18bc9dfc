"""
Connections to PostgreSQL with our settings.

Every connection, of whatever pool, is made here: READ COMMITTED (what `seats` says about its guards is about that
level), commits that wait for the disk (REL-03), and limits on how long a statement or a lock may take.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import asyncpg  # type: ignore[import-untyped]

from carnet.core.errors import StateError
from carnet.server.database import PostgresAddress

Connection: TypeAlias = Any
"""An `asyncpg.Connection`; the driver ships no types."""

CONNECT_SECONDS: Final = 5.0
HOT_SECONDS: Final = 15
"""How long a statement that a device waits for may take."""

LONG_SECONDS: Final = 600
"""How long one of administration's may: a hundred thousand licenses at once are one transaction."""

LOCK_SECONDS: Final = 10
"""How long a row's lock may be waited for."""

_CACHED_STATEMENTS: Final = 256
_DURABLE: Final = frozenset(("on", "remote_apply"))


def options(statement_seconds: int) -> dict[str, Any]:
    """What `asyncpg.connect` is told."""
    return {
        "timeout": CONNECT_SECONDS,
        # The server gives up first and says so; this is for a server, or a network, that says nothing any more.
        "command_timeout": statement_seconds + 5,
        "statement_cache_size": _CACHED_STATEMENTS,
        "server_settings": {
            "application_name": "carnet",
            "default_transaction_isolation": "read committed",
            "statement_timeout": str(statement_seconds * 1000),
            "lock_timeout": str(LOCK_SECONDS * 1000),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",  # our statements are short: compiling them never pays
        },
    }


async def connect(address: PostgresAddress, statement_seconds: int = LONG_SECONDS) -> Connection:
    """
    A connection of our kind; the caller closes it.

    Raises:
        OSError, TimeoutError, asyncpg's errors: It cannot be made (`errors.storage_error`).
        StateError: ``database_not_durable``.
    """
    connection = await asyncpg.connect(address.url, **options(statement_seconds))
    try:
        await make_durable(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def make_durable(connection: Connection) -> None:
    """
    Make sure that a commit on *connection* is on the disk when it is acknowledged (REL-03).

    `synchronous_commit` is raised to ``on`` where a role's or database's default is weaker, and stays where it is
    stronger. `fsync` is the server's own.

    Raises:
        StateError: ``database_not_durable``: the server runs without `fsync`.
    """
    fsync, commit = await connection.fetchrow("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
    if fsync != "on":
        raise StateError(
            "database_not_durable",
            "The database server runs with fsync = off: a power cut would lose licenses that were sold.",
            "Set fsync = on in its postgresql.conf.",
        )
    if commit not in _DURABLE:
        await connection.execute("SET synchronous_commit = on")

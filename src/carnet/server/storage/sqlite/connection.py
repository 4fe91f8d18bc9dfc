"""
Connections to a SQLite file with our settings.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

BUSY_TIMEOUT_SECONDS = 15.0
"""How long a writer waits for another process's transaction."""

_CACHED_STATEMENTS = 256


class JoinedConnection(sqlite3.Connection):
    """
    A connection on which only the writer ends transactions.

    SQLAlchemy commits and rolls back through these two methods; its work is a part of the writer's transaction, which
    ends by the writer's own COMMIT statement.
    """

    def commit(self) -> None:
        """Leave the transaction to the writer."""

    def rollback(self) -> None:
        """Leave the transaction to the writer."""


def connect(path: Path, *, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """
    A connection with our settings: explicit transactions, WAL, FULL, foreign keys, a busy timeout.

    A new database file is readable by its owner only; SQLite gives its WAL the same permissions.

    Raises:
        sqlite3.Error: It cannot be opened or is not a database.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
        factory=factory,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # REL-03: acknowledged means durable
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # no change needs another file, nor a place for one (REL-06)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def settle(path: Path) -> bool:
    """
    Bring everything of the database at *path* into its one file, so that it can be moved.

    Returns:
        False where another program has it open (leaving WAL mode needs the database alone, sqlite.org/wal.html). A
        file that is not a sound database is left as it is, with its log beside it.
    """
    connection = sqlite3.connect(path, timeout=0.1, isolation_level=None)
    try:
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.OperationalError as error:
        return not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()
    return bool(mode == "delete")

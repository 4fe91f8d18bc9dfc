"""
What is done to a SQLite file before anything serves it, or while nothing does: one transaction, then all in one file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from carnet.server.storage.sqlite.connection import JoinedConnection, connect
from carnet.server.storage.sqlite.writer import storage_error

_T = TypeVar("_T")


def in_transaction(path: Path, work: Callable[[sa.Connection], _T], *, references_at_end: bool = False) -> _T:
    """
    Run *work* in one transaction on the file at *path*, which holds everything by itself afterwards: it can be copied.

    Args:
        path: The file; made if it does not exist.
        work: Neither commits nor rolls back.
        references_at_end: Rebuilding a table drops the old one; then references are checked once, before the commit.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
        Exception: Whatever *work* raised; nothing was written.
    """
    try:
        raw = connect(path, factory=JoinedConnection)
        try:
            if references_at_end:
                raw.execute("PRAGMA foreign_keys = OFF")
            raw.execute("BEGIN IMMEDIATE")
            engine = sa.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
            with engine.connect() as connection:
                result = work(connection)
            if references_at_end and raw.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise sqlite3.IntegrityError("FOREIGN KEY constraint failed")
            raw.execute("COMMIT")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()  # without a COMMIT before it, this rolls back
    except (sqlite3.Error, DBAPIError) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        raise (storage_error(original) if isinstance(original, sqlite3.Error) else error) from error
    return result

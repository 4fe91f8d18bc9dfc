"""
The first rows of a new database, and which installation a database belongs to.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from carnet.core.instant import Instant
from carnet.server.records import ApiKey, AuditEntry
from carnet.server.storage import rows
from carnet.server.storage.sqlite.connection import JoinedConnection, connect
from carnet.server.storage.sqlite.writer import storage_error
from carnet.server.storage.tables import api_keys, audit, installation


def found(path: Path, *, issuer: str, created_at: Instant, api_key: ApiKey, entry: AuditEntry) -> None:
    """
    Write who this database belongs to, the first admin token and the first audit row, in one transaction.

    Args:
        path: A migrated, empty database.
        issuer: The installation's id.
        created_at: When.
        api_key: The first admin token's record.
        entry: The audit row of the founding.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    try:
        raw = connect(path, factory=JoinedConnection)
        try:
            raw.execute("BEGIN IMMEDIATE")
            engine = sa.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
            with engine.connect() as connection:
                values = {"id": 1, "issuer": issuer, "created_at": int(created_at)}
                connection.execute(sa.insert(installation), values)
                connection.execute(sa.insert(api_keys), rows.api_key_values(api_key))
                connection.execute(sa.insert(audit), rows.audit_values(entry))
            raw.execute("COMMIT")
            # Everything into the one file: what is copied or moved right after init is whole.
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
    except (sqlite3.Error, DBAPIError) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        raise (storage_error(original) if isinstance(original, sqlite3.Error) else error) from error


def owner(path: Path) -> str | None:
    """
    The id of the installation that the database at *path* belongs to; None if it was never founded.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    try:
        connection = connect(path)
        try:
            row = connection.execute("SELECT issuer FROM installation").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise storage_error(error) from error
    return None if row is None else str(row[0])

"""
Putting rows back into a new database: what `ports.BackupStore.snapshot` showed, written as it was (REL-11).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from carnet.core.errors import StateError
from carnet.core.instant import Instant
from carnet.server.records import AuditEntry
from carnet.server.storage import rows
from carnet.server.storage.migrate import create_at, upgrade
from carnet.server.storage.sqlite.connection import JoinedConnection, connect
from carnet.server.storage.sqlite.writer import storage_error
from carnet.server.storage.tables import audit, installation

PutRows: TypeAlias = Callable[[str, Sequence[str], Sequence[Sequence[Any]]], None]
"""Write rows of a table: its name, the columns, the values."""


def load(path: Path, schema: str, fill: Callable[[PutRows], None], restored_at: Instant) -> None:
    """
    Make a database at *path* that holds what *fill* writes, at this program's schema, marked as put back.

    Args:
        path: Where; nothing may be there. On any failure nothing is left there.
        schema: The revision that the rows are of.
        fill: Calls its argument for each table, those that others refer to first.
        restored_at: Now. The database refuses to serve until `begin_epoch`.

    Raises:
        StateError: ``storage_unavailable``; ``database_too_new``; ``backup_does_not_fit``: rows of a table or column
            that the schema does not have, or that break its rules.
        Exception: Whatever *fill* raises.
    """
    try:
        create_at(path, schema)
        _in_transaction(path, lambda connection: _fill(connection, schema, fill))
        upgrade(path)
        _in_transaction(path, lambda connection: _mark(connection, restored_at))
    except BaseException:
        _remove(path)
        raise
    _remove(path.with_name(f"{path.name}.before-{schema}"))


def begin_epoch(
    path: Path,
    *,
    choose: Callable[[int], int],
    last_sequence: Callable[[int], int],
    entry: Callable[[int], AuditEntry],
) -> int:
    """
    Begin a new life of the database at *path*: no status list number of a life before is given again.

    Args:
        path: The database, at this program's schema.
        choose: The new epoch, given the database's own.
        last_sequence: The number below the first one that the new epoch may give.
        entry: The audit row, given the new epoch.

    Returns:
        The new epoch.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    begun: list[int] = []

    def work(connection: sa.Connection) -> None:
        known = connection.scalar(sa.select(installation.c.epoch)) or 0
        epoch = choose(known)
        last = last_sequence(epoch)
        # What AUTOINCREMENT gave last (sqlite.org/autoinc.html): the next number is above it.
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'status_indices'", (last,)
        )
        if changed.rowcount == 0:
            connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('status_indices', ?)", (last,))
        connection.execute(sa.update(installation).values(epoch=epoch, restored_at=None))
        connection.execute(sa.insert(audit), rows.audit_values(entry(epoch)))
        begun.append(epoch)

    _in_transaction(path, work)
    return begun[0]


def _fill(connection: sa.Connection, schema: str, fill: Callable[[PutRows], None]) -> None:
    tables = sa.MetaData()
    tables.reflect(connection)

    def put(table: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        found = tables.tables.get(table)
        if found is None or not set(columns) <= set(found.columns.keys()):
            raise StateError(
                "backup_does_not_fit",
                f"The backup holds {table[:60]!r} in a form that schema {schema} does not have.",
                "Install the version of Carnet that made it, restore with that, then upgrade.",
            )
        connection.execute(sa.insert(found), [dict(zip(columns, row, strict=True)) for row in values])

    fill(put)


def _mark(connection: sa.Connection, restored_at: Instant) -> None:
    connection.execute(sa.update(installation).values(restored_at=int(restored_at)))


def _in_transaction(path: Path, work: Callable[[sa.Connection], None]) -> None:
    try:
        raw = connect(path, factory=JoinedConnection)
        try:
            raw.execute("BEGIN IMMEDIATE")
            with sa.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool).connect() as connection:
                work(connection)
            raw.execute("COMMIT")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # everything into the one file
        finally:
            raw.close()
    except (sqlite3.Error, DBAPIError) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(original, sqlite3.IntegrityError):
            raise StateError(
                "backup_does_not_fit",
                f"The backup's rows break a rule of the database ({original}).",
                "Use another backup; this one cannot have been written by a sound installation.",
            ) from error
        raise (storage_error(original) if isinstance(original, sqlite3.Error) else error) from error


def _remove(path: Path) -> None:
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        each.unlink(missing_ok=True)

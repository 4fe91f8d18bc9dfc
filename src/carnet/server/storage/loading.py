"""
Putting rows back into a new database: what `ports.BackupStore.snapshot` showed, written as it was (REL-11).

The rows may come from the other kind of database: types are the same, and numbers that a database gives by itself go on
after the highest that was put back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from carnet.core.errors import StateError, UsageError
from carnet.core.instant import Instant
from carnet.server.database import Database, PostgresAddress
from carnet.server.records import AuditEntry
from carnet.server.storage import rows
from carnet.server.storage.core.proof_reading import count_leaves
from carnet.server.storage.migrate import create_at, raise_to_head
from carnet.server.storage.sqlite.schema import in_transaction
from carnet.server.storage.tables import audit, installation, metadata, status_indices

_T = TypeVar("_T")

PutRows: TypeAlias = Callable[[str, Sequence[str], Sequence[Sequence[Any]]], None]
"""Write rows of a table: its name, the columns, the values."""


def load(database: Database, schema: str, fill: Callable[[PutRows], None], restored_at: Instant) -> None:
    """
    Make *database* hold what *fill* writes, at this program's schema, marked as put back; all of it or nothing.

    Args:
        database: A file that does not exist, or a PostgreSQL database without tables.
        schema: The revision that the rows are of.
        fill: Calls its argument for each table, those that others refer to first.
        restored_at: Now. The database refuses to serve until `begin_epoch`.

    Raises:
        UsageError: ``database_exists``: there are tables already.
        StateError: ``storage_unavailable``, ``storage_busy``; ``database_too_new``; ``backup_does_not_fit``: rows of a
            table or column that the schema does not have, or that break its rules.
        Exception: Whatever *fill* raises.
    """

    def work(connection: sa.Connection) -> None:
        if sa.inspect(connection).get_table_names():
            raise database_exists(database)
        create_at(connection, schema)
        _fill(connection, schema, fill)
        raise_to_head(connection)
        _go_on_after(connection)
        connection.execute(sa.update(installation).values(restored_at=int(restored_at)))

    try:
        _alone(database, work)
    except BaseException as error:
        if not isinstance(database, PostgresAddress):
            remove(database)
        if _breaks_a_rule(error):
            raise _does_not_fit("its rows break a rule of the database") from error
        raise


def begin_epoch(
    database: Database,
    *,
    choose: Callable[[int], int],
    last_sequence: Callable[[int], int],
    entry: Callable[[int, int], AuditEntry],
) -> int:
    """
    Begin a new life of *database*: no status list number of a life before is given again.

    Args:
        database: At this program's schema.
        choose: The new epoch, given the database's own.
        last_sequence: The number below the first one that the new epoch may give.
        entry: The audit row, given the new epoch and how many leaves the log has as it begins.

    Returns:
        The new epoch.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """

    def work(connection: sa.Connection) -> int:
        epoch = choose(connection.scalar(sa.select(installation.c.epoch)) or 0)
        _set_last(connection, status_indices, last_sequence(epoch))
        connection.execute(sa.update(installation).values(epoch=epoch, restored_at=None))
        connection.execute(sa.insert(audit), rows.audit_values(entry(epoch, count_leaves(connection))))
        return epoch

    return _alone(database, work)


def database_exists(database: Database) -> UsageError:
    """There is a database where one should be made."""
    if isinstance(database, PostgresAddress):
        fix = "Make an empty one (createdb), and set CARNET_DATABASE_URL to it; keep the old one until all is well."
    else:
        fix = "Stop the server, then add --replace. The present database is kept under another name."
    return UsageError("database_exists", f"There is a database at {database} already.", fix)


def remove(path: Path) -> None:
    """Remove a SQLite file and what SQLite keeps beside it; fine if there is none."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _alone(database: Database, work: Callable[[sa.Connection], _T]) -> _T:
    """Run *work* in one transaction, under the lock of whoever changes a schema."""
    if not isinstance(database, PostgresAddress):
        return in_transaction(database, work, references_at_end=True)
    from carnet.server.storage.postgres import schema

    def locked(connection: sa.Connection) -> _T:
        schema.become_the_one_who_migrates(connection)
        return work(connection)

    return schema.in_transaction(database, locked)


def _fill(connection: sa.Connection, schema: str, fill: Callable[[PutRows], None]) -> None:
    tables = sa.MetaData()
    tables.reflect(connection)

    def put(table: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        found = tables.tables.get(table)
        if found is None or not set(columns) <= set(found.columns.keys()):
            raise _does_not_fit(f"it holds {table[:60]!r} in a form that schema {schema} does not have")
        connection.execute(sa.insert(found), [dict(zip(columns, row, strict=True)) for row in values])

    fill(put)


def _go_on_after(connection: sa.Connection) -> None:
    """Let the database's own numbers continue; SQLite does so by itself."""
    if connection.dialect.name == "sqlite":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        highest = None if column is None else connection.scalar(sa.select(sa.func.max(column)))
        if highest is not None:
            _set_last(connection, table, highest)


def _set_last(connection: sa.Connection, table: sa.Table, last: int) -> None:
    """Make *last* the number that *table* gave last, unless it is further already."""
    if connection.dialect.name == "sqlite":  # sqlite.org/autoinc.html
        values = (last, table.name)
        known = connection.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", values)
        if not known.rowcount:
            connection.exec_driver_sql("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", values)
        return
    column = table.autoincrement_column
    assert column is not None  # noqa: S101 - only tables that number their rows come here
    sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
    if sequence is not None:  # a primary key that somebody else numbers has none
        at = connection.scalar(sa.text(f"SELECT last_value FROM {sequence}"))  # noqa: S608 - the database's own name
        connection.execute(sa.select(sa.func.setval(sequence, max(last, at or 0))))


def _breaks_a_rule(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, IntegrityError | sqlite3.IntegrityError):
        error = error.__cause__
    return error is not None


def _does_not_fit(problem: str) -> StateError:
    return StateError(
        "backup_does_not_fit",
        f"The backup cannot be put back: {problem}.",
        "Restore it with the version of Carnet that made it, then upgrade; or use another backup.",
    )

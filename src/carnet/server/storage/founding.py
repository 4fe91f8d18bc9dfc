"""
The first rows of a new database, and which installation a database belongs to.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from carnet.core.errors import StateError
from carnet.core.instant import Instant
from carnet.server.database import Database, PostgresAddress
from carnet.server.records import ApiKey, AuditEntry
from carnet.server.storage import rows
from carnet.server.storage.sqlite.connection import connect
from carnet.server.storage.sqlite.schema import in_transaction
from carnet.server.storage.sqlite.writer import storage_error
from carnet.server.storage.tables import api_keys, audit, installation


def found(database: Database, *, issuer: str, created_at: Instant, api_key: ApiKey, entry: AuditEntry) -> None:
    """
    Write who this database belongs to, the first admin token and the first audit row, in one transaction.

    Args:
        database: Migrated and empty.
        issuer: The installation's id.
        created_at: When.
        api_key: The first admin token's record.
        entry: The audit row of the founding.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``; ``database_of_another``: somebody was faster.
    """

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.insert(installation), {"id": 1, "issuer": issuer, "created_at": int(created_at)})
        connection.execute(sa.insert(api_keys), rows.api_key_values(api_key))
        connection.execute(sa.insert(audit), rows.audit_values(entry))

    if isinstance(database, PostgresAddress):
        from carnet.server.storage.postgres import schema

        def alone(connection: sa.Connection) -> None:
            schema.become_the_one_who_migrates(connection)
            if connection.scalar(sa.select(installation.c.issuer)) is not None:
                raise database_of_another(database)
            work(connection)

        schema.in_transaction(database, alone)
        return
    in_transaction(database, work)


def unfound(address: PostgresAddress, issuer: str) -> bool:
    """
    Take back what `found` wrote for *issuer*, an installation that never came to be; leave another's as it is.

    Returns:
        Whether the database was that installation's.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    from carnet.server.storage.postgres import schema

    def work(connection: sa.Connection) -> bool:
        if not schema.has_table(connection, installation.name):
            return False
        if not connection.execute(sa.delete(installation).where(installation.c.issuer == issuer)).rowcount:
            return False
        connection.execute(sa.delete(api_keys))
        connection.execute(sa.delete(audit))
        return True

    return schema.in_transaction(address, work)


def owner(database: Database) -> str | None:
    """
    The id of the installation that *database* belongs to; None if it was never founded.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    if isinstance(database, PostgresAddress):
        from carnet.server.storage.postgres import schema

        def work(connection: sa.Connection) -> str | None:
            if not schema.has_table(connection, installation.name):
                return None
            found = connection.scalar(sa.select(installation.c.issuer))
            return None if found is None else str(found)

        return schema.in_transaction(database, work)
    try:
        connection = connect(database)
        try:
            row = connection.execute("SELECT issuer FROM installation").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise storage_error(error) from error
    return None if row is None else str(row[0])


def check_is_free(address: PostgresAddress) -> None:
    """
    Make sure that a new installation may take the database: nothing is in it, or nothing but our empty tables.

    Raises:
        StateError: ``database_of_another``, ``data_not_empty``, ``storage_unavailable``, ``storage_busy``.
    """
    from carnet.server.storage.postgres import schema

    def tables(connection: sa.Connection) -> list[str]:
        return [] if schema.revision(connection) is not None else schema.other_tables(connection)

    if owner(address) is not None:
        raise database_of_another(address)
    others = schema.in_transaction(address, tables)
    if others:
        raise StateError(
            "data_not_empty",
            f"The database {address.shown} holds tables that are not ours ({', '.join(others)}).",
            "Make an empty database for Carnet: CREATE DATABASE carnet",
        )


def database_of_another(database: Database) -> StateError:
    """The error for a database whose installation is not the one that the data directory is of."""
    return StateError(
        "database_of_another",
        f"{database} belongs to another installation than installation.json and the keys.",
        "Restore the whole data directory from one backup."
        if isinstance(database, Path)
        else "Check CARNET_DATABASE_URL; a new installation takes an empty database.",
    )

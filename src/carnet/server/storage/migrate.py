"""
Bringing a database to the schema of this program: at every start, and by `carnet db upgrade`.

Killed in the middle, nothing is half done; of two processes that start at once, the second finds the work done. A
database from a newer program is refused and not touched.

On SQLite all of an upgrade is one transaction under the write lock, and before a database that holds anything is
changed, a copy of it is put beside it (conventions.md §2.9): as it was when the upgrade began, made before the lock is
taken, because those who serve meanwhile would wait for it (REL-12). On PostgreSQL each script is a transaction of its
own, so that they wait for one script's locks and never for all of them; what has run stays, and the next start goes on
from there (docs/decisions/0060).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from carnet.core._base import Struct
from carnet.core.errors import StateError
from carnet.server.database import Database, PostgresAddress
from carnet.server.storage.sqlite.connection import JoinedConnection, connect
from carnet.server.storage.sqlite.writer import storage_error
from carnet.server.storage.tables import REVISION

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaState(Struct):
    """Where a database stands: its revision (None: empty), the program's newest, and whether they are the same."""

    current: str | None
    latest: str
    is_current: bool


def schema_state(database: Database, *, versions: tuple[Path, ...] = ()) -> SchemaState:
    """
    The revision of *database*, and this program's.

    Args:
        database: Where it is; a file need not exist.
        versions: Further folders of migration scripts.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``; ``database_too_new``.
    """
    current = _current(database)
    if current == REVISION and not versions:  # the usual start: no look at the scripts, and Alembic is not loaded
        return SchemaState(current=current, latest=REVISION, is_current=True)
    return _state(_scripts(_config(versions)), current)


def upgrade(
    database: Database,
    *,
    say: Callable[[str], None] | None = None,
    versions: tuple[Path, ...] = (),
    until: str = "head",
) -> SchemaState:
    """
    Bring *database* to this program's schema; create a file that does not exist, and the tables in a database without.

    Args:
        database: Where it is; a file's directory exists.
        say: Told what will be done, before it is.
        versions: Further folders of migration scripts.
        until: The schema to stop at, for those who look at one script.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``; ``database_too_new``.
    """
    known = schema_state(database, versions=versions)
    if known.is_current:  # the usual start takes no lock
        return known
    config = _config(versions)
    scripts = _scripts(config)
    if isinstance(database, PostgresAddress):
        return _upgrade_postgres(database, config, scripts, say, until)
    return _upgrade_sqlite(database, known, config, say, until)


def _current(database: Database) -> str | None:
    if isinstance(database, PostgresAddress):
        from carnet.server.storage.postgres import schema

        return schema.in_transaction(database, schema.revision)
    if not database.exists():
        return None
    try:
        connection = connect(database)
        try:
            return _revision(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise storage_error(error) from error


def _upgrade_postgres(
    address: PostgresAddress, config: Config, scripts: ScriptDirectory, say: Callable[[str], None] | None, until: str
) -> SchemaState:
    from carnet.server.storage.postgres import schema

    told: set[str] = set()

    def one_script(connection: sa.Connection) -> SchemaState:
        schema.become_the_one_who_migrates(connection)
        before = _state(scripts, schema.revision(connection))
        if before.is_current or before.current == until:
            return before
        if before.current is None:  # nobody is served by a database without tables
            _run_on(config, connection, until)
        else:
            if not told and say is not None:
                say(f"Upgrading the database from {before.current} to {before.latest}, one script after the other.")
            told.add(before.current)
            _run_on(config, connection, _after(scripts, before.current))
        return _state(scripts, schema.revision(connection))

    while True:
        state = schema.in_transaction(address, one_script)
        if state.is_current or state.current == until:
            return state


def _after(scripts: ScriptDirectory, revision: str) -> str:
    """The script that follows on *revision*."""
    (following,) = scripts.get_revision(revision).nextrev
    return str(following)


def _upgrade_sqlite(
    path: Path, known: SchemaState, config: Config, say: Callable[[str], None] | None, until: str
) -> SchemaState:
    scripts = _scripts(config)
    copied = path.with_name(f"{path.name}.copying-{os.getpid()}-{threading.get_ident()}")
    kept = path.with_name(f"{path.name}.before-{known.latest}")
    try:
        if known.current is not None:
            if say is not None:
                say(f"Upgrading the database from {known.current} to {known.latest}; a copy of it stays in {kept}.")
            _copy(path, copied)
        connection = connect(path, factory=JoinedConnection)
        try:
            # Rebuilding a table drops the old one; references are checked once more before the commit instead.
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            before = _state(scripts, _revision(connection))
            if not before.is_current:
                if before.current != known.current:  # another process was faster, and did not get to the end
                    _copy(path, copied)
                if copied.exists():
                    copied.replace(kept)
                _run(config, connection, until)
                if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                    raise StateError(
                        "upgrade_failed",
                        "The database upgrade would break references between rows; nothing was changed.",
                        "This is a fault in Carnet: please report it with the versions before and after.",
                    )
            connection.execute("COMMIT")
            return _state(scripts, _revision(connection))
        finally:
            connection.close()  # without a COMMIT before it, this rolls back
    except sqlite3.Error as error:
        raise storage_error(error) from error
    except DBAPIError as error:
        original = error.orig
        raise (storage_error(original) if isinstance(original, sqlite3.Error) else error) from error
    finally:
        copied.unlink(missing_ok=True)


def create_at(connection: sa.Connection, revision: str) -> None:
    """
    Make the tables of an older program in a database that has none, to put back a backup of that time.

    Args:
        connection: In the transaction that will fill them.
        revision: The schema.

    Raises:
        StateError: ``database_too_new``: a schema that this program does not know.
    """
    config = _config(())
    _state(_scripts(config), revision)
    _run_on(config, connection, revision)


def raise_to_head(connection: sa.Connection) -> None:
    """Bring the tables of *connection*'s database to this program's schema, in its transaction."""
    _run_on(_config(()), connection, "head")


def _copy(path: Path, copy: Path) -> None:
    """A copy of the last committed state; nobody is kept from reading or writing meanwhile."""
    copy.unlink(missing_ok=True)
    source = connect(path)
    try:
        source.execute("VACUUM INTO ?", (str(copy),))
        copy.chmod(0o600)
    finally:
        source.close()


def _run(config: Config, connection: sqlite3.Connection, until: str) -> None:
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as joined:
        _run_on(config, joined, until)


def _run_on(config: Config, connection: sa.Connection, revision: str) -> None:
    from alembic import command

    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _scripts(config: Config) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config)


def _config(versions: tuple[Path, ...]) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    folders = [MIGRATIONS / "versions", *versions]
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder).replace("%", "%%") for folder in folders))
    return config


def _revision(connection: sqlite3.Connection) -> str | None:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    if connection.execute(known).fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _state(scripts: ScriptDirectory, current: str | None) -> SchemaState:
    latest = scripts.get_current_head() or ""
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StateError(
            "database_too_new",
            f"The database has schema {current[:40]}, which this version of Carnet does not know; nothing was changed.",
            "Install the version of Carnet that last used it, or a newer one.",
        )
    return SchemaState(current=current, latest=latest, is_current=current == latest)

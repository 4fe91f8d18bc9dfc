"""
REL-12, on both databases: a database of the first version, with rows in every table, comes forward whole; a program of
the version before goes on serving while the schema is raised under it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from carnet.core.errors import StateError
from carnet.server.database import Database, PostgresAddress
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from carnet.server.storage.migrate import create_at, schema_state, upgrade
from carnet.server.storage.postgres import schema as postgres_schema
from carnet.server.storage.sqlite import schema as sqlite_schema
from carnet.server.storage.tables import REVISION, metadata
from support.databases import Kind, ask, cluster
from support.installations import Device, environment_of, licensed, opened, settings_in
from support.stories import granted

_T = TypeVar("_T")

FIRST: dict[str, dict[str, Any]] = {
    "installation": {"id": 1, "issuer": "i-1", "created_at": 1},
    "products": {"id": "hustl", "name": "Hustl", "metadata": '{"a":1}', "created_at": 2},
    "customers": {"id": "c-1", "name": "Zoë", "email": "z@example.com", "metadata": "{}", "created_at": 3},
    "policies": {
        "id": "p-1",
        "product_id": "hustl",
        "name": "plan",
        "body": '{"name":"plan","seat_limit":2}',
        "license_type": "timed",
        "duration_seconds": 86400,
        "created_at": 4,
        "updated_at": 5,
    },
    "licenses": {
        "id": "l-1",
        "product_id": "hustl",
        "policy_id": "p-1",
        "customer_id": "c-1",
        "type": "timed",
        "status": "suspended",
        "key_lookup": b"\x00\xff look-up",
        "key_sealed": b"sealed",
        "key_last_four": "WXYZ",
        "overrides": '{"seat_limit":3}',
        "metadata": "{}",
        "created_at": 6,
        "starts_at": 7,
        "expires_at": 253402300799,
        "seat_limit": 3,
        "seat_limit_is_own": 1,
        "seats_used": 1,
        "seats_over": 0,
        "status_index": 70001,
    },
    "activations": {
        "id": "a-1",
        "license_id": "l-1",
        "fingerprint": "f" * 64,
        "device_name": "Atelier",
        "platform": "linux",
        "public_key": bytes(range(32)),
        "components": "[]",
        "user_id": None,
        "domain": None,
        "app_version": "1.0",
        "created_at": 8,
        "refreshed_at": 9,
        "covered_until": 10,
        "deactivated_at": None,
        "status_index": 70002,
    },
    "status_indices": {"sequence": 2, "position": 70002, "subject": "activation", "subject_id": "a-1"},
    "issuances": {
        "jti": "j-1",
        "kind": "token",
        "kid": "k",
        "license_id": "l-1",
        "activation_id": "a-1",
        "issued_at": 11,
        "expires_at": 12,
        "claims": "{}",
    },
    "audit": {
        "seq": 1,
        "at": 13,
        "actor_kind": "operator",
        "actor_id": None,
        "action": "license.created",
        "object_kind": "license",
        "object_id": "l-1",
        "details": "{}",
    },
    "seen_proofs": {"jti": "s-1", "expires_at": 14},
    "api_keys": {
        "id": "y-1",
        "name": "first",
        "token_hash": b"hash",
        "last_four": "abcd",
        "scopes": '["admin"]',
        "created_at": 15,
        "expires_at": None,
        "revoked_at": None,
    },
}
"""A row of each table of the first version, in the order in which they refer to each other."""


def new(folder: Path, kind: Kind) -> Database:
    return folder / "carnet.db" if kind == "sqlite" else cluster().fresh()


def inside(database: Database, work: Callable[[sa.Connection], _T]) -> _T:
    """Run *work* in one transaction."""
    if isinstance(database, PostgresAddress):
        return postgres_schema.in_transaction(database, work)
    return sqlite_schema.in_transaction(database, work)


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of the first version's tables, with the columns of that version."""

    def work(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for name, row in FIRST.items():
            columns = ", ".join(row)
            result = connection.execute(sa.text(f"SELECT {columns} FROM {name}"))  # noqa: S608 - our own names
            found[name] = [dict(each._mapping) for each in result]
        return found

    return inside(database, work)


def first_version(folder: Path, kind: Kind) -> Database:
    """A database of the first version, with a row in every table."""
    database = new(folder, kind)

    def work(connection: sa.Connection) -> None:
        create_at(connection, "0001")
        there = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
        assert there == set(FIRST)
        for name, row in FIRST.items():
            values = ", ".join(f":{column}" for column in row)
            connection.execute(sa.text(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({values})"), row)  # noqa: S608

    inside(database, work)
    return database


def test_rel_12_a_database_of_the_first_version_comes_forward_with_every_row(tmp_path: Path, database: Kind) -> None:
    old = first_version(tmp_path, database)
    before = rows(old)
    assert before == {name: [row] for name, row in FIRST.items()}
    assert schema_state(old).current == "0001"
    said: list[str] = []
    assert upgrade(old, say=said.append).current == REVISION
    assert rows(old) == before
    assert len(said) == 1
    assert "0001" in said[0]
    assert "canary" not in said[0]

    def differences(connection: sa.Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    assert inside(old, differences) == []


def test_the_database_numbers_on_behind_the_rows_that_came_forward(tmp_path: Path, database: Kind) -> None:
    old = first_version(tmp_path, database)
    upgrade(old)

    def work(connection: sa.Connection) -> int:
        audit = {name: value for name, value in FIRST["audit"].items() if name != "seq"}
        connection.execute(sa.insert(metadata.tables["audit"]), audit | {"action": "second"})
        return int(connection.scalar(sa.text("SELECT max(seq) FROM audit")) or 0)

    if isinstance(old, PostgresAddress):  # its rows were given their numbers by hand here
        ask(old, "SELECT setval('audit_seq_seq', 1)")
    assert inside(old, work) == 2


NEXT = """
from alembic import op

revision = "9999"
down_revision = "{down}"
branch_labels = None
depends_on = None


def upgrade():
    for table in {tables}:
        op.execute(f"ALTER TABLE {{table}} ADD COLUMN later TEXT DEFAULT 'x' NOT NULL")
    {more}
"""


def planted(folder: Path, more: str = "pass") -> tuple[Path, ...]:
    """The next version's migration: it adds a column to every table that programs of this one write to."""
    versions = folder / "versions"
    versions.mkdir(parents=True)
    tables = sorted(metadata.tables)
    (versions / "9999_later.py").write_text(NEXT.format(down=REVISION, tables=tables, more=more))
    return (versions,)


def test_rel_12_a_server_of_this_version_goes_on_while_the_next_raises_the_schema(
    tmp_path: Path, database: Kind
) -> None:
    versions = planted(tmp_path)

    async def sell(installation: Installation, key: str, name: str, upgraded: asyncio.Event) -> int:
        turn = after = 0
        while after < 5:
            turn += 1
            after += upgraded.is_set()
            result = granted(await installation.activations.activate(Device(f"{name}-{turn}").activate(key)))
            if turn % 2:
                await installation.activations.deactivate_by_vendor(result.activation.id, OPERATOR)
        return turn

    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation, overrides={"seat_limit": None})
            upgraded = asyncio.Event()
            clients = [asyncio.create_task(sell(installation, created.key, name, upgraded)) for name in "abcd"]
            state = await asyncio.to_thread(upgrade, installation.settings.database, versions=versions)
            assert state.current == "9999"
            upgraded.set()
            turns = sum(await asyncio.gather(*clients))
            view = await installation.licenses.get(created.license.id)
            held = await installation.activations.list(created.license.id, limit=500)
            assert view.seats.used == len(held.items)
            assert turns >= 20
            # What administration does goes on too, and both versions see the same rows.
            await licensed(installation)
            await installation.licenses.suspend(created.license.id, OPERATOR)
            assert (await installation.licenses.get(created.license.id)).status == "suspended"

    asyncio.run(story())


@pytest.mark.parametrize("more", ["raise RuntimeError('killed')", "op.execute('INSERT INTO nowhere VALUES (1)')"])
def test_an_upgrade_that_fails_leaves_either_database_as_it_was(tmp_path: Path, database: Kind, more: str) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises((RuntimeError, StateError, sa.exc.DBAPIError)):
        upgrade(settings.database, versions=planted(tmp_path, more))
    assert schema_state(settings.database).is_current

    def columns(connection: sa.Connection) -> set[str]:
        return {column["name"] for column in sa.inspect(connection).get_columns("products")}

    assert "later" not in inside(settings.database, columns)


def test_rel_12_on_postgresql_each_script_is_a_transaction_and_an_upgrade_that_stopped_goes_on(tmp_path: Path) -> None:
    """Nobody waits for the locks of all scripts together; what has run before a fault stays."""
    old = first_version(tmp_path, "postgres")
    versions = planted(tmp_path, "raise RuntimeError('killed')")
    with pytest.raises(RuntimeError):
        upgrade(old, versions=versions)
    assert schema_state(old).current == REVISION
    assert rows(old) == {name: [row] for name, row in FIRST.items()}
    (versions[0] / "9999_later.py").unlink()
    assert upgrade(old, versions=planted(tmp_path / "again")).current == "9999"


def test_of_processes_that_start_at_once_one_raises_the_schema_and_the_others_find_it_done(
    tmp_path: Path, database: Kind
) -> None:
    old = first_version(tmp_path, database)
    from carnet.server.settings import Settings

    settings = Settings(data=tmp_path, postgres=old if isinstance(old, PostgresAddress) else None)
    code = (
        "import os; from carnet.server.settings import settings_from_environment;"
        "from carnet.server.storage.migrate import upgrade;"
        "print(upgrade(settings_from_environment(os.environ).database).current)"
    )
    environment = environment_of(settings)
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, env=environment) for _ in range(3)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.decode().strip(), err.decode()) == (0, REVISION, "")
    assert rows(old) == {name: [row] for name, row in FIRST.items()}


def test_rel_12_a_migration_that_cannot_get_its_lock_gives_up_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL: waiting without end for a table would make everybody behind it wait too."""
    monkeypatch.setattr(postgres_schema, "LOCK_SECONDS", 1)
    old = first_version(tmp_path, "postgres")
    assert isinstance(old, PostgresAddress)

    async def held(address: PostgresAddress) -> str:
        import asyncpg  # type: ignore[import-untyped]

        connection = await asyncpg.connect(address.url)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE products IN ACCESS SHARE MODE")
                with pytest.raises(StateError) as caught:
                    await asyncio.to_thread(upgrade, address)
                return caught.value.code
        finally:
            await connection.close()

    assert asyncio.run(held(old)) == "storage_busy"
    assert schema_state(old).current == "0004"  # the next one is the first that changes that table
    assert upgrade(old).current == REVISION


def test_a_sqlite_database_that_goes_forward_leaves_a_copy_of_the_first_version(tmp_path: Path) -> None:
    old = first_version(tmp_path, "sqlite")
    upgrade(old)
    with closing(sqlite3.connect(tmp_path / f"carnet.db.before-{REVISION}")) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert copy.execute("SELECT id FROM licenses").fetchall() == [("l-1",)]

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from carnet.core.errors import StateError
from carnet.server.storage.migrate import MIGRATIONS, schema_state, upgrade
from carnet.server.storage.tables import REVISION, metadata

SECOND = f"""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{REVISION}"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("products") as table:
        table.add_column(sa.Column("color", sa.Text(), nullable=False, server_default="blue"))
    {{more}}
"""


def parts_of(sql: str) -> list[str]:
    """The columns and constraints of a statement, in no order: migrations add them where they can."""
    parts, depth, current = [], 0, ""
    for character in " ".join(sql.split()):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 1:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    head, _, first = parts[0].partition("(") if parts else ("", "", "")
    return sorted([head, first.strip(), *parts[1:], current.strip().removesuffix(")").strip()])


def schema_of(path: Path) -> dict[str, list[str]]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    finally:
        connection.close()
    return {name: parts_of(sql) for name, sql in rows if name not in {"alembic_version", "sqlite_sequence"}}


def planted(folder: Path, more: str = "pass") -> tuple[Path, ...]:
    versions = folder / "versions"
    versions.mkdir()
    (versions / "9999_color.py").write_text(SECOND.format(more=more))
    return (versions,)


def with_a_product(path: Path) -> Path:
    upgrade(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO products VALUES ('hustl', 'Hustl', '{}', 1, 1)")
        values = "('p1', 'hustl', 'plan', '{}', 'perpetual', NULL, 1, 1, NULL, 1, '{}')"
        connection.execute(f"INSERT INTO policies VALUES {values}")  # noqa: S608 - the line above
    connection.close()
    return path


def test_the_migrated_schema_is_the_one_in_the_tables(tmp_path: Path) -> None:
    migrated, made = tmp_path / "migrated.db", tmp_path / "made.db"
    upgrade(migrated)
    engine = sa.create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema_of(migrated) == schema_of(made)
    engine = sa.create_engine(f"sqlite:///{migrated}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_tables_name_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == REVISION


def test_a_new_database_is_at_the_newest_revision_and_upgrading_it_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "carnet.db"
    assert not schema_state(path).is_current
    state = upgrade(path)
    assert state.is_current
    assert state.current == state.latest == REVISION
    before = path.read_bytes()
    said: list[str] = []
    assert upgrade(path, say=said.append) == schema_state(path) == state
    assert path.read_bytes() == before
    assert said == []


def test_an_older_database_with_data_goes_forward_says_so_and_leaves_a_copy(tmp_path: Path) -> None:
    path = with_a_product(tmp_path / "carnet.db")
    versions = planted(tmp_path)
    assert not schema_state(path, versions=versions).is_current
    said: list[str] = []
    state = upgrade(path, versions=versions, say=said.append)
    assert state.is_current
    assert state.current == "9999"
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT id, name, color FROM products").fetchall() == [("hustl", "Hustl", "blue")]
    assert connection.execute("SELECT count(*) FROM policies").fetchone() == (1,)
    connection.close()
    assert len(said) == 1
    assert REVISION in said[0]
    assert "9999" in said[0]
    copy = tmp_path / "carnet.db.before-9999"
    assert str(copy) in said[0]
    assert copy.stat().st_mode & 0o077 == 0
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT id FROM products").fetchall() == [("hustl",)]
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    connection.close()


def first_schema(path: Path) -> None:
    """A database as the first version of the program left it: only the first script has run."""
    engine = sa.create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()


def test_a_database_of_the_first_schema_with_data_gets_the_table_of_compatibility_keys(tmp_path: Path) -> None:
    path, new = tmp_path / "carnet.db", tmp_path / "new.db"
    first_schema(path)
    before = schema_of(path)
    assert not any("compatibility_keys" in name for name in before)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO products VALUES ('hustl', 'Hustl', '{}', 1)")
        connection.execute("INSERT INTO policies VALUES ('p1', 'hustl', 'plan', '{}', 'perpetual', NULL, 1, 1)")
        connection.execute("INSERT INTO customers VALUES ('c1', 'Ada', NULL, '{}', 1)")
    connection.close()
    assert schema_state(path).current == "0001"
    assert upgrade(path).current == REVISION
    upgrade(new)
    assert schema_of(path) == schema_of(new)
    after = schema_of(path)
    assert all(set(parts) <= set(after[name]) for name, parts in before.items())  # it only adds
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT id FROM products").fetchall() == [("hustl",)]
    chosen = connection.execute("SELECT id, product_id, token_algorithm FROM policies").fetchall()
    assert chosen == [("p1", "hustl", None)]
    assert connection.execute("SELECT name FROM customers").fetchall() == [("Ada",)]
    connection.execute("PRAGMA foreign_keys = ON")
    row = "INSERT INTO compatibility_keys VALUES (?, ?, ?, ?, ?, 'created', ?, 1, NULL, NULL, NULL)"
    connection.execute(row, ("k1", "hustl", "kid-1", "ES256", "active", "pem 1"))
    connection.execute(row, ("k2", "hustl", "kid-2", "RS256", "verify-only", "pem 2"))
    for broken in (
        ("k3", "hustl", "kid-3", "ES256", "active", "pem 3"),  # a second active key
        ("k3", "hustl", "kid-1", "ES256", "verify-only", "pem 3"),  # an id twice
        ("k3", "hustl", "kid-3", "ES256", "verify-only", "pem 1"),  # a key twice
        ("k3", "hustl", "kid-3", "HS256", "verify-only", "pem 3"),
        ("k3", "nowhere", "kid-3", "ES256", "verify-only", "pem 3"),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(row, broken)
    for broken_value in (
        "compatibility_keys SET signs_for = 'everything'",
        "policies SET token_algorithm = 'HS256'",
        "policies SET token_algorithm = 'none'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(f"UPDATE {broken_value}")
    connection.close()


@pytest.mark.parametrize(
    "more",
    [
        "raise RuntimeError('killed')",
        "op.execute(\"UPDATE policies SET product_id = 'nowhere'\")",  # breaks a reference
        "op.execute('INSERT INTO nowhere VALUES (1)')",
    ],
)
def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path, more: str) -> None:
    path = with_a_product(tmp_path / "carnet.db")
    before = schema_of(path)
    versions = planted(tmp_path, more)
    with pytest.raises((RuntimeError, StateError, sa.exc.DBAPIError)):
        upgrade(path, versions=versions)
    assert schema_of(path) == before
    assert schema_state(path).is_current
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT product_id FROM policies").fetchall() == [("hustl",)]
    connection.close()


def test_a_database_from_a_newer_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = with_a_product(tmp_path / "carnet.db")
    upgrade(path, versions=planted(tmp_path))
    before = path.read_bytes()
    for call in (schema_state, upgrade):
        with pytest.raises(StateError) as caught:
            call(path)
        assert caught.value.code == "database_too_new"
        assert "9999" in caught.value.message
        assert caught.value.fix
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_gives_a_coded_error(tmp_path: Path) -> None:
    path = tmp_path / "carnet.db"
    path.write_bytes(b"this is no database at all, and long enough to be read as one" * 20)
    with pytest.raises(StateError) as caught:
        upgrade(path)
    assert caught.value.code == "storage_unavailable"


def test_of_processes_that_start_at_once_one_migrates_and_the_others_find_it_done(tmp_path: Path) -> None:
    path = tmp_path / "carnet.db"
    code = (
        "import sys; from pathlib import Path; from carnet.server.storage.migrate import upgrade;"
        "print(upgrade(Path(sys.argv[1])).current)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.decode().strip(), err.decode()) == (0, REVISION, "")


def test_a_new_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "carnet.db"
    upgrade(path)
    assert path.stat().st_mode & 0o777 == 0o600

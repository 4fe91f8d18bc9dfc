"""Backups of real installations: whole while others write, put back as they were, and never a number twice after it."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode
from carnet.server.backup.container import BackupWriter, EndPart, FilePart, Head, RowsPart
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.backup.service import opened_backup, verify_backup
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.installation import Installation, open_installation
from carnet.server.layout import Layout, read_record
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.storage.tables import REVISION, metadata
from support.campaigns import LONG
from support.databases import ask, cluster, name_of
from support.installations import START, Device, HeldClock, licensed, settings_in

Story = Callable[[Path], Awaitable[None]]


def on_sqlite(test: Story) -> Callable[[Path], None]:
    """Run *test* in an event loop."""

    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def story() -> None:
            await test(tmp_path)

        asyncio.run(story())

    return run


def on_both(test: Story) -> Callable[[Path], None]:
    """Run *test* in an event loop, once on each database."""
    return pytest.mark.usefixtures("database")(on_sqlite(test))


def select(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """The rows of *statement*, behind the installation's back."""
    if settings.postgres is not None:
        return [tuple(row) for row in ask(settings.postgres, statement)]
    connection = sqlite3.connect(settings.database_path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def rows_of(settings: Settings) -> dict[str, list[Any]]:
    """Every row of every table but the one that restoring itself writes."""
    return {
        name: sorted(select(settings, f"SELECT * FROM {name}"), key=repr)  # noqa: S608 - our own names
        for name in metadata.tables
        if name not in {"installation", "service_clock"}
    }


def positions(settings: Settings) -> set[int]:
    return {position for (position,) in select(settings, "SELECT position FROM status_indices")}


def restored(settings: Settings, file: Path, now: int = START) -> Settings:
    """*file* put back: over the SQLite file, or into a new PostgreSQL database. Where it is now."""
    if settings.postgres is not None:
        settings = replace(settings, postgres=cluster().fresh())
    restore_backup(settings, file, replace=True, now=Instant(now))
    return settings


def opened(settings: Settings, clock: HeldClock | None = None) -> AbstractAsyncContextManager[Installation]:
    return open_installation(settings, clock=clock or HeldClock())


async def sold(installation: Installation, seats: int) -> str:
    """A license with *seats* activations; its key."""
    made = await licensed(installation, overrides={"seat_limit": 1000})
    for number in range(seats):
        await installation.activations.activate(Device(number).activate(made.key))
    return made.key


async def backed_up(tmp_path: Path, name: str = "x.backup", seats: int = 3) -> tuple[Settings, Path]:
    """An installation with a license, and a backup of it."""
    settings = settings_in(tmp_path)
    async with opened(settings) as installation:
        await sold(installation, seats)
        await installation.backups.create(tmp_path / name, OPERATOR)
    return settings, tmp_path / name


def code_of(error: pytest.ExceptionInfo[CarnetError]) -> str:
    return error.value.code


@on_both
async def test_rel_11_what_was_backed_up_is_put_back_to_the_last_row(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    before = rows_of(settings)
    async with opened(settings) as installation:
        await sold(installation, 2)
    again = restored(settings, file)
    after = rows_of(again)
    assert len(after["audit"]) == len(before["audit"]) - 1  # the backup cannot hold the row that tells of itself
    assert set(after["audit"]) < set(before["audit"])
    assert {**after, "audit": []} == {**before, "audit": []}
    assert len(after["activations"]) == 3


@on_both
async def test_a_backup_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with opened(settings) as installation:
        key = await sold(installation, 40)
        stop = asyncio.Event()

        async def write() -> int:
            number = 1000
            while not stop.is_set():
                await installation.activations.activate(Device(number).activate(key))
                number += 1
            return number - 1000

        writing = asyncio.create_task(write())
        for number in range(5):
            await installation.backups.create(tmp_path / f"{number}.backup", OPERATOR)
        stop.set()
        assert await writing > 0
    for number in range(5):
        again = restored(settings, tmp_path / f"{number}.backup", START + number)
        ((used, activations, numbers),) = select(
            again,
            "SELECT seats_used, (SELECT count(*) FROM activations), (SELECT count(*) FROM status_indices)"
            " FROM licenses",
        )
        assert used == activations == numbers - 1


@on_both
async def test_rel_11_a_restored_database_serves_only_in_a_new_epoch(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    again = restored(settings, file)
    with pytest.raises(StateError) as caught:
        async with opened(again):
            pass
    assert code_of(caught) == "restored"
    epoch = start_epoch(again, now=Instant(START + 60))
    assert epoch == START + 60
    async with opened(again) as installation:
        await sold(installation, 1)
    assert max(positions(again)) // 131_072 == epoch


@on_both
async def test_rel_11_no_number_is_given_twice_whatever_is_restored_at_random_points(tmp_path: Path) -> None:
    chance, clock = random.Random(11), HeldClock()  # noqa: S311 - the same points at every run
    settings = settings_in(tmp_path)
    backups: list[Path] = []
    given: list[set[int]] = []  # by life: what it gave beyond what it began with
    epochs = [0]
    points = 20 if LONG or settings.postgres is None else 5
    for point in range(points):
        clock.advance(chance.randrange(1, 1000))
        began = positions(settings)
        async with opened(settings, clock) as installation:
            await sold(installation, chance.randrange(3))
            backups.append(tmp_path / f"{point}.backup")
            await installation.backups.create(backups[-1], OPERATOR)
            await sold(installation, chance.randrange(3))
        given.append(positions(settings) - began)
        if chance.random() < 0.3:
            (settings.data / "high-water.json").unlink()  # a new machine knows no mark
        settings = restored(settings, chance.choice(backups), clock.at)
        epochs.append(start_epoch(settings, now=clock.at))
    assert epochs == sorted(set(epochs))
    assert sum(len(numbers) for numbers in given) == len(set().union(*given))


@on_both
async def test_rel_11_an_older_state_put_back_by_hand_is_noticed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with opened(settings) as installation:
        await sold(installation, 1)
    if settings.postgres is None:
        older = settings
        shutil.copy(settings.database_path, tmp_path / "older.db")
    else:
        older = replace(settings, postgres=cluster().fresh(name_of(settings.postgres)))
    async with opened(settings) as installation:
        await sold(installation, 1)
    if settings.postgres is None:
        shutil.copy(tmp_path / "older.db", settings.database_path)
    with pytest.raises(StateError) as caught:
        async with opened(older):
            pass
    assert code_of(caught) == "database_went_back"
    start_epoch(older, now=Instant(START + 5))
    async with opened(older) as installation:
        await sold(installation, 1)


@on_both
async def test_a_database_is_never_replaced_unasked(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    before = rows_of(settings)
    for _ in range(2):
        with pytest.raises(CarnetError) as caught:
            restore_backup(settings, file, replace=settings.postgres is not None, now=START)
        assert code_of(caught) == "database_exists"
    assert rows_of(settings) == before


@on_both
async def test_a_backup_moves_an_installation_to_the_other_database(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    before = rows_of(settings)
    if settings.postgres is None:
        other = replace(settings, postgres=cluster().fresh())
    else:
        other = replace(settings, postgres=None)
    restore_backup(other, file, now=START)
    after = rows_of(other)
    assert {name: len(rows) for name, rows in after.items() if name != "audit"} == {
        name: len(rows) for name, rows in before.items() if name != "audit"
    }
    start_epoch(other, now=START)
    async with opened(other) as installation:
        key = await sold(installation, 2)
        assert len((await installation.audit.list(AuditFilter(), limit=500)).items) > len(after["audit"])
        await installation.activations.activate(Device("more").activate(key))


@on_sqlite
async def test_a_mark_that_cannot_be_read_is_no_reason_to_go_on(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with opened(settings):
        pass
    (settings.data / "high-water.json").write_text('{"format":"carnet-high-water/1","epoch":"0"}')
    with pytest.raises(StateError) as caught:
        async with opened(settings):
            pass
    assert code_of(caught) == "bad_installation_file"


@on_both
async def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    before = rows_of(settings)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CarnetError) as caught:
        restored(settings, file)
    assert code_of(caught) == "backup_damaged"
    assert rows_of(settings) == before
    assert not list(settings.data.glob("*.restoring*"))


@on_both
async def test_a_backup_that_breaks_the_databases_rules_leaves_nothing(tmp_path: Path) -> None:
    settings, _ = await backed_up(tmp_path)
    layout = Layout(data=settings.data)
    secret = b64url_decode(layout.seal.read_bytes().strip(), "x")
    record = read_record(layout)
    head = Head(issuer=record.issuer, anchor=record.anchor, created_at=START, schema=REVISION, salt=b"s" * 32)
    policy = ["p", "no such product", "name", "{}", "perpetual", None, 1, 1]
    columns = ["id", "product_id", "name", "body", "license_type", "duration_seconds", "created_at", "updated_at"]
    for columns_, row in ((columns, policy), (["id", "color"], ["x", "blue"])):
        file = tmp_path / "made.backup"
        with file.open("wb") as stream:
            writer = BackupWriter(stream, head, secret)
            writer.write(RowsPart(table="policies", columns=columns_, rows=[row]))
            writer.write(EndPart(rows={"policies": 1}))
        with pytest.raises(CarnetError) as caught:
            restored(settings, file)
        assert code_of(caught) == "backup_does_not_fit"
    assert not list(settings.data.glob("*.restoring*"))
    async with opened(settings) as installation:
        await sold(installation, 1)


@on_both
async def test_a_backup_of_an_older_program_is_brought_to_this_ones_schema(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    layout = Layout(data=settings.data)
    secret = b64url_decode(layout.seal.read_bytes().strip(), "x")
    record = read_record(layout)
    head = Head(issuer=record.issuer, anchor=record.anchor, created_at=START, schema="0001", salt=b"s" * 32)
    file = tmp_path / "old.backup"
    with file.open("wb") as stream:
        writer = BackupWriter(stream, head, secret)
        columns = ["id", "issuer", "created_at"]
        writer.write(RowsPart(table="installation", columns=columns, rows=[[1, record.issuer, int(START)]]))
        columns = ["id", "name", "metadata", "created_at"]
        writer.write(RowsPart(table="products", columns=columns, rows=[["old", "Old", "{}", int(START)]]))
        writer.write(EndPart(rows={"installation": 1, "products": 1}))
    again = restored(settings, file)
    start_epoch(again, now=START)
    async with opened(again) as installation:
        assert [product.id for product in (await installation.products.list(limit=5)).items] == ["old"]


@on_sqlite
async def test_a_database_in_use_is_not_replaced(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    async with opened(settings) as installation:
        key = await sold(installation, 1)
        with pytest.raises(CarnetError) as caught:
            restore_backup(settings, file, replace=True, now=START)
        assert code_of(caught) == "database_in_use"
        await installation.activations.activate(Device("after").activate(key))  # and goes on as if nothing had been


@on_sqlite
async def test_a_replaced_database_is_kept(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    async with opened(settings) as installation:
        await sold(installation, 2)
    report = restore_backup(settings, file, replace=True, now=START)
    assert report.replaced is not None
    connection = sqlite3.connect(report.replaced)
    assert connection.execute("SELECT count(*) FROM activations").fetchone() == (5,)
    connection.close()


@on_sqlite
async def test_a_new_machine_needs_keys_and_secrets_and_takes_the_rest_from_the_backup(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    elsewhere = Settings(data=tmp_path / "new" / "data", public_url=settings.public_url)
    elsewhere.data.mkdir(parents=True)
    with pytest.raises(CarnetError) as caught:
        restore_backup(elsewhere, file, now=START)
    assert code_of(caught) == "missing_file"
    for name in ("keys", "secrets"):
        shutil.copytree(settings.data / name, elsewhere.data / name)
    restore_backup(elsewhere, file, now=START)
    start_epoch(elsewhere, now=START)
    assert (elsewhere.data / "root.json").read_bytes() == (settings.data / "root.json").read_bytes()
    async with opened(elsewhere) as installation:
        await sold(installation, 1)


@on_sqlite
async def test_another_installations_backup_does_not_open(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    other = Layout(data=tmp_path / "other")
    shutil.copytree(settings.data, other.data)
    other.seal.write_bytes(b"A" * 43 + b"\n")
    with pytest.raises(CarnetError) as caught:
        verify_backup(other, file)
    assert code_of(caught) == "backup_does_not_open"
    shutil.copy(settings.data / "secrets" / "seal", other.seal)
    record = other.record.read_text().replace('"issuer":"', '"issuer":"x')
    other.record.write_text(record)
    with pytest.raises(CarnetError) as caught:
        verify_backup(other, file)
    assert code_of(caught) == "backup_of_another"


@on_sqlite
async def test_sec_25_a_backup_holds_no_key_and_no_secret(tmp_path: Path) -> None:
    async with opened(settings_in(tmp_path)) as installation:
        license_key = await sold(installation, 1)
        await installation.backups.create(tmp_path / "x.backup", OPERATOR)
    layout = Layout(data=settings_in(tmp_path).data)
    content = b""
    with opened_backup(layout, tmp_path / "x.backup") as (_, parts):
        for part in parts:
            if isinstance(part, FilePart):
                content += part.content
            if isinstance(part, RowsPart):
                content += b"\0".join(v if isinstance(v, bytes) else str(v).encode() for row in part.rows for v in row)
    secrets = [license_key.encode(), license_key.replace("-", "").encode()]
    for path in (*layout.secrets.iterdir(), *layout.keys.iterdir()):
        secrets.append(path.read_bytes().strip())
        if path.parent == layout.secrets:
            secrets.append(b64url_decode(path.read_bytes().strip(), "x"))
    assert b"installation.created" in content
    assert not [secret for secret in secrets if secret in content]


@on_sqlite
async def test_a_backup_is_never_written_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "x.backup").write_text("precious")
    async with opened(settings_in(tmp_path)) as installation:
        with pytest.raises(CarnetError) as caught:
            await installation.backups.create(tmp_path / "x.backup", OPERATOR)
        assert code_of(caught) == "file_exists"
        with pytest.raises(CarnetError) as caught:
            await installation.backups.create(tmp_path / "no such folder" / "x.backup", OPERATOR)
        assert code_of(caught) == "backup_not_written"
    assert (tmp_path / "x.backup").read_text() == "precious"
    assert not list(tmp_path.glob("*.part"))  # noqa: ASYNC240

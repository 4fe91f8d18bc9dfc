"""Backups of real installations: whole while others write, put back as they were, and never a number twice after it."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode
from carnet.server.backup.container import FilePart, RowsPart
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.backup.service import opened_backup, verify_backup
from carnet.server.installation import Installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.storage.tables import metadata
from support.installations import START, Device, HeldClock, licensed, opened, settings_in


def in_a_loop(test: Callable[[Path], Awaitable[None]]) -> Callable[[Path], None]:
    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def story() -> None:
            await test(tmp_path)

        asyncio.run(story())

    return run


def rows_of(database: Path) -> dict[str, list[Any]]:
    """Every row of every table but what restoring itself writes."""
    connection = sqlite3.connect(database)
    try:
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()  # noqa: S608 - our own names
            for name in metadata.tables
            if name != "installation"
        }
    finally:
        connection.close()


async def sold(installation: Installation, seats: int) -> str:
    """A license with *seats* activations; its key."""
    made = await licensed(installation, overrides={"seat_limit": 1000})
    for number in range(seats):
        await installation.activations.activate(Device(number).activate(made.key))
    return made.key


def positions(database: Path) -> set[int]:
    connection = sqlite3.connect(database)
    try:
        return {position for (position,) in connection.execute("SELECT position FROM status_indices")}
    finally:
        connection.close()


async def backed_up(tmp_path: Path, name: str = "x.backup", seats: int = 3) -> tuple[Settings, Path]:
    """An installation with a license, and a backup of it."""
    async with opened(tmp_path) as installation:
        await sold(installation, seats)
        await installation.backups.create(tmp_path / name, OPERATOR)
    return settings_in(tmp_path), tmp_path / name


def code_of(error: pytest.ExceptionInfo[CarnetError]) -> str:
    return error.value.code


@in_a_loop
async def test_rel_11_what_was_backed_up_is_put_back_to_the_last_row(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    before = rows_of(settings.database_path)
    async with opened(tmp_path) as installation:
        await sold(installation, 2)
    report = restore_backup(settings, file, replace=True, now=START)
    after = rows_of(settings.database_path)
    assert after["audit"] == before["audit"][:-1]  # the backup cannot hold the row that tells of itself
    assert {**after, "audit": 0} == {**before, "audit": 0}
    assert report.backup.rows["activations"] == 3
    assert report.replaced is not None
    assert len(rows_of(report.replaced)["activations"]) == 5


@in_a_loop
async def test_a_backup_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
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
    settings = settings_in(tmp_path)
    for number in range(5):
        restore_backup(settings, tmp_path / f"{number}.backup", replace=True, now=Instant(START + number))
        connection = sqlite3.connect(settings.database_path)
        counted = connection.execute(
            "SELECT seats_used, (SELECT count(*) FROM activations), (SELECT count(*) FROM status_indices) FROM licenses"
        ).fetchone()
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
        assert counted[0] == counted[1] == counted[2] - 1


@in_a_loop
async def test_rel_11_a_restored_database_serves_only_in_a_new_epoch(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    restore_backup(settings, file, replace=True, now=START)
    with pytest.raises(StateError) as caught:
        async with opened(tmp_path):
            pass
    assert code_of(caught) == "restored"
    epoch = start_epoch(settings, now=Instant(START + 60))
    assert epoch == START + 60
    async with opened(tmp_path) as installation:
        await sold(installation, 1)
    newest = max(positions(settings.database_path))
    assert newest // 131_072 == epoch


@in_a_loop
async def test_rel_11_no_number_is_given_twice_whatever_is_restored_at_20_random_points(tmp_path: Path) -> None:
    chance, clock = random.Random(11), HeldClock()  # noqa: S311 - the same points at every run
    settings = settings_in(tmp_path)
    backups: list[Path] = []
    given: list[set[int]] = []  # by life: what it gave beyond what it began with
    epochs = [0]
    for point in range(20):
        clock.advance(chance.randrange(1, 1000))
        began = positions(settings.database_path)
        async with opened(tmp_path, clock) as installation:
            await sold(installation, chance.randrange(3))
            backups.append(tmp_path / f"{point}.backup")
            await installation.backups.create(backups[-1], OPERATOR)
            await sold(installation, chance.randrange(3))
        given.append(positions(settings.database_path) - began)
        if chance.random() < 0.3:
            (settings.data / "high-water.json").unlink()  # a new machine knows no mark
        restore_backup(settings, chance.choice(backups), replace=True, now=clock.at)
        epochs.append(start_epoch(settings, now=clock.at))
    assert epochs == sorted(set(epochs))
    assert sum(len(numbers) for numbers in given) == len(set().union(*given))


@in_a_loop
async def test_rel_11_an_older_file_put_back_by_hand_is_noticed(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        await sold(installation, 1)
    settings = settings_in(tmp_path)
    shutil.copy(settings.database_path, tmp_path / "older.db")
    async with opened(tmp_path) as installation:
        await sold(installation, 1)
    shutil.copy(tmp_path / "older.db", settings.database_path)
    with pytest.raises(StateError) as caught:
        async with opened(tmp_path):
            pass
    assert code_of(caught) == "database_went_back"
    start_epoch(settings, now=Instant(START + 5))
    async with opened(tmp_path) as installation:
        await sold(installation, 1)


@in_a_loop
async def test_a_mark_that_cannot_be_read_is_no_reason_to_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    (settings_in(tmp_path).data / "high-water.json").write_text('{"format":"carnet-high-water/1","epoch":"0"}')
    with pytest.raises(StateError) as caught:
        async with opened(tmp_path):
            pass
    assert code_of(caught) == "bad_installation_file"


@in_a_loop
async def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    before = settings.database_path.read_bytes()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CarnetError) as caught:
        restore_backup(settings, file, replace=True, now=START)
    assert code_of(caught) == "backup_damaged"
    assert settings.database_path.read_bytes() == before
    assert sorted(path.name for path in settings.data.glob("carnet.db*")) == ["carnet.db"]


@in_a_loop
async def test_a_database_is_never_replaced_unasked_or_while_it_is_in_use(tmp_path: Path) -> None:
    settings, file = await backed_up(tmp_path)
    with pytest.raises(CarnetError) as caught:
        restore_backup(settings, file, now=START)
    assert code_of(caught) == "database_exists"
    async with opened(tmp_path) as installation:
        key = await sold(installation, 1)
        with pytest.raises(CarnetError) as caught:
            restore_backup(settings, file, replace=True, now=START)
        assert code_of(caught) == "database_in_use"
        await installation.activations.activate(Device("after").activate(key))  # and goes on as if nothing had been


@in_a_loop
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
    async with opened(tmp_path / "new") as installation:
        await sold(installation, 1)


@in_a_loop
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


@in_a_loop
async def test_sec_25_a_backup_holds_no_key_and_no_secret(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
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


@in_a_loop
async def test_a_backup_is_never_written_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "x.backup").write_text("precious")
    async with opened(tmp_path) as installation:
        with pytest.raises(CarnetError) as caught:
            await installation.backups.create(tmp_path / "x.backup", OPERATOR)
        assert code_of(caught) == "file_exists"
        with pytest.raises(CarnetError) as caught:
            await installation.backups.create(tmp_path / "no such folder" / "x.backup", OPERATOR)
        assert code_of(caught) == "backup_not_written"
    assert (tmp_path / "x.backup").read_text() == "precious"
    assert not list(tmp_path.glob("*.part"))  # noqa: ASYNC240

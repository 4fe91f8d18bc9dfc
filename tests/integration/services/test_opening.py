from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError
from carnet.formats.encoding import b64url_encode
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.database import PostgresAddress
from carnet.server.installation import open_installation
from carnet.server.settings import Settings
from carnet.server.storage.tables import REVISION
from support.databases import empty_database
from support.installations import CHEAP, START, Device, HeldClock, environment_of, licensed, opened, query, settings_in
from support.stories import granted


async def _open(settings: Settings) -> None:
    async with open_installation(settings, clock=HeldClock()):
        pass


def refuses(settings: Settings, code: str) -> CarnetError:
    with pytest.raises(CarnetError) as caught:
        asyncio.run(_open(settings))
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert caught.value.fix
    return caught.value


def another(folder: Path, **changes: object) -> Settings:
    settings = Settings(data=folder / "other" / "data", postgres=empty_database(), **changes)  # type: ignore[arg-type]
    create_installation(settings, InitOptions(root_keys=folder / "other" / "root"), now=START, cost=CHEAP)
    return settings


def test_where_nothing_is_the_fix_names_carnet_init(tmp_path: Path) -> None:
    assert "carnet init" in refuses(Settings(data=tmp_path / "nowhere"), "not_initialised").fix


def test_a_wrong_passphrase_and_a_missing_one_are_said_plainly(tmp_path: Path) -> None:
    settings = another(tmp_path, passphrase=b"right")
    refuses(replace(settings, passphrase=b"wrong"), "wrong_passphrase")
    assert "CARNET_PASSPHRASE_FILE" in refuses(replace(settings, passphrase=None), "passphrase_needed").fix
    asyncio.run(_open(settings))


@pytest.mark.sqlite_file
@pytest.mark.parametrize(
    "name",
    [
        "root.json",
        "carnet.db",
        "keys/store.json",
        "secrets/pepper",
        "secrets/seal",
        "secrets/status",
        "secrets/signing",
    ],
)
def test_a_missing_file_is_named_and_nothing_is_made_in_its_place(tmp_path: Path, name: str) -> None:
    settings = settings_in(tmp_path)
    (settings.data / name).unlink()
    assert str(settings.data / name) in refuses(settings, "missing_file").message
    assert not (settings.data / name).exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 50000, b'{"format":"carnet-installation/9"}'])
def test_a_damaged_installation_file_gives_a_coded_error(tmp_path: Path, content: bytes) -> None:
    settings = settings_in(tmp_path)
    (settings.data / "installation.json").write_bytes(content)
    refuses(settings, "bad_installation_file")


@pytest.mark.sqlite_file
def test_sec_25_a_root_file_keys_secrets_or_database_of_another_installation_stop_the_start(tmp_path: Path) -> None:
    settings, other = settings_in(tmp_path), another(tmp_path)

    def with_others(*names: str) -> Settings:
        mixed = tmp_path / "mixed"
        shutil.rmtree(mixed, ignore_errors=True)
        shutil.copytree(settings.data, mixed)
        for name in names:
            source, target = other.data / name, mixed / name
            if source.is_dir():
                shutil.rmtree(target)
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        return Settings(data=mixed)

    refuses(with_others("root.json"), "root_changed")
    refuses(with_others("keys"), "wrong_key_file")
    refuses(with_others("secrets/signing"), "wrong_key_file")
    refuses(with_others("keys", "secrets"), "keys_do_not_match_root")
    refuses(with_others("carnet.db"), "database_of_another")
    asyncio.run(_open(with_others()))


@pytest.mark.parametrize("content", ["", "x", b64url_encode(b"short"), "!" * 43])
def test_a_damaged_secret_stops_the_start(tmp_path: Path, content: str) -> None:
    settings = settings_in(tmp_path)
    (settings.data / "secrets" / "pepper").write_text(content)
    with pytest.raises(CarnetError) as caught:
        asyncio.run(_open(settings))
    assert caught.value.code in {"bad_secret", "bad_base64"}


def test_a_database_that_is_damaged_or_from_a_newer_program_stops_the_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    query(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    refuses(settings, "database_too_new")
    query(tmp_path, f"UPDATE alembic_version SET version_num = '{REVISION}'")  # noqa: S608
    asyncio.run(_open(settings))
    if settings.postgres is None:
        settings.database_path.write_bytes(b"no database " * 1000)
    else:
        settings = replace(settings, postgres=PostgresAddress(url=settings.postgres.url.replace("/carnet_", "/gone_")))
    refuses(settings, "storage_unavailable")


def test_a_closed_installation_refuses_work_with_a_sentence(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation)
        for call in (
            installation.activations.activate(Device().activate(created.key)),
            installation.licenses.get(created.license.id),
            installation.apikeys.authenticate("x"),
        ):
            with pytest.raises(CarnetError) as caught:
                await call
            assert caught.value.code == "storage_closed"
        broken = [check.name for check in await installation.checks() if not check.ok]
        assert broken == ["database", "compatibility-keys", "jobs"]

    asyncio.run(story())


def test_closing_commits_what_was_accepted(tmp_path: Path) -> None:
    async def story() -> int:
        async with opened(tmp_path) as installation:
            created = await licensed(installation, overrides={"seat_limit": None})
            tasks = [
                asyncio.create_task(installation.activations.activate(Device(str(number)).activate(created.key)))
                for number in range(100)
            ]
            await asyncio.sleep(0)
        return len([granted(answered) for answered in await asyncio.gather(*tasks)])

    assert asyncio.run(story()) == 100
    assert query(tmp_path, "SELECT count(*) FROM activations") == [(100,)]


OTHER_PROCESS = """
import asyncio, os
from carnet.server.domain.customers.commands import CreateCustomer
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import settings_from_environment

async def main():
    async with open_installation(settings_from_environment(os.environ)) as installation:
        for number in range(20):
            await installation.customers.create(CreateCustomer(name=f"Customer {number}"), OPERATOR)

asyncio.run(main())
"""


def test_the_command_line_in_another_process_writes_beside_a_busy_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            created = await licensed(installation, overrides={"seat_limit": None})
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", OTHER_PROCESS, stderr=subprocess.PIPE, env=environment_of(installation.settings)
            )
            waiting = asyncio.create_task(process.communicate())
            number = 0
            while not waiting.done():
                number += 1
                granted(await installation.activations.activate(Device(str(number)).activate(created.key)))
            _, stderr = await waiting
            assert (process.returncode, (stderr or b"").decode()) == (0, "")
            assert len((await installation.customers.list()).items) == 20
            assert (await installation.licenses.get(created.license.id)).seats.used == number

    asyncio.run(story())

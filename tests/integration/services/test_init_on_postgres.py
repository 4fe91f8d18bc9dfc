"""`carnet init` on PostgreSQL: an empty database becomes an installation's; any other is left as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.database import PostgresAddress
from carnet.server.files import Files
from carnet.server.installation import open_installation
from carnet.server.settings import Settings
from carnet.server.storage.founding import owner
from support.databases import ask, cluster
from support.installations import CHEAP, START, Device, HeldClock, licensed
from support.stories import granted


@pytest.fixture
def database() -> PostgresAddress:  # in place of the one that runs a test on both
    return cluster().fresh()


def init(folder: Path, database: PostgresAddress, files: Files | None = None) -> Settings:
    settings = Settings(data=folder / "data", postgres=database)
    create_installation(settings, InitOptions(root_keys=folder / "root"), now=START, cost=CHEAP, files=files)
    return settings


def refused(folder: Path, database: PostgresAddress, code: str) -> CarnetError:
    with pytest.raises(CarnetError) as caught:
        init(folder, database)
    assert caught.value.code == code
    assert caught.value.fix
    assert not (folder / "data" / "installation.json").exists()
    assert not (folder / "data" / "keys").exists()
    return caught.value


def tables(database: PostgresAddress) -> set[str]:
    return {row[0] for row in ask(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_an_empty_database_becomes_an_installation_that_works(tmp_path: Path, database: PostgresAddress) -> None:
    settings = init(tmp_path, database)
    assert not (settings.data / "carnet.db").exists()

    async def story() -> None:
        async with open_installation(settings, clock=HeldClock()) as installation:
            assert owner(database) == installation.issuer
            created = await licensed(installation)
            granted(await installation.activations.activate(Device().activate(created.key)))
            assert [entry.action for entry in (await installation.audit.list()).items][-1] == "installation.created"

    asyncio.run(story())


def test_the_database_of_another_installation_is_refused_and_stays_as_it_is(
    tmp_path: Path, database: PostgresAddress
) -> None:
    init(tmp_path / "one", database)
    before = owner(database)
    error = refused(tmp_path / "other", database, "database_of_another")
    assert database.shown in error.message
    assert owner(database) == before


def test_a_database_with_tables_that_are_not_ours_is_refused_and_stays_as_it_is(
    tmp_path: Path, database: PostgresAddress
) -> None:
    ask(database, "CREATE TABLE blog (post text)")
    assert "blog" in refused(tmp_path, database, "data_not_empty").message
    assert tables(database) == {"blog"}


def test_a_data_directory_with_the_database_of_another_does_not_open(tmp_path: Path) -> None:
    one, other = (init(tmp_path / name, cluster().fresh()) for name in ("one", "other"))

    async def opened_with(settings: Settings) -> None:
        async with open_installation(settings, clock=HeldClock()):
            pass

    for database, code in ((other.postgres, "database_of_another"), (cluster().fresh(), "database_not_found")):
        with pytest.raises(StateError) as caught:
            asyncio.run(opened_with(replace(one, postgres=database)))
        assert caught.value.code == code
    asyncio.run(opened_with(one))


class KilledAtTheEnd(Files):
    """A process that dies when everything is done but `installation.json`."""

    def write(self, path: Path, content: bytes) -> None:
        if path.name == "installation.json":
            raise KeyboardInterrupt
        super().write(path, content)


def test_an_init_that_was_killed_after_it_had_founded_the_database_is_cleared_and_made_anew(
    tmp_path: Path, database: PostgresAddress
) -> None:
    with pytest.raises(KeyboardInterrupt):
        init(tmp_path, database, KilledAtTheEnd())
    killed = owner(database)
    assert killed is not None
    settings = init(tmp_path, database)
    assert owner(database) not in {None, killed}
    assert ask(database, "SELECT count(*) FROM installation")[0][0] == 1
    assert ask(database, "SELECT count(*) FROM api_keys")[0][0] == 1
    assert ask(database, "SELECT action FROM audit")[0][0] == "installation.created"
    assert settings.postgres == database


def test_a_killed_init_clears_nothing_of_another_installation(tmp_path: Path, database: PostgresAddress) -> None:
    with pytest.raises(KeyboardInterrupt):
        init(tmp_path / "killed", cluster().fresh(), KilledAtTheEnd())
    init(tmp_path / "alive", database)
    before = owner(database)
    refused(tmp_path / "killed", database, "database_of_another")
    assert owner(database) == before

"""A ceremony cut off while it was put in force: whatever the database says, no other root of that version (R-18)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.cli.doctor.keys import look_at_keys
from carnet.core._base import replace
from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.core.instant import DAY
from carnet.server.installation import Installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from support.ceremonies import announced, installed, key_of, root_signer
from support.installations import HeldClock, execute, opened, settings_in

pytestmark = pytest.mark.usefixtures("database")


class Killed(BaseException):
    """The process ends here."""


async def killed(work: Awaitable[Any], where: object, name: str) -> None:
    """Do *work* up to where it calls *name*."""

    def die(*_given: object, **_named: object) -> Any:
        raise Killed

    real = getattr(where, name)
    setattr(where, name, die)
    with pytest.raises(Killed):
        await work
    setattr(where, name, real)


async def signed(installation: Installation) -> str:
    """A ceremony that enough people signed; the id of the key that it makes."""
    service = installation.ceremonies
    ceremony = await service.begin(await service.announce(("token",)))
    await service.sign(ceremony, [root_signer()])
    return ceremony.files[0].name


def put_back(folder: Path) -> None:
    """As a backup has it that was made before."""
    execute(settings_in(folder), "DELETE FROM roots", "DELETE FROM signing_keys WHERE state = 'announced'")


def key_files(installation: Installation) -> set[str]:
    return {path.name for path in Layout(data=installation.settings.data).keys.iterdir()}


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_sec_21_a_root_that_was_in_force_for_a_moment_is_not_dropped_with_a_database_that_was_put_back(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            service = installation.ceremonies
            await signed(installation)
            await killed(service.finish(OPERATOR), service._desk, "end")
            await installation.follow()
            published: tuple[str, ...] = installation.roots
            assert len(installation.roots) == 2
        put_back(tmp_path)
        clock.advance(DAY)
        async with opened(tmp_path, clock) as installation:
            service = installation.ceremonies
            assert installation.roots == published[:1]
            pending = await service.pending()
            assert pending is not None
            assert pending.may_be_in_force
            with pytest.raises(UsageError, match="may have been in force"):
                await service.cancel()
            with pytest.raises(UsageError, match="goes on"):
                await service.begin(await service.announce(("answer",)))
            told = (await look_at_keys(installation, clock.now()))[0]
            assert told.health == "problem"
            assert "ceremony finish" in told.fix
            done = await service.finish(OPERATOR)
            assert installation.roots == published
            assert [key.announced_at for key in done.keys] == [clock.now()]  # nobody can know since when devices do
            assert await service.pending() is None

    run(story)


def test_what_was_cut_off_before_anything_was_in_force_is_finished_or_found_undone(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            await signed(installation)
            await killed(service.finish(OPERATOR), installation._storage, "change_trust")
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            with pytest.raises(UsageError, match="may have been in force"):
                await service.cancel()
            # Where it does not fit any more, what is told is not to drop it.
            change = "UPDATE signing_keys SET state = '{}' WHERE kid = '{}'"
            kid = key_of(installation, "license-key").kid
            execute(settings_in(tmp_path), change.format("retired", kid))
            with pytest.raises(UsageError) as caught:
                await service.finish(OPERATOR)
            assert (caught.value.code, "root-2.json" in caught.value.fix) == ("conflict", True)
            execute(settings_in(tmp_path), change.format("active", kid))
            assert (await service.finish(OPERATOR)).version == 2
            await installed(installation, await service.root_keys(None))
            assert len(installation.roots) == 3

    run(story)


def test_what_the_database_refused_was_never_in_force_and_may_be_dropped(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            service, storage = installation.ceremonies, installation._storage
            name = await signed(installation)
            change_trust = storage.change_trust

            async def too_late(decide: Any) -> Any:
                """Another host was faster, between the look and the lock."""
                return await change_trust(lambda facts: decide(replace(facts, root_version=2)))

            storage.change_trust = too_late  # type: ignore[method-assign]
            with pytest.raises(UsageError) as caught:
                await service.finish(OPERATOR)
            assert caught.value.code == "conflict"
            storage.change_trust = change_trust  # type: ignore[method-assign]
            assert name in key_files(installation)
            await service.cancel()
            assert name not in key_files(installation)
            assert await service.pending() is None
            await announced(installation, "token")
            assert len(installation.roots) == 2

    run(story)


@pytest.mark.parametrize("code", ["storage_unavailable", "storage_busy"])
def test_of_what_the_database_gave_no_answer_nobody_says_that_it_was_never_in_force(tmp_path: Path, code: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            service, storage = installation.ceremonies, installation._storage
            await signed(installation)
            change_trust = storage.change_trust

            async def cut(decide: Any) -> Any:
                await change_trust(decide)  # it came to be, and the answer did not come
                raise StateError(code, "The database does not answer.", "Try again.")

            storage.change_trust = cut  # type: ignore[method-assign]
            with pytest.raises(StateError):
                await service.finish(OPERATOR)
            storage.change_trust = change_trust  # type: ignore[method-assign]
        put_back(tmp_path)
        async with opened(tmp_path) as installation:
            with pytest.raises(UsageError):
                await installation.ceremonies.cancel()
            assert (await installation.ceremonies.finish(OPERATOR)).version == 2

    run(story)


def test_key_files_of_a_ceremony_that_is_dropped_go_and_no_others(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            before = key_files(installation)
            name = await signed(installation)
            await killed(service.finish(OPERATOR), service._desk, "prove")
            assert key_files(installation) == {*before, name}
            await killed(service.cancel(), service._desk._files, "remove")  # type: ignore[attr-defined]
            assert await service.pending() is not None
            await service.cancel()
            assert key_files(installation) == before
            assert await service.pending() is None
            # A key that the database knows stays, whatever the ceremony says.
            kid = key_of(installation, "answer").kid
            ceremony = await service.begin(await service.announce(("token",)))
            mixed = replace(ceremony, files=(replace(ceremony.files[0], name=f"{kid}.json"), *ceremony.files))
            service._desk.write(mixed)
            await service.cancel()
            assert key_files(installation) == before

    run(story)


def test_a_lost_root_comes_before_a_later_ceremony_and_takes_nothing_from_it(tmp_path: Path) -> None:
    """The database was put back to before a root, while the ceremony for the next one went on."""

    async def story() -> None:
        async with opened(tmp_path) as installation:
            await announced(installation, "token")
            roots = installation.roots
            service = installation.ceremonies
            later = await service.begin(await service.root_keys(None))
        put_back(tmp_path)
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            lost = await service.pending()
            assert lost is not None
            assert (lost.version, lost.was_in_force) == (2, True)
            with pytest.raises(UsageError):
                await service.cancel()
            kept = await service.sign(replace(lost, draft=replace(lost.draft, signatures=())), [root_signer()])
            assert kept == lost
            await service.finish(OPERATOR)
            assert installation.roots == roots
            assert await service.pending() == later

    run(story)


def test_a_damaged_copy_of_a_root_in_force_is_not_called_worthless(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            await announced(installation, "token")
        put_back(tmp_path)
        async with opened(tmp_path) as installation:
            kept = Layout(data=installation.settings.data).ceremony / "root-2.json"
            whole = kept.read_bytes()
            kept.write_bytes(whole[:-9])
            with pytest.raises(CarnetError) as caught:
                await installation.ceremonies.pending()
            assert caught.value.code == "bad_ceremony_file"
            assert "copy" in caught.value.fix
            kept.write_bytes(whole)
            assert (await installation.ceremonies.finish(OPERATOR)).version == 2

    run(story)

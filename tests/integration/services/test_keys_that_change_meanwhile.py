"""Keys that change between two reads of a process that follows or starts; what may be a key, and of what (R-18)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import DAY
from carnet.formats.keys import Signer
from carnet.formats.license_token import verify_license_token
from carnet.server.domain.trust.live import LiveTrust
from carnet.server.domain.trust.plan import RootKeys
from carnet.server.installation import Installation
from carnet.server.ports import TrustFacts
from carnet.server.records import OPERATOR, RootFile, SigningKey
from support.ceremonies import announced, installed, key_of, root_signer
from support.installations import Device, HeldClock, execute, licensed, opened, settings_in
from support.stories import granted

pytestmark = pytest.mark.usefixtures("database")


class Between:
    """A storage in which something happens after the facts were read and before the root files are."""

    def __init__(self, storage: Any, happens: Callable[[], Any]) -> None:
        self._storage = storage
        self._happens: Callable[[], Any] | None = happens

    async def trust_facts(self) -> TrustFacts:
        """The facts of before."""
        facts: TrustFacts = await self._storage.trust_facts()
        return facts

    async def root_files(self, *, after: int) -> tuple[RootFile, ...]:
        """The files of afterwards."""
        happens, self._happens = self._happens, None
        if happens is not None:
            await happens()
        files: tuple[RootFile, ...] = await self._storage.root_files(after=after)
        return files


async def lose_the_token_key(installation: Installation) -> None:
    """The drill's root: the key is out, its successor signs."""
    lost = key_of(installation, "token").kid
    await installed(installation, await installation.ceremonies.compromise(lost))


def test_a_key_lost_between_two_reads_leaves_no_process_without_one(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as other:
            created, device = await licensed(one), Device()
            await installed(one, await one.ceremonies.root_keys(None))  # so that the other one reads files
            live = other._keys
            live._storage = Between(live._storage, lambda: lose_the_token_key(one))  # type: ignore[assignment]
            await other.follow()
            assert len(other.roots) == 2
            granted(await other.activations.activate(device.activate(created.key)))
            await other.follow()
            assert other.roots == one.roots
            fresh = granted(await other.activations.activate(device.activate(created.key)))
            assert verify_license_token(fresh.token, one.ring).kid == key_of(one, "token").kid

    asyncio.run(run())


def test_a_process_that_starts_while_a_key_is_lost_does_start(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as one:
            storage: Any = Between(one._keys._storage, lambda: lose_the_token_key(one))
            started = await LiveTrust.load(storage, one.roots[0], one._keys._open_key)
            assert len(started.state.roots) == 1
            await started.keep_up()
            assert started.signer("token").kid == key_of(one, "token").kid

    asyncio.run(run())


def test_sec_24_a_key_store_that_hangs_does_not_hold_up_that_a_lost_key_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carnet.server.domain.trust.live.OPEN_SECONDS", 0.05)
    answering, elsewhere = threading.Event(), threading.Event()

    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as other:
            await announced(one, "answer")
            clock.advance(DAY)
            await one.ceremonies.rotate(None, OPERATOR)
            slow, open_key = key_of(one, "answer").kid, other._keys._open_key

            def opening(key: SigningKey) -> Signer:
                if key.kid == slow:
                    elsewhere.set()
                    assert answering.wait(120)
                return open_key(key)

            other._keys._open_key = opening
            try:
                await other.follow()
                assert elsewhere.wait(120)
                assert other._keys.signer("answer").kid != slow, "the former goes on"
                assert slow in "".join(other._keys.state.problems)
                lost = key_of(one, "token").kid
                await lose_the_token_key(one)
                while other._keys.signer("token").kid == lost:
                    await other.follow()
                assert other.roots == one.roots
            finally:
                answering.set()
            while other._keys.state.problems:
                await other.follow()
            assert other._keys.signer("answer").kid == slow

    asyncio.run(run())


def test_a_key_file_whose_roles_are_no_texts_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as installation:
            key = key_of(installation, "token")
            path = installation.ceremonies._desk._places.folder / f"{key.kid}.json"  # type: ignore[attr-defined]
            content = json.loads(await asyncio.to_thread(path.read_bytes))
            for roles in ([None], [["token"]], [1]):
                await asyncio.to_thread(path.write_text, json.dumps({**content, "roles": roles}))
                with pytest.raises(MalformedError) as caught:
                    await installation.ceremonies.prove(key)
                assert caught.value.code == "bad_key_file"

    asyncio.run(run())


def test_sec_20_a_signing_key_of_the_server_is_no_root_key(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            online = installation.ring.find("token", key_of(installation, "token").kid)
            with pytest.raises(UsageError) as caught:
                await service.root_keys(RootKeys(keys=(root_signer().public_key, online), threshold=1))
            assert caught.value.code == "bad_root"

    asyncio.run(run())


def test_a_key_that_is_wanted_elsewhere_is_another_wish(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path) as installation:
            service = installation.ceremonies
            first = await service.begin(await service.announce(("token",)))
            assert await service.begin(await service.announce(("token",))) == first
            made, file = await asyncio.to_thread(service._desk.make_key, ("token",), first.issued_at)
            await asyncio.to_thread((service._desk._places.folder / "carried.json").write_bytes, file.content)  # type: ignore[attr-defined]
            elsewhere = await service.announce(("token",), location="file:carried.json")
            assert elsewhere.intent.announce[0].public_key == made.public_key
            with pytest.raises(UsageError) as caught:
                await service.begin(elsewhere)
            assert caught.value.code == "ceremony_pending"

    asyncio.run(run())


def test_what_a_backup_has_lost_of_several_roots_comes_back_without_waiting_for_another_day(tmp_path: Path) -> None:
    async def run() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            former = key_of(installation, "token").kid
            await announced(installation, "token")
            clock.advance(DAY)
            await installation.ceremonies.rotate(None, OPERATOR)
            await installed(installation, await installation.ceremonies.retire(former))
            roots, signing = installation.roots, key_of(installation, "token").kid
        execute(
            settings_in(tmp_path),
            "DELETE FROM roots",
            "DELETE FROM signing_keys WHERE activated_at > announced_at",
            "UPDATE signing_keys SET state = 'active', replaced_at = NULL, ended_at = NULL",
        )
        async with opened(tmp_path, clock) as installation:
            service = installation.ceremonies
            await service.finish(OPERATOR)
            with pytest.raises(UsageError) as caught:
                await service.finish(OPERATOR)
            assert caught.value.code == "conflict"
            await service.rotate(None, OPERATOR)
            await service.finish(OPERATOR)
            assert (installation.roots, key_of(installation, "token").kid) == (roots, signing)

    asyncio.run(run())

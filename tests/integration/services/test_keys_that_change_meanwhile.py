"""Keys that change between two reads of a process that follows or starts; what may be a key, and of what (R-18)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import UsageError
from carnet.formats.license_token import verify_license_token
from carnet.server.domain.trust.live import LiveTrust
from carnet.server.domain.trust.plan import RootKeys
from carnet.server.installation import Installation
from carnet.server.ports import TrustFacts
from carnet.server.records import RootFile
from support.ceremonies import installed, key_of, root_signer
from support.installations import Device, HeldClock, licensed, opened
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

"""
Validation from a real streaming replica: read, never believed beyond the stated bound, never asked for what is written,
and no loss when it is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.domain.activations.commands import RefreshCommand, ValidateCommand
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation, open_installation
from carnet.server.ports import ReplicaStats, SeatFacts, SeatQuery
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.storage.postgres.replica import LEFT_ALONE_SECONDS
from support.installations import CHEAP, PRODUCT, START, Device, HeldClock, licensed
from support.replicas import Replicated, replicated

BOUND = 10


@pytest.fixture(scope="module")
def servers() -> Iterator[Replicated]:
    with replicated() as both:
        yield both


class House:
    """An installation that reads the replica, and the clocks in hand."""

    def __init__(self, installation: Installation, servers: Replicated, ran: list[float]) -> None:
        self.installation = installation
        self.servers = servers
        assert installation.settings.postgres is not None
        self.database = installation.settings.postgres
        self.ran = ran
        self.asked_primary = 0
        find = installation.store.find_seat

        async def watched(query: SeatQuery) -> SeatFacts:
            self.asked_primary += 1
            return await find(query)

        installation.store.find_seat = watched  # type: ignore[method-assign]

    @property
    def stats(self) -> ReplicaStats:
        found = self.installation.storage_stats().replica
        assert found is not None
        return found

    async def valid(self, sold: CreatedLicense, device: Device | None = None) -> tuple[bool, bool]:
        """Whether it is valid, and whether the replica said so, and nobody else was asked."""
        before = self.asked_primary
        claim = None if device is None else device.claim()
        command = ValidateCommand(license_key=sold.key, product=PRODUCT, device=claim)
        result = (await self.installation.activations.validate(command)).result
        is_valid = not isinstance(result, Refused) and result.valid
        return is_valid, self.asked_primary == before

    async def shown(self) -> None:
        """The replica shows all of it, and is asked."""
        await self.installation.store.beat()  # type: ignore[attr-defined]
        await self.servers.catch_up(self.database)
        self.ran[0] += LEFT_ALONE_SECONDS + 0.5


def at(servers: Replicated, folder: Path, story: Callable[[House], Awaitable[None]], **changes: Any) -> None:
    database = servers.primary.fresh()
    settings = Settings(data=folder / "data", postgres=database)
    create_installation(settings, InitOptions(root_keys=folder / "root"), now=START, cost=CHEAP)
    given = {"replica": servers.address(database), "replica_lag_seconds": BOUND, **changes}
    ran = [1000.0]

    async def go() -> None:
        await servers.catch_up(database)
        async with open_installation(replace(settings, **given), clock=HeldClock(), running=lambda: ran[0]) as house:
            await story(House(house, servers, ran))

    try:
        asyncio.run(go())
    finally:
        with suppress(Exception):
            servers.resume(database)


def test_a_revoked_license_is_never_valid_beyond_the_bound_to_the_second(servers: Replicated, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        sold = await licensed(house.installation)
        await house.shown()
        assert await house.valid(sold, Device()) == (False, False)  # no seat
        await house.installation.activations.activate(Device().activate(sold.key))
        await house.shown()
        await house.installation.store.beat()  # type: ignore[attr-defined]
        await servers.catch_up(house.database)
        last_beat = house.ran[0]
        assert await house.valid(sold, Device()) == (True, True)
        servers.pause(house.database)
        await house.installation.licenses.revoke(sold.license.id, OPERATOR)
        for seconds in (0, 1, BOUND - 1, BOUND):
            house.ran[0] = last_beat + seconds
            assert await house.valid(sold, Device()) == (True, True)  # the tooth: the replica is really read
            assert house.stats.age_seconds == seconds
        house.ran[0] = last_beat + BOUND + 1
        assert await house.valid(sold, Device()) == (False, False)
        assert house.stats.behind == 1
        assert house.stats.problem == f"It is more than {BOUND} seconds behind."
        checks = {check.name: check for check in await house.installation.checks()}
        assert not checks["replica"].ok
        assert not checks["replica"].vital
        servers.resume(house.database)
        await house.shown()
        assert await house.valid(sold, Device()) == (False, False)
        other = await licensed(house.installation)
        await house.shown()
        assert await house.valid(other) == (True, True)
        assert {check.name: check.ok for check in await house.installation.checks()}["replica"]

    at(servers, tmp_path, story)


def test_in_real_time_a_revocation_arrives_within_the_bound(servers: Replicated, tmp_path: Path) -> None:
    database = servers.primary.fresh()
    settings = Settings(data=tmp_path / "data", postgres=database)
    create_installation(settings, InitOptions(root_keys=tmp_path / "root"), cost=CHEAP)
    bound = 5
    settings = replace(settings, replica=servers.address(database), replica_lag_seconds=bound)

    async def go() -> None:
        await servers.catch_up(database)
        async with open_installation(settings) as installation:
            house = House(installation, servers, [0.0])
            sold = await licensed(installation)
            pause = asyncio.Event()
            async with asyncio.timeout(120):
                while await house.valid(sold) != (True, True):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(pause.wait(), 0.1)
            servers.pause(database)
            await installation.licenses.revoke(sold.license.id, OPERATOR)
            revoked = monotonic()
            asked = revoked
            while (await house.valid(sold))[0]:
                assert asked - revoked < bound + 1.5, "nobody who asks after the bound is told that it is valid"
                with suppress(TimeoutError):
                    await asyncio.wait_for(pause.wait(), 0.05)
                asked = monotonic()

    try:
        asyncio.run(go())
    finally:
        servers.resume(database)


def test_what_was_just_made_is_known_at_once_however_far_the_replica_is_behind(
    servers: Replicated, tmp_path: Path
) -> None:
    async def story(house: House) -> None:
        old = await licensed(house.installation, overrides={"seat_limit": 1})
        await house.shown()
        servers.pause(house.database)
        assert await house.valid(old) == (True, True)
        new = await licensed(house.installation)
        assert await house.valid(new) == (True, False)
        await house.installation.activations.activate(Device().activate(old.key))
        assert await house.valid(old, Device()) == (True, False)

    at(servers, tmp_path, story)


def test_activation_refresh_and_deactivation_ask_the_primary_alone(servers: Replicated, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        installation, device = house.installation, Device()
        sold = await licensed(installation, overrides={"seat_limit": 1})
        answered = await installation.activations.activate(device.activate(sold.key, with_key=False))
        activation = answered.result.activation.id  # type: ignore[union-attr]
        await house.shown()
        servers.pause(house.database)
        await installation.activations.deactivate_by_vendor(activation, OPERATOR)
        assert await house.valid(sold, device) == (True, True)  # so the replica still says
        refresh = RefreshCommand(product=PRODUCT, license_key=sold.key, device=device.claim(with_key=False))
        assert isinstance((await installation.activations.refresh(refresh)).result, Refused)
        other = Device("two", seed=8)
        first = (await installation.activations.activate(other.activate(sold.key))).result
        assert not isinstance(first, Refused)  # the seat is free
        second = (await installation.activations.activate(Device("three", seed=9).activate(sold.key))).result
        assert isinstance(second, Refused)
        assert second.code == "seat_limit_reached"

    at(servers, tmp_path, story)


def test_a_replica_that_is_away_is_named_and_missed_by_nobody(servers: Replicated, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        sold = await licensed(house.installation)
        await house.shown()
        assert await house.valid(sold) == (True, True)
        servers.stop()
        try:
            house.ran[0] += 1
            began = monotonic()
            assert await house.valid(sold) == (True, False)
            assert monotonic() - began < 100
            for _ in range(20):
                assert await house.valid(sold) == (True, False)
            assert house.stats.failures == 1  # it is left alone for a while
            checks = {check.name: check for check in await house.installation.checks()}
            assert checks["replica"].problem.startswith("It is not read: ")
            assert checks["database"].ok
            async with open_installation(house.installation.settings) as second:  # nobody needs it to start
                assert (await second.checks())[0].ok
        finally:
            servers.start()
        await house.shown()
        assert await house.valid(sold) == (True, True)

    at(servers, tmp_path, story)


def test_the_database_of_another_installation_is_no_replica(servers: Replicated, tmp_path: Path) -> None:
    other = servers.primary.fresh()
    settings = Settings(data=tmp_path / "other" / "data", postgres=other)
    (tmp_path / "other").mkdir()
    create_installation(settings, InitOptions(root_keys=tmp_path / "other" / "root"), now=START, cost=CHEAP)

    async def story(house: House) -> None:
        sold = await licensed(house.installation)
        assert await house.valid(sold) == (True, False)
        assert house.stats.problem == "It is of another installation."

    (tmp_path / "one").mkdir()
    at(servers, tmp_path / "one", story, replica=other)

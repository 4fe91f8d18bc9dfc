"""SEC-45: copies of a device are told of and not punished; lost answers and many at once are not. On both databases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from carnet.core.refresh_stamps import is_newer_stamp, number_of
from carnet.formats.answer import Answer
from carnet.server.domain.activations.commands import RefreshCommand
from carnet.server.domain.activations.requests import PROOF_LEEWAY_SECONDS
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, Device, HeldClock, query
from support.license_models import Market, at_market
from support.stories import granted, proved, tell


class Copy:
    """A device with what it remembers; another one made of it is a clone."""

    def __init__(self, installation: Installation, created: CreatedLicense, stamp: str | None) -> None:
        self.installation = installation
        self.created = created
        self.stamp = stamp

    async def ask(self, **changes: Any) -> Answer:
        """A refresh, as it is answered; the answer may be lost."""
        command = RefreshCommand(
            product=PRODUCT,
            device=Device().claim(with_key=False),
            license_key=self.created.key,
            nonce="n",
            **{"stamp": self.stamp, **changes},
        )
        answered = await self.installation.activations.refresh(command)
        granted(answered)
        return proved(self.installation, answered)

    async def refresh(self) -> None:
        """A refresh whose answer comes."""
        answer = await self.ask()
        if answer.stamp is not None and is_newer_stamp(answer.stamp, self.stamp):
            self.stamp = answer.stamp


async def enrolled(installation: Installation, created: CreatedLicense) -> Copy:
    command = Device().activate(created.key, with_key=False, nonce="n")
    answered = await installation.activations.activate(command)
    return Copy(installation, created, proved(installation, answered).stamp)


async def forks(installation: Installation, created: CreatedLicense) -> int:
    (seat,) = (await installation.activations.list(created.license.id)).items
    return seat.forks


def test_sec_45_two_clones_are_told_of_and_go_on(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        created = await market.sold()
        one = await enrolled(market.installation, created)
        await one.refresh()
        two = Copy(market.installation, created, one.stamp)
        assert await forks(market.installation, created) == 0
        for clone in (one, two, one, two):
            market.clock.advance(3600)
            await clone.refresh()
        told = await forks(market.installation, created)
        assert told >= 1
        assert len(await market.events("activation.forked")) == told
        assert (await market.events("activation.forked"))[-1].payload["forks"] == told
        found = query(tmp_path, "SELECT details FROM audit WHERE action = 'activation.forked' ORDER BY seq")
        assert [json.loads(row[0])["forks"] for row in found] == list(range(1, told + 1))
        assert (await market.view(created)).status == "active"
        assert (await market.view(created)).seats.used == 1
        await market.installation.statistics.flush()
        page = await market.installation.audit.list(AuditFilter(action="license.suspected"))
        assert [entry.details["suspicion"] for entry in page.items] == ["cloned_device"]

    at_market(tmp_path, story)


def test_sec_45_lost_answers_and_new_activations_are_nobodys_copy(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = await enrolled(installation, created)
        for lost in (True, True, False, True, False, False, True):
            clock.advance(60)
            if lost:
                await device.ask()
            else:
                await device.refresh()
        await enrolled(installation, created)  # an activation whose answer was lost
        await device.refresh()
        await device.ask(stamp=None)  # an older program, or one that lost its state
        await device.refresh()
        await device.refresh()
        assert await forks(installation, created) == 0
        assert await device.ask(stamp="no stamp at all") is not None
        assert await forks(installation, created) == 0

    tell(tmp_path, story)


def test_sec_45_of_many_refreshes_at_once_each_gets_a_stamp_of_its_own(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        device = await enrolled(installation, created)
        for _round in range(3):
            answers = await asyncio.gather(*(device.ask() for _ in range(8)))
            stamps = [answer.stamp or "" for answer in answers]
            assert len(set(stamps)) == 8
            assert len({number_of(stamp) for stamp in stamps}) == 8, "decided one after the other"
            device.stamp = max(stamps, key=lambda stamp: number_of(stamp) or 0)
        await device.refresh()
        assert await forks(installation, created) == 0

    tell(tmp_path, story)


@pytest.mark.parametrize(("seconds", "told"), [(0, 0), (PROOF_LEEWAY_SECONDS, 0), (PROOF_LEEWAY_SECONDS + 1, 1)])
def test_sec_45_two_programs_that_ask_at_once_are_one_device_whichever_answer_is_lost(
    tmp_path: Path, seconds: int, told: int
) -> None:
    """A request is taken as long as its proof is fresh; what comes later was not sent at once."""

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        device = await enrolled(installation, created)
        await device.refresh()
        first = await device.ask()
        clock.advance(seconds)
        await device.ask()  # of another program, sent with the same stamp; its answer is lost
        device.stamp = first.stamp
        for _ in range(3):
            await device.refresh()
        assert await forks(installation, created) == told

    tell(tmp_path, story)


def test_a_copy_is_told_of_where_the_license_needs_care_too(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        created = await market.sold(conditions={"activation_budget": 9})
        one = await enrolled(market.installation, created)
        two = Copy(market.installation, created, one.stamp)
        for clone in (one, two, one, two):
            await clone.refresh()
        assert await forks(market.installation, created) >= 1

    at_market(tmp_path, story)


def test_a_refusal_carries_no_stamp_and_moves_none(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        created = await market.sold()
        device = await enrolled(market.installation, created)
        before = query(tmp_path, "SELECT stamp, stamp_shown, forks FROM activations")
        await market.installation.licenses.suspend(created.license.id, OPERATOR)
        command = RefreshCommand(
            product=PRODUCT,
            device=Device().claim(with_key=False),
            license_key=created.key,
            nonce="n",
            stamp="1.aaaaaaaaaaaaaaaa",
        )
        answered = await market.installation.activations.refresh(command)
        assert proved(market.installation, answered).stamp is None
        assert query(tmp_path, "SELECT stamp, stamp_shown, forks FROM activations") == before
        assert device.stamp == before[0][0]

    at_market(tmp_path, story)

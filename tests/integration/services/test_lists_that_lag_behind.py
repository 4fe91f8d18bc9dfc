"""A status list that is older than an answer does not speak against it, not even within one second (SEC-27, SEC-28)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carnet.core.decision import Evidence, Host
from carnet.core.model import Grant
from carnet.core.revocation import Listed, with_lists
from carnet.core.rules import decide
from carnet.formats.license_token import verify_license_token
from carnet.formats.status_list import StatusList
from carnet.server.domain.activations.commands import RefreshCommand
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.domain.status.publishing import PUBLISH_SECONDS
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR
from support.ceremonies import installed, key_of
from support.installations import PRODUCT, Device, HeldClock
from support.status_lists import position_of, publish, served
from support.stories import granted, tell


async def answered(installation: Installation, created: CreatedLicense) -> Grant:
    """What a device is told that comes now."""
    await installation.activations.activate(Device().activate(created.key, with_key=False))
    asked: Any = {"product": PRODUCT, "device": Device().claim(with_key=False), "license_key": created.key}
    token = granted(await installation.activations.refresh(RefreshCommand(**asked))).token
    return verify_license_token(token, installation.ring)


def state(grant: Grant, listed: StatusList, clock: HeldClock) -> str:
    """What a device makes of a grant and a list."""
    refs = [ref for ref in (grant.license_status_ref, grant.activation_status_ref) if ref is not None]
    statuses = tuple((ref.index, listed.status(ref.index)) for ref in refs)
    told = Listed(
        issuer=listed.issuer,
        uri=listed.uri,
        version=listed.version,
        issued_at=listed.issued_at,
        statuses=statuses,
    )
    evidence = with_lists(Evidence(grants=(grant,), device=grant.device), [told])
    return decide(evidence, clock.now(), Host(product=grant.product)).state


def test_sec_27_whoever_is_answered_after_a_reinstatement_minds_no_list_from_before_it(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        early = await answered(installation, created)
        await installation.licenses.suspend(created.license.id, OPERATOR)
        lagging = (await publish(installation))[0]
        await installation.licenses.reinstate(created.license.id, OPERATOR)
        late = await answered(installation, created)
        assert (state(early, lagging, clock), state(late, lagging, clock)) == ("suspended", "active")
        following = (await publish(installation))[0]
        assert late.license_status_ref is not None
        assert late.license_status_ref.minimum == following.version
        assert (state(early, following, clock), state(late, following, clock)) == ("active", "active")
        await installation.licenses.revoke(created.license.id, OPERATOR)
        revoked = (await publish(installation))[0]
        assert (state(early, revoked, clock), state(late, revoked, clock)) == ("revoked", "revoked")

    tell(tmp_path, story)


@pytest.mark.parametrize("seconds", [0, PUBLISH_SECONDS - 1])
def test_sec_28_suspended_again_before_anybody_looked_is_a_new_list(tmp_path: Path, seconds: int) -> None:
    """The rows are as they were, and the list says what it said; but a device was answered in between."""

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        await installation.licenses.suspend(created.license.id, OPERATOR)
        before = (await publish(installation))[0]
        await installation.licenses.reinstate(created.license.id, OPERATOR)
        clock.advance(seconds)
        grant = await answered(installation, created)
        await installation.licenses.suspend(created.license.id, OPERATOR)
        after = (await publish(installation))[0]
        assert after.statuses == before.statuses
        assert after.version > before.version
        assert (state(grant, before, clock), state(grant, after, clock)) == ("active", "suspended")
        assert (await publish(installation))[0] == after

    tell(tmp_path, story)


def test_sec_27_a_list_is_read_when_the_second_is_over_that_it_is_dated_by(tmp_path: Path) -> None:
    """Who is reinstated and answered while a list is being made is not called suspended by it."""

    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        first = (await publish(installation))[0]
        publisher, grants, paused = installation.publisher, [], 0
        second = clock.now()

        async def pause(_: float) -> None:
            nonlocal paused
            paused += 1
            if paused == 3:
                await installation.licenses.reinstate(created.license.id, OPERATOR)
                grants.append(await answered(installation, created))
                clock.advance(1)

        publisher._pause = pause
        await installation.licenses.suspend(created.license.id, OPERATOR)
        made = (await publish(installation))[0]
        assert paused == 3
        assert (made.issued_at, made.version) == (second, (first.version[0], first.version[1] + 1))
        assert state(grants[0], made, clock) == "active"
        publisher._pause = None
        assert (await publish(installation))[0] == made  # reinstated before it was read

    tell(tmp_path, story)


def test_a_clock_that_stands_holds_no_list_up_and_where_nothing_is_due_nobody_waits(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, clock: HeldClock) -> None:
        paused: list[float] = []

        async def pause(seconds: float) -> None:
            paused.append(seconds)

        installation.publisher._pause = pause
        await installation.licenses.revoke(created.license.id, OPERATOR)
        made = (await publish(installation))[0]
        assert made.issued_at == clock.now()
        assert 1 < sum(paused) < 2
        paused.clear()
        assert (await publish(installation))[0] == made
        assert not paused

    tell(tmp_path, story)


def test_only_the_list_of_the_license_is_passed_over_and_only_one_that_a_device_would_mind(tmp_path: Path) -> None:
    async def story(installation: Installation, created: CreatedLicense, _: HeldClock) -> None:
        place = position_of(installation.settings, created.license.id)
        assert installation.lists.refs(place)[0].minimum is None
        await installation.licenses.suspend(created.license.id, OPERATOR)
        await publish(installation)
        epoch, number = served(installation)[0].version
        license_ref, seat_ref = installation.lists.refs(place, SHARD_SIZE + place)
        assert seat_ref is not None
        assert (license_ref.minimum, seat_ref.minimum) == ((epoch, number + 1), None)
        another = (place + 1) % SHARD_SIZE
        assert installation.lists.refs(another)[0].minimum == (epoch, number)
        # The key that signed it is dropped: what the list says is nothing to anybody.
        await installed(installation, await installation.ceremonies.compromise(key_of(installation, "status-list").kid))
        installation.lists._pausing.clear()
        assert installation.lists.refs(place)[0].minimum == (epoch, number)

    tell(tmp_path, story)

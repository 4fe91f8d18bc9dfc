"""SEC-24, REL-11: what was never issued, years later and after a restore; on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import BACKDATE_SECONDS
from carnet.formats.bundle import Bundle, write_bundle
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.domain.upkeep import KEEP_STRANGERS_DAYS
from carnet.server.installation import Installation, open_installation
from carnet.server.ports.never_issued import Stranger
from carnet.server.records import OPERATOR
from support.databases import cluster
from support.drills import stolen
from support.installations import START, Device, HeldClock, licensed, opened, settings_in
from support.stories import granted


def seen_at(last: int, jti: str, **changes: Any) -> Stranger:
    stranger = Stranger(
        jti=jti,
        kid="k" * 43,
        expires_at=Instant(START + 9000 * DAY),
        kind="token",
        issued_at=Instant(START),
        reason="unknown",
        proved=False,
        product="hustl",
        license_id=None,
        activation_id=None,
        first_seen_at=Instant(START),
        last_seen_at=Instant(last),
    )
    return replace(stranger, **changes)


async def kept(installation: Installation) -> set[str]:
    return {each.jti for each in await installation.store.strangers(kid=None, limit=2000)}


def test_what_nobody_saw_for_800_days_is_forgotten_to_the_second_and_its_audit_stays(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            end = START + KEEP_STRANGERS_DAYS * DAY
            each = (seen_at(START - 1, "older", proved=True), seen_at(START, "just"), seen_at(START + 1, "younger"))
            await installation.seen.record(each)
            again = replace(seen_at(START - 1, "again"), first_seen_at=Instant(START - 1))
            await installation.seen.record((again,))
            await installation.seen.record((replace(again, last_seen_at=Instant(START + 2)),))
            clock.at = Instant(START + 1)
            assert not await installation.upkeep.forget_traffic()
            assert await kept(installation) == {"older", "just", "younger", "again"}
            left = [{"just", "younger", "again"}, {"younger", "again"}, {"again"}, set()]
            for second, expected in enumerate(left):
                clock.at = Instant(end + second)
                assert not await installation.upkeep.forget_traffic()
                assert await kept(installation) == expected, f"second {second}"
            rows = (await installation.audit.list(limit=500)).items
            told = [row.object_id for row in rows if row.action == "artifact.never_issued"]
            assert set(told) == {"older", "just", "younger", "again"}
            await installation.seen.record((seen_at(clock.at, "older"),))
            rows = (await installation.audit.list(limit=500)).items
            assert [row.object_id for row in rows if row.action == "artifact.never_issued"].count("older") == 2

    assert KEEP_STRANGERS_DAYS == 800
    asyncio.run(story())


def test_many_are_forgotten_some_at_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            await installation.seen.record(tuple(seen_at(START, f"old-{number}") for number in range(501)))
            await installation.seen.record((seen_at(START + DAY, "young"),))
            clock.at = Instant(START + KEEP_STRANGERS_DAYS * DAY + 1)
            assert await installation.upkeep.forget_traffic(), "there may be more"
            assert len(await kept(installation)) == 2
            assert not await installation.upkeep.forget_traffic()
            assert await kept(installation) == {"young"}

    asyncio.run(story())


def test_rel_11_of_a_time_that_a_restore_has_lost_nobody_can_know(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        settings = settings_in(tmp_path)
        async with opened(tmp_path, clock) as installation:
            made = await licensed(installation, policy="enterprise")
            early = granted(await installation.activations.activate(Device().activate(made.key))).token
            clock.advance(100)
            await licensed(installation)
            last = clock.at  # of the audit that comes back
            await installation.backups.create(tmp_path / "x.backup", OPERATOR)
            soon = granted(await installation.activations.activate(Device("soon", seed=6).activate(made.key))).token
            clock.advance(100)
            lost = granted(await installation.activations.activate(Device("two", seed=8).activate(made.key))).token
            thief, ring = stolen(installation, "token"), installation.ring
            assert (await installation.checking.judge(lost.encode())).verdict == "issued"
        clock.advance(100)
        if settings.postgres is not None:
            settings = replace(settings, postgres=cluster().fresh())
        restore_backup(settings, tmp_path / "x.backup", replace=True, now=clock.now())
        start_epoch(settings, now=clock.now())
        begun = clock.at
        clock.advance(100)
        async with open_installation(settings, clock=clock) as installation:

            async def told(text: str) -> tuple[str, list[str], list[str]]:
                judged = await installation.checking.judge(text.encode())
                return judged.verdict, [each.verdict for each in judged.items], [each.code for each in judged.reasons]

            def dated(at: int) -> str:
                grant = replace(verify_license_token(lost, ring), id=f"at {at}")
                return issue_license_token(replace(grant, issued_at=Instant(at), not_before=Instant(at)), thief)

            unknowable = ("cannot_know", ["cannot_know"], ["register_incomplete"])
            assert await told(early) == ("issued", ["as_issued"], [])
            for text in (soon, lost, dated(last - BACKDATE_SECONDS), dated(begun)):
                assert await told(text) == unknowable
            assert await kept(installation) == set(), "it worries nobody"
            for at in (begun + 1, last - BACKDATE_SECONDS - 1):
                assert await told(dated(at)) == ("never_issued", ["unknown"], [])
            assert len(await kept(installation)) == 2
            fresh = granted(await installation.activations.activate(Device("three", seed=9).activate(made.key)))
            assert await told(fresh.token) == ("issued", ["as_issued"], [])
            # An id that the register has says what it says, whatever time a forgery claims.
            at = Instant(START + 200)
            known = replace(verify_license_token(early, ring), issued_at=at, not_before=at)
            assert (await told(issue_license_token(known, thief)))[:2] == ("never_issued", ["differs"])

    asyncio.run(story())


def test_a_bundle_without_a_token_is_not_passed_as_issued(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            made = await licensed(installation)
            result = granted(await installation.activations.activate(Device().activate(made.key)))
            alone = write_bundle(Bundle(machine_file=result.machine_file)).encode()
            with pytest.raises(UsageError) as refused:
                await installation.checking.check(alone)
            assert refused.value.code == "artifact_unreadable"

    asyncio.run(story())

"""SEC-24: after a signing key was lost, what it signed for devices is signed anew; on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import StateError
from carnet.core.instant import DAY, HOUR, MINUTE, Instant
from carnet.formats.bundle import read_bundle
from carnet.formats.license_token import verify_license_token
from carnet.formats.machine_file import open_machine_file
from carnet.formats.root import next_root, read_root
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.domain.reissue.commands import DeviceBundle, Reissued
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, Activation, Issuance
from support.drills import compromised, root_signers, stolen
from support.installations import START, Device, HeldClock, execute, fingerprint, licensed, opened, root_keys

LOST_AT = Instant(START + 2 * HOUR)


class Kept:
    """A folder of bundles in memory."""

    def __init__(self, *, dies_after: int | None = None) -> None:
        self.bundles: dict[str, DeviceBundle] = {}
        self._left = dies_after

    def has(self, activation: Activation) -> bool:
        return activation.id in self.bundles

    def keep(self, bundles: tuple[DeviceBundle, ...]) -> None:
        for each in bundles:
            if self._left == 0:
                raise KilledError
            self._left = None if self._left is None else self._left - 1
            self.bundles[each.activation.id] = each


class KilledError(Exception):
    """The process ended here."""


async def devices(installation: Installation, clock: HeldClock, count: int, **terms: Any) -> list[CreatedLicense]:
    """So many licenses, each with a device that was activated now."""
    made = []
    for number in range(count):
        license_ = await licensed(installation, **terms)
        await installation.activations.activate(Device(number).activate(license_.key))
        made.append(license_)
    return made


async def drill(installation: Installation, kid: str, **options: Any) -> Reissued:
    """A run of it, in a hurry."""
    return await installation.reissue.run(kid, OPERATOR, **{"settle_seconds": 0, **options})


def register(installation: Installation, more: str = "") -> list[Issuance]:
    """All of the register, oldest first."""
    from carnet.server.storage.rows import issuance_from

    return [
        issuance_from(row)
        for row in execute(installation.settings, f"SELECT * FROM issuances {more} ORDER BY issued_at, jti")  # noqa: S608
    ]


def test_sec_24_every_live_activation_gets_the_same_again_under_the_new_key(tmp_path: Path) -> None:
    async def story() -> None:
        clock, kept = HeldClock(), Kept()
        async with opened(tmp_path, clock) as installation:
            licenses = await devices(installation, clock, 5)
            before = {each.jti: each for each in register(installation)}
            clock.advance(2 * HOUR)
            kid = await compromised(installation, root_keys(), "token")
            told: list[tuple[int, int]] = []
            report = await drill(installation, kid, sink=kept, progress=lambda done, total: told.append((done, total)))
            assert (report.looked_at, report.ended, report.already) == (5, 0, 0)
            assert (report.activations, report.artifacts, report.bundles) == (5, 5, 5)  # the machine files stay genuine
            assert told == [(5, 5)]
            made = [each for each in register(installation) if each.jti not in before]
            assert {each.kind for each in made} == {"token"}
            assert kid not in {each.kid for each in made}
            for each in made:
                (old,) = [
                    one for one in before.values() if (one.activation_id, one.kind) == (each.activation_id, "token")
                ]
                was, now = grant_from_json(old.claims), grant_from_json(each.claims)
                assert now.issued_at == LOST_AT - 60
                changed = {name for name in was.__fields__ if getattr(was, name) != getattr(now, name)}
                assert changed == {"id", "kid", "issued_at", "not_before"}
                assert each.expires_at == old.expires_at
            root = read_root(installation.roots[0])
            for number, license_ in enumerate(licenses):
                (bundle,) = [one for one in kept.bundles.values() if one.activation.license_id == license_.license.id]
                parts = read_bundle(bundle.text.encode())
                ring = next_root(root, parts.roots[0]).ring()
                assert parts.token is not None
                assert parts.machine_file is not None
                assert verify_license_token(parts.token, ring).device == fingerprint(number)
                opened_file = open_machine_file(
                    parts.machine_file.encode(), ring, license_key=license_.key, fingerprint=fingerprint(number)
                )
                assert opened_file.activation_id == bundle.activation.id
                assert bundle.key_last_four == license_.key[-4:]

    asyncio.run(story())


def test_sec_24_run_again_it_finds_nothing_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        clock, kept = HeldClock(), Kept()
        async with opened(tmp_path, clock) as installation:
            await devices(installation, clock, 3)
            clock.advance(2 * HOUR)
            kid = await compromised(installation, root_keys(), "machine-file")
            await drill(installation, kid, sink=kept)
            lines, rows = register(installation), await installation.audit.list(limit=500)
            again = await drill(installation, kid, sink=kept)
            assert (again.looked_at, again.already, again.activations, again.bundles) == (3, 3, 0, 0)
            assert register(installation) == lines
            assert await installation.audit.list(limit=500) == rows
            (row,) = [each for each in rows.items if each.action == "key.artifacts_reissued"]
            assert (row.object_id, row.details["activations"], row.details["artifacts"]) == (kid, 3, 3)

    asyncio.run(story())


@pytest.mark.parametrize("after", [0, 1, 4, 5])
def test_sec_24_killed_in_the_middle_a_second_run_does_only_what_is_missing(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr("carnet.server.domain.reissue.service.BATCH", 2)
        clock, kept = HeldClock(), Kept(dies_after=after)
        async with opened(tmp_path, clock) as installation:
            await devices(installation, clock, 6)
            clock.advance(2 * HOUR)
            kid = await compromised(installation, root_keys(), "token")
            with pytest.raises(KilledError):
                await drill(installation, kid, sink=kept)
        async with opened(tmp_path, clock) as installation:
            rest = Kept()
            rest.bundles = dict(kept.bundles)
            report = await drill(installation, kid, sink=rest)
            assert report.activations == 6 - 2 * (after // 2 + 1)
            assert report.bundles == 6 - after
            assert len(rest.bundles) == 6
            under = [each for each in register(installation) if each.kind == "token" and each.kid != kid]
            assert len(under) == len({each.activation_id for each in under}) == 6

    asyncio.run(story())


def test_sec_24_what_ended_meanwhile_is_not_signed_anew(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            given_back, revoked, suspended, refreshed, live = await devices(installation, clock, 5)
            clock.advance(2 * HOUR)
            kid = await compromised(installation, root_keys(), "token")
            (seat,) = (await installation.activations.list(given_back.license.id)).items
            await installation.activations.deactivate_by_vendor(seat.id, OPERATOR)
            await installation.licenses.revoke(revoked.license.id, OPERATOR)
            await installation.licenses.suspend(suspended.license.id, OPERATOR)
            await installation.activations.activate(Device(3).activate(refreshed.key))
            lines = len(register(installation))
            report = await drill(installation, kid)
            assert (report.looked_at, report.ended, report.already, report.activations) == (5, 3, 1, 1)
            (made,) = register(installation)[-1:]
            assert len(register(installation)) == lines + 1
            assert made.license_id == live.license.id

    asyncio.run(story())


def test_sec_24_what_ends_between_the_look_and_the_lock_is_left_out(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            (license_, other) = await devices(installation, clock, 2)
            clock.advance(2 * HOUR)
            kid = await compromised(installation, root_keys(), "token")
            service = installation.reissue
            draw: Any = service._draw

            def slowly(*given: Any, **named: Any) -> Any:
                drawn = draw(*given, **named)
                future = asyncio.run_coroutine_threadsafe(
                    installation.licenses.revoke(license_.license.id, OPERATOR), loop
                )
                future.result(30)
                return drawn

            loop = asyncio.get_running_loop()
            service._draw = slowly  # type: ignore[method-assign]
            report = await service.run(kid, OPERATOR, settle_seconds=0)
            assert (report.activations, report.ended) == (1, 1)
            assert {each.license_id for each in register(installation) if each.kid != kid and each.kind == "token"} == {
                other.license.id
            }

    asyncio.run(story())


def test_sec_24_a_key_that_the_root_still_names_is_not_drilled(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            with pytest.raises(StateError) as refused:
                await drill(installation, stolen(installation, "token").kid)
            assert refused.value.code == "key_still_trusted"

    asyncio.run(story())


def test_sec_24_what_is_over_with_its_grace_stays_over(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            await devices(installation, clock, 1)
            token, machine_file = sorted(register(installation), key=lambda each: each.expires_at)
            grace = grant_from_json(token.claims).policy.grace_seconds
            clock.at = Instant(token.expires_at + grace)
            kid = await compromised(installation, root_keys(), "token")
            assert (await drill(installation, kid)).artifacts == 0
            clock.at = Instant(machine_file.expires_at + grace - 1)
            kid = await compromised(installation, root_keys(), "machine-file")
            assert (await drill(installation, kid)).artifacts == 1
            again = max(register(installation), key=lambda each: each.issued_at)
            assert (again.expires_at, again.issued_at) == (machine_file.expires_at, machine_file.expires_at - 1)

    asyncio.run(story())


def test_sec_24_the_report_says_who_has_to_be_served_by_hand(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as installation:
            customer = await _customer(installation)
            silent, _ = await devices(installation, clock, 2, customer=customer)
            clock.advance(10 * DAY + 1)
            await installation.activations.activate(Device(1).activate(_.key))
            await installation.activations.activate(Device(7).activate(silent.key))
            kid = await compromised(installation, root_keys(), "machine-file")
            report = await drill(installation, kid)
            (part,) = report.products
            assert (part.product, part.reissued, part.silent, part.silent_customers) == ("hustl", 3, 1, (customer,))

    asyncio.run(story())


def test_sec_24_devices_are_served_while_everything_is_signed_anew(tmp_path: Path) -> None:
    async def story() -> None:
        clock, count = HeldClock(), 200
        async with opened(tmp_path, clock) as installation:
            made = await devices(installation, clock, count)
            clock.advance(2 * MINUTE)
            kid = await compromised(installation, root_keys(), "token")

            async def served() -> int:
                for number, license_ in enumerate(made[::10]):
                    answered = await installation.activations.activate(Device(number * 10).activate(license_.key))
                    verify_license_token(answered.result.token, installation.ring)  # type: ignore[union-attr]
                return len(made[::10])

            report, answered = await asyncio.gather(drill(installation, kid), served())
            assert answered == 20
            assert report.looked_at == count
            assert report.activations + report.already == count
            newest: dict[tuple[str | None, str], Issuance] = {}
            for each in register(installation):
                newest[each.activation_id, each.kind] = each
            assert kid not in {each.kid for each in newest.values()}

    asyncio.run(story())


async def _customer(installation: Installation) -> str:
    from carnet.server.domain.customers.commands import CreateCustomer

    return (await installation.customers.create(CreateCustomer(name="Sarah"), OPERATOR)).id


def test_sec_24_a_bundle_says_what_the_register_says_also_of_a_key_that_was_rotated_out(tmp_path: Path) -> None:
    clock, kept = HeldClock(), Kept()

    async def before() -> str:
        async with opened(tmp_path, clock) as installation:
            await devices(installation, clock, 2)
            ceremonies, signers = installation.ceremonies, root_signers(root_keys())
            await ceremonies.sign(await ceremonies.begin(await ceremonies.announce(("machine-file",))), signers)
            await ceremonies.finish(OPERATOR)
            clock.advance(2 * DAY)
            await ceremonies.rotate(("machine-file",), OPERATOR)
            return await compromised(installation, root_keys(), "token")

    async def after() -> None:
        async with opened(tmp_path, clock) as installation:  # a process that opens the keys of now only
            report = await drill(installation, kid, sink=kept)
            assert (report.activations, report.artifacts, report.bundles) == (2, 4, 2)
            for bundle in kept.bundles.values():
                checked = await installation.checking.check(bundle.text.encode())
                assert [each.verdict for each in checked] == ["as_issued", "as_issued"]

    kid = asyncio.run(before())
    asyncio.run(after())

"""Signed license keys and batches on real installations (R-13b): issued, registered, verified without any server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host, Refused
from carnet.core.errors import CarnetError, MalformedError, StateError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant, Policy, StatusRef
from carnet.core.rules import decide
from carnet.formats.encoding import sha256_hex
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from carnet.formats.signed_key import issue_signed_key, verify_signed_key
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.artifacts.commands import IssueSignedKey, SignedKeyOptions
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense, RenewLicense
from carnet.server.domain.licenses.service import LOT, MAX_BATCH
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR, Actor
from support.artifacts import issued, tell
from support.installations import PRODUCT, START, HeldClock, fingerprint, licensed, settings_in
from support.signed_keys import SIGNER, key_grant

VENDOR = Actor(kind="vendor", id="key-1")
SIGNED = SignedKeyOptions()


def command(**changes: Any) -> CreateLicense:
    return CreateLicense(**{"product": PRODUCT, "policy": "consumer", "signed": SIGNED, **changes})


async def batch(installation: Installation, count: int, **changes: Any) -> list[CreatedLicense]:
    made = installation.licenses.create_many(command(**changes), count, VENDOR)
    return [created async for lot in made for created in lot]


async def refused(code: str, asked: Any, kind: type[CarnetError] = UsageError) -> CarnetError:
    with pytest.raises(kind) as caught:
        await asked
    assert caught.value.code == code
    assert caught.value.fix
    return caught.value


def test_r_13_a_license_is_made_with_a_key_that_verifies_without_a_server(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        overrides = {"entitlements": ["export-pdf", {"key": "beta", "expires_at": str(Instant(START + DAY))}]}
        created = await licensed(installation, signed=SIGNED, duration_seconds=365 * DAY, overrides=overrides)
        assert created.signed_key is not None
        assert created.signed_key != created.key
        grant = verify_signed_key(created.signed_key, installation.ring)
        assert (grant.license_id, grant.product) == (created.license.id, PRODUCT)
        assert (grant.issued_at, grant.license_expires_at) == (START - 60, START + 365 * DAY)
        assert [each.key for each in grant.entitlements] == ["export-pdf", "beta"]
        assert grant.license_status_ref is not None
        assert grant.customer is None
        host = Host(product=PRODUCT)
        assert decide(Evidence(grants=(grant,)), START, host).state == "active"
        assert decide(Evidence(grants=(grant,)), Instant(START + 500 * DAY), host).access == "none"

    tell(tmp_path, story)


def test_the_register_and_the_audit_know_every_signed_key_and_hold_none(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        created = await licensed(installation, signed=SIGNED)
        again = issued(await installation.artifacts.signed_key(IssueSignedKey(license_id=created.license.id), VENDOR))
        line = await installation._storage.issuance(again.id)
        assert line is not None
        assert (line.kind, line.license_id, line.kid) == ("license-key", created.license.id, again.kid)
        assert grant_from_json(line.claims) == verify_signed_key(again.text, installation.ring)
        entries = (await installation.audit.list(AuditFilter(object_id=created.license.id))).items
        assert [(each.action, each.actor) for each in entries] == [
            ("license.signed_key_issued", VENDOR),
            ("license.created", OPERATOR),
        ]
        assert entries[0].details["again"] is True
        texts = [line.claims, *(str(dict(each.details)) for each in entries)]
        assert not any(key in text for key in (again.text, created.key) for text in texts)

    tell(tmp_path, story)


def test_the_same_license_has_the_same_signed_key_until_its_terms_change(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        created = await licensed(installation, signed=SIGNED, duration_seconds=365 * DAY)
        license_id = created.license.id
        ask = IssueSignedKey(license_id=license_id)
        clock.advance(40 * DAY)
        first = issued(await installation.artifacts.signed_key(ask, OPERATOR))
        assert first.text == created.signed_key
        bound = replace(ask, options=SignedKeyOptions(device=fingerprint("one")))
        for_one = issued(await installation.artifacts.signed_key(bound, OPERATOR))
        assert (for_one.device, for_one.text == first.text) == (fingerprint("one"), False)
        # Two different keys of one second have different ids, and both verify.
        other = replace(ask, options=SignedKeyOptions(device=fingerprint("two"), revocable=False))
        for_two = issued(await installation.artifacts.signed_key(other, OPERATOR))
        assert len({first.id, for_one.id, for_two.id}) == 3
        assert verify_signed_key(for_two.text, installation.ring).license_status_ref is None
        assert len(for_two.text) < len(for_one.text)
        await installation.licenses.renew(RenewLicense(license_id=license_id, duration_seconds=DAY), OPERATOR)
        renewed = issued(await installation.artifacts.signed_key(ask, OPERATOR))
        assert renewed.expires_at == START + 366 * DAY
        assert verify_signed_key(renewed.text, installation.ring).license_expires_at == START + 366 * DAY
        assert issued(await installation.artifacts.signed_key(ask, OPERATOR)) == renewed

    tell(tmp_path, story)


def test_r_22_a_license_that_ended_or_was_stopped_gets_no_signed_key(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        async def ask(created: CreatedLicense) -> Any:
            return await installation.artifacts.signed_key(IssueSignedKey(license_id=created.license.id), OPERATOR)

        timed = await licensed(installation, duration_seconds=DAY)
        stopped = await licensed(installation)
        later = await licensed(installation, starts_at=Instant(START + 3 * DAY), duration_seconds=DAY)
        before = (await installation.audit.list()).items
        await installation.licenses.suspend(stopped.license.id, OPERATOR)
        told = await ask(stopped)
        assert isinstance(told, Refused)
        assert told.code == "license_suspended"
        await installation.licenses.revoke(stopped.license.id, OPERATOR)
        assert (await ask(stopped)).code == "license_revoked"
        # A key of a license that starts later says so itself.
        grant = verify_signed_key(issued(await ask(later)).text, installation.ring)
        assert (grant.not_before, grant.issued_at) == (START + 3 * DAY, START - 60)
        clock.advance(DAY - 1)
        issued(await ask(timed))
        clock.advance(1)
        assert (await ask(timed)).code == "license_expired"
        clock.advance(1)
        assert (await ask(timed)).code == "license_expired"
        await refused("license_not_found", installation.artifacts.signed_key(IssueSignedKey(license_id="x"), OPERATOR))
        actions = [each.action for each in (await installation.audit.list()).items]
        assert actions.count("license.signed_key_issued") == 2
        assert len(before) < len(actions)

    tell(tmp_path, story)


def test_sec_04_a_key_of_ten_years_is_made_and_one_of_a_second_more_is_not(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        exact = await licensed(installation, signed=SIGNED, duration_seconds=MAX_LIFETIME_SECONDS)
        assert exact.signed_key is not None
        grant = verify_signed_key(exact.signed_key, installation.ring)
        assert (grant.issued_at, grant.license_expires_at) == (START, START + MAX_LIFETIME_SECONDS)
        usual = await licensed(installation, signed=SIGNED, duration_seconds=MAX_LIFETIME_SECONDS - 60)
        assert usual.signed_key is not None
        assert verify_signed_key(usual.signed_key, installation.ring).issued_at == START - 60
        stored = (await installation.licenses.list()).items
        longer = command(duration_seconds=MAX_LIFETIME_SECONDS + 1)
        await refused("bad_grant", installation.licenses.create(longer, OPERATOR))
        assert (await installation.licenses.list()).items == stored

    tell(tmp_path, story)


def test_what_no_key_can_carry_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        kept = await licensed(installation)
        too_much = {"entitlements": [f"feature-{number:03d}" for number in range(60)]}
        await refused("bad_grant", installation.licenses.create(command(overrides=too_much), OPERATOR))
        await refused("bad_grant", batch(installation, 3, overrides=too_much))
        for device, code in (("short", "bad_fingerprint"), ("0" * 64, "placeholder_fingerprint")):
            asked = command(signed=SignedKeyOptions(device=device))
            await refused(code, installation.licenses.create(asked, OPERATOR), MalformedError)
        for changes, count in (
            ({}, 0),
            ({}, MAX_BATCH + 1),
            ({"license_key": "AB3DE-FGH12"}, 2),
            ({"signed": SignedKeyOptions(device=fingerprint("one"))}, 2),
        ):
            await refused("invalid_argument", batch(installation, count, **changes))
        assert [each.id for each in (await installation.licenses.list()).items] == [kept.license.id]

    tell(tmp_path, story)


def test_what_fits_is_judged_by_the_widest_place_in_the_status_lists(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        checked = installation.licenses._signed_keys

        def grant(length: int, index: int) -> Grant:
            status = StatusRef(uri="https://license.example.com/v1/status/0", index=index)
            return key_grant(policy=replace(Policy(name="signed-key"), edition="Ü" * length), status=status)

        def fits(length: int, index: int) -> bool:
            try:
                return bool(issue_signed_key(grant(length, index), SIGNER))
            except UsageError:
                return False

        longest = max(length for length in range(1, 100) if fits(length, 1))
        assert not fits(longest, SHARD_SIZE - 1)  # two bytes more, as one license of a batch may have them
        with pytest.raises(UsageError) as caught:
            checked.check(grant(longest, 1))
        assert caught.value.code == "bad_grant"
        checked.check(grant(longest - 1, 1))
        issue_signed_key(grant(longest - 1, SHARD_SIZE - 1), SIGNER)

    tell(tmp_path, story)


def test_a_batch_makes_every_license_once_each_with_its_own_keys(tmp_path: Path) -> None:
    count = LOT + 3

    async def story(installation: Installation, _: HeldClock) -> None:
        await licensed(installation)
        lots = [len(lot) async for lot in installation.licenses.create_many(command(), count, VENDOR)]
        assert lots == [LOT, 3]
        made = await batch(installation, 7, duration_seconds=DAY, metadata={"order": "A-17"})
        assert len({each.license.id for each in made}) == len({each.key for each in made}) == 7
        grants = [verify_signed_key(str(each.signed_key), installation.ring) for each in made]
        assert [grant.license_id for grant in grants] == [each.license.id for each in made]
        assert len({grant.license_status_ref for grant in grants}) == 7
        found = await installation.licenses.find(made[4].key.lower())
        assert (found, dict(found.metadata)) == (made[4].license, {"order": "A-17"})
        # The register knows each, and audit rows of one batch share its id.
        for grant in grants:
            line = await installation._storage.issuance(grant.id)
            assert line is not None
            assert grant_from_json(line.claims) == grant
        batches = set()
        for each in made:
            (entry,) = (await installation.audit.list(AuditFilter(object_id=each.license.id))).items
            assert (entry.action, entry.details["signed"], entry.actor) == ("license.created", True, VENDOR)
            batches.add(entry.details["batch"])
        assert len(batches) == 1

    tell(tmp_path, story)


def test_a_lot_that_fails_leaves_the_lots_before_it_whole_and_nothing_of_itself(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        await licensed(installation)
        policy = (await installation.policies.get(PRODUCT, "consumer")).policy
        await installation.policies.create(
            CreatePolicy(product=PRODUCT, policy=replace(policy, name="growing")), OPERATOR
        )
        grown = replace(policy, name="growing", edition="E" * 100, domains=(f"{'d' * 60}.example.com",))
        lots = installation.licenses.create_many(command(policy="growing"), 2 * LOT, OPERATOR)
        stored = 1 + len(await anext(lots))
        await installation.policies.update(UpdatePolicy(product=PRODUCT, name="growing", policy=grown), OPERATOR)
        await refused("bad_grant", anext(lots))
        assert stored == LOT + 1
        assert await _count(installation) == stored

    tell(tmp_path, story)


def test_a_lot_of_which_one_cannot_be_stored_is_not_stored_at_all(tmp_path: Path) -> None:
    given = iter([b"\x01" * 13, b"\x02" * 13, b"\x01" * 13])  # the third key is the first one again

    def random(count: int) -> bytes:
        return next(given, os.urandom(13)) if count == 13 else os.urandom(count)

    async def run() -> None:
        settings = settings_in(tmp_path)
        async with open_installation(settings, clock=HeldClock(), random=random) as installation:
            with pytest.raises(UsageError):
                await batch(installation, 1)  # no such product: nothing is consumed for ever
        async with open_installation(settings, clock=HeldClock()) as installation:
            await licensed(installation)
        async with open_installation(settings, clock=HeldClock(), random=random) as installation:
            rows = len((await installation.audit.list(limit=500)).items)
            before = await _count(installation)
            with pytest.raises(StateError):
                await batch(installation, 5)
            assert await _count(installation) == before
            assert len((await installation.audit.list(limit=500)).items) == rows
            assert len(await batch(installation, 5)) == 5  # and the next one is

    given = iter([b"\x03" * 13, b"\x01" * 13, b"\x02" * 13, b"\x01" * 13, b"\x04" * 13, b"\x05" * 13])
    asyncio.run(run())


async def _count(installation: Installation) -> int:
    total, after = 0, None
    while True:
        page = await installation.licenses.list(limit=500, after=after)
        total, after = total + len(page.items), page.next_after
        if after is None:
            return total


def test_r_80_a_key_of_another_system_is_taken_over_as_it_is(tmp_path: Path) -> None:
    foreign = "KT4Q-9ZXW-22LM-7PRD-x8f3-Qm1v"

    async def story(installation: Installation, _: HeldClock) -> None:
        await licensed(installation)
        create = installation.licenses.create
        made = await create(command(license_key=foreign, signed=None), OPERATOR)
        assert (made.key, made.license.key_last_four) == (foreign, foreign[-4:])
        assert (await installation.licenses.find(f" {foreign} ")).id == made.license.id
        await refused("license_not_found", installation.licenses.find(foreign.lower()))
        assert await installation.licenses.reveal_key(made.license.id, OPERATOR) == foreign
        entries = (await installation.audit.list(AuditFilter(object_id=made.license.id))).items
        assert entries[-1].details["imported"] is True
        error = await refused("already_exists", create(command(license_key=foreign), OPERATOR))
        assert foreign not in str(error)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("weak", "code"),
    [
        ("1234-5678-9012-3456", "weak_license_key"),
        ("hunter2", "weak_license_key"),
        ("KT4Q-9ZXW-22LM-7", "weak_license_key"),
        ("two words of a customer", "bad_license_key"),
        ("Schlüssel-9ZXW-22LM-7PRD-x8f3", "bad_license_key"),
        ("x9" * 128, "bad_license_key"),
        ("", "invalid_argument"),
    ],
)
def test_sec_16_an_imported_key_that_could_be_guessed_makes_no_license(tmp_path: Path, weak: str, code: str) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        kept = await licensed(installation)
        error = await refused(code, installation.licenses.create(command(license_key=weak), OPERATOR))
        assert not weak or weak not in str(error)
        assert [each.id for each in (await installation.licenses.list()).items] == [kept.license.id]

    tell(tmp_path, story)


def test_a_carnet_key_is_taken_over_in_its_one_spelling_only(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        kept = await licensed(installation)
        spelled = kept.key.lower()
        await refused("license_key_not_canonical", installation.licenses.create(command(license_key=spelled), OPERATOR))

    tell(tmp_path, story)


def test_a_license_whose_artifacts_would_be_too_large_is_refused_when_it_is_made(tmp_path: Path) -> None:
    async def story(installation: Installation, _: HeldClock) -> None:
        kept = await licensed(installation)
        # 8 KiB of token: the largest number of features that fits, found by trying, and one more.
        name = sha256_hex(b"a feature")[:40]

        async def make(count: int) -> bool:
            features = {"entitlements": [f"{name}-{number:04d}" for number in range(count)]}
            asked = installation.licenses.create(command(overrides=features, signed=None), OPERATOR)
            ended = (await asyncio.gather(asked, return_exceptions=True))[0]
            if isinstance(ended, UsageError):
                assert ended.code == "bad_policy"
            return isinstance(ended, CreatedLicense)

        fits, breaks = 1, 500
        while breaks - fits > 1:
            middle = (fits + breaks) // 2
            fits, breaks = (middle, breaks) if await make(middle) else (fits, middle)
        assert 20 < fits < 200
        assert await make(fits)
        assert not await make(fits + 1)
        assert kept.license.id in {each.id for each in (await installation.licenses.list(limit=500)).items}

    tell(tmp_path, story)

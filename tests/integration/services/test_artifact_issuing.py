"""Offline tokens and tokens for other clients, issued on real installations and read by PyJWT and PyNaCl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.policies import MAX_SEATS, PRESETS
from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import KeyRing
from carnet.formats.license_token import verify_license_token
from carnet.formats.offline_token import verify_offline_token
from carnet.formats.profiles.keyforge import judge_keyforge_token, verify_keyforge_token
from carnet.formats.profiles.traffic_orchestrator import (
    judge_traffic_orchestrator_token,
    verify_traffic_orchestrator_token,
)
from carnet.server.domain.artifacts.commands import PROFILES, IssueOfflineToken, IssueToken
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.keys.commands import ALGORITHMS
from carnet.server.domain.keys.service import pem_of
from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.installation import Installation
from carnet.server.records import OPERATOR, Actor, CompatibilityKey
from support.artifacts import issued, key_of, read_by_pyjwt, read_by_pynacl, seated, tell
from support.installations import PRODUCT, START, HeldClock, fingerprint, licensed, query

VENDOR = Actor(kind="vendor", id="key-1")
WINDOW = 30 * DAY
GRACE = 7 * DAY


async def refused(code: str, asked: Any, kind: type[CarnetError] = UsageError) -> CarnetError:
    with pytest.raises(kind) as caught:
        await asked
    assert caught.value.code == code
    assert caught.value.fix
    return caught.value


def ring_of(key: CompatibilityKey) -> KeyRing:
    return KeyRing.single("token", public_key_from_pem(pem_of(key), key.kid))


async def policy(installation: Installation, name: str, algorithm: Any = "any", **rules: Any) -> None:
    """A policy like `consumer` with other *rules*, of the product that is made if it is not there."""
    await licensed(installation)
    made = replace(PRESETS["consumer"], name=name, **rules)
    await installation.policies.create(CreatePolicy(product=PRODUCT, policy=made, token_algorithm=algorithm), OPERATOR)


# ── offline tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_12_an_offline_token_is_read_by_pynacl_and_by_us(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        features = {"entitlements": ["export-pdf"]}
        license_id, key, device = await seated(installation, duration_seconds=365 * DAY, overrides=features)
        ask = IssueOfflineToken(license_id=license_id, fingerprint=device)
        made = issued(await installation.artifacts.offline_token(ask, VENDOR))
        signer = installation.ring.find("offline", made.kid)
        token = read_by_pynacl(made.text, signer.raw)
        assert (token["license_key"], token["fingerprint"], token["product_slug"]) == (key, device, PRODUCT)
        # Contract §4.3: tokens know no grace, so the plan's is a part of exp.
        assert (token["iat"], token["exp"]) == (START - 60, START - 60 + WINDOW + GRACE)
        assert made.expires_at == token["exp"]
        assert token["license_expires_at"] == START + 365 * DAY
        assert token["entitlements"] == [{"key": "export-pdf", "expires_at": None}]
        assert (token["seat_limit"], token["plan_key"], token["metadata"]) == (2, "consumer", {})
        grant = verify_offline_token(made.text.encode(), installation.ring, license_key=key)
        assert (grant.device, grant.offline_until) == (device, made.expires_at)
        # Registered without the key, audited, and the seat is covered until the token ends.
        line = await installation._storage.issuance(made.id)
        assert line is not None
        assert (line.kind, line.kid, line.expires_at, key in line.claims) == (
            "offline-token",
            made.kid,
            made.expires_at,
            False,
        )
        (seat,) = (await installation.activations.list(license_id)).items
        assert seat.covered_until == made.expires_at
        (entry,) = (await installation.audit.list(AuditFilter(action="license.offline_token_issued"))).items
        assert (entry.object_id, entry.actor, entry.details["jti"]) == (license_id, VENDOR, made.id)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("asked", "window"), [(None, WINDOW), (1, 61), (DAY, DAY), (WINDOW - 1, WINDOW - 1), (WINDOW + 1, WINDOW)]
)
def test_r_35_an_offline_token_lives_as_long_as_asked_within_the_policy(
    tmp_path: Path, asked: int | None, window: int
) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        ask = IssueOfflineToken(license_id=license_id, fingerprint=device, ttl_seconds=asked)
        made = issued(await installation.artifacts.offline_token(ask, OPERATOR))
        assert made.expires_at == START - 60 + window + GRACE

    tell(tmp_path, story)


@pytest.mark.parametrize("term", [WINDOW, WINDOW - 60 + GRACE, WINDOW + GRACE])
def test_an_offline_token_ends_with_its_license_at_the_latest(tmp_path: Path, term: int) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation, duration_seconds=term)
        ask = IssueOfflineToken(license_id=license_id, fingerprint=device)
        made = issued(await installation.artifacts.offline_token(ask, OPERATOR))
        assert made.expires_at == min(START + term, START - 60 + WINDOW + GRACE)

    tell(tmp_path, story)


def test_r_20_a_device_without_a_seat_gets_no_artifact_and_none_is_registered(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        await key_of(installation, "ES256")
        (seat,) = (await installation.activations.list(license_id)).items
        rows = (await installation.audit.list()).items

        async def ask(name: str) -> set[str]:
            told = [
                await installation.artifacts.offline_token(
                    IssueOfflineToken(license_id=license_id, fingerprint=name), OPERATOR
                )
            ]
            for profile in ("native-jwt", "keyforge"):
                command = IssueToken(license_id=license_id, profile=profile, fingerprint=name)
                told.append(await installation.artifacts.token(command, OPERATOR))
            assert all(isinstance(each, Refused) for each in told)
            return {each.code for each in told if isinstance(each, Refused)}

        assert await ask(fingerprint("another")) == {"activation_not_found"}
        assert await ask(device.upper()) == {"activation_not_found"}
        assert (await installation.audit.list()).items == rows
        await installation.activations.deactivate_by_vendor(seat.id, OPERATOR)
        assert await ask(device) == {"activation_not_found"}

    tell(tmp_path, story)


@pytest.mark.parametrize("profile", ["offline", *PROFILES])
def test_r_22_what_activation_would_refuse_is_refused_to_the_second(tmp_path: Path, profile: Any) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        license_id, _, device = await seated(installation, duration_seconds=DAY)
        await key_of(installation, "EdDSA")

        async def code() -> str | None:
            named = None if profile == "traffic-orchestrator" else device
            if profile == "offline":
                ask = IssueOfflineToken(license_id=license_id, fingerprint=device)
                made = await installation.artifacts.offline_token(ask, OPERATOR)
            else:
                command = IssueToken(license_id=license_id, profile=profile, fingerprint=named)
                made = await installation.artifacts.token(command, OPERATOR)
            if isinstance(made, Refused):
                assert all(reason.message and reason.fix for reason in made.reasons)
                return made.code
            assert made.expires_at is not None
            assert made.expires_at > clock.at
            return None

        clock.advance(DAY - 1)
        assert await code() is None
        await installation.licenses.suspend(license_id, OPERATOR)
        assert await code() == "license_suspended"
        await installation.licenses.reinstate(license_id, OPERATOR)
        assert await code() is None
        # The native token goes on through the term's own grace, as that of an activation does; the others know none.
        after = None if profile == "native-jwt" else "license_expired"
        for step, expected in ((1, after), (1, after), (7 * DAY - 2, after), (1, "license_expired")):
            clock.advance(step)
            assert await code() == expected, clock.at
        await installation.licenses.revoke(license_id, OPERATOR)
        assert await code() == "license_revoked"

    tell(tmp_path, story)


# ── tokens under compatibility keys ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("profile", ["native-jwt", "keyforge"])
def test_r_10_a_token_of_each_algorithm_is_read_by_pyjwt_with_the_public_key_alone(
    tmp_path: Path, alg: Any, profile: Any
) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, license_key, device = await seated(installation, duration_seconds=365 * DAY)
        key = await key_of(installation, alg)
        command = IssueToken(license_id=license_id, profile=profile, fingerprint=device)
        made = issued(await installation.artifacts.token(command, VENDOR))
        claims = read_by_pyjwt(made.text, key)
        header = jwt.get_unverified_header(made.text)
        assert (header["alg"], header["kid"], made.kid) == (alg, key.kid, key.kid)
        others = [each for each in ALGORITHMS if each != alg]
        with pytest.raises(jwt.InvalidAlgorithmError):
            jwt.decode(made.text, pem_of(key), algorithms=others)
        assert (claims["jti"], claims["exp"]) == (made.id, made.expires_at)
        if profile == "native-jwt":
            grant = verify_license_token(made.text, ring_of(key))
            assert (grant.device, grant.license_id, grant.offline_until) == (device, license_id, START - 60 + 7 * DAY)
            assert license_key not in str(claims)  # never the key
        else:
            assert claims["license"]["key"] == license_key
            assert claims["license"]["email"] is None
            facts = verify_keyforge_token(made.text, ring_of(key), algorithms=(ring_of(key).keys()[0].key.alg,))
            verdict = judge_keyforge_token(facts, now=START, products=PRODUCT, device=device)
            assert verdict.is_usable
            assert made.expires_at == START - 60 + 14 * DAY
        line = await installation._storage.issuance(made.id)
        assert line is not None
        assert (line.kind, line.kid, license_key in line.claims) == ("compatibility-token", key.kid, False)
        # The native token of an activation stays what it was: EdDSA under the root's key.
        assert all(trusted.key.kid != key.kid for trusted in installation.ring.keys())  # noqa: SIM118

    tell(tmp_path, story)


def test_a_traffic_orchestrator_token_is_the_license_itself_for_its_domains(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        await policy(installation, "site", domains=("example.com", "*.example.org"))
        created = await licensed(installation, policy="site")
        key = await key_of(installation, "EdDSA")
        command = IssueToken(license_id=created.license.id, profile="traffic-orchestrator")
        made = issued(await installation.artifacts.token(command, OPERATOR))
        assert made.expires_at == START + 3650 * DAY
        assert read_by_pyjwt(made.text, key)["dom"] == ["example.com", "*.example.org", ".example.org"]
        facts = verify_traffic_orchestrator_token(made.text, ring_of(key))
        for host, usable in (("example.com", True), ("a.example.org", True), ("evil.com", False), (None, False)):
            assert judge_traffic_orchestrator_token(facts, now=START, domain=host).is_usable is usable
        short = issued(await installation.artifacts.token(replace(command, ttl_seconds=DAY), OPERATOR))
        assert short.expires_at == START + DAY
        for wrong in ({"ttl_seconds": DAY + 1}, {"fingerprint": fingerprint("one")}, {"ttl_seconds": 0}):
            await refused("invalid_argument", installation.artifacts.token(replace(command, **wrong), OPERATOR))
        timed = await licensed(installation, duration_seconds=10 * DAY)
        command = IssueToken(license_id=timed.license.id, profile="traffic-orchestrator", ttl_seconds=30 * DAY)
        made = issued(await installation.artifacts.token(command, OPERATOR))
        assert (made.expires_at, "dom" in read_by_pyjwt(made.text, key)) == (START + 10 * DAY, False)

    tell(tmp_path, story)


def test_sec_03_the_key_of_traffic_orchestrator_tokens_signs_nothing_else_ever(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        traffic = IssueToken(license_id=license_id, profile="traffic-orchestrator")
        native = IssueToken(license_id=license_id, profile="native-jwt", fingerprint=device)
        first = await key_of(installation, "EdDSA")
        # A refusal reserves nothing.
        refusal = await installation.artifacts.token(replace(native, fingerprint=fingerprint("two")), OPERATOR)
        assert isinstance(refusal, Refused)
        assert (await installation.keys.get(first.kid)).signs_for is None
        issued(await installation.artifacts.token(traffic, OPERATOR))
        for _ in range(2):
            await refused("key_use_conflict", installation.artifacts.token(native, OPERATOR))
        issued(await installation.artifacts.token(traffic, OPERATOR))
        assert (await installation.keys.get(first.kid)).signs_for == "traffic-orchestrator"
        second = await key_of(installation, "EdDSA")
        issued(await installation.artifacts.token(native, OPERATOR))
        await refused("key_use_conflict", installation.artifacts.token(traffic, OPERATOR))
        issued(await installation.artifacts.token(replace(native, profile="keyforge"), OPERATOR))
        assert (await installation.keys.get(second.kid)).signs_for == "other"
        entries = (await installation.audit.list(AuditFilter(action="key.reserved"))).items
        assert [(each.object_id, each.details["signs_for"]) for each in entries] == [
            (second.kid, "other"),
            (first.kid, "traffic-orchestrator"),
        ]

    tell(tmp_path, story)


def test_r_02_a_policy_chooses_what_tokens_are_signed_with(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        await policy(installation, "signed-with-p256", "ES256")
        license_id, _, device = await seated(installation, policy="signed-with-p256")
        free, _, other = await seated(installation, "two")
        command = IssueToken(license_id=license_id, profile="native-jwt", fingerprint=device)
        await refused("no_compatibility_key", installation.artifacts.token(command, OPERATOR))
        await key_of(installation, "RS256")
        error = await refused("wrong_key_type", installation.artifacts.token(command, OPERATOR))
        assert "ES256" in error.message
        issued(await installation.artifacts.token(replace(command, license_id=free, fingerprint=other), OPERATOR))
        key = await key_of(installation, "ES256")
        read_by_pyjwt(issued(await installation.artifacts.token(command, OPERATOR)).text, key)
        traffic = IssueToken(license_id=license_id, profile="traffic-orchestrator")
        await refused("wrong_key_type", installation.artifacts.token(traffic, OPERATOR))
        # It is the policy's, not the artifacts', and follows a change at once; None keeps it, `any` lets it go.
        stored = await installation.policies.get(PRODUCT, "signed-with-p256")
        update = UpdatePolicy(product=PRODUCT, name="signed-with-p256", policy=stored.policy)
        assert (await installation.policies.update(update, OPERATOR)).token_algorithm == "ES256"
        changed = await installation.policies.update(replace(update, token_algorithm="RS256"), OPERATOR)
        assert changed.token_algorithm == "RS256"
        await refused("wrong_key_type", installation.artifacts.token(command, OPERATOR))
        assert (
            await installation.policies.update(replace(update, token_algorithm="any"), OPERATOR)
        ).token_algorithm is None
        issued(await installation.artifacts.token(command, OPERATOR))
        wrong: Any = "HS256"
        bad = CreatePolicy(product=PRODUCT, policy=replace(stored.policy, name="x"), token_algorithm=wrong)
        await refused("invalid_argument", installation.policies.create(bad, OPERATOR))

    tell(tmp_path, story)


def test_a_token_asked_for_with_a_time_gets_it_within_the_policys_window(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        await key_of(installation, "EdDSA")
        for profile in ("native-jwt", "keyforge"):
            for asked, window in ((1, 61), (DAY, DAY), (WINDOW, WINDOW), (WINDOW + 1, WINDOW), (3650 * DAY, WINDOW)):
                command = IssueToken(license_id=license_id, profile=profile, fingerprint=device, ttl_seconds=asked)
                made = issued(await installation.artifacts.token(command, OPERATOR))
                assert made.expires_at == START - 60 + window, (profile, asked)
        (seat,) = (await installation.activations.list(license_id)).items
        assert seat.covered_until == START - 60 + WINDOW
        for wrong in (0, -1, 10**12):
            command = IssueToken(license_id=license_id, profile="keyforge", fingerprint=device, ttl_seconds=wrong)
            await refused("invalid_argument", installation.artifacts.token(command, OPERATOR))

    tell(tmp_path, story)


def test_a_token_of_a_short_policy_is_short_unless_more_is_asked_for(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        await policy(installation, "short", offline_ttl_seconds=3 * DAY, max_offline_ttl_seconds=20 * DAY)
        license_id, _, device = await seated(installation, policy="short")
        await key_of(installation, "ES256")
        command = IssueToken(license_id=license_id, profile="keyforge", fingerprint=device)
        for profile, asked, window in (
            ("keyforge", None, 3 * DAY),
            ("native-jwt", None, 3 * DAY),
            ("keyforge", 20 * DAY, 20 * DAY),
            ("native-jwt", 20 * DAY + 1, 20 * DAY),
        ):
            asking: Any = {"profile": profile, "ttl_seconds": asked}
            made = issued(await installation.artifacts.token(replace(command, **asking), OPERATOR))
            assert made.expires_at == START - 60 + window, (profile, asked)

    tell(tmp_path, story)


def test_where_no_activation_is_required_a_native_token_needs_no_device(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        await policy(installation, "free", require_activation=False, seat_limit=None)
        license_id, _, device = await seated(installation, policy="free")
        key = await key_of(installation, "ES256")
        native = IssueToken(license_id=license_id, profile="native-jwt")
        grant = verify_license_token(issued(await installation.artifacts.token(native, OPERATOR)).text, ring_of(key))
        assert (grant.device, grant.activation_id, grant.activation_status_ref) == (None, None, None)
        bound = issued(await installation.artifacts.token(replace(native, fingerprint=device), OPERATOR))
        assert bound.device == device
        keyforge = replace(native, profile="keyforge")
        await refused("invalid_argument", installation.artifacts.token(keyforge, OPERATOR))
        claims = read_by_pyjwt(
            issued(await installation.artifacts.token(replace(keyforge, fingerprint=device), OPERATOR)).text, key
        )
        assert claims["license"]["maxDevices"] == MAX_SEATS
        strict, _, _ = await seated(installation)
        await refused("invalid_argument", installation.artifacts.token(replace(native, license_id=strict), OPERATOR))
        unknown: Any = "paddle"
        await refused("invalid_argument", installation.artifacts.token(replace(native, profile=unknown), OPERATOR))
        await refused("license_not_found", installation.artifacts.token(replace(native, license_id="x"), OPERATOR))

    tell(tmp_path, story)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sec_25_a_broken_compatibility_key_signs_nothing_is_named_and_stops_nobody_else(tmp_path: Path) -> None:
    keys: list[CompatibilityKey] = []

    async def made(installation: Installation, _clock: HeldClock) -> None:
        await seated(installation)
        keys.append(await key_of(installation, "ES256"))
        assert await installation.keys.prove() == ()

    tell(tmp_path, made)
    (file,) = (tmp_path / "data" / "keys").glob("compatibility-*.key")
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"sealed":"', b'"sealed":"A', 1)[: len(whole)])

    async def opened_with_it(installation: Installation, _clock: HeldClock) -> None:
        (license_,) = (await installation.licenses.list()).items
        (seat,) = (await installation.activations.list(license_.id)).items
        command = IssueToken(license_id=license_.id, profile="native-jwt", fingerprint=seat.device)
        for _ in range(2):
            await refused("signing_failed", installation.artifacts.token(command, OPERATOR), StateError)
        (broken,) = await installation.keys.prove()
        assert (broken.kid, broken.product) == (keys[0].kid, PRODUCT)
        checks = {check.name: check for check in await installation.checks()}
        bad = checks["compatibility-keys"]
        assert (bad.ok, bad.vital) == (False, False)
        assert keys[0].kid in bad.problem
        assert str(tmp_path) not in bad.problem
        assert checks["database"].ok
        assert checks["signer"].ok
        issued(
            await installation.artifacts.offline_token(
                IssueOfflineToken(license_id=license_.id, fingerprint=seat.device), OPERATOR
            )
        )
        # Nothing was registered for what could not be signed, and a repaired file works without a restart.
        assert (await installation.audit.list(AuditFilter(action="license.token_issued"))).items == ()
        file.write_bytes(whole)
        issued(await installation.artifacts.token(command, OPERATOR))
        assert all(check.ok for check in await installation.checks())
        file.unlink()
        assert [each.code for each in await installation.keys.prove()] == ["missing_file"]
        await refused("signing_failed", installation.artifacts.token(command, OPERATOR), StateError)

    tell(tmp_path, opened_with_it)


def test_a_retired_key_leaves_the_jwks_and_its_private_half_is_gone(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        keys = installation.keys
        first = await key_of(installation, "EdDSA")
        command = IssueToken(license_id=license_id, profile="native-jwt", fingerprint=device)
        issued(await installation.artifacts.token(command, OPERATOR))

        async def published() -> set[str]:
            return {jwk["kid"] for jwk in (await installation.trust.jwks())["keys"]}

        await refused("conflict", keys.retire(first.kid, OPERATOR))
        assert (await keys.get(first.kid)).state == "active"
        second = await key_of(installation, "ES256")
        assert {first.kid, second.kid} <= await published()  # verify-only stays
        clock.advance(5)
        retired = await keys.retire(first.kid, VENDOR)
        assert (retired.state, retired.retired_at) == ("retired", START + 5)
        assert first.kid not in await published()
        assert second.kid in await published()
        assert await keys.retire(first.kid, OPERATOR) == retired
        files = {path.name for path in (tmp_path / "data" / "keys").glob("compatibility-*.key")}
        assert files == {f"compatibility-{second.id}.key"}
        await refused("key_not_active", keys.signer(first.kid))
        ended = await keys.retire(second.kid, OPERATOR, even_active=True)
        assert ended.state == "retired"
        await refused("no_compatibility_key", installation.artifacts.token(command, OPERATOR))
        await refused("key_not_found", keys.retire("nothing", OPERATOR))
        actions = [each.action for each in (await installation.audit.list(AuditFilter(object_id=first.kid))).items]
        assert actions == ["key.retired", "key.replaced", "key.reserved", "key.created"]

    tell(tmp_path, story)


def test_sec_01_a_token_is_never_signed_with_a_key_whose_record_was_changed(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        await key_of(installation, "ES256")
        command = IssueToken(license_id=license_id, profile="native-jwt", fingerprint=device)
        query(tmp_path, "UPDATE compatibility_keys SET alg = 'RS256'")
        await refused("signing_failed", installation.artifacts.token(command, OPERATOR), StateError)

    tell(tmp_path, story)


@pytest.mark.parametrize("name", ["a/b", "/", "a\\b", ".", "..", "...", " a", "a ", "%2F/"])
def test_a_policy_that_no_address_could_hold_is_refused_when_it_is_made(tmp_path: Path, name: str) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        await licensed(installation)
        made = CreatePolicy(product=PRODUCT, policy=replace(PRESETS["consumer"], name=name))
        await refused("bad_policy", installation.policies.create(made, OPERATOR))
        assert len((await installation.policies.list(PRODUCT)).items) == 3

    tell(tmp_path, story)


def test_an_artifact_that_is_asked_for_twice_is_two_lines_of_the_register(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        ask = IssueOfflineToken(license_id=license_id, fingerprint=device)
        made = [issued(await installation.artifacts.offline_token(ask, OPERATOR)) for _ in range(2)]
        assert len({each.id for each in made}) == 2
        for each in made:
            assert await installation._storage.issuance(each.id) is not None
        newest = await installation._storage.latest_issuance(license_id, "offline-token")
        assert newest is not None
        assert newest.jti == made[1].id
        assert newest.issued_at == Instant(START - 60)
        assert repr(made[0]).find(made[0].text) == -1

    tell(tmp_path, story)

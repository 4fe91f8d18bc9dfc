"""SEC-24: signed keys, offline tokens and tokens for other clients held against the register; on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.encoding import b64url_encode
from carnet.formats.jose_keys import generate_private_pem, signer_from_pem
from carnet.formats.jws import sign_jws, unverified_jws
from carnet.formats.keys import Ed25519Signer, KeyRing, Signer
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.formats.offline_token import issue_offline_token, verify_offline_token
from carnet.formats.signed_key import issue_signed_key, verify_signed_key
from carnet.formats.strict_json import dump_json
from carnet.server.backup.restoring import restore_backup, start_epoch
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.domain.artifacts.commands import IssueOfflineToken, IssueSignedKey, IssueToken, SignedKeyOptions
from carnet.server.domain.keys.commands import ImportKey
from carnet.server.domain.reissue.checking import CheckedArtifact
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR, CompatibilityAlgorithm, TokenProfile
from support.artifacts import issued, key_of, seated, tell
from support.databases import cluster
from support.drills import compromised, stolen
from support.installations import PRODUCT, START, HeldClock, licensed, opened, root_keys, settings_in

RICH: dict[str, Any] = {"entitlements": ["export-pdf", "team"], "grace_seconds": 3 * DAY, "seat_limit": 5}


async def one(installation: Installation, text: str) -> CheckedArtifact:
    """What the register says of the one artifact that *text* is; the support desk is told the same."""
    (checked,) = await installation.checking.check(text.encode())
    judged = await installation.checking.judge(b"\r\n" + text.encode() + b"\r\n", within=(PRODUCT,))
    assert judged.items == (checked,)
    expected = {"as_issued": "issued", "cannot_know": "cannot_know"}.get(checked.verdict, "never_issued")
    assert (judged.verdict, bool(judged.reasons)) == (expected, expected == "cannot_know")
    return checked


def said(checked: CheckedArtifact) -> tuple[str, tuple[str, ...]]:
    return checked.verdict, checked.differs


async def recorded(installation: Installation) -> dict[tuple[str, str], tuple[str, str | None, int]]:
    """What stands in the list, each proved: kind and id, with reason, license and how often."""
    found = await installation.store.strangers(kid=None, limit=100)
    assert all(each.proved for each in found)
    return {(each.kind, each.jti): (each.reason, each.license_id, each.times) for each in found}


# ── signed license keys ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("duration", [None, 365 * DAY])
def test_sec_24_a_signed_key_is_held_against_its_line(tmp_path: Path, duration: int | None) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        made = await licensed(installation, overrides=RICH, duration_seconds=duration, signed=SignedKeyOptions())
        device = SignedKeyOptions(device="host-0001", revocable=False)
        other = issued(
            await installation.artifacts.signed_key(
                IssueSignedKey(license_id=made.license.id, options=device), OPERATOR
            )
        )
        assert made.signed_key is not None
        assert (made.license.expires_at is None) == (duration is None)
        for text in (made.signed_key, other.text, other.text.lower().replace("-", " ")):
            checked = await one(installation, text)
            assert (said(checked), checked.kind, checked.license_id) == (
                ("as_issued", ()),
                "license-key",
                made.license.id,
            )
            assert checked.expires_at == made.license.expires_at
        assert await recorded(installation) == {}

        thief, grant = stolen(installation, "license-key"), verify_signed_key(other.text, installation.ring)
        at = Instant(grant.issued_at - 7)
        end = None if made.license.expires_at is None else Instant(made.license.expires_at - 7)  # of the same term
        earlier = replace(grant, id=f"{made.license.id}/{at:d}", issued_at=at, not_before=at, license_expires_at=end)
        forged = issue_signed_key(earlier, thief)
        altered = issue_signed_key(replace(grant, device="host-0002"), thief)
        assert said(await one(installation, forged)) == ("unknown", ())
        clock.advance(50)
        assert said(await one(installation, forged)) == ("unknown", ())
        assert said(await one(installation, altered)) == ("differs", ("device",))
        # Without an end as well, it is the same one whenever it is seen: four looks, one row.
        assert await recorded(installation) == {
            ("license-key", f"{made.license.id}/{at:d}"): ("unknown", made.license.id, 4),
            ("license-key", grant.id): ("differs", made.license.id, 2),
        }
        await compromised(installation, root_keys(), "license-key")
        for text, verdict in ((other.text, "as_issued"), (forged, "unknown")):
            checked = await one(installation, text)
            assert (checked.verdict, checked.key_state) == (verdict, "compromised")

    tell(tmp_path, story)


# ── offline tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_sec_24_an_offline_token_is_found_by_what_its_lines_would_be(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        license_id, key, device = await seated(installation, overrides=RICH, duration_seconds=365 * DAY)
        asked = IssueOfflineToken(license_id=license_id, fingerprint=device)
        # Two of one second, of one device: each is found by its own line.
        both = [replace(asked, ttl_seconds=ttl) for ttl in (None, DAY)]
        made = [issued(await installation.artifacts.offline_token(each, OPERATOR)) for each in both]
        for each in made:
            checked = await one(installation, each.text)
            assert (said(checked), checked.kind, checked.key_state) == (("as_issued", ()), "offline-token", "active")
            assert (checked.grant.id, checked.license_id, checked.expires_at) == (each.id, license_id, each.expires_at)
            assert checked.grant.activation_id is not None
        assert await recorded(installation) == {}
        clock.advance(3)
        later = issued(await installation.artifacts.offline_token(asked, OPERATOR))
        await installation.licenses.revoke(license_id, OPERATOR)
        assert said(await one(installation, later.text)) == ("as_issued", ()), "whatever became of its license"

        thief = stolen(installation, "offline")
        line = await installation._storage.issuance(later.id)
        assert line is not None
        grant = grant_from_json(line.claims)
        for changes, license_key, expected in (
            ({"entitlements": ()}, key, ("differs", ("entitlements",))),
            ({"license_expires_at": None}, key, ("differs", ("license_expires_at",))),
            ({"device": "another-device"}, key, ("unknown", ())),
            ({"issued_at": Instant(grant.issued_at - 1)}, key, ("unknown", ())),
            ({}, key.lower(), ("differs", ("license_key",))),
            ({"product": "other"}, key, ("unknown", ())),
            ({}, "00000-00000-00000-00000-00000", ("unknown", ())),
        ):
            text = issue_offline_token(replace(grant, **changes), license_key=license_key, signer=thief)
            (checked,) = await installation.checking.check(text.encode())
            assert said(checked) == expected, changes
            # Neither a key that no license has nor one of another product than the token says names a license.
            is_named = "product" not in changes and not license_key.startswith("00000")
            assert checked.license_id == (license_id if is_named else None)
            assert key not in repr(checked)
        named = issue_offline_token(grant, license_key=key, signer=thief, mode="floating", metadata={"a": True})
        (checked,) = await installation.checking.check(named.encode())
        assert said(checked) == ("differs", ("metadata", "mode"))
        rows = await recorded(installation)
        assert len(rows) == 8
        assert {license_id for _, license_id, _ in rows.values()} == {license_id, None}
        assert {kind for kind, _ in rows} == {"offline-token"}
        assert (
            await one(installation, issue_offline_token(grant, license_key=key, signer=thief))
        ).verdict == "as_issued"

    tell(tmp_path, story)


# ── tokens for other clients ─────────────────────────────────────────────────────────────────────────────────────────

PROFILES: list[tuple[TokenProfile, CompatibilityAlgorithm]] = [
    ("native-jwt", "ES256"),
    ("keyforge", "ES256"),
    ("keyforge", "RS256"),
    ("traffic-orchestrator", "EdDSA"),
]


def asking(license_id: str, profile: TokenProfile, device: str) -> IssueToken:
    fingerprint = None if profile == "traffic-orchestrator" else device
    return IssueToken(license_id=license_id, profile=profile, fingerprint=fingerprint)


def signer_of(installation: Installation, key: Any) -> Signer:
    """A product's key, as a thief has it."""
    return installation.keys._private.signer(key)


def rewritten(text: str, signer: Signer, *, drop: str | None = None, **changes: Any) -> str:
    """The token *text* with other claims, signed."""
    header, claims = unverified_jws(text, max_bytes=10_000, what="It")
    claims = {**claims, **changes}
    claims.pop(str(drop), None)
    return sign_jws(claims, typ=header["typ"], signer=signer)


def _ring(signer: Signer) -> KeyRing:
    return KeyRing.single("token", signer.public_key)


def nameless(text: str, signer: Signer) -> str:
    """The token *text* without its key's id, signed."""
    header, claims = unverified_jws(text, max_bytes=10_000, what="It")
    signed = ".".join(b64url_encode(dump_json(part)) for part in ({"alg": header["alg"], "typ": "JWT"}, claims))
    return f"{signed}.{b64url_encode(signer.sign(signed.encode()))}"


@pytest.mark.parametrize(("profile", "alg"), PROFILES)
def test_sec_24_a_token_for_other_clients_is_held_against_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: TokenProfile, alg: CompatibilityAlgorithm
) -> None:
    monkeypatch.setattr("carnet.formats.jose_keys.RSA_NEW_BITS", 2048)  # made in a moment

    async def story(installation: Installation, clock: HeldClock) -> None:
        license_id, _, device = await seated(installation, overrides=RICH, duration_seconds=365 * DAY)
        key = await key_of(installation, alg)
        thief = signer_of(installation, key)
        asked = asking(license_id, profile, device)
        made = issued(await installation.artifacts.token(asked, OPERATOR))
        await installation.keys.retire(key.kid, OPERATOR, even_active=True)
        checked = await one(installation, made.text)
        assert (said(checked), checked.kind, checked.key_state) == (("as_issued", ()), "compatibility-token", "retired")
        assert (checked.grant.id, checked.license_id) == (made.id, license_id)
        assert (checked.grant.activation_id is None) == (profile == "traffic-orchestrator")
        assert await recorded(installation) == {}

        claims = unverified_jws(made.text, max_bytes=10_000, what="It")[1]
        until = claims["exp"] + DAY
        assert said(await one(installation, rewritten(made.text, thief, jti="forged"))) == ("unknown", ())
        longer = await one(installation, rewritten(made.text, thief, exp=until))
        assert longer.verdict == "differs"
        assert longer.differs == (("offline_until",) if profile == "native-jwt" else ("exp",))
        assert set(await recorded(installation)) == {
            ("compatibility-token", "forged"),
            ("compatibility-token", made.id),
        }
        if profile != "native-jwt":
            # What no reader looks at is another token all the same; and one that names no line is nobody's.
            assert said(await one(installation, rewritten(made.text, thief, more="x"))) == ("differs", ("more",))
            assert said(await one(installation, rewritten(made.text, thief, drop="jti"))) == ("unknown", ())
            # Of one that names no key, every key is tried: clients that pin one take it. We issue none such.
            await key_of(installation, "EdDSA")
            assert said(await one(installation, nameless(made.text, thief))) == ("differs", ("kid",))
        stranger = signer_from_pem(generate_private_pem("ES256" if alg == "RS256" else thief.public_key.alg))
        before = await recorded(installation)
        for other in (stranger, signer_from_pem(generate_private_pem("ES256"), kid=key.kid)):
            with pytest.raises(NotGenuineError):
                await installation.checking.check(rewritten(made.text, other, jti="noise").encode())
        assert await recorded(installation) == before

    tell(tmp_path, story)


@pytest.mark.parametrize("profile", ["keyforge", "traffic-orchestrator"])
def test_sec_24_of_a_key_that_came_from_elsewhere_nobody_knows_what_it_signed_before(
    tmp_path: Path, profile: TokenProfile
) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        license_id, _, device = await seated(installation)
        pem = generate_private_pem("Ed25519")
        thief = signer_from_pem(pem, kid="theirs")
        await installation.keys.import_pem(ImportKey(product=PRODUCT, pem=pem.encode(), kid="theirs"), OPERATOR)
        asked = asking(license_id, profile, device)
        made = issued(await installation.artifacts.token(asked, OPERATOR))
        assert said(await one(installation, made.text)) == ("as_issued", ()), "dated back to before the import"
        for at, verdict in ((START - 1, "cannot_know"), (START, "cannot_know"), (START + 1, "unknown")):
            for text in (
                rewritten(made.text, thief, iat=at, jti="theirs"),
                rewritten(made.text, thief, iat=at, drop="jti"),
            ):
                checked = await one(installation, text)
                assert said(checked) == (verdict, ())
                if verdict == "cannot_know":
                    assert checked.reason is not None
                    assert checked.reason.code == "signed_elsewhere"
        assert said(await one(installation, rewritten(made.text, thief, iat=START - 61)))[0] == "differs"
        assert len(await recorded(installation)) == 3

    tell(tmp_path, story)


# ── one kind for another ─────────────────────────────────────────────────────────────────────────────────────────────


def test_sec_24_an_id_of_one_kind_speaks_for_no_other(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        license_id, license_key, device = await seated(installation)
        key = await key_of(installation, "ES256")
        compat, ours = signer_of(installation, key), stolen(installation, "token")
        assert isinstance(ours, Ed25519Signer)

        async def token(profile: TokenProfile) -> Any:
            return issued(await installation.artifacts.token(asking(license_id, profile, device), OPERATOR))

        keyforge, native = await token("keyforge"), await token("native-jwt")
        asked = IssueOfflineToken(license_id=license_id, fingerprint=device)
        offline = issued(await installation.artifacts.offline_token(asked, OPERATOR))
        line = await installation._storage.issuance(offline.id)
        assert line is not None
        as_token = replace(grant_from_json(line.claims), kid=ours.kid)
        grant = verify_license_token(native.text, _ring(compat))
        for text, differs in (
            (issue_license_token(replace(as_token, kid=ours.kid), ours), ("kind",)),
            (issue_license_token(replace(grant, kid=ours.kid), ours), ("kind",)),
            (issue_license_token(replace(as_token, kid=compat.kid), compat), ("kind",)),
            (issue_license_token(replace(grant, id=keyforge.id), compat), ("profile",)),
            (rewritten(keyforge.text, compat, jti=native.id), ("profile",)),
            (rewritten(keyforge.text, compat, jti=offline.id), ("kind",)),
        ):
            assert said(await one(installation, text)) == ("differs", differs)
        claims = unverified_jws(keyforge.text, max_bytes=10_000, what="It")[1]
        elsewhere = (await licensed(installation)).key
        for other, of in (("…", None), (license_key.lower(), license_id), (elsewhere, "another")):
            checked = await one(
                installation, rewritten(keyforge.text, compat, license={**claims["license"], "key": other})
            )
            assert said(checked) == ("differs", ("license",)), "the mask in the register is no license key"
            assert (checked.license_id == of) or (of == "another" and checked.license_id not in (None, license_id))

    tell(tmp_path, story)


# ── a time that was lost ─────────────────────────────────────────────────────────────────────────────────────────────


def test_rel_11_of_a_time_that_a_restore_has_lost_nobody_can_know_of_any_kind(tmp_path: Path) -> None:
    async def story() -> None:
        clock, settings = HeldClock(), settings_in(tmp_path)
        async with opened(tmp_path, clock) as installation:
            license_id, license_key, device = await seated(installation)
            await key_of(installation, "EdDSA")
            asked = IssueOfflineToken(license_id=license_id, fingerprint=device)

            async def offline(ttl_seconds: int | None) -> str:
                made = await installation.artifacts.offline_token(replace(asked, ttl_seconds=ttl_seconds), OPERATOR)
                return issued(made).text

            async def all_kinds(host: str) -> list[str]:
                options = SignedKeyOptions(device=host)
                command = IssueSignedKey(license_id=license_id, options=options)
                made = [await installation.artifacts.signed_key(command, OPERATOR)]
                asking_for = asking(license_id, "keyforge", device)
                made.append(await installation.artifacts.token(asking_for, OPERATOR))
                return [await offline(None), *(issued(each).text for each in made)]

            before = await all_kinds("host-0001")
            await installation.backups.create(tmp_path / "x.backup", OPERATOR)
            # Of the second, the device and the license of one that the backup holds: an offline token has no id.
            twin = await offline(2 * DAY)
            clock.advance(100)
            lost = [twin, *(await all_kinds("host-0002"))]
            thief = stolen(installation, "offline")
            grant = verify_offline_token(before[0].encode(), installation.ring)
        clock.advance(100)
        if settings.postgres is not None:
            settings = replace(settings, postgres=cluster().fresh())
        restore_backup(settings, tmp_path / "x.backup", replace=True, now=clock.now())
        start_epoch(settings, now=clock.now())
        clock.advance(100)
        async with open_installation(settings, clock=clock) as installation:
            for text in before:
                assert said(await one(installation, text)) == ("as_issued", ())
            for text in lost:
                checked = await one(installation, text)
                assert said(checked) == ("cannot_know", ())
                assert checked.reason is not None
                assert checked.reason.code == "register_incomplete"
            assert await recorded(installation) == {}
            for at, verdict in ((clock.at - 99, "unknown"), (START - 61, "unknown"), (START - 60, "cannot_know")):
                dated = replace(grant, issued_at=Instant(at), not_before=Instant(at), device="dated-device")
                text = issue_offline_token(dated, license_key=license_key, signer=thief)
                assert said(await one(installation, text)) == (verdict, ())

    asyncio.run(story())


def test_what_is_registered_nowhere_is_said_to_be_so(tmp_path: Path) -> None:
    async def story(installation: Installation, _clock: HeldClock) -> None:
        _, license_key, _ = await seated(installation)
        for data in (license_key.encode(), installation.roots[-1].encode()):
            with pytest.raises(UsageError) as refused:
                await installation.checking.check(data)
            assert refused.value.code == "artifact_unreadable"
            judged = await installation.checking.judge(data)
            assert (judged.verdict, [each.code for each in judged.reasons]) == ("cannot_know", ["artifact_unreadable"])

    tell(tmp_path, story)

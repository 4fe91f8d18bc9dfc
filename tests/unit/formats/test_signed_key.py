"""Signed license keys: what they grant and what is refused (specs/signed-license-key.md §5, §6, §9; R-13b)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.core.rules import decide
from carnet.formats.base32_groups import read_groups, write_groups
from carnet.formats.keys import Ed25519Signer, KeyRing, KeyState, TrustedKey
from carnet.formats.license_key import ALPHABET, generate_license_key
from carnet.formats.signed_key import (
    MAX_KEY_CHARACTERS,
    canonical_signed_key,
    issue_signed_key,
    issue_signed_keys,
    signed_key_grant,
    verify_signed_key,
)
from carnet.formats.signed_key_payload import MAX_PAYLOAD, key_hint, write_payload
from support.signed_key_oracle import read as read_by_the_spec
from support.signed_keys import (
    DEVICE,
    FACTS,
    ISSUED_AT,
    LICENSE_ID,
    OTHER_SIGNER,
    RING,
    RULES,
    SIGNER,
    TRUSTED,
    key_grant,
    signed,
)

PERPETUAL = issue_signed_key(key_grant(), SIGNER)
RULED = issue_signed_key(key_grant(**RULES), SIGNER)
BOUND = issue_signed_key(key_grant(**FACTS), SIGNER)


def payload_of(**changes: Any) -> bytes:
    return write_payload(key_grant(**changes), SIGNER.kid)


def code_of(text: str, ring: KeyRing = RING) -> str:
    with pytest.raises(CarnetError) as caught:
        verify_signed_key(text, ring)
    return caught.value.code


# ── what a key says ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("changes", [{}, RULES, FACTS, {"device": "fp-7c1e40aa9d3b"}, {"product": "Zoë's"}])
def test_r_13_a_key_grants_what_was_issued_with_no_server(changes: dict[str, Any]) -> None:
    grant = key_grant(**changes)
    key = issue_signed_key(grant, SIGNER)
    assert verify_signed_key(key, RING) == grant
    assert issue_signed_key(verify_signed_key(key, RING), SIGNER) == key
    assert canonical_signed_key(key) == key
    assert read_by_the_spec(key, TRUSTED) is not None


def test_the_specification_reads_every_field() -> None:
    policy = RULES["policy"]
    head = {"kid": SIGNER.kid, "issued": ISSUED_AT, "product": "hustl", "license": LICENSE_ID}
    assert read_by_the_spec(RULED, TRUSTED) == head | {
        "1": RULES["expires_at"],
        "2": RULES["starts_at"],
        "8": policy.name,
        "9": policy.term_grace_seconds,
        "10": True,
        "11": policy.warn_before_seconds,
        "12": ["open", "save"],
        "13": "Studio",
        "14": "4.0",
        "15": ["example.com", "*.example.org"],
        "16": True,
        "17": policy.max_revocation_age_seconds,
    }
    assert read_by_the_spec(BOUND, TRUSTED) == head | {
        "3": DEVICE,
        "5": ["export-pdf", "updates", "batch"],
        "6": {1: ISSUED_AT + 100 * DAY},
        "7": {1: "3.0.0", 2: "2"},
        "18": "c-17",
        "19": (131071, "https://l.example.com/v1/status/0"),
    }


@pytest.mark.parametrize(
    ("changes", "size", "characters"),
    [
        ({}, 28, 191),
        ({"expires_at": Instant(ISSUED_AT + 365 * DAY)}, 33, 201),
        ({"entitlements": tuple(Entitlement(key=key) for key in ("export-pdf", "batch", "updates"))}, 46, 227),
        (
            {
                "entitlements": tuple(Entitlement(key=key) for key in ("export-pdf", "batch", "updates")),
                "expires_at": Instant(ISSUED_AT + 365 * DAY),
                "device": DEVICE,
            },
            84,
            304,
        ),
    ],
)
def test_keys_are_as_long_as_the_specification_says(changes: dict[str, Any], size: int, characters: int) -> None:
    assert len(payload_of(**changes)) == size
    assert len(issue_signed_key(key_grant(**changes), SIGNER)) == characters


def test_kindness_at_reading_is_all_that_is_forgiven() -> None:
    typed = PERPETUAL.lower().replace("0", "O").replace("1", "l").replace("-", " - ")
    assert verify_signed_key(f"\r\n {typed[:200]}\r\n\t{typed[200:]} ", RING) == key_grant()
    assert canonical_signed_key(typed) == PERPETUAL


def test_what_does_not_serve_a_key_is_left_out_of_its_grant() -> None:
    policy = Policy(name="consumer", entitlements=(Entitlement(key="seats"),), seat_limit=2)
    grant = key_grant(
        policy=policy,
        starts_at=ISSUED_AT,
        entitlements=(Entitlement(key="old", expires_at=ISSUED_AT), Entitlement(key="new")),
        expires_at=Instant(ISSUED_AT + 30 * DAY),
    )
    assert grant.license_starts_at is None
    assert grant.not_before == ISSUED_AT
    assert grant.entitlements == (Entitlement(key="new"),)
    assert grant.policy.entitlements == ()
    assert (grant.policy.seat_limit, grant.policy.require_activation) == (None, False)
    assert (grant.policy.offline_ttl_seconds, grant.policy.grace_seconds) == (30 * DAY, 0)
    assert verify_signed_key(issue_signed_key(grant, SIGNER), RING) == grant


def test_the_defaults_of_a_policy_may_change_and_old_keys_keep_their_meaning() -> None:
    grant = verify_signed_key(PERPETUAL, RING)
    assert grant.policy == Policy(
        name="signed-key",
        offline_ttl_seconds=3650 * DAY,
        max_offline_ttl_seconds=3650 * DAY,
        token_ttl_seconds=3650 * DAY,
        grace_seconds=0,
        term_grace_seconds=7 * DAY,
        grace_access="limited",
        refresh_after_seconds=3650 * DAY,
        warn_before_seconds=None,
        require_activation=False,
        seat_limit=None,
        essential=(),
        entitlements=(),
        edition=None,
        below_version=None,
        domains=(),
        clock_strictness="off",
        max_revocation_age_seconds=None,
    )


# ── what the decision makes of it ────────────────────────────────────────────────────────────────────────────────────


def decided(grant: Grant, seconds: int, *, device: str | None = None, product: str = "hustl") -> tuple[str, str]:
    decision = decide(Evidence(grants=(grant,), device=device), Instant(ISSUED_AT + seconds), Host(product=product))
    assert not any(reason.code == "offline_window_over" for reason in decision.reasons)
    return decision.state, decision.access


def test_a_perpetual_key_is_active_for_ever() -> None:
    grant = verify_signed_key(PERPETUAL, RING)
    assert decided(grant, -1) == ("not_started", "none")
    assert decided(grant, 0) == ("active", "full")
    assert decided(grant, 200 * 365 * DAY) == ("active", "full")


def test_a_timed_key_asks_for_a_renewal_and_never_for_a_connection() -> None:
    term = 365 * DAY
    grant = key_grant(expires_at=Instant(ISSUED_AT + term))
    assert decided(grant, term - 65 * DAY - 1) == ("active", "full")
    assert decided(grant, term - 65 * DAY) == ("expiring", "full")
    assert decided(grant, term - 1) == ("expiring", "full")
    assert decided(grant, term) == ("grace", "limited")
    assert decided(grant, term + 7 * DAY - 1) == ("grace", "limited")
    assert decided(grant, term + 7 * DAY) == ("expired", "none")
    decision = decide(Evidence(grants=(grant,)), Instant(ISSUED_AT + term), Host(product="hustl"))
    assert [reason.code for reason in decision.reasons] == ["license_expired"]


def test_a_trial_of_thirty_days_warns_for_ten() -> None:
    grant = key_grant(expires_at=Instant(ISSUED_AT + 30 * DAY))
    assert decided(grant, 20 * DAY - 1) == ("active", "full")
    assert decided(grant, 20 * DAY) == ("expiring", "full")


def test_sec_05_a_key_is_for_its_product_and_device_exactly() -> None:
    grant = verify_signed_key(issue_signed_key(key_grant(device=DEVICE), SIGNER), RING)
    assert decided(grant, 0, device=DEVICE) == ("active", "full")
    assert decided(grant, 0, device=DEVICE[:-1] + "5") == ("wrong_device", "none")
    for product in ("hust", "hustl2", "Hustl", "hustl ", ""):
        assert decided(grant, 0, device=DEVICE, product=product) == ("wrong_product", "none")


def test_users_ask_51_one_key_in_an_environment_variable_is_enough() -> None:
    key = issue_signed_key(key_grant(policy=RULES["policy"], entitlements=(Entitlement(key="sso"),)), SIGNER)
    grant = verify_signed_key(key, RING)
    host = Host(product="hustl", domain="a.example.org", app_version="3.9", edition="Studio")
    decision = decide(Evidence(grants=(grant,), revocation_checked_at=ISSUED_AT), ISSUED_AT, host)
    assert (decision.state, decision.allows("sso")) == ("active", True)


# ── what is not genuine ──────────────────────────────────────────────────────────────────────────────────────────────


def test_users_ask_46_a_key_without_a_signature_is_never_valid_offline() -> None:
    rng = random.Random(46)  # noqa: S311 - the same keys in every run
    for _ in range(50):
        assert code_of(generate_license_key(rng.randbytes)) == "unsigned_key"
    for text in ("", "KT4Q-9ZXW-22LM-7PRD", "2" * 117, PERPETUAL[:120], write_groups(bytes(62))):
        assert code_of(text) == "unsigned_key"
        assert canonical_signed_key(text) is None
    assert code_of(write_groups(payload_of() + bytes(64))) == "bad_signature"
    assert code_of(write_groups(bytes(64))) == "unknown_version"


def test_a_signature_without_a_payload_is_none() -> None:
    assert code_of(signed(b"")) == "unknown_version"
    assert code_of(signed(payload_of()[:1])) == "unknown_version"
    assert code_of(signed(payload_of()[:2])) == "bad_payload"


def test_sec_02_keys_are_found_by_their_hint_among_those_trusted_for_license_keys() -> None:
    assert code_of(PERPETUAL, KeyRing.single("license-key", OTHER_SIGNER.public_key)) == "unknown_key"
    assert code_of(PERPETUAL, KeyRing.single("token", SIGNER.public_key)) == "unknown_key"
    assert code_of(PERPETUAL, KeyRing(())) == "unknown_key"
    ring = KeyRing(TrustedKey(role="license-key", key=key) for key in (OTHER_SIGNER.public_key, SIGNER.public_key))
    assert verify_signed_key(PERPETUAL, ring).kid == SIGNER.kid


def same_hint(seed: int) -> Ed25519Signer:
    return Ed25519Signer(bytes([seed]) * 32, kid=SIGNER.kid[:2] + str(seed))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_keys_that_share_a_hint_are_all_tried(order: tuple[int, ...]) -> None:
    signers = [SIGNER, same_hint(1), same_hint(2)]
    ring = KeyRing(TrustedKey(role="license-key", key=signers[each].public_key) for each in order)
    for signer in signers:
        grant = replace(key_grant(), issuer=signer.kid, kid=signer.kid)
        assert verify_signed_key(issue_signed_key(grant, signer), ring) == grant
    assert code_of(signed(payload_of(), same_hint(3)), ring) == "bad_signature"


@pytest.mark.parametrize("order", [1, -1])
def test_sec_02_a_key_of_another_role_is_not_tried_even_if_it_shares_the_hint(order: int) -> None:
    keys = [
        TrustedKey(role="license-key", key=SIGNER.public_key),
        TrustedKey(role="token", key=same_hint(1).public_key),
    ]
    forged = signed(payload_of(), same_hint(1))
    assert code_of(forged, KeyRing(keys[::order])) == "bad_signature"


@pytest.mark.parametrize(
    ("state", "code"),
    [("announced", None), ("verify-only", None), ("retired", "retired_key"), ("compromised", "compromised_key")],
)
def test_the_state_of_the_signing_key_counts(state: KeyState, code: str | None) -> None:
    ring = KeyRing((TrustedKey(role="license-key", key=SIGNER.public_key, state=state),))
    if code is None:
        assert verify_signed_key(PERPETUAL, ring) == key_grant()
    else:
        assert code_of(PERPETUAL, ring) == code


def test_users_ask_66_the_whole_key_id_is_signed() -> None:
    payload = payload_of()
    renamed = Ed25519Signer(bytes(range(32)), kid=SIGNER.kid[:-1] + "_")
    assert key_hint(renamed.kid) == key_hint(SIGNER.kid)
    assert code_of(signed(payload), KeyRing.single("license-key", renamed.public_key)) == "bad_signature"


@pytest.mark.parametrize("kid", ["A", "7", "-", "_-", "Zz", "org-2026-a"])
def test_keys_of_any_id_can_sign(kid: str) -> None:
    signer = Ed25519Signer(bytes(range(32)), kid=kid)
    grant = replace(key_grant(), issuer=kid, kid=kid)
    key = issue_signed_key(grant, signer)
    assert verify_signed_key(key, KeyRing.single("license-key", signer.public_key)) == grant
    assert read_by_the_spec(key, {kid: signer.public_key.raw}) is not None


@pytest.mark.parametrize("prefix", [b"", b"machine/", b"carnet/v1/license-key", b"carnet/v1/machine-file\0"])
def test_sec_03_a_signature_for_another_purpose_is_not_one_for_a_key(prefix: bytes) -> None:
    payload = payload_of()
    assert code_of(write_groups(payload + SIGNER.sign(prefix + payload))) == "bad_signature"
    assert code_of(write_groups(payload + SIGNER.sign(b"carnet/v1/license-key\0" + payload))) == "bad_signature"


def test_a_signature_with_a_second_spelling_is_refused() -> None:
    # RFC 8032 §5.1.7: S is below the group order; S + L would verify without that check.
    data = read_groups(PERPETUAL)
    s = int.from_bytes(data[-32:], "little") + 2**252 + 27742317777372353535851937790883648493
    assert code_of(write_groups(data[:-32] + s.to_bytes(32, "little"))) == "bad_signature"


def says_nothing_else(place: int, characters: str) -> int:
    """How many of the texts with another character at *place* verify; none of them says anything else."""
    verified = 0
    for character in characters:
        text = PERPETUAL[:place] + character + PERPETUAL[place + 1 :]
        try:
            grant = verify_signed_key(text, RING)
        except CarnetError:
            continue
        verified += 1
        assert grant == key_grant()
        assert canonical_signed_key(text) == PERPETUAL
    return verified


def test_sec_08_no_text_of_one_other_symbol_says_anything_else() -> None:
    for place, letter in enumerate(PERPETUAL):
        if letter == "-":
            assert says_nothing_else(place, "- \n0Z") == 3
        else:
            aliases = {"0": 3, "1": 5}.get(letter, 1 + letter.isalpha())
            assert says_nothing_else(place, ALPHABET + ALPHABET[10:].lower() + "oOiIlLuU \0\xe9") == aliases


@pytest.mark.long
def test_sec_08_no_text_of_one_other_character_says_anything_else() -> None:
    for place in range(len(PERPETUAL)):
        says_nothing_else(place, "".join(map(chr, range(256))))


@pytest.mark.parametrize("key", [PERPETUAL, RULED, BOUND])
def test_every_changed_bit_of_payload_and_signature_is_noticed(key: str) -> None:
    data = read_groups(key)
    for bit in range(8 * len(data)):
        changed = (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
        with pytest.raises((NotGenuineError, MalformedError)) as caught:
            verify_signed_key(write_groups(changed), RING)
        assert caught.value.code in {"bad_signature", "unknown_key", "unknown_version"}


# ── what a genuine signer must not write ─────────────────────────────────────────────────────────────────────────────

HEAD = payload_of()  # version, hint, issue, product, license


def test_the_head_of_the_payload_is_as_the_specification_writes_it() -> None:
    assert (ISSUED_AT - 1767225600).to_bytes(4, "big").hex() == "01a7cdc0"  # 0001101 0011111 0011011 1000000
    hus, tl = 7 * 1600 + 20 * 40 + 18, 19 * 40 + 11
    packed = hus.to_bytes(2, "big") + tl.to_bytes(2, "big")
    issued = bytes.fromhex("c09b9f0d")
    assert HEAD[2:] == issued + b"\x0a" + packed + b"\0" + bytes.fromhex(LICENSE_ID.replace("-", ""))
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(issued)) == ISSUED_AT - 1767225600


def with_head(issued: bytes = HEAD[2:6], product: bytes = HEAD[6:11], license_: bytes = HEAD[11:]) -> bytes:
    return HEAD[:2] + issued + product + license_


def test_the_parts_of_the_head_are_where_this_file_takes_them() -> None:
    assert with_head() == HEAD


TIME = bytes.fromhex("c0c69e0e")  # some time after the issue

WRONG: dict[str, tuple[bytes, str]] = {
    "version-0": (b"\x00" + HEAD[1:], "unknown_version"),
    "version-2": (bytes([HEAD[0] + 16]) + HEAD[1:], "unknown_version"),
    "issue-not-shortest": (with_head(issued=HEAD[2:5] + bytes([HEAD[5] | 128]) + b"\0"), "bad_payload"),
    "issue-of-seven-bytes": (with_head(issued=b"\xff" * 6 + b"\x01"), "bad_payload"),
    "issue-after-9999": (with_head(issued=b"\xff" * 5 + b"\x7f"), "bad_times"),
    "issue-unfinished": (HEAD[:3], "bad_payload"),
    "product-empty": (with_head(product=b"\x01"), "bad_claim"),
    "product-utf-8-though-packable": (with_head(product=b"\x0bhustl"), "bad_payload"),
    "product-not-utf-8": (with_head(product=b"\x03\xff"), "bad_payload"),
    "product-overlong-utf-8": (with_head(product=b"\x05\xc1\x81"), "bad_payload"),
    "product-surrogate": (with_head(product=b"\x07\xed\xa0\x80"), "bad_payload"),
    "product-with-control-character": (with_head(product=b"\x05A\x07"), "bad_claim"),
    "product-with-zero-width-space": (with_head(product=b"\x09A\xe2\x80\x8b"), "bad_claim"),
    "product-packed-too-high": (with_head(product=b"\x06\xfa\x00"), "bad_payload"),
    "product-packed-pair-too-high": (with_head(product=b"\x04\x06\x40"), "bad_payload"),
    "product-packed-single-too-high": (with_head(product=b"\x02\x28"), "bad_payload"),
    "product-longer-than-the-payload": (with_head(product=b"\xfe\x03") + b"", "bad_payload"),
    "product-uuid-in-text": (with_head(product=b"\x48" + bytes(24)), "ok"),
    "license-missing": (with_head(license_=b""), "bad_payload"),
    "license-uuid-cut": (HEAD[:-1], "bad_payload"),
    "something-left-over": (HEAD + b"\x00", "unknown_field"),
    "field-0": (HEAD + b"\x00\x00", "unknown_field"),
    "field-20": (HEAD + b"\x14", "unknown_field"),
    "field-255": (HEAD + b"\xff\x01", "unknown_field"),
    "field-without-value": (HEAD + b"\x01", "bad_payload"),
    "fields-twice": (HEAD + (b"\x01" + TIME) * 2, "bad_payload"),
    "fields-out-of-order": (HEAD + b"\x0a" + b"\x01" + TIME, "bad_payload"),
    "end-at-the-issue": (HEAD + b"\x01" + HEAD[2:6], "bad_times"),
    "end-before-the-issue": (HEAD + b"\x01\x05", "bad_times"),
    "start-at-the-issue": (HEAD + b"\x02" + HEAD[2:6], "bad_times"),
    "start-at-the-end": (HEAD + b"\x01" + TIME + b"\x02" + TIME, "bad_times"),
    "device-short": (HEAD + b"\x03" + bytes(31), "bad_payload"),
    "device-placeholder": (HEAD + b"\x03" + bytes(32), "placeholder_fingerprint"),
    "device-of-nothing": (
        HEAD + b"\x03" + bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        "placeholder_fingerprint",
    ),
    "two-devices": (HEAD + b"\x03" + bytes.fromhex(DEVICE) + b"\x04\x13web-1x2y3", "bad_payload"),
    "device-text-too-short": (HEAD + b"\x04\x0fABCDEFG", "bad_fingerprint"),
    "device-text-placeholder": (HEAD + b"\x04\x1dDefault string", "placeholder_fingerprint"),
    "device-native-as-text": (HEAD + b"\x04\x81\x01" + DEVICE.encode(), "bad_payload"),
    "features-empty": (HEAD + b"\x05\x01", "bad_entitlements"),
    "features-twice": (HEAD + b"\x05\x06" + (0 * 1600 + 38 * 40 + 0).to_bytes(2, "big"), "bad_entitlements"),  # "a.a"
    "features-with-empty-key": (HEAD + b"\x05\x04\x05\xf0", "bad_entitlements"),  # ".a"
    "features-capital": (HEAD + b"\x05\x03A", "bad_entitlements"),
    "feature-ends-without-features": (HEAD + b"\x06\x01\x00" + TIME, "bad_payload"),
    "feature-ends-none": (HEAD + b"\x05\x02\x00\x06\x00", "bad_payload"),
    "feature-ends-beyond": (HEAD + b"\x05\x02\x00\x06\x01\x01" + TIME, "bad_payload"),
    "feature-ends-twice": (HEAD + b"\x05\x02\x00\x06\x02\x00" + TIME + b"\x00" + TIME, "bad_payload"),
    "feature-ends-falling": (
        HEAD + b"\x05\x06" + (0 * 1600 + 38 * 40 + 1).to_bytes(2, "big") + b"\x06\x02\x01" + TIME + b"\x00" + TIME,
        "bad_payload",
    ),
    "feature-ends-count-too-high": (HEAD + b"\x05\x02\x00\x06\xff\xff\xff\x7f", "bad_payload"),
    "ceilings-without-features": (HEAD + b"\x07\x01\x00\x03A", "bad_payload"),
    "plan-as-absent": (
        HEAD + b"\x08" + bytes.fromhex("14") + b"".join(
            (a * 1600 + b * 40 + c).to_bytes(2, "big") for a, b, c in ((18, 8, 6), (13, 4, 3), (36, 10, 4))
        ) + bytes([24]),
        "bad_payload",
    ),
    "plan-too-long": (HEAD + b"\x08\x9b\x01" + b"A" * 77 + b"", "ok"),
    "term-grace-as-absent": (HEAD + b"\x09\x80\xf5\x24", "bad_payload"),
    "term-grace-too-long": (HEAD + b"\x09\xff\xff\xff\x7f", "bad_policy"),
    "status-age-0": (HEAD + b"\x11\x00", "bad_policy"),
    "warning-too-long": (HEAD + b"\x0b\xff\xff\xff\xff\x7f", "bad_policy"),
    "essential-empty": (HEAD + b"\x0c\x01", "bad_policy"),
    "ceiling-none": (HEAD + b"\x0e\x03A", "bad_policy"),
    "domains-none": (HEAD + b"\x0f\x00", "bad_payload"),
    "domain-not-canonical": (HEAD + b"\x0f\x01\x17EXAMPLE.COM", "bad_policy"),
    "domain-of-one-label-below-a-wildcard": (HEAD + b"\x0f\x01\x0b*.COM", "bad_policy"),
    "domains-count-too-high": (HEAD + b"\x0f\x7f\x03A", "bad_payload"),
    "customer-empty": (HEAD + b"\x12\x01", "bad_claim"),
    "status-index-too-high": (HEAD + b"\x13\x80\x80\x80\x80\x08\x03A", "bad_claim"),
    "status-without-list": (HEAD + b"\x13\x05", "bad_payload"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_sec_04_what_a_genuine_signer_must_not_write_is_refused_with_a_code_of_its_own(name: str) -> None:
    payload, code = WRONG[name]
    key = signed(payload)
    assert (read_by_the_spec(key, TRUSTED) is not None) == (code == "ok") or code.startswith("placeholder")
    if code == "ok":
        assert write_payload(verify_signed_key(key, RING), SIGNER.kid) == payload
    else:
        assert code_of(key) == code


def test_an_unknown_field_says_that_the_software_is_too_old() -> None:
    with pytest.raises(MalformedError, match=r"field 20.*Update the software"):
        verify_signed_key(signed(HEAD + b"\x14\x00"), RING)


# ── issuing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "token"},
        {"offline_until": Instant(ISSUED_AT + DAY)},
        {"activation_id": "a"},
        {"activation_status_ref": StatusRef(uri="u", index=1)},
        {"id": "x"},
        {"issuer": "installation-1"},
        {"kid": OTHER_SIGNER.kid},
        {"product": ""},
        {"product": "a\nb"},
        {"product": "a" * 256},
        {"license_id": "\x7f", "id": f"\x7f/{ISSUED_AT:d}"},
        {"license_expires_at": ISSUED_AT},
        {"license_expires_at": Instant(ISSUED_AT + DAY)},  # the policy says perpetual
        {"license_starts_at": ISSUED_AT},
        {"license_starts_at": Instant(ISSUED_AT + 1)},  # but not_before does not
        {"not_before": Instant(ISSUED_AT + 1)},
        {"device": "0" * 64},
        {"device": "short"},
        {"customer": ""},
        {"entitlements": (Entitlement(key="A"),)},
        {"entitlements": (Entitlement(key="a"), Entitlement(key="a"))},
        {"entitlements": (Entitlement(key="a", expires_at=Instant(1)),)},
        {"entitlements": (Entitlement(key="a", below_version=""),)},
        {"policy": Policy(name="signed-key")},
        {"license_status_ref": StatusRef(uri="u", index=-1)},
        {"license_status_ref": StatusRef(uri="u", index=2**31)},
        {"license_status_ref": StatusRef(uri="", index=1)},
    ],
    ids=repr,
)
def test_a_grant_that_a_key_cannot_say_is_refused_before_it_is_signed(changes: dict[str, Any]) -> None:
    grant = replace(key_grant(), **changes)
    with pytest.raises(UsageError) as caught:
        issue_signed_key(grant, SIGNER)
    assert caught.value.code == "bad_grant"
    with pytest.raises(UsageError):
        list(issue_signed_keys([key_grant(), grant], SIGNER))


@pytest.mark.parametrize("issued_at", [1767225599, 1767225600, 253402300799, 253402300800])
def test_a_key_is_issued_from_2026_to_9999(issued_at: int) -> None:
    grant = key_grant(issued_at=Instant(issued_at))
    if issued_at in {1767225600, 253402300799}:
        assert verify_signed_key(issue_signed_key(grant, SIGNER), RING) == grant
    else:
        with pytest.raises(UsageError):
            issue_signed_key(grant, SIGNER)


@pytest.mark.parametrize(("seconds", "good"), [(0, False), (1, True), (315360000, True), (315360001, False)])
def test_sec_04_a_term_is_from_a_second_to_ten_years(seconds: int, good: bool) -> None:  # noqa: FBT001 - a table
    grant = key_grant(expires_at=Instant(ISSUED_AT + seconds))
    if good:
        assert verify_signed_key(issue_signed_key(grant, SIGNER), RING) == grant
    else:
        with pytest.raises(UsageError):
            issue_signed_key(grant, SIGNER)


def test_a_key_is_at_most_480_characters() -> None:
    longest = key_grant(customer="C" * (MAX_PAYLOAD - len(HEAD) - 3))
    key = issue_signed_key(longest, SIGNER)
    assert len(key) == MAX_KEY_CHARACTERS == 480
    assert verify_signed_key(key, RING) == longest
    assert verify_signed_key("\n".join(key[start : start + 64] for start in range(0, 480, 64)), RING) == longest
    with pytest.raises(UsageError, match="480"):
        issue_signed_key(key_grant(customer="C" * (MAX_PAYLOAD - len(HEAD) - 2)), SIGNER)


def test_a_batch_is_the_keys_one_by_one() -> None:
    grants = [key_grant(license_id=f"license-{number}", **(FACTS if number % 3 == 0 else {})) for number in range(2001)]
    keys = list(issue_signed_keys(iter(grants), SIGNER))
    assert len(set(keys)) == 2001
    for number in (0, 1, 2, 3, 999, 1000, 1001, 2000):
        assert keys[number] == issue_signed_key(grants[number], SIGNER)
        assert verify_signed_key(keys[number], RING) == grants[number]


class BrokenSigner:
    """A signer whose signatures are wrong from the *good*-th on: a fault of memory, or of the wrong key."""

    def __init__(self, good: int) -> None:
        self.good = good
        self.kid = SIGNER.kid
        self.public_key = SIGNER.public_key

    def sign(self, message: bytes) -> bytes:
        self.good -= 1
        return (SIGNER if self.good >= 0 else OTHER_SIGNER).sign(message)


def test_a_signer_that_signs_wrongly_is_found_out_before_keys_leave() -> None:
    with pytest.raises(NotGenuineError):
        issue_signed_key(key_grant(), BrokenSigner(0))
    with pytest.raises(NotGenuineError):
        list(issue_signed_keys([key_grant()], BrokenSigner(0)))
    with pytest.raises(NotGenuineError):
        list(issue_signed_keys([key_grant()] * 1001, BrokenSigner(900)))


def test_a_batch_takes_few_grants_ahead() -> None:
    taken: list[int] = []

    def grants() -> Any:
        for number in range(200):
            taken.append(number)
            yield key_grant()

    batch = issue_signed_keys(grants(), SIGNER)
    for given in range(1, 100):
        next(batch)
        assert given <= len(taken) <= given + 33


@pytest.mark.parametrize("good", [0, 1, 2, 31, 32, 33, 34, 65])
def test_a_batch_gives_every_key_before_a_grant_that_is_none(good: int) -> None:
    grants = [key_grant(license_id=f"license-{number}") for number in range(good)]
    given: list[str] = []
    with pytest.raises(UsageError):
        given.extend(issue_signed_keys([*grants, replace(key_grant(), kind="token"), key_grant()], SIGNER))
    assert [verify_signed_key(key, RING) for key in given] == grants


def test_remembered_policies_are_not_mixed_up_between_terms_or_values() -> None:
    policy = Policy(name="signed-key")
    for days in (30, 60, 30, None, 60):
        expires_at = None if days is None else Instant(ISSUED_AT + days * DAY)
        grant = key_grant(policy=policy, expires_at=expires_at)
        assert verify_signed_key(issue_signed_key(grant, SIGNER), RING) == grant
    for number in range(200):
        grant = key_grant(policy=Policy(name=f"plan-{number}"), entitlements=(Entitlement(key=f"k{number}"),))
        assert verify_signed_key(issue_signed_key(grant, SIGNER), RING).policy.name == f"plan-{number}"


def test_no_error_shows_the_key() -> None:
    for text in (PERPETUAL.replace("-", "")[1:], PERPETUAL[:-1], signed(HEAD + b"\x00")):
        with pytest.raises(CarnetError) as caught:
            verify_signed_key(text, RING)
        shown = f"{caught.value} {caught.value!r}"
        assert not any(group in shown for group in text.split("-") if len(group) > 4)
        assert LICENSE_ID not in shown


def test_all_symbols_of_the_alphabet_are_used() -> None:
    assert set(BOUND) == set(ALPHABET) | {"-"}


def test_a_grant_is_made_for_the_key_that_signs() -> None:
    grant = signed_key_grant(
        product="hustl", license_id="l", policy=Policy(name="p"), issued_at=ISSUED_AT, kid=OTHER_SIGNER.kid
    )
    assert (grant.issuer, grant.kid, grant.id) == (OTHER_SIGNER.kid, OTHER_SIGNER.kid, f"l/{ISSUED_AT:d}")
    with pytest.raises(UsageError):
        issue_signed_key(grant, SIGNER)

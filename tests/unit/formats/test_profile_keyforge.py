"""License tokens for applications written for Keyforge: contracts/keyforge.md §5, §10, §11; specs/token-profiles.md."""

from __future__ import annotations

from typing import Any, Literal

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import generate_private_pem, public_key_from_pem, signer_from_pem
from carnet.formats.keys import Algorithm, KeyRing, TrustedKey, public_key_from_jwk
from carnet.formats.license_token import TYP as NATIVE_TYP
from carnet.formats.license_token import verify_license_token
from carnet.formats.profiles.keyforge import (
    KeyforgeDevice,
    KeyforgeFacts,
    KeyforgeLicense,
    KeyforgeSettings,
    draw_up_keyforge_token,
    issue_keyforge_token,
    judge_keyforge_token,
    keyforge_claims,
    keyforge_facts,
    keyforge_status,
    verify_keyforge_token,
)
from carnet.formats.profiles.verdicts import MAX_PROFILE_LIFETIME_SECONDS, Verdict
from carnet.formats.strict_json import parse_object
from support.profile_tokens import (
    KEYFORGE_DEVICE,
    KEYFORGE_FACTS,
    KEYFORGE_JWK,
    KEYFORGE_LICENSE,
    KEYFORGE_PEM,
    KEYFORGE_RING,
    KEYFORGE_SIGNER,
    KEYFORGE_TOKEN,
    REMOVED,
    altered,
    forged,
)
from support.tokens import SIGNER as ED25519
from support.tokens import TOKEN as NATIVE_TOKEN

NOW = Instant(1768003200)
END = Instant(NOW + 30 * DAY)
TIMED = replace(KEYFORGE_LICENSE, type="timed", expires_at=END, email="kim@example.com")
CLAIMS = keyforge_claims(KEYFORGE_FACTS)
TIMED_CLAIMS = keyforge_claims(replace(KEYFORGE_FACTS, license=replace(TIMED, email=None), expires_at=END))
HEADER = {"alg": "ES256", "kid": "kf-test-1", "typ": "JWT"}


def drawn_up(
    license_: KeyforgeLicense = TIMED,
    *,
    now: int = NOW,
    is_revoked: bool = False,
    fallback_enabled: bool = False,
    **settings: Any,
) -> KeyforgeFacts:
    return draw_up_keyforge_token(
        license_,
        KEYFORGE_DEVICE,
        is_revoked=is_revoked,
        fallback_enabled=fallback_enabled,
        now=Instant(now),
        settings=KeyforgeSettings(**settings),
    )


def code_of(token: str | bytes, ring: KeyRing = KEYFORGE_RING, **options: Any) -> str:
    with pytest.raises(CarnetError) as refused:
        verify_keyforge_token(token, ring, **options)
    assert isinstance(refused.value, MalformedError | NotGenuineError)
    assert refused.value.fix
    assert KEYFORGE_LICENSE.key not in str(refused.value)
    return refused.value.code


def usage(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as refused:
        function(*arguments, **options)
    return refused.value.code


def judged(facts: KeyforgeFacts = KEYFORGE_FACTS, *, now: int = NOW, **options: Any) -> Verdict:
    return judge_keyforge_token(
        facts, **{"now": Instant(now), "products": "p_9f3k2a", "device": "host-7c1e", **options}
    )


def codes(verdict: Verdict) -> list[str]:
    assert verdict.is_usable == (not verdict.reasons)
    return [reason.code for reason in verdict.reasons]


# ── the contract's vector, §10 ───────────────────────────────────────────────────────────────────────────────────────


def test_the_contracts_token_is_accepted_under_its_jwk_and_its_pem() -> None:
    for key in (
        public_key_from_jwk({**KEYFORGE_JWK, "kid": "kf-test-1"}),
        public_key_from_pem(KEYFORGE_PEM, "kf-test-1"),
    ):
        assert key == KEYFORGE_SIGNER.public_key
        ring = KeyRing.single("token", key)
        assert verify_keyforge_token(KEYFORGE_TOKEN, ring) == KEYFORGE_FACTS
        assert verify_keyforge_token(KEYFORGE_TOKEN.encode(), ring) == KEYFORGE_FACTS


def test_the_contracts_token_gives_product_mismatch_for_another_product() -> None:
    facts = verify_keyforge_token(KEYFORGE_TOKEN, KEYFORGE_RING)
    assert codes(judged(facts)) == []
    assert codes(judged(facts, products="p_x")) == ["wrong_product"]


def test_our_mapping_makes_the_contracts_claims_from_the_same_facts() -> None:
    """
    The claims are equal; the bytes cannot be: ES256 signatures hold a random number unless they are made as ours are
    (RFC 6979), and the contract's payload has its members in another order than our canonical form.
    """
    contract = parse_object(b64url_decode(KEYFORGE_TOKEN.split(".")[1], "it"), max_bytes=8192, what="it")
    facts = drawn_up(KEYFORGE_LICENSE, validity_seconds=4102444800 - 1768003140)
    assert keyforge_claims(facts) == contract
    issued = issue_keyforge_token(facts, KEYFORGE_SIGNER)
    assert issued.split(".")[0] == KEYFORGE_TOKEN.split(".")[0]
    assert verify_keyforge_token(issued, KEYFORGE_RING) == verify_keyforge_token(KEYFORGE_TOKEN, KEYFORGE_RING)


def test_an_unrelated_library_verifies_what_we_issue() -> None:
    token = issue_keyforge_token(KEYFORGE_FACTS, KEYFORGE_SIGNER)
    key = load_pem_public_key(KEYFORGE_PEM.encode())
    assert jwt.decode(token, key, algorithms=["ES256"]) == CLAIMS  # type: ignore[arg-type]
    assert len(b64url_decode(token.split(".")[2], "it")) == 64


# ── issuing, §5 and §5.1 ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_has_exactly_the_contracts_claims() -> None:
    claims = keyforge_claims(drawn_up())
    assert claims == {
        "status": "active",
        "license": {
            "key": "Q7M2X-4HD9K-TR3WB-8NVCP-J5YZA",
            "productId": "p_9f3k2a",
            "type": "timed",
            "expiresAt": END,
            "createdAt": 1767225600,
            "maxDevices": 3,
            "email": None,
        },
        "device": {"identifier": "host-7c1e", "name": "Lab workstation", "activationDate": 1768003200},
        "product": {"id": "p_9f3k2a"},
        "iat": NOW - 60,
        "exp": NOW - 60 + 14 * DAY,
    }


def test_a_token_has_neither_aud_nor_nbf_nor_crit() -> None:
    token = issue_keyforge_token(replace(drawn_up(), id="t-1"), KEYFORGE_SIGNER)
    header, claims = (
        parse_object(b64url_decode(part, "it"), max_bytes=8192, what="it") for part in token.split(".")[:2]
    )
    assert header == HEADER
    assert {"aud", "nbf", "iss", "crit"}.isdisjoint(claims)
    assert claims["jti"] == "t-1"


def test_a_token_with_an_nbf_is_not_issued() -> None:
    assert usage(issue_keyforge_token, replace(KEYFORGE_FACTS, not_before=NOW), KEYFORGE_SIGNER) == "bad_grant"


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_token_never_outlives_a_timed_license(offset: int) -> None:
    validity = END + offset - (NOW - 60)
    assert drawn_up(validity_seconds=validity).expires_at == min(END, END + offset)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_timed_license_ends_at_its_end(offset: int) -> None:
    now = END + offset
    if offset < 0:
        facts = drawn_up(now=now)
        assert (facts.status, facts.expires_at) == ("active", END)
    else:
        assert usage(drawn_up, now=now) == "license_unusable"
        facts = drawn_up(now=now, fallback_enabled=True)
        assert (facts.status, facts.expires_at) == ("fallbacked", now - 60 + 14 * DAY)
    issue_keyforge_token(facts, KEYFORGE_SIGNER)


def test_a_perpetual_license_gives_the_whole_validity() -> None:
    assert drawn_up(KEYFORGE_LICENSE, validity_seconds=DAY).expires_at == NOW - 60 + DAY


@pytest.mark.parametrize(("mode", "shown"), [("real", END), ("null", None)])
def test_a_fallback_token_shows_the_real_end_or_null(mode: str, shown: Instant | None) -> None:
    facts = drawn_up(now=END + DAY, fallback_enabled=True, fallback_expires_at=mode)
    assert facts.license.expires_at == shown
    assert verify_keyforge_token(issue_keyforge_token(facts, KEYFORGE_SIGNER), KEYFORGE_RING).license == facts.license
    # … and an active one always the real end.
    assert drawn_up(fallback_enabled=True, fallback_expires_at=mode).license.expires_at == END


def test_the_address_is_in_a_token_only_when_the_vendor_says_so() -> None:
    assert KeyforgeSettings().include_email is False
    assert drawn_up().license.email is None
    assert drawn_up(include_email=True).license.email == "kim@example.com"


@pytest.mark.parametrize(
    ("type_", "ends_in", "is_revoked", "fallback", "status"),
    [
        ("timed", 1, False, False, "active"),
        ("timed", 0, False, False, "expired"),
        ("timed", -1, False, False, "expired"),
        ("timed", 1, False, True, "active"),
        ("timed", 0, False, True, "fallbacked"),
        ("timed", -1, False, True, "fallbacked"),
        ("timed", 1, True, False, "revoked"),
        ("timed", -1, True, True, "revoked"),
        ("perpetual", None, False, True, "active"),
        ("perpetual", None, True, True, "revoked"),
    ],
)
def test_the_status_is_judged_in_the_contracts_order(
    type_: Literal["timed", "perpetual"], ends_in: int | None, is_revoked: Any, fallback: Any, status: str
) -> None:
    expires_at = None if ends_in is None else Instant(NOW + ends_in)
    license_ = replace(KEYFORGE_LICENSE, type=type_, expires_at=expires_at)
    assert keyforge_status(license_, is_revoked=is_revoked, fallback_enabled=fallback, now=NOW) == status
    if status in ("active", "fallbacked"):
        assert drawn_up(license_, is_revoked=is_revoked, fallback_enabled=fallback).status == status
    else:
        assert usage(drawn_up, license_, is_revoked=is_revoked, fallback_enabled=fallback) == "license_unusable"


@pytest.mark.parametrize("seconds", [0, -1, 59, 60, MAX_PROFILE_LIFETIME_SECONDS + 1, True, "60", 86400.0])
def test_a_validity_out_of_bounds_is_refused(seconds: Any) -> None:
    assert usage(drawn_up, validity_seconds=seconds) == "bad_token_settings"


def test_the_shortest_and_the_longest_validity_work() -> None:
    for seconds in (61, MAX_PROFILE_LIFETIME_SECONDS):
        facts = drawn_up(KEYFORGE_LICENSE, validity_seconds=seconds)
        token = issue_keyforge_token(facts, KEYFORGE_SIGNER)
        assert verify_keyforge_token(token, KEYFORGE_RING) == replace(facts, kid="kf-test-1")


def test_settings_and_licenses_that_cannot_be_are_refused() -> None:
    assert usage(drawn_up, fallback_expires_at="none") == "bad_token_settings"
    assert usage(drawn_up, replace(TIMED, expires_at=None)) == "bad_grant"
    assert usage(drawn_up, replace(KEYFORGE_LICENSE, expires_at=END)) == "bad_grant"
    for facts in (
        replace(KEYFORGE_FACTS, license=replace(KEYFORGE_LICENSE, max_devices=0)),
        replace(KEYFORGE_FACTS, device=replace(KEYFORGE_DEVICE, identifier="x" * 97)),
        replace(KEYFORGE_FACTS, expires_at=KEYFORGE_FACTS.issued_at),
        replace(KEYFORGE_FACTS, device=replace(KEYFORGE_DEVICE, name="")),
    ):
        assert usage(issue_keyforge_token, facts, KEYFORGE_SIGNER) == "bad_grant"


def test_the_clock_of_a_new_device_at_1970_still_makes_times() -> None:
    assert drawn_up(KEYFORGE_LICENSE, now=30).issued_at == 1


@given(
    key=st.text(st.characters(min_codepoint=33, exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80),
    identifier=st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), min_size=1, max_size=96),
    name=st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64),
    email=st.none() | st.just("kim@example.com"),
    ends_in=st.none() | st.integers(-20 * DAY, 20 * DAY),
    max_devices=st.integers(1, 10**6),
    fallback=st.sampled_from(["real", "null"]),
)
def test_what_is_drawn_up_and_issued_verifies_to_the_same_facts(  # noqa: PLR0917 - Hypothesis names them
    key: str, identifier: str, name: str, email: str | None, ends_in: int | None, max_devices: int, fallback: str
) -> None:
    license_ = KeyforgeLicense(
        key=key,
        product_id="p_9f3k2a",
        type="perpetual" if ends_in is None else "timed",
        created_at=Instant(1),
        max_devices=max_devices,
        expires_at=None if ends_in is None else Instant(NOW + ends_in),
        email=email,
    )
    facts = draw_up_keyforge_token(
        license_,
        KeyforgeDevice(identifier=identifier, name=name, activated_at=NOW),
        is_revoked=False,
        fallback_enabled=True,
        now=NOW,
        settings=KeyforgeSettings(fallback_expires_at="real" if fallback == "real" else "null", include_email=True),
    )
    verified = verify_keyforge_token(issue_keyforge_token(facts, KEYFORGE_SIGNER), KEYFORGE_RING)
    assert verified == replace(facts, kid="kf-test-1")
    assert judge_keyforge_token(verified, now=NOW, products=["p_9f3k2a"], device=identifier).is_usable


# ── keys and algorithms, §11 ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alg", ["Ed25519", "RS256"])
def test_other_algorithms_need_the_vendors_word(alg: Algorithm) -> None:
    signer = ED25519 if alg == "Ed25519" else signer_from_pem(generate_private_pem(alg))
    ring = KeyRing.single("token", signer.public_key)
    token = issue_keyforge_token(KEYFORGE_FACTS, signer)
    assert code_of(token, ring) == "wrong_algorithm"
    assert verify_keyforge_token(token, ring, algorithms=(alg,)).license == KEYFORGE_LICENSE
    assert code_of(KEYFORGE_TOKEN, algorithms=(alg,)) == "wrong_algorithm"


def test_the_token_chooses_no_algorithm() -> None:
    for alg in ("none", "HS256", "ES384", "EdDSA", "RS256", "es256", None):
        assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, "alg": alg})) == "wrong_algorithm"
    extras: list[dict[str, Any]] = [{"jwk": KEYFORGE_JWK}, {"crit": []}, {"jku": "https://x.example"}, {"b64": True}]
    for extra in extras:
        assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, **extra})) == "bad_header"


def test_several_keys_are_told_apart_by_kid_so_that_a_key_can_be_rotated() -> None:
    newer = signer_from_pem(generate_private_pem("ES256"), kid="kf-2027")
    both = (KEYFORGE_SIGNER.public_key, newer.public_key)
    ring = KeyRing(TrustedKey(role="token", key=key) for key in both)
    assert verify_keyforge_token(KEYFORGE_TOKEN, ring).kid == "kf-test-1"
    assert verify_keyforge_token(issue_keyforge_token(KEYFORGE_FACTS, newer), ring).kid == "kf-2027"
    assert code_of(forged(CLAIMS, newer, HEADER), ring) == "bad_signature"
    assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, "kid": "kf-2028"}), ring) == "unknown_key"
    dropped = KeyRing(
        (
            TrustedKey(role="token", key=KEYFORGE_SIGNER.public_key, state="compromised"),
            TrustedKey(role="token", key=newer.public_key),
        )
    )
    assert code_of(KEYFORGE_TOKEN, dropped) == "compromised_key"


def test_a_token_without_kid_is_checked_with_the_only_key_there_is() -> None:
    token = forged(CLAIMS, KEYFORGE_SIGNER, {"alg": "ES256", "typ": "JWT"})
    assert verify_keyforge_token(token, KEYFORGE_RING) == KEYFORGE_FACTS
    newer = signer_from_pem(generate_private_pem("ES256"))
    assert code_of(token, KeyRing.single("token", newer.public_key)) == "bad_signature"
    both = KeyRing(TrustedKey(role="token", key=key) for key in (KEYFORGE_SIGNER.public_key, newer.public_key))
    assert code_of(token, both) == "unknown_key"
    assert code_of(token, KeyRing(())) == "unknown_key"
    assert code_of(token, KeyRing.single("machine-file", ED25519.public_key)) == "unknown_key"
    assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, "kid": ""})) == "bad_kid"
    assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, "kid": None})) == "bad_kid"
    assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {"alg": "none", "typ": "JWT"})) == "wrong_algorithm"
    assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {"alg": "ES256"})) == "bad_header"


def test_sec_03_native_tokens_and_tokens_of_the_profile_never_pass_as_each_other() -> None:
    ring = KeyRing.single("token", ED25519.public_key)
    assert code_of(NATIVE_TOKEN, ring, algorithms=("Ed25519",)) == "wrong_type"
    with pytest.raises(MalformedError) as refused:
        verify_license_token(issue_keyforge_token(KEYFORGE_FACTS, ED25519), ring)
    assert refused.value.code == "wrong_type"
    for typ in ("jwt", "at+jwt", "", NATIVE_TYP, None):
        assert code_of(forged(CLAIMS, KEYFORGE_SIGNER, {**HEADER, "typ": typ})) == "wrong_type"
    with pytest.raises(MalformedError) as headless:  # our own formats always need a kid
        verify_license_token(forged({}, ED25519, {"alg": "EdDSA", "typ": NATIVE_TYP}), ring)
    assert headless.value.code == "bad_header"


def test_a_changed_payload_and_a_der_signature_are_refused() -> None:
    head, payload, signature = KEYFORGE_TOKEN.split(".")
    changed = b64url_encode(b64url_decode(payload, "it").replace(b'"maxDevices":3', b'"maxDevices":9'))
    assert code_of(f"{head}.{changed}.{signature}") == "bad_signature"
    raw = b64url_decode(signature, "it")
    der = b"\x30\x46\x02\x21\x00" + raw[:32] + b"\x02\x21\x00" + raw[32:]
    assert code_of(f"{head}.{payload}.{b64url_encode(der)}") == "bad_signature"
    assert code_of(f"{head}.{payload}.") == "bad_signature"
    assert code_of(f"{head}.{payload}") == "bad_compact"
    assert code_of(KEYFORGE_TOKEN + "\n") == "bad_base64"
    assert code_of("x" * 8193) == "too_large"


# ── claims, §5 and §11: wrong types are refused, nothing is skipped ──────────────────────────────────────────────────

NO_TIMES: list[Any] = [0, -1, MAX_INSTANT + 1, "1768003200", True, None, [], {}]
NO_TEXTS: list[Any] = ["", 1, True, None, [], {}, ["x"], "a\x1b[31m", "a\nb"]
NO_OBJECTS: list[Any] = [None, [], "x", 1, True]

WRONG: list[tuple[str, list[Any]]] = [
    ("status", ["expired", "revoked", "Active", "", None, True, 1, [], ["active"], {}]),
    ("license", NO_OBJECTS),
    ("device", NO_OBJECTS),
    ("product", [*NO_OBJECTS, {"id": "p_x"}, {"id": None}, {"id": 1}]),
    ("license.key", [*NO_TEXTS, "x" * 513]),
    ("license.productId", [*NO_TEXTS, "x" * 256, ["p_9f3k2a"], "p_x"]),
    ("license.type", ["trial", "Perpetual", None, True, 1, [], {}]),
    ("license.expiresAt", [0, -1, MAX_INSTANT + 1, "2027-01-01T00:00:00.000Z", True, False, [], {}, END]),
    ("license.createdAt", [*NO_TIMES, "2026-01-01T00:00:00.000Z"]),
    ("license.maxDevices", [0, -1, "3", True, None, [], {}]),
    ("license.email", ["", 1, True, [], {}, "x" * 256]),
    ("device.identifier", [*NO_TEXTS, "x" * 97]),
    ("device.name", [*NO_TEXTS, "x" * 65]),
    ("device.activationDate", [*NO_TIMES, "2026-01-10T00:00:00.000Z"]),
    ("iat", NO_TIMES),
    ("exp", NO_TIMES),
    ("nbf", NO_TIMES),
    ("jti", NO_TEXTS),
    ("sub", NO_TEXTS),
]


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in WRONG for value in values], ids=lambda part: repr(part)[:40]
)
def test_a_claim_of_a_wrong_type_or_out_of_bounds_is_refused(path: str, value: Any) -> None:
    assert code_of(forged(altered(CLAIMS, path, value), KEYFORGE_SIGNER)) == "bad_claim"


@pytest.mark.parametrize(
    "path",
    [
        *("status", "license", "device", "iat", "exp", "license.key", "license.productId", "license.type"),
        *("license.expiresAt", "license.createdAt", "license.maxDevices", "license.email"),
        *("device.identifier", "device.name", "device.activationDate", "product.id"),
    ],
)
def test_a_missing_claim_is_refused(path: str) -> None:
    assert code_of(forged(altered(CLAIMS, path, REMOVED), KEYFORGE_SIGNER)) == "missing_claim"


def test_numbers_with_a_fraction_are_refused() -> None:
    head = KEYFORGE_TOKEN.split(".")[0]
    payload = b64url_decode(KEYFORGE_TOKEN.split(".")[1], "it").replace(b"4102444800", b"4102444800.0")
    signed = f"{head}.{b64url_encode(payload)}"
    token = f"{signed}.{b64url_encode(KEYFORGE_SIGNER.sign(signed.encode()))}"
    assert code_of(token) == "bad_number"


def test_bounds_of_device_texts_count_code_points() -> None:
    claims = altered(altered(CLAIMS, "device.identifier", "\U0001f600" * 96), "device.name", "\U0001f600" * 64)
    assert verify_keyforge_token(forged(claims, KEYFORGE_SIGNER), KEYFORGE_RING).device.name == "\U0001f600" * 64


def test_a_site_url_is_a_device_identifier() -> None:
    claims = altered(CLAIMS, "device.identifier", "https://shop.example.com:8443/wp admin")
    facts = verify_keyforge_token(forged(claims, KEYFORGE_SIGNER), KEYFORGE_RING)
    assert facts.device.identifier == "https://shop.example.com:8443/wp admin"


def test_a_token_of_the_vendor_without_product_and_with_more_claims_is_accepted() -> None:
    claims = {**altered(CLAIMS, "product", REMOVED), "iss": "x", "aud": "y", "sub": "s", "jti": "j", "new": {"a": [1]}}
    facts = verify_keyforge_token(forged(claims, KEYFORGE_SIGNER), KEYFORGE_RING)
    assert facts == replace(KEYFORGE_FACTS, id="j")


@pytest.mark.parametrize(
    ("type_", "expires_at", "status", "is_accepted"),
    [
        ("perpetual", None, "active", True),
        ("perpetual", None, "fallbacked", False),
        ("perpetual", END, "active", False),
        ("perpetual", END, "fallbacked", False),
        ("timed", END, "active", True),
        ("timed", END, "fallbacked", True),
        ("timed", None, "fallbacked", True),
        ("timed", None, "active", False),
    ],
)
def test_type_end_and_status_agree(type_: str, expires_at: int | None, status: str, is_accepted: Any) -> None:
    claims = altered(altered(CLAIMS, "license.type", type_), "license.expiresAt", expires_at)
    token = forged({**claims, "status": status}, KEYFORGE_SIGNER)
    if is_accepted:
        assert verify_keyforge_token(token, KEYFORGE_RING).status == status
    else:
        assert code_of(token) == "bad_claim"


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_exp_lies_after_iat_and_at_most_36600_days_after(offset: int) -> None:
    near = forged({**CLAIMS, "exp": CLAIMS["iat"] + offset}, KEYFORGE_SIGNER)
    far = forged({**CLAIMS, "exp": CLAIMS["iat"] + MAX_PROFILE_LIFETIME_SECONDS + offset}, KEYFORGE_SIGNER)
    for token, is_accepted in ((near, offset > 0), (far, offset <= 0)):
        if is_accepted:
            verify_keyforge_token(token, KEYFORGE_RING)
        else:
            assert code_of(token) == "bad_times"


def test_claims_are_checked_after_the_signature() -> None:
    head, payload, _ = forged({"status": 1}, KEYFORGE_SIGNER).split(".")
    assert code_of(f"{head}.{payload}.{KEYFORGE_TOKEN.split('.')[2]}") == "bad_signature"


# ── judging, §11 ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("leeway", [0, 60, 300])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_genuine_token_is_valid_until_exp_and_expired_from_then_on(offset: int, leeway: int) -> None:
    facts = verify_keyforge_token(KEYFORGE_TOKEN, KEYFORGE_RING)  # genuine, whatever the time
    verdict = judged(facts, now=facts.expires_at + leeway + offset, leeway_seconds=leeway)
    assert codes(verdict) == ([] if offset < 0 else ["offline_window_over"])
    assert verdict.is_expired == (offset >= 0)


@pytest.mark.parametrize("leeway", [0, 60])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_end_of_an_active_license_counts_and_of_a_fallback_one_does_not(offset: int, leeway: int) -> None:
    facts = keyforge_facts({**TIMED_CLAIMS, "exp": END + DAY})
    verdict = judged(facts, now=END + leeway + offset, leeway_seconds=leeway)
    assert codes(verdict) == ([] if offset < 0 else ["license_expired"])
    assert verdict.is_expired == (offset >= 0)
    assert judged(replace(facts, status="fallbacked"), now=END + leeway + offset, leeway_seconds=leeway).is_usable


def test_license_and_token_that_end_together_give_both_reasons() -> None:
    facts = keyforge_facts(TIMED_CLAIMS)
    assert codes(judged(facts, now=END)) == ["license_expired", "offline_window_over"]
    assert codes(judged(facts, now=END - 1)) == []


@pytest.mark.parametrize("leeway", [0, 60])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_an_nbf_of_the_vendors_is_judged(offset: int, leeway: int) -> None:
    starts = NOW + DAY
    facts = keyforge_facts({**CLAIMS, "nbf": starts})
    verdict = judged(facts, now=starts - leeway + offset, leeway_seconds=leeway)
    assert codes(verdict) == (["not_yet_valid"] if offset < 0 else [])
    assert not verdict.is_expired


def test_product_and_device_are_compared_exactly_and_every_fact_is_told() -> None:
    assert judged(products=["p_x", "p_9f3k2a"]).is_usable
    assert judged(products={"p_9f3k2a"}).is_usable
    for products in ("p_9f3k2", "p_9f3k2ab", "P_9F3K2A", "x p_9f3k2a", "", [], ["p_x"]):
        assert codes(judged(products=products)) == ["wrong_product"]
    for device in ("host-7c1", "HOST-7C1E", "", "host-7c1e "):
        assert codes(judged(device=device)) == ["wrong_device"]
    everything = judged(products="p_x", device="x", now=4102444800)
    assert codes(everything) == ["wrong_product", "wrong_device", "offline_window_over"]
    assert all(reason.message and reason.fix for reason in everything.reasons)


def test_a_clock_that_is_set_back_gains_nothing() -> None:
    facts = keyforge_facts(TIMED_CLAIMS)
    over = judged(facts, now=END)
    back = judged(facts, now=NOW, latest_seen=over.latest_seen)
    assert back.clock_moved_back
    assert codes(back) == ["license_expired", "offline_window_over"]
    assert (back.judged_at, back.latest_seen) == (END, END)
    # Back within the token's life it is reported, and judged at the time that was seen.
    seen = judged(facts, now=END - 5, latest_seen=Instant(END - 1))
    assert (seen.is_usable, seen.clock_moved_back, seen.judged_at) == (True, True, END - 1)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_clock_is_called_moved_back_beyond_the_leeway_only(offset: int) -> None:
    assert judged(now=NOW - 60 + offset, latest_seen=NOW, leeway_seconds=60).clock_moved_back == (offset < 0)
    # The time of issue is a time that was seen: who issued it knew it.
    issued = KEYFORGE_FACTS.issued_at
    assert judged(now=issued + offset).clock_moved_back == (offset < 0)
    assert judged(now=issued + offset).judged_at == max(issued, issued + offset)


@pytest.mark.parametrize("leeway", [-1, 301, True, "0", 1.0, None])
def test_a_leeway_is_small(leeway: Any) -> None:
    assert usage(judged, leeway_seconds=leeway) == "bad_leeway"

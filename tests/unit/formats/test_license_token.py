"""License tokens: what is written is what is read, and every claim has exactly its type (SEC-04)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.core.rules import decide
from carnet.formats.encoding import b64url_decode
from carnet.formats.jws import unverified_jws
from carnet.formats.license_token import issue_license_token, token_policy, verify_license_token
from carnet.formats.limits import MAX_LIFETIME_SECONDS
from support.tokens import GRANT, HEADER, ISSUED_AT, OTHER_SIGNER, RING, SIGNER, TOKEN, forge

CLAIMS = unverified_jws(TOKEN, max_bytes=8192, what="It")[1]
MINIMAL = Grant(
    kind="token",
    id="t",
    issuer="i",
    product="p",
    license_id="l",
    issued_at=Instant(1),
    not_before=Instant(1),
    offline_until=Instant(2),
    policy=Policy(
        name="n",
        offline_ttl_seconds=1,
        grace_seconds=0,
        term_grace_seconds=0,
        refresh_after_seconds=1,
    ),
    kid=SIGNER.kid,
)


def verified(claims: dict[str, Any]) -> Grant:
    return verify_license_token(forge(HEADER, claims), RING)


def vars_of(policy: Policy) -> list[Any]:
    return [getattr(policy, field) for field in Policy.__fields__]


def code_of(claims: dict[str, Any]) -> str:
    with pytest.raises(MalformedError) as raised:
        verified(claims)
    return raised.value.code


def test_what_is_issued_is_what_is_verified() -> None:
    assert verify_license_token(TOKEN, RING) == GRANT
    assert verify_license_token(TOKEN.encode(), RING) == GRANT
    assert verify_license_token(issue_license_token(MINIMAL, SIGNER), RING) == MINIMAL
    assert issue_license_token(verify_license_token(TOKEN, RING), SIGNER) == TOKEN


def test_issuing_is_deterministic_so_that_a_retry_signs_the_same_again() -> None:
    assert issue_license_token(GRANT, SIGNER) == TOKEN


def test_the_claims_are_those_of_the_specification() -> None:
    assert {
        "iss": "installation-1",
        "aud": "hustl",
        "sub": "license-1",
        "jti": "tok-0001",
        "iat": ISSUED_AT,
        "nbf": ISSUED_AT + 5,
        "exp": ISSUED_AT + 7 * DAY,
        "act": "activation-1",
        "dev": GRANT.device,
        "cus": "customer-1",
        "lic_nbf": ISSUED_AT - 90 * DAY,
        "lic_exp": ISSUED_AT + 275 * DAY,
        "ent": [{"key": "export-pdf"}, {"key": "updates", "exp": ISSUED_AT + 100 * DAY, "below": "3.0.0"}],
        "pol": {
            "name": "studio",
            "ttl": 45 * DAY,
            "grace": 3 * DAY,
            "term_grace": 5 * DAY,
            "refresh": 2 * DAY,
            "access": "full",
            "warn": DAY,
            "essential": ["open", "save"],
            "edition": "studio",
            "below": "4.0",
            "domains": ["example.com", "*.example.org"],
            "clock": "countdown",
            "status_age": 7 * DAY,
        },
        "status": {"status_list": {"idx": 11, "uri": "https://license.example.com/v1/status/0"}},
        "act_status": {"idx": 131071, "uri": "https://license.example.com/v1/status/3"},
    } == CLAIMS


def test_the_payload_is_canonical_json() -> None:
    payload = b64url_decode(TOKEN.split(".")[1], "It")
    written = json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert payload.decode() == written


def test_what_a_policy_does_not_need_on_the_device_stays_at_home() -> None:
    policy = replace(
        GRANT.policy,
        max_offline_ttl_seconds=90 * DAY,
        token_ttl_seconds=DAY,
        require_activation=False,
        seat_limit=77,
        entitlements=(Entitlement(key="export-pdf"),),
    )
    token = issue_license_token(replace(GRANT, policy=policy), SIGNER)
    assert token == TOKEN
    assert token_policy(policy) == GRANT.policy
    assert token_policy(GRANT.policy) == GRANT.policy


def test_what_decides_is_the_same_after_the_round_trip() -> None:
    host = Host(product="hustl", app_version="3.5.0", edition="studio", domain="a.example.org")
    for seconds in (0, DAY, 6 * DAY, 7 * DAY, 9 * DAY, 12 * DAY, 300 * DAY):
        now = Instant(ISSUED_AT + seconds)
        before, after = (
            decide(Evidence(grants=(grant,), device=GRANT.device), now, host)
            for grant in (GRANT, verify_license_token(TOKEN, RING))
        )
        assert before == after


def test_the_activations_status_shares_the_address_of_the_licenses_list() -> None:
    shared = replace(GRANT, activation_status_ref=StatusRef(uri="https://license.example.com/v1/status/0", index=0))
    token = issue_license_token(shared, SIGNER)
    assert unverified_jws(token, max_bytes=8192, what="It")[1]["act_status"] == {"idx": 0}
    assert verify_license_token(token, RING) == shared
    alone = replace(GRANT, license_status_ref=None)
    assert verify_license_token(issue_license_token(alone, SIGNER), RING) == alone


def test_neither_the_license_key_nor_the_customer_is_in_the_token() -> None:
    assert set(CLAIMS) == {
        "iss", "aud", "sub", "jti", "iat", "nbf", "exp", "act", "dev", "cus", "lic_nbf", "lic_exp", "ent", "pol",
        "status", "act_status",
    }  # fmt: skip


REQUIRED = ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lic_exp", "pol", "ent"]
REQUIRED_OF_POLICY = ["name", "ttl", "grace", "term_grace", "refresh"]


@pytest.mark.parametrize("name", REQUIRED)
def test_sec_04_a_required_claim_must_be_there(name: str) -> None:
    assert code_of({each: CLAIMS[each] for each in CLAIMS if each != name}) == "missing_claim"


@pytest.mark.parametrize("name", REQUIRED_OF_POLICY)
def test_sec_04_a_required_member_of_the_policy_must_be_there(name: str) -> None:
    policy = {each: CLAIMS["pol"][each] for each in CLAIMS["pol"] if each != name}
    assert code_of({**CLAIMS, "pol": policy}) == "missing_claim"


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - set(REQUIRED)))
def test_an_optional_claim_may_be_absent(name: str) -> None:
    claims = {each: CLAIMS[each] for each in CLAIMS if each != name}
    assert verified(claims) != GRANT
    assert verified({**claims, name: CLAIMS[name]}) == GRANT


NOT_TEXT: list[Any] = [None, 1, True, 1790000000, [], ["x"], {}, {"x": 1}, "", "x" * 256, "a\nb", "a\u200bb", "\x7f"]
NOT_TIME: list[Any] = [True, False, "1790000000", "2026-11-22T09:30:00Z", [1], {}, 0, -1, MAX_INSTANT + 1, 2**53 - 1]
NOT_SECONDS: list[Any] = [None, True, "1", [1], {}, -1, MAX_LIFETIME_SECONDS + 1]


@pytest.mark.parametrize("value", NOT_TEXT, ids=repr)
@pytest.mark.parametrize("name", ["iss", "aud", "sub", "jti", "act", "dev", "cus"])
def test_sec_04_texts_are_texts(name: str, value: Any) -> None:
    assert code_of({**CLAIMS, name: value}) == "bad_claim"


@pytest.mark.parametrize("value", [*NOT_TIME, None], ids=repr)
@pytest.mark.parametrize("name", ["iat", "nbf", "exp", "lic_nbf", "lic_exp"])
def test_sec_04_times_are_whole_seconds_in_range(name: str, value: Any) -> None:
    if name == "lic_exp" and value is None:
        assert verified({**CLAIMS, name: value}).license_expires_at is None
    else:
        assert code_of({**CLAIMS, name: value}) == "bad_claim"


@pytest.mark.parametrize("text", ["1790000000.0", "1.79e9", "17900000000000000000", "NaN", "1e400"])
@pytest.mark.parametrize("name", ["iat", "nbf", "exp", "lic_exp"])
def test_sec_04_a_fraction_is_no_time(name: str, text: str) -> None:
    payload = json.dumps({**CLAIMS, name: "HERE"}).replace('"HERE"', text).encode()
    with pytest.raises(MalformedError) as raised:
        verify_license_token(forge(HEADER, payload), RING)
    assert raised.value.code == "bad_number"


@pytest.mark.parametrize(
    ("iat", "nbf", "exp", "good"),
    [
        (100, 100, 101, True),
        (100, 100, 100, False),
        (100, 101, 101, False),
        (100, 100, 99, False),
        (101, 100, 200, False),
        (100, 101, 102, True),
        (1, 1, 2, True),
        (100, 100, 100 + MAX_LIFETIME_SECONDS - 1, True),
        (100, 100, 100 + MAX_LIFETIME_SECONDS, True),
        (100, 100, 100 + MAX_LIFETIME_SECONDS + 1, False),
        (100, 5000, 100 + MAX_LIFETIME_SECONDS + 1, False),
        (MAX_INSTANT - 1, MAX_INSTANT - 1, MAX_INSTANT, True),
    ],
)
def test_sec_04_the_times_agree_to_the_second(iat: int, nbf: int, exp: int, *, good: bool) -> None:
    claims = {**CLAIMS, "iat": iat, "nbf": nbf, "exp": exp}
    if good:
        grant = verified(claims)
        assert (grant.issued_at, grant.not_before, grant.offline_until) == (iat, nbf, exp)
        assert all(type(value) is Instant for value in (grant.issued_at, grant.not_before, grant.offline_until))
    else:
        assert code_of(claims) == "bad_times"


def test_ten_years_are_ten_times_365_days() -> None:
    assert MAX_LIFETIME_SECONDS == 10 * 365 * 86400


@pytest.mark.parametrize("value", NOT_SECONDS, ids=repr)
@pytest.mark.parametrize("name", ["ttl", "grace", "term_grace", "refresh", "warn", "status_age"])
def test_sec_04_durations_are_whole_seconds_in_range(name: str, value: Any) -> None:
    assert code_of({**CLAIMS, "pol": {**CLAIMS["pol"], name: value}}) == "bad_claim"
    for bound in (0, MAX_LIFETIME_SECONDS):
        assert bound in vars_of(verified({**CLAIMS, "pol": {**CLAIMS["pol"], name: bound}}).policy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""), ("name", None), ("name", 1), ("edition", None), ("edition", ""), ("below", 4), ("below", None),
        ("access", "none"), ("access", None), ("access", True), ("access", ["full"]), ("clock", "on"), ("clock", None),
        ("essential", []), ("essential", "open"), ("essential", [1]), ("essential", [""]), ("essential", None),
        ("domains", []), ("domains", {}), ("domains", [None]), ("domains", ["x"] * 501),
    ],
)  # fmt: skip
def test_sec_04_members_of_the_policy_have_their_types(name: str, value: Any) -> None:
    assert code_of({**CLAIMS, "pol": {**CLAIMS["pol"], name: value}}) == "bad_claim"


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_sec_04_the_policy_is_an_object(value: Any) -> None:
    assert code_of({**CLAIMS, "pol": value}) == "bad_claim"


@pytest.mark.parametrize(
    "value",
    [
        None, {}, "x", [None], ["export-pdf"], [{}], [{"key": ""}], [{"key": 1}], [{"key": "Upper"}], [{"key": "-a"}],
        [{"key": "a"}, {"key": "a"}], [{"key": "a", "exp": None}], [{"key": "a", "exp": "1"}], [{"key": "a", "exp": 0}],
        [{"key": "a", "below": None}], [{"key": "a", "below": 3}],
    ],
)  # fmt: skip
def test_sec_04_entitlements_have_their_form(value: Any) -> None:
    assert code_of({**CLAIMS, "ent": value}) == "bad_entitlements"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("status", None, "bad_status"),
        ("status", {}, "bad_status"),
        ("status", {"status_list": {"idx": -1, "uri": "u"}}, "bad_status"),
        ("status", {"status_list": {"idx": True, "uri": "u"}}, "bad_status"),
        ("status", {"status_list": {"idx": "1", "uri": "u"}}, "bad_status"),
        ("status", {"status_list": {"idx": 1}}, "bad_status"),
        ("status", {"status_list": {"idx": 1, "uri": ""}}, "bad_status"),
        ("status", {"status_list": {"idx": 2**31, "uri": "u"}}, "bad_status"),
        ("act_status", None, "bad_status"),
        ("act_status", 7, "bad_status"),
        ("act_status", {}, "bad_status"),
        ("act_status", {"idx": -1}, "bad_status"),
        ("act_status", {"idx": True}, "bad_status"),
        ("act_status", {"idx": 2**31}, "bad_status"),
        ("act_status", {"idx": 1, "uri": None}, "bad_status"),
    ],
)
def test_sec_04_status_references_have_their_form(name: str, value: Any, code: str) -> None:
    assert code_of({**CLAIMS, name: value}) == code
    alone = {each: CLAIMS[each] for each in CLAIMS if each != "status"}
    if name == "act_status":
        assert code_of({**alone, name: value}) == code
        assert code_of({**alone, name: {"idx": 1}}) == "bad_status"


@pytest.mark.parametrize("uri", [None, "https://license.example.com/v1/status/0"], ids=["left out", "named again"])
def test_sec_27_one_list_has_one_oldest_version_however_often_it_is_named(uri: str | None) -> None:
    address = "https://license.example.com/v1/status/0"
    listed = {"status_list": {"idx": 4711, "uri": address}}
    seat = {"idx": 92} if uri is None else {"idx": 92, "uri": uri}
    grant = verified({**CLAIMS, "status": listed, "status_min": [0, 17], "act_status": seat})
    assert grant.activation_status_ref == StatusRef(uri=address, index=92, minimum=(0, 17))
    own = verified({**CLAIMS, "status": listed, "status_min": [0, 17], "act_status": {**seat, "min": [0, 18]}})
    assert own.activation_status_ref is not None
    assert own.activation_status_ref.minimum == (0, 18)


def test_unknown_claims_are_ignored_because_the_format_grows_by_addition() -> None:
    more: dict[str, Any] = {
        "x": 1,
        "license_key": None,
        "email": "a@example.com",
        "admin": True,
        "crit": ["x"],
        "ttl": {"a": []},
    }
    assert verified({**CLAIMS, **more}) == GRANT
    assert verified({**CLAIMS, "pol": {**CLAIMS["pol"], "later": [1]}}) == GRANT


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "machine-file"}, "kind"),
        ({"offline_until": None}, "end"),
        ({"offline_until": Instant(ISSUED_AT)}, "nbf < exp"),
        ({"offline_until": Instant(ISSUED_AT + MAX_LIFETIME_SECONDS + 1)}, "ten years"),
        ({"product": ""}, "aud"),
        ({"device": "a\nb"}, "dev"),
        ({"license_id": "x" * 256}, "sub"),
        ({"entitlements": (Entitlement(key="Not A Key"),)}, "key"),
        ({"entitlements": tuple(Entitlement(key=f"feature-{number}") for number in range(300))}, "8 KiB"),
        ({"entitlements": tuple(Entitlement(key=f"feature-{number}") for number in range(400))}, "8192"),
        ({"policy": replace(GRANT.policy, grace_seconds=-1)}, "grace"),
    ],
)
def test_what_would_not_verify_is_not_signed(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        issue_license_token(replace(GRANT, **change), SIGNER)
    assert raised.value.code == "bad_grant"


def test_one_flipped_bit_never_verifies() -> None:
    data = TOKEN.encode()
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            with pytest.raises(CarnetError):
                verify_license_token(bytes(flipped), RING)


def test_sec_08_no_substituted_byte_verifies() -> None:
    data = TOKEN.encode()
    for position in range(len(data)):
        for value in range(256):
            if data[position] == value:
                continue
            changed = data[:position] + bytes([value]) + data[position + 1 :]
            with pytest.raises((MalformedError, NotGenuineError)):
                verify_license_token(changed, RING)


def test_every_truncation_and_every_inserted_character_is_refused() -> None:
    for end in range(len(TOKEN)):
        with pytest.raises((MalformedError, NotGenuineError)):
            verify_license_token(TOKEN[:end], RING)
    for position in range(len(TOKEN) + 1):
        for inserted in ("A", ".", " ", "\n", "="):
            with pytest.raises((MalformedError, NotGenuineError)):
                verify_license_token(TOKEN[:position] + inserted + TOKEN[position:], RING)


def test_another_installations_token_is_not_genuine() -> None:
    foreign = issue_license_token(GRANT, OTHER_SIGNER)
    with pytest.raises(NotGenuineError) as raised:
        verify_license_token(foreign, RING)
    assert raised.value.code == "unknown_key"


def test_verification_is_not_memoised() -> None:
    """The second call does all the work of the first: a key that starts to fail is noticed."""
    calls: list[bytes] = []
    key = RING.find("token", SIGNER.kid)
    verify_license_token(TOKEN, RING)
    check = key._check
    assert check is not None

    def counting(signature: bytes, message: bytes) -> None:
        calls.append(message)
        check(signature, message)

    object.__setattr__(key, "_check", counting)
    try:
        for _ in range(3):
            verify_license_token(TOKEN, RING)
    finally:
        object.__setattr__(key, "_check", check)
    assert len(calls) == 3

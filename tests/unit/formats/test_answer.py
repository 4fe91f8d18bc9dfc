"""The answer proof: authentic, bound to its question, and kept as a tombstone when it is a refusal (SEC-30)."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import Refusal
from carnet.formats.answer import (
    LIFETIME_SECONDS,
    TYP,
    Answer,
    answer_to_refusal,
    check_binding,
    digest_artifacts,
    issue_answer,
    verify_answer,
)
from carnet.formats.encoding import sha256_b64url
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import KeyRing
from support.tokens import DEVICE, HEADER, ISSUED_AT, SIGNER, TOKEN, forge

RING = KeyRing.single("answer", SIGNER.public_key)
GRANTED = Answer(
    id="ans-1",
    issuer="installation-1",
    nonce="q1W2e3R4t5Y6u7I8o9P0aa",
    action="refresh",
    outcome="granted",
    at=ISSUED_AT,
    product="hustl",
    device=DEVICE,
    license_id="license-1",
    activation_id="activation-1",
    artifacts=digest_artifacts({"token": TOKEN, "machine_file": "-----BEGIN MACHINE FILE-----"}),
)
REFUSED = replace(
    GRANTED,
    id="ans-2",
    action="activate",
    outcome="refused",
    code="license_revoked",
    reasons=("license_revoked", "license_expired"),
    activation_id=None,
    artifacts=(),
)
CLAIMS = unverified_jws(issue_answer(GRANTED, SIGNER), max_bytes=8192, what="It")[1]
REFUSED_CLAIMS = unverified_jws(issue_answer(REFUSED, SIGNER), max_bytes=8192, what="It")[1]
BINDING: dict[str, Any] = {
    "nonce": GRANTED.nonce,
    "action": "refresh",
    "product": "hustl",
    "device": DEVICE,
    "artifacts": GRANTED.artifacts,
}


def verified(claims: dict[str, Any]) -> Answer:
    return verify_answer(forge({**HEADER, "typ": TYP}, claims), RING)


def code_of(claims: dict[str, Any]) -> str:
    with pytest.raises(MalformedError) as raised:
        verified(claims)
    return raised.value.code


@pytest.mark.parametrize(
    "answer",
    [
        GRANTED,
        REFUSED,
        replace(REFUSED, device=None, license_id=None, code="license_not_found", reasons=("license_not_found",)),
        replace(GRANTED, action="validate", device=None, artifacts=()),
        replace(GRANTED, at=Instant(MAX_INSTANT - 1)),
    ],
)
def test_what_is_issued_is_what_is_verified(answer: Answer) -> None:
    text = issue_answer(answer, SIGNER)
    assert verify_answer(text, RING) == answer
    assert verify_answer(text.encode(), RING) == answer
    assert issue_answer(answer, SIGNER) == text


def test_the_claims_are_those_of_the_specification() -> None:
    assert {
        "iss": "installation-1",
        "aud": "hustl",
        "jti": "ans-1",
        "iat": ISSUED_AT,
        "nbf": ISSUED_AT,
        "exp": ISSUED_AT + LIFETIME_SECONDS,
        "nonce": GRANTED.nonce,
        "action": "refresh",
        "outcome": "granted",
        "dev": DEVICE,
        "sub": "license-1",
        "act": "activation-1",
        "artifacts": {"token": sha256_b64url(TOKEN.encode()), "machine_file": dict(GRANTED.artifacts)["machine_file"]},
    } == CLAIMS
    assert REFUSED_CLAIMS["code"] == "license_revoked"
    assert REFUSED_CLAIMS["reasons"] == ["license_revoked", "license_expired"]
    assert REFUSED_CLAIMS["artifacts"] == {}


@pytest.mark.parametrize("name", ["iss", "aud", "jti", "iat", "nbf", "exp", "nonce", "action", "outcome", "artifacts"])
def test_sec_04_a_required_claim_must_be_there(name: str) -> None:
    assert code_of({each: CLAIMS[each] for each in CLAIMS if each != name}) == "missing_claim"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": ""}, "bad_claim"),
        ({"aud": ["hustl"]}, "bad_claim"),
        ({"jti": None}, "bad_claim"),
        ({"dev": None}, "bad_claim"),
        ({"sub": 1}, "bad_claim"),
        ({"act": ""}, "bad_claim"),
        ({"iat": True}, "bad_claim"),
        ({"iat": str(ISSUED_AT)}, "bad_claim"),
        ({"nbf": None}, "bad_claim"),
        ({"exp": 0}, "bad_claim"),
        ({"exp": ISSUED_AT}, "bad_times"),
        ({"nbf": ISSUED_AT - 1}, "bad_times"),
        ({"exp": ISSUED_AT + 3650 * 86400 + 1}, "bad_times"),
        ({"nonce": ""}, "bad_claim"),
        ({"nonce": "x" * 129}, "bad_claim"),
        ({"nonce": "a b"}, "bad_claim"),
        ({"nonce": "é"}, "bad_claim"),
        ({"nonce": 1}, "bad_claim"),
        ({"action": "issue"}, "bad_claim"),
        ({"action": ["refresh"]}, "bad_claim"),
        ({"outcome": "maybe"}, "bad_claim"),
        ({"outcome": True}, "bad_claim"),
        ({"outcome": "refused"}, "bad_claim"),
        ({"code": "license_revoked"}, "bad_claim"),
        ({"code": None}, "bad_claim"),
        ({"reasons": []}, "bad_claim"),
        ({"reasons": ["x"]}, "bad_claim"),
        ({"artifacts": []}, "bad_claim"),
        ({"artifacts": {"token": "AAAA"}}, "bad_claim"),
        ({"artifacts": {"token": 1}}, "bad_claim"),
        ({"artifacts": {"to ken": sha256_b64url(b"")}}, "bad_claim"),
        ({"artifacts": {"token": sha256_b64url(b"") + "="}}, "bad_base64"),
        ({"artifacts": {f"a{number}": sha256_b64url(b"") for number in range(17)}}, "bad_claim"),
    ],
)
def test_sec_04_claims_have_exactly_their_form(change: dict[str, Any], code: str) -> None:
    assert code_of({**CLAIMS, **change}) == code


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "granted"},
        {"code": "license_expired"},
        {"code": ""},
        {"code": None},
        {"code": "License"},
        {"reasons": []},
        {"reasons": "license_revoked"},
        {"reasons": ["license_revoked", 1]},
        {"reasons": ["license_revoked"] * 33},
        {"reasons": [["license_revoked"]]},
    ],
)
def test_a_refusal_has_its_reasons_with_the_main_one_first(change: dict[str, Any]) -> None:
    assert code_of({**REFUSED_CLAIMS, **change}) == "bad_claim"
    assert verified({**REFUSED_CLAIMS, "later": 1}) == REFUSED


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "q1W2e3R4t5Y6u7I8o9P0ab"},
        {"nonce": ""},
        {"action": "activate"},
        {"product": "hustl2"},
        {"product": "HUSTL"},
        {"device": None},
        {"device": DEVICE.upper()},
        {"device": DEVICE[:-1] + "5"},
        {"artifacts": ()},
        {"artifacts": GRANTED.artifacts[:1]},
        {"artifacts": digest_artifacts({"token": TOKEN, "machine_file": "swapped"})},
        {"artifacts": (*GRANTED.artifacts, ("zz", sha256_b64url(b"")))},
    ],
)
def test_sec_30_an_answer_to_another_question_is_not_taken(change: dict[str, Any]) -> None:
    check_binding(GRANTED, **BINDING)
    with pytest.raises(NotGenuineError) as raised:
        check_binding(GRANTED, **{**BINDING, **change})
    assert raised.value.code == "answer_not_bound"


def test_a_refusal_becomes_a_tombstone() -> None:
    assert answer_to_refusal(REFUSED) == Refusal(
        id="ans-2", code="license_revoked", at=ISSUED_AT, product="hustl", license_id="license-1", device=DEVICE
    )
    with pytest.raises(UsageError) as raised:
        answer_to_refusal(GRANTED)
    assert raised.value.code == "not_a_refusal"


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": ""},
        {"outcome": "refused"},
        {"code": "x"},
        {"product": ""},
        {"at": Instant(0)},
        {"artifacts": GRANTED.artifacts[::-1]},
        {"artifacts": GRANTED.artifacts * 2},
        {"artifacts": (("token", "short"),)},
    ],
)
def test_what_would_not_verify_is_not_signed(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as raised:
        issue_answer(replace(GRANTED, **change), SIGNER)
    assert raised.value.code == "bad_answer"


def test_one_flipped_bit_never_verifies() -> None:
    data = issue_answer(REFUSED, SIGNER).encode()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(CarnetError):
            verify_answer(bytes(flipped), RING)

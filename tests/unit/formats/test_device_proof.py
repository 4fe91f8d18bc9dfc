"""The device proof: only the device's key, only this request, only now (SEC-45)."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.core.instant import Instant
from carnet.formats.device_proof import (
    LEEWAY_SECONDS,
    TYP,
    DeviceProof,
    make_device_proof,
    verify_device_proof,
)
from carnet.formats.encoding import sha256_b64url
from support.tokens import HEADER, ISSUED_AT, OTHER_SIGNER, SIGNER, forge

REQUEST: dict[str, Any] = {"method": "POST", "path": "/v1/refresh", "body": b'{"product":"hustl"}'}
PROOF = make_device_proof(SIGNER, **REQUEST, at=ISSUED_AT, nonce="nonce-1")
CLAIMS = {
    "htm": "POST",
    "htu": "/v1/refresh",
    "body_sha256": sha256_b64url(REQUEST["body"]),
    "iat": ISSUED_AT,
    "jti": "nonce-1",
}


def verified(text: str | bytes, **change: Any) -> DeviceProof:
    return verify_device_proof(text, SIGNER.public_key, **{**REQUEST, "now": ISSUED_AT, **change})


def code_of(text: str | bytes, **change: Any) -> str:
    with pytest.raises(CarnetError) as raised:
        verified(text, **change)
    assert isinstance(raised.value, MalformedError | NotGenuineError)
    return raised.value.code


def test_a_proof_of_this_request_passes() -> None:
    assert verified(PROOF) == DeviceProof(id="nonce-1", at=ISSUED_AT)
    assert forge({**HEADER, "typ": TYP}, CLAIMS) == PROOF


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"method": "post"},
        {"path": "/v1/deactivate"},
        {"path": "/v1/refresh/"},
        {"path": "/V1/refresh"},
        {"body": b""},
        {"body": b'{"product":"hustl"} '},
    ],
)
def test_sec_45_a_proof_of_another_request_does_not_pass(change: dict[str, Any]) -> None:
    assert code_of(PROOF, **change) == "proof_not_bound"


@pytest.mark.parametrize(
    ("seconds", "good"),
    [(-301, False), (-300, True), (-299, True), (0, True), (299, True), (300, True), (301, False)],
)
def test_sec_45_a_proof_is_good_for_five_minutes_either_way(seconds: int, *, good: bool) -> None:
    now = Instant(ISSUED_AT + seconds)
    if good:
        assert verified(PROOF, now=now).id == "nonce-1"
    else:
        assert code_of(PROOF, now=now) == "proof_out_of_time"
    assert LEEWAY_SECONDS == 300
    assert code_of(PROOF, now=Instant(ISSUED_AT + 11), leeway_seconds=10) == "proof_out_of_time"


def test_sec_45_another_key_does_not_pass() -> None:
    assert code_of(make_device_proof(OTHER_SIGNER, **REQUEST, at=ISSUED_AT, nonce="n")) == "unknown_key"
    assert code_of(forge({**HEADER, "typ": TYP}, CLAIMS, OTHER_SIGNER)) == "bad_signature"


@pytest.mark.parametrize("name", list(CLAIMS))
def test_sec_04_every_claim_is_there_and_has_its_type(name: str) -> None:
    header = {**HEADER, "typ": TYP}
    assert code_of(forge(header, {each: CLAIMS[each] for each in CLAIMS if each != name})) == "missing_claim"
    wrong: tuple[Any, ...] = (None, True, [], {}, "1790000000" if name == "iat" else "", -1)
    for value in wrong:
        assert code_of(forge(header, {**CLAIMS, name: value})) == "bad_claim"


def test_the_size_is_bounded() -> None:
    assert code_of(PROOF + "A" * 2048) == "too_large"

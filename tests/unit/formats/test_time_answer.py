"""specs/time.md: the signed time is bound to its nonce, its key role and its one spelling."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.jws import sign_jws
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.time_answer import TYP, TimeAnswer, is_nonce, issue_time_answer, verify_time_answer

SIGNER = Ed25519Signer(bytes(range(32)))
RING = KeyRing.single("time", SIGNER.public_key)
AT = Instant(1_795_339_800)
ANSWER = TimeAnswer(id="0193f2d4", issuer="11111111", nonce="n-1", at=AT)
CLAIMS: dict[str, Any] = {
    "iss": "11111111",
    "jti": "0193f2d4",
    "nonce": "n-1",
    "iat": int(AT),
    "nbf": int(AT),
    "exp": int(AT) + 300,
}

nonces = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


@given(nonces, st.integers(1, MAX_INSTANT - 300))
def test_what_is_issued_verifies_to_the_same(nonce: str, at: int) -> None:
    answer = TimeAnswer(id="id", issuer="iss", nonce=nonce, at=Instant(at))
    assert verify_time_answer(issue_time_answer(answer, SIGNER), RING, nonce=nonce) == answer


def test_sec_30_an_answer_to_another_nonce_is_refused() -> None:
    with pytest.raises(NotGenuineError) as caught:
        verify_time_answer(issue_time_answer(ANSWER, SIGNER), RING, nonce="n-2")
    assert caught.value.code == "answer_not_bound"


def test_sec_03_a_key_of_another_role_signs_no_time() -> None:
    with pytest.raises(NotGenuineError) as caught:
        verify_time_answer(issue_time_answer(ANSWER, SIGNER), KeyRing.single("token", SIGNER.public_key), nonce="n-1")
    assert caught.value.code == "unknown_key"


def test_sec_03_another_kind_of_artifact_is_no_time() -> None:
    with pytest.raises(MalformedError) as caught:
        verify_time_answer(sign_jws(CLAIMS, typ="carnet-license+jwt", signer=SIGNER), RING, nonce="n-1")
    assert caught.value.code == "wrong_type"


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_sec_04_every_claim_is_needed(claim: str) -> None:
    rest = {name: value for name, value in CLAIMS.items() if name != claim}
    with pytest.raises(MalformedError) as caught:
        verify_time_answer(sign_jws(rest, typ=TYP, signer=SIGNER), RING, nonce="n-1")
    assert caught.value.code == "missing_claim"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iat", "1795339800"),
        ("iat", True),
        ("iat", None),
        ("iat", 0),
        ("iat", int(AT) + 1),
        ("nbf", int(AT) - 1),
        ("nbf", int(AT) + 300),
        ("nbf", None),
        ("exp", int(AT)),
        ("exp", MAX_INSTANT + 1),
        ("exp", "x"),
        ("iss", ""),
        ("iss", 5),
        ("jti", "a\nb"),
        ("jti", "x" * 256),
        ("nonce", 5),
        ("nonce", ""),
        ("nonce", "a b"),
    ],
)
def test_sec_04_claims_have_their_exact_types_and_bounds(claim: str, value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        verify_time_answer(sign_jws({**CLAIMS, claim: value}, typ=TYP, signer=SIGNER), RING, nonce="n-1")
    assert caught.value.code == "bad_claim"


def test_an_unchanged_set_of_claims_is_accepted_so_the_table_above_has_teeth() -> None:
    assert verify_time_answer(sign_jws(CLAIMS, typ=TYP, signer=SIGNER), RING, nonce="n-1") == ANSWER


@pytest.mark.parametrize("nonce", ["", "a b", "é", "\x7f", "x" * 129])
def test_no_answer_is_issued_for_what_is_not_a_nonce(nonce: str) -> None:
    assert not is_nonce(nonce)
    with pytest.raises(UsageError) as caught:
        issue_time_answer(TimeAnswer(id="i", issuer="i", nonce=nonce, at=AT), SIGNER)
    assert caught.value.code == "bad_nonce"


def test_one_flipped_bit_never_verifies() -> None:
    token = issue_time_answer(ANSWER, SIGNER).encode()
    for index in range(len(token)):
        changed = bytearray(token)
        changed[index] ^= 1
        with pytest.raises((MalformedError, NotGenuineError)):
            verify_time_answer(bytes(changed), RING, nonce="n-1")


def test_a_clock_at_the_last_second_still_gives_an_answer_with_an_end() -> None:
    late = TimeAnswer(id="i", issuer="i", nonce="n", at=Instant(MAX_INSTANT - 1))
    assert verify_time_answer(issue_time_answer(late, SIGNER), RING, nonce="n") == late

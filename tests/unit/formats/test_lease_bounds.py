"""specs/lease.md §2 to §4: every claim, every bound, every refusal of the lease token."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder
from carnet.formats.jws import sign_jws, unverified_jws
from carnet.formats.keys import Ed25519Signer, KeyRing
from carnet.formats.lease import LeaseToken, issue_lease_token, verify_lease_token

TYP = "carnet-lease+jwt"
SIGNER = Ed25519Signer(bytes(range(32)))
RING = KeyRing.single("lease", SIGNER.public_key)
AT = 1_795_339_800
LAST = 253_402_300_799
TEN_YEARS = 10 * 365 * 86_400
TOKEN = LeaseToken(
    id="token-1",
    issuer="installation-1",
    product="hustl",
    license_id="license-1",
    lease_id="lease-1",
    holder=LeaseHolder(kind="process", id="pid 7"),
    issued_at=Instant(AT),
    expires_at=Instant(AT + 600),
)
CLAIMS: dict[str, Any] = {
    "iss": "installation-1",
    "aud": "hustl",
    "sub": "license-1",
    "jti": "token-1",
    "iat": AT,
    "nbf": AT,
    "exp": AT + 600,
    "lease": "lease-1",
    "holder": {"kind": "process", "id": "pid 7"},
}


def signed(**changes: Any) -> str:
    return sign_jws({**CLAIMS, **changes}, typ=TYP, signer=SIGNER)


def code_of(**changes: Any) -> str | None:
    """What a token of these claims is refused with; None where it is not."""
    try:
        verify_lease_token(signed(**changes), RING)
    except MalformedError as refused:
        told = (refused.code, refused.message[:15], refused.fix)
    else:
        return None
    assert told[1:] == ("The lease token", "Claim the lease again.")
    return told[0]


def test_the_claims_are_those_of_the_spec() -> None:
    header, claims = unverified_jws(issue_lease_token(TOKEN, SIGNER), max_bytes=4096, what="It")
    assert claims == CLAIMS
    assert header["typ"] == TYP
    _, borrowed = unverified_jws(issue_lease_token(replace(TOKEN, is_borrowed=True), SIGNER), max_bytes=4096, what="It")
    assert borrowed == {**CLAIMS, "borrowed": True}


def test_what_is_signed_elsewhere_reads_the_same() -> None:
    assert verify_lease_token(signed(), RING) == TOKEN
    assert verify_lease_token(signed().encode(), RING) == TOKEN
    assert verify_lease_token(signed(borrowed=True), RING) == replace(TOKEN, is_borrowed=True)
    assert verify_lease_token(signed(more={"of": "tomorrow"}), RING) == TOKEN


TEXTS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)


@given(
    st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS),
    st.sampled_from(["device", "process", "user"]),
    st.integers(1, LAST - 1),
    st.integers(1, TEN_YEARS),
    st.booleans(),
)
def test_what_is_issued_verifies_to_the_same(
    texts: tuple[str, ...],
    kind: Any,
    issued: int,
    lasts: int,
    borrowed: bool,  # noqa: FBT001
) -> None:
    token = LeaseToken(
        id=texts[0],
        issuer=texts[1],
        product=texts[2],
        license_id=texts[3],
        lease_id=texts[4],
        holder=LeaseHolder(kind=kind, id=texts[5]),
        issued_at=Instant(issued),
        expires_at=Instant(min(issued + lasts, LAST)),
        is_borrowed=borrowed,
    )
    assert verify_lease_token(issue_lease_token(token, SIGNER), RING) == token


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_sec_04_every_claim_is_needed(claim: str) -> None:
    rest = {name: value for name, value in CLAIMS.items() if name != claim}
    with pytest.raises(MalformedError) as caught:
        verify_lease_token(sign_jws(rest, typ=TYP, signer=SIGNER), RING)
    assert caught.value.code == "missing_claim"
    assert caught.value.message == f"The lease token has no {claim}."


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "lease"])
def test_texts_are_1_to_255_printable_characters(claim: str) -> None:
    for right in ("a", "ä" * 255, "a b"):
        assert code_of(**{claim: right}) is None
    wrong_ones: list[Any] = ["", "a" * 256, "a\nb", None, 5, True, ["a"], {}]
    assert [code_of(**{claim: wrong}) for wrong in wrong_ones] == ["bad_claim"] * 8


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("wrong", [0, -1, LAST + 1, "1795339800", True, None, [AT]])
def test_times_are_whole_seconds_within_what_can_be_written(claim: str, wrong: object) -> None:
    with pytest.raises(CarnetError) as caught:
        verify_lease_token(signed(**{claim: wrong}), RING)
    assert caught.value.code == "bad_claim"


@pytest.mark.parametrize(
    ("iat", "nbf", "exp", "code"),
    [
        (AT, AT, AT + 1, None),
        (AT, AT, AT, "bad_times"),
        (AT, AT, AT - 1, "bad_times"),
        (AT, AT - 1, AT + 1, "bad_times"),
        (AT, AT + 1, AT + 2, None),
        (AT, AT + 2, AT + 2, "bad_times"),
        (AT, AT + 3, AT + 2, "bad_times"),
        (AT, AT, AT + TEN_YEARS, None),
        (AT, AT, AT + TEN_YEARS + 1, "bad_times"),
        (AT, AT + 1, AT + TEN_YEARS + 1, "bad_times"),  # it counts from iat
        (1, 1, 2, None),
        (LAST - 1, LAST - 1, LAST, None),
    ],
)
def test_the_times_are_in_order_and_at_most_ten_years_apart(iat: int, nbf: int, exp: int, code: str | None) -> None:
    assert code_of(iat=iat, nbf=nbf, exp=exp) == code


@pytest.mark.parametrize("wrong", [False, None, 1, "true", []])
def test_borrowed_is_true_or_not_there(wrong: object) -> None:
    assert code_of(borrowed=wrong) == "bad_claim"
    assert code_of(borrowed=True) is None


@pytest.mark.parametrize(
    "holder",
    [
        {"kind": "device", "id": "a"},
        {"kind": "process", "id": "a"},
        {"kind": "user", "id": "a" * 255},
        {"kind": "user", "id": "a", "more": 1},
    ],
)
def test_a_holder_is_a_kind_and_an_id(holder: dict[str, Any]) -> None:
    assert code_of(holder=holder) is None


@pytest.mark.parametrize(
    "holder",
    [
        "user:ada",
        None,
        [],
        {},
        {"kind": "user"},
        {"id": "ada"},
        {"kind": "robot", "id": "ada"},
        {"kind": "User", "id": "ada"},
        {"kind": None, "id": "ada"},
        {"kind": ["user"], "id": "ada"},
        {"kind": "user", "id": ""},
        {"kind": "user", "id": "a" * 256},
        {"kind": "user", "id": "a\nb"},
        {"kind": "user", "id": 5},
        {"kind": "user", "id": None},
    ],
)
def test_other_holders_are_refused(holder: object) -> None:
    assert code_of(holder=holder) == "bad_claim"


@pytest.mark.parametrize(
    "changes",
    [
        {"product": ""},
        {"id": "a" * 256},
        {"expires_at": Instant(AT)},
        {"issued_at": Instant(0)},
        {"expires_at": Instant(AT + TEN_YEARS + 1)},
        {"holder": LeaseHolder(kind="user", id="")},
        {"holder": LeaseHolder(kind="robot", id="ada")},  # type: ignore[arg-type]
    ],
)
def test_what_no_reader_would_take_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        issue_lease_token(replace(TOKEN, **changes), SIGNER)
    assert caught.value.code == "bad_lease"
    assert caught.value.fix
    assert caught.value.message.startswith("This cannot be a lease token: The lease token")


def test_sec_10_a_token_is_at_most_4096_bytes() -> None:
    empty = len(signed(pad=""))
    padded = [text for size in range(4096 - empty) if 4095 <= len(text := signed(pad="a" * size)) <= 4098]
    sizes = {len(text): text for text in padded}
    assert 4096 in sizes or 4095 in sizes
    for size, text in sizes.items():
        if size <= 4096:
            assert verify_lease_token(text, RING) == TOKEN
    with pytest.raises(MalformedError) as caught:
        verify_lease_token("a" * 4097, RING)
    assert caught.value.code == "too_large"
    with pytest.raises(MalformedError) as caught:
        verify_lease_token("a" * 4096, RING)
    assert caught.value.code == "bad_compact"


def test_sec_03_a_key_of_another_role_gives_no_leases() -> None:
    with pytest.raises(NotGenuineError) as caught:
        verify_lease_token(signed(), KeyRing.single("token", SIGNER.public_key))
    assert caught.value.code == "unknown_key"


def test_sec_03_another_kind_of_artifact_is_no_lease() -> None:
    with pytest.raises(MalformedError) as caught:
        verify_lease_token(sign_jws(CLAIMS, typ="carnet-license+jwt", signer=SIGNER), RING)
    assert caught.value.code == "wrong_type"


def test_another_signature_is_refused() -> None:
    head, _, tail = signed().rpartition(".")
    other = signed(lease="lease-2").rpartition(".")[2]
    assert tail != other
    with pytest.raises(NotGenuineError) as caught:
        verify_lease_token(f"{head}.{other}", RING)
    assert caught.value.code == "bad_signature"

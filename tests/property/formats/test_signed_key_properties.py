"""What holds for every signed license key (specs/signed-license-key.md; SEC-08, SEC-11)."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carnet.core.decision import Evidence, Host
from carnet.core.errors import MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.base32_groups import locate_typing_errors, read_groups, write_groups
from carnet.formats.license_key import ALPHABET
from carnet.formats.signed_key import canonical_signed_key, issue_signed_key, issue_signed_keys, verify_signed_key
from carnet.formats.signed_key_payload import read_payload, write_payload
from support.signed_key_oracle import read as read_by_the_spec
from support.signed_keys import FACTS, OTHER_SIGNER, RING, RULES, SIGNER, TRUSTED, key_grant, key_grants, signed

PAYLOADS = [write_payload(key_grant(**changes), SIGNER.kid) for changes in ({}, RULES, FACTS, {"device": "web-1x2y3z"})]


def issued(grant: Grant) -> str:
    """The key of *grant*; the example is skipped where it is too long for one."""
    try:
        return issue_signed_key(grant, SIGNER)
    except UsageError as refused:
        assume("480" not in refused.message)
        raise


@given(key_grants())
def test_what_is_issued_verifies_to_the_same_grant(grant: Grant) -> None:
    key = issued(grant)
    assert verify_signed_key(key, RING) == grant
    assert issue_signed_key(verify_signed_key(key, RING), SIGNER) == key == canonical_signed_key(key)
    assert list(issue_signed_keys([grant, grant], SIGNER)) == [key, key]


@given(key_grants())
def test_the_specification_reads_the_same(grant: Grant) -> None:
    facts = read_by_the_spec(issued(grant), TRUSTED)
    assert facts is not None
    assert (facts["product"], facts["license"], facts["issued"]) == (grant.product, grant.license_id, grant.issued_at)
    assert facts.get("1") == grant.license_expires_at
    assert facts.get("2") == grant.license_starts_at
    assert facts.get("3", facts.get("4")) == grant.device
    assert facts.get("5", []) == [entitlement.key for entitlement in grant.entitlements]
    assert facts.get("18") == grant.customer


@given(key_grants(), st.integers(0, 10**11), st.sampled_from(["hustl", "other"]))
def test_a_key_never_speaks_of_an_offline_window(grant: Grant, now: int, product: str) -> None:
    decision = decide(Evidence(grants=(grant,)), Instant(now), Host(product=product))
    assert decision.offline_until is None
    assert not any(reason.code.startswith("offline_window") for reason in decision.reasons)


def refused_or_granted(key: str) -> tuple[str, Grant | None]:
    """The code of the refusal, or what *key* grants."""
    try:
        return "", verify_signed_key(key, RING)
    except MalformedError as refused:
        return refused.code, None


def pieces_of(payload: bytes) -> st.SearchStrategy[bytes]:
    """Any up to 40 bytes in a row of *payload*."""
    return st.builds(lambda at, size: payload[at : at + size], st.integers(2, len(payload)), st.integers(0, 40))


def mutations() -> st.SearchStrategy[bytes]:
    """Genuine payloads with bytes replaced, put in, taken out, repeated, and pieces of others put in."""

    @st.composite
    def mutated(draw: st.DrawFn) -> bytes:
        payload = bytearray(draw(st.sampled_from(PAYLOADS)))
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(2, len(payload)))
            stop = draw(st.integers(start, min(len(payload), start + 12)))
            piece = draw(
                st.one_of(
                    st.binary(max_size=3),
                    st.sampled_from(
                        [b"", b"\0", b"\x80", b"\x80\0", b"\xff\xff\xff\xff\x7f", bytes(payload[start:stop])]
                    ),
                    st.sampled_from(PAYLOADS).flatmap(pieces_of),
                )
            )
            payload[start:stop] = piece
        return bytes(payload)

    return mutated()


@given(mutations())
def test_sec_11_damaged_payloads_under_a_genuine_signature_are_judged_as_by_the_specification(payload: bytes) -> None:
    assume(len(payload) < 180)
    key = signed(payload)
    facts = read_by_the_spec(key, TRUSTED)
    code, grant = refused_or_granted(key)
    if grant is None:
        # The specification's reader does not know the list of placeholders.
        assert facts is None or code == "placeholder_fingerprint"
    else:
        assert facts is not None
        assert write_payload(grant, SIGNER.kid) == payload
        assert len(key) > 480 or issue_signed_key(grant, SIGNER) == key


@given(st.binary(max_size=170))
def test_sec_11_reading_any_payload_raises_nothing_but_malformed(payload: bytes) -> None:
    try:
        grant = read_payload(PAYLOADS[0][:2] + payload, SIGNER.kid)
    except MalformedError:
        return
    assert write_payload(grant, SIGNER.kid) == PAYLOADS[0][:2] + payload


@given(st.one_of(st.text(max_size=520), st.text(ALPHABET + "-oil ", max_size=520)))
def test_sec_11_verifying_any_text_raises_nothing_but_our_errors(text: str) -> None:
    with pytest.raises((MalformedError, NotGenuineError)):
        verify_signed_key(text, RING)
    assert canonical_signed_key(text) is None


@given(st.binary(min_size=1, max_size=230), st.data())
def test_one_wrong_symbol_and_any_swap_within_a_group_never_pass(data: bytes, draw: st.DataObject) -> None:
    flat = write_groups(data).replace("-", "")
    place = draw.draw(st.integers(0, len(flat) - 1))
    if draw.draw(st.booleans()):
        changed = flat[:place] + draw.draw(st.sampled_from(ALPHABET)) + flat[place + 1 :]
    else:
        first = place - place % 8
        other = draw.draw(st.integers(first, min(first + 7, len(flat) - 1)))
        symbols = list(flat)
        symbols[place], symbols[other] = symbols[other], symbols[place]
        changed = "".join(symbols)
    if changed == flat:
        assert locate_typing_errors(changed) == ()
        return
    errors = locate_typing_errors(changed)
    assert errors[0].group == place // 8 + 1 or errors[0].problem == "end_missing"
    with pytest.raises(MalformedError):
        read_groups(changed)


@given(st.text(ALPHABET + "-U", max_size=200))
def test_a_text_is_read_exactly_if_no_error_is_located(text: str) -> None:
    code = ""
    try:
        data = read_groups(text)
    except MalformedError as refused:
        code = refused.code
    assert (code == "mistyped_key") == (locate_typing_errors(text) != ())
    if not code:
        assert read_groups(write_groups(data)) == data


@given(key_grants(), st.sampled_from([b"", b"machine/", b"carnet/v1/license-key\0"]), st.booleans())
def test_only_the_trusted_key_signs_for_this_purpose(grant: Grant, prefix: bytes, other: bool) -> None:  # noqa: FBT001
    payload = write_payload(grant, SIGNER.kid)
    assume(len(payload) < 170)
    signer = OTHER_SIGNER if other else SIGNER
    with pytest.raises(NotGenuineError):
        verify_signed_key(write_groups(payload + signer.sign(prefix + payload)), RING)

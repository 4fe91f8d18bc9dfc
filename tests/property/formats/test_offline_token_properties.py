"""What holds for every offline token (specs/offline-token.md; SEC-11)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import MalformedError, NotGenuineError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy
from carnet.formats.offline_token import issue_offline_token, verify_offline_token
from carnet.formats.strict_json import dump_json
from support.offline_token_oracle import read as read_by_the_spec
from support.offline_tokens import CONTRACT, CONTRACT_KEY, GRANT, RING, SIGNER, TOKEN, resigned
from support.signed_keys import DEVICES, KEYS, maybe

TRUSTED = {SIGNER.kid: SIGNER.public_key.raw}
LICENSE_KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
SLUGS = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4}){0,3}", fullmatch=True)
SPANS = st.one_of(st.sampled_from([1, 2, DAY, 3650 * DAY]), st.integers(1, 3650 * DAY))
STRINGS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(STRINGS, inner, max_size=3)),
    max_leaves=6,
)
METADATA = st.dictionaries(STRINGS, VALUES, max_size=4)


@st.composite
def token_grants(draw: st.DrawFn) -> Grant:
    """Grants that the contract has a token for."""
    issued_at = draw(st.integers(1, 4_000_000_000))
    wait, span, term = draw(st.integers(0, DAY)), draw(SPANS), draw(maybe(SPANS))
    times = maybe(st.integers(-100, 10**9).map(lambda seconds: Instant(max(1, issued_at + seconds))))
    keys = draw(st.lists(KEYS, max_size=4, unique=True))
    return Grant(
        kind="token",
        id=draw(st.text(min_size=1, max_size=5)),
        issuer="installation-1",
        product=draw(SLUGS),
        license_id="license-1",
        issued_at=Instant(issued_at),
        not_before=Instant(issued_at + wait),
        offline_until=Instant(issued_at + wait + span),
        policy=Policy(
            name=draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9).filter(str.isprintable)),
            grace_seconds=draw(st.integers(0, 30 * DAY)),
            seat_limit=draw(maybe(st.integers(1, 10**9))),
        ),
        device=draw(DEVICES),
        license_expires_at=None if term is None else Instant(issued_at + wait + term),
        entitlements=tuple(Entitlement(key=key, expires_at=draw(times)) for key in keys),
    )


@given(
    grant=token_grants(),
    license_key=LICENSE_KEYS,
    metadata=METADATA,
    mode=st.sampled_from(["hardware_locked", "floating", "named_user"]),
)
def test_what_is_issued_verifies_to_what_the_contract_can_say_of_it(
    grant: Grant, license_key: str, metadata: dict[str, Any], mode: Any
) -> None:
    issued = issue_offline_token(grant, license_key=license_key, signer=SIGNER, mode=mode, metadata=metadata)
    read = verify_offline_token(issued.encode(), RING, license_key=license_key)
    assert grant.offline_until is not None
    ends = [grant.offline_until + grant.policy.grace_seconds]
    ends += [] if grant.license_expires_at is None else [grant.license_expires_at]
    kept = tuple(each for each in grant.entitlements if each.expires_at is None or each.expires_at > grant.issued_at)
    assert read.offline_until == min(ends)
    assert read.entitlements == kept
    for member in ("kind", "product", "issued_at", "not_before", "device", "license_expires_at"):
        assert getattr(read, member) == getattr(grant, member)
    assert (read.policy.name, read.policy.seat_limit) == (grant.policy.name, grant.policy.seat_limit)
    # Once in the contract's form, nothing more is lost.
    again = issue_offline_token(read, license_key=license_key, signer=SIGNER, mode=mode, metadata=metadata)
    assert again == issued
    assert verify_offline_token(again.encode(), RING) == read


@given(grant=token_grants(), license_key=LICENSE_KEYS, metadata=METADATA)
def test_the_specification_reads_the_same(grant: Grant, license_key: str, metadata: dict[str, Any]) -> None:
    issued = issue_offline_token(grant, license_key=license_key, signer=SIGNER, metadata=metadata).encode()
    token = read_by_the_spec(issued, TRUSTED)
    assert token is not None
    assert json.loads(issued)["canonical"] == json.dumps(
        token, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


ODD: st.SearchStrategy[Any] = st.one_of(
    VALUES,
    st.sampled_from([0, 1, 1790000000, 1790000001, 1792592000, 2**53, 1.0, "1", "", "inkwell", True, [], {}, None]),
    st.sampled_from([{"key": "a", "expires_at": None}, [{"key": "a", "expires_at": 1}], "floating", "org-2026-a"]),
)


ENTRIES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"key": st.one_of(KEYS, KEYS, ODD), "expires_at": st.one_of(st.none(), ODD)}),
        st.sampled_from([{"key": "a", "expires_at": 1790000001}, {"key": "a"}, None]),
    ),
    max_size=3,
)
NAMES = [*sorted(TOKEN), "license_expires_at", "extra"]


@st.composite
def mutated_tokens(draw: st.DrawFn) -> dict[str, Any]:
    """The contract's token with members replaced, removed and added."""
    token = copy.deepcopy(TOKEN)
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)):
        if draw(st.integers(0, 4)) == 0:
            token.pop(name, None)
        else:
            token[name] = draw(ENTRIES if name == "entitlements" else ODD)
    return token


@given(shown=mutated_tokens(), signed=st.none() | mutated_tokens())
def test_sec_11_damaged_tokens_under_a_genuine_signature_are_judged_as_by_the_specification(
    shown: dict[str, Any], signed: dict[str, Any] | None
) -> None:
    data = resigned(shown, canonical=None if signed is None else json.dumps(signed, ensure_ascii=False))
    expected = read_by_the_spec(data, TRUSTED)
    try:
        grant = verify_offline_token(data, RING)
    except (MalformedError, NotGenuineError):
        assert expected is None
        return
    assert expected is not None
    assert grant.product == expected["product_slug"]


@given(
    data=st.one_of(
        st.binary(max_size=300),
        VALUES.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(st.sampled_from(sorted(CONTRACT)), VALUES).map(lambda value: json.dumps(value).encode()),
    )
)
def test_sec_11_reading_anything_raises_nothing_but_our_errors(data: bytes) -> None:
    with pytest.raises((MalformedError, NotGenuineError)):
        verify_offline_token(data, RING)


@given(metadata=st.dictionaries(STRINGS, ODD, max_size=3))
def test_metadata_is_signed_as_it_is_or_refused(metadata: dict[str, Any]) -> None:
    try:
        dump_json(metadata)
    except Exception as refused:  # noqa: BLE001 - whatever the writer refuses, issuing refuses
        with pytest.raises(type(refused)):
            issue_offline_token(GRANT, license_key=CONTRACT_KEY, signer=SIGNER, metadata=metadata)
        return
    issued = issue_offline_token(replace(GRANT), license_key=CONTRACT_KEY, signer=SIGNER, metadata=metadata)
    assert json.loads(issued)["token"]["metadata"] == metadata

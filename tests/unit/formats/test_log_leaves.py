"""What the chain and the leaves are hashes of: written out by hand once, and one digest for every row."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.formats.encoding import b64url_encode
from carnet.formats.log_leaves import (
    AuditRow,
    IssuedRow,
    as_leaf,
    chain_link,
    chain_start,
    event_leaf,
    head_leaf,
    issued_leaf,
    leaf_text,
)

ROW = AuditRow(
    seq=3,
    at=1_790_000_000,
    actor_kind="operator",
    actor_id=None,
    action="license.revoked",
    object_kind="license",
    object_id="lic-1",
    details='{"reason":"fraud"}',
)
ISSUED = IssuedRow(
    jti="jti-1",
    kind="token",
    kid="kid-1",
    license_id="lic-1",
    activation_id="act-1",
    issued_at=1_790_000_000,
    expires_at=1_790_000_900,
    claims='{"cus":"Sarah"}',
)


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def of_text(text: str) -> str:
    return b64url_encode(digest(text.encode()))


def test_the_chain_is_what_the_specification_says_byte_for_byte() -> None:
    text = (
        '{"action":"license.revoked","actor_id":null,"actor_kind":"operator","at":1790000000,"details_sha256":"'
        + of_text('{"reason":"fraud"}')
        + '","object_id":"lic-1","object_kind":"license","seq":3}'
    )
    row = digest(b"carnet/audit-row/1\n", text.encode())
    start = digest(b"carnet/audit-start/1\n", b"installation-1")
    assert ROW.digest() == row
    assert chain_start("installation-1") == start
    assert chain_link(start, row) == digest(b"carnet/audit-chain/1\n", start, row)


def test_leaves_are_what_the_specification_says_byte_for_byte_and_hold_no_claims() -> None:
    issued = (
        '{"activation_id":"act-1","claims_sha256":"'
        + of_text('{"cus":"Sarah"}')
        + '","expires_at":1790000900,"issued_at":1790000000,"jti":"jti-1","kid":"kid-1","kind":"token",'
        '"license_id":"lic-1","type":"issued"}'
    )
    assert issued_leaf(ISSUED) == b"carnet/log-leaf/1\n" + issued.encode()
    event = (
        '{"action":"license.revoked","at":1790000000,"object_id":"lic-1","position":9,"row":"'
        + b64url_encode(ROW.digest())
        + '","type":"key-event"}'
    )
    assert event_leaf(9, ROW) == b"carnet/log-leaf/1\n" + event.encode()
    head = '{"hash":"' + b64url_encode(bytes(32)) + '","position":9,"type":"audit-head"}'
    assert head_leaf(9, bytes(32)) == b"carnet/log-leaf/1\n" + head.encode()
    assert leaf_text(head_leaf(9, bytes(32))) == head
    assert as_leaf(head) == head_leaf(9, bytes(32))


@pytest.mark.parametrize("name", list(AuditRow.__fields__))
def test_every_column_of_an_audit_row_counts(name: str) -> None:
    value = getattr(ROW, name)
    other = value + 1 if isinstance(value, int) else f"{value or ''}x"
    assert replace(ROW, **{name: other}).digest() != ROW.digest()


@pytest.mark.parametrize("name", list(IssuedRow.__fields__))
def test_every_column_of_the_register_counts(name: str) -> None:
    value = getattr(ISSUED, name)
    other = value + 1 if isinstance(value, int) else f"{value}x"
    assert issued_leaf(replace(ISSUED, **{name: other})) != issued_leaf(ISSUED)


ODD: Any = st.one_of(
    st.none(), st.integers(), st.binary(max_size=9), st.floats(), st.text(max_size=20), st.just("x" * 40_000)
)


@given(values=st.tuples(*([ODD] * 8)), others=st.tuples(*([ODD] * 8)))
def test_whatever_stands_in_a_database_has_one_digest_and_different_rows_different_ones(
    values: tuple[Any, ...], others: tuple[Any, ...]
) -> None:
    names = AuditRow.__fields__
    one, two = (AuditRow(**dict(zip(names, each, strict=True))) for each in (values, others))
    assert one.digest() == one.digest()
    assert (one.digest() == two.digest()) == (list(map(repr, values)) == list(map(repr, others)))


def test_a_text_and_its_hash_are_told_apart() -> None:
    odd = replace(ROW, object_id="a\0b")
    assert odd.digest() != replace(ROW, object_id=of_text("a\0b")).digest()
    assert odd.digest() != replace(ROW, object_id=f'{{"sha256":"{of_text(chr(97) + chr(0) + chr(98))}"}}').digest()
    assert replace(ROW, object_id="\ud800").digest() != replace(ROW, object_id="\ud801").digest()

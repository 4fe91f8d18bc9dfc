"""`carnet inspect` on whatever is given to it: an explanation or a code, never a secret, never a traceback."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carnet.cli.inspection.claims import claim_lines, readable
from carnet.cli.inspection.readers import as_json, explain
from carnet.cli.inspection.tables import TABLES, TITLES
from carnet.core.errors import MalformedError
from carnet.core.instant import Instant
from carnet.formats.detect import Kind
from support.decisions import ISSUED
from support.every_artifact import EVERY

NAMES = st.one_of(
    st.sampled_from(["key", "license_key", "license", "metadata", "ent", "token", "pol"]), st.text(max_size=5)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(sorted(TABLES)),
    claims=st.dictionaries(NAMES, VALUES, max_size=4),
    now=st.none() | st.just(ISSUED),
)
def test_claims_of_any_shape_are_explained(kind: str, claims: dict[str, Any], now: Instant | None) -> None:
    lines = claim_lines(kind, claims, now)
    assert all(line.name or "" in claims for line in lines)
    json.dumps(readable(kind, claims))


SECRET_PLACES = ("license_key", "password", "deep.secret", "list.0.api_key.token", "metadata.license_key")


@given(place=st.sampled_from(SECRET_PLACES), kind=st.sampled_from(sorted(TABLES)))
def test_what_may_be_a_secret_is_masked_at_any_depth(place: str, kind: str) -> None:
    secret = "SECRETSECRETSECRET"
    value: Any = secret
    for name in reversed(place.split(".")):
        value = [value] if name.isdigit() else {name: value}
    assert secret not in json.dumps(readable(kind, value))
    assert secret not in repr(claim_lines(kind, value, None))


@given(
    kind=st.sampled_from(sorted(EVERY)),
    place=st.floats(0, 1, exclude_max=True),
    removed=st.integers(0, 40),
    put=st.one_of(
        st.binary(max_size=6), st.sampled_from([b".", b"\n", b'"', b"\xff", b"}", b"-----", b"\xe2\x80\x8b"])
    ),
)
def test_a_damaged_artifact_of_any_kind_is_explained_or_unknown(
    kind: Kind, place: float, removed: int, put: bytes
) -> None:
    genuine = EVERY[kind].encode()
    start = int(place * len(genuine))
    damaged = genuine[:start] + put + genuine[start + removed :]
    try:
        found, explained = explain(damaged, ISSUED)
    except MalformedError as error:
        if error.code != "unknown_artifact":
            raise
        return
    assert explained.title == TITLES[found]
    assert json.loads(json.dumps(as_json(found, explained)))["kind"] == found
    assert explained.members or explained.problems

"""How a body becomes a typed value, and how what is wrong with it is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import MalformedError
from carnet.server.api.admin.models import CreateProductRequest
from carnet.server.api.body import read_body
from carnet.server.api.v1.models import ActivateRequest

GOOD = {"license_key": "k", "product": "hustl", "device": {"fingerprint": "a" * 64}}


def _refused(body: Any, kind: Any = ActivateRequest) -> MalformedError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(MalformedError) as caught:
        read_body(content, kind, max_bytes=16384)
    return caught.value


def _code(content: bytes) -> str | None:
    """The code that *content* is refused with; None if it is taken."""
    try:
        read_body(content, ActivateRequest, max_bytes=16384)
    except MalformedError as error:
        return error.code
    return None


def test_a_body_becomes_its_type() -> None:
    read = read_body(json.dumps({**GOOD, "ttl_seconds": 60}).encode(), ActivateRequest, max_bytes=16384)
    assert read.device.fingerprint == "a" * 64
    assert read.ttl_seconds == 60
    assert read.nonce is None


def test_null_and_absent_mean_the_same_for_optional_members() -> None:
    assert read_body(json.dumps({**GOOD, "nonce": None}).encode(), ActivateRequest, max_bytes=16384).nonce is None


def test_unknown_members_of_public_requests_are_ignored_so_that_newer_sdks_work() -> None:
    body = json.dumps({**GOOD, "from_the_future": {"x": [1]}}).encode()
    assert read_body(body, ActivateRequest, max_bytes=16384).product == "hustl"


def test_sec_37_unknown_members_of_admin_requests_are_refused_by_name() -> None:
    error = _refused({"id": "hustl", "role": "owner"}, CreateProductRequest)
    assert error.code == "unknown_member"
    assert "'role'" in error.message


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"product": 5}, "bad_member", "'product'"),
        ({"product": True}, "bad_member", "'product'"),
        ({"ttl_seconds": "60"}, "bad_member", "'ttl_seconds'"),
        ({"ttl_seconds": True}, "bad_member", "'ttl_seconds'"),
        ({"ttl_seconds": 0}, "bad_member", "'ttl_seconds'"),
        ({"device": {"fingerprint": ["a"]}}, "bad_member", "'device.fingerprint'"),
        ({"device": {}}, "missing_member", "'device.fingerprint'"),
        ({"device": None}, "bad_member", "'device'"),
        ({"license_key": "k" * 513}, "bad_member", "'license_key'"),
        ({"nonce": ""}, "bad_member", "'nonce'"),
    ],
)
def test_nothing_is_coerced_and_the_member_is_named(changes: dict[str, Any], code: str, named: str) -> None:
    error = _refused({**GOOD, **changes})
    assert error.code == code
    assert named in error.message


def test_sec_33_a_refused_value_is_never_repeated() -> None:
    error = _refused({**GOOD, "license_key": {"secret": "7CXSZ-8Q2MD"}})
    assert "7CXSZ" not in str(error)


def test_sec_39_a_hostile_member_name_is_shown_short_and_without_control_characters() -> None:
    error = _refused({"id": "x", "a\u001b[31m\n" + "b" * 5000: 1}, CreateProductRequest)
    assert error.code == "unknown_member"
    assert error.message.isprintable()
    assert len(error.message) < 200


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_coded_error(content: bytes) -> None:
    assert _code(content) != ""


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "nonce", "ttl_seconds", "root_version", "user"]), json_values))
def test_any_json_object_gives_a_value_or_a_coded_error(changes: dict[str, Any]) -> None:
    code = _code(json.dumps({**GOOD, **changes}).encode())
    assert code in {None, "bad_member", "missing_member", "bad_string", "bad_number"}

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.errors import UsageError
from carnet.server.domain import checks
from carnet.server.domain.apikeys.service import check_own_token, new_token


def refused(check: Any, *arguments: Any, **more: Any) -> bool:
    with pytest.raises(UsageError) as caught:
        check(*arguments, **more)
    return caught.value.code in {"invalid_argument", "weak_token"} and bool(caught.value.fix)


@pytest.mark.parametrize("slug", ["a", "hustl", "a-b-c", "0", "x" * 100])
def test_a_slug_is_kept_as_it_is(slug: str) -> None:
    assert checks.check_slug("id", slug) == slug


@pytest.mark.parametrize("slug", ["", "-", "a-", "-a", "a--b", "A", "ä", "a b", "a_b", "x" * 101, "a\n", "٣"])
def test_what_is_no_slug_is_refused(slug: str) -> None:
    assert refused(checks.check_slug, "id", slug)


def test_texts_are_bounded_printable_and_trimmed() -> None:
    assert checks.check_text("m", "x" * 10, most=10) == "x" * 10
    assert checks.check_text("m", "", least=0, most=10) == ""
    for value in ("", "x" * 11, " x", "x ", "a\nb", "a\x00b", "a\u202eb", "\u200b"):
        assert refused(checks.check_text, "m", value, most=10)


def test_a_nonce_is_1_to_128_visible_ascii_characters() -> None:
    assert checks.check_nonce(None) is None
    assert checks.check_nonce("!~") == "!~"
    assert checks.check_nonce("x" * 128) == "x" * 128
    for nonce in ("", "x" * 129, "a b", "ä", "\x7f", "\n"):
        assert refused(checks.check_nonce, nonce)


def test_seconds_have_a_least_and_a_most() -> None:
    assert checks.check_seconds("ttl", None) is None
    assert checks.check_seconds("ttl", 1) == 1
    assert checks.check_seconds("ttl", 100, most=100) == 100
    for value in (0, -1, 101, True, 1.0):
        assert refused(checks.check_seconds, "ttl", value, most=100)


def test_metadata_is_bounded_in_keys_depth_and_bytes() -> None:
    assert checks.check_metadata("m", None) == {}
    assert checks.check_metadata("m", {"a": {"b": {"c": {"d": 1}}}})
    assert refused(checks.check_metadata, "m", {"a": {"b": {"c": {"d": {}}}}})
    assert refused(checks.check_metadata, "m", {"a": [[[["x"]]]]})
    assert checks.check_metadata("m", {str(number): number for number in range(64)})
    assert refused(checks.check_metadata, "m", {str(number): number for number in range(65)})
    size = 16 * 1024 - len('{"a":""}')
    assert checks.check_metadata("m", {"a": "x" * size})
    assert refused(checks.check_metadata, "m", {"a": "x" * (size + 1)})
    for value in (0.5, float("nan"), "\ud800", 2**53, {1: 2}, b"x"):
        assert refused(checks.check_metadata, "m", {"a": value})


def test_pages_have_1_to_500_items() -> None:
    assert [checks.check_page(limit) for limit in (1, 500)] == [1, 500]
    for limit in (0, 501, -1, True):
        assert refused(checks.check_page, limit)


def test_an_address_has_one_side_and_another() -> None:
    assert checks.check_email("e", "a@b") == "a@b"
    assert checks.check_email("e", None) is None
    for email in ("", "a", "@b", "a@", "a b@c", "a@b\r\nBcc: x@y", "x" * 250 + "@abcd"):
        assert refused(checks.check_email, "e", email)


def test_a_typed_license_key_is_at_most_512_characters() -> None:
    assert checks.check_license_key("x" * 512)
    for key in ("", "   ", "x" * 513):
        assert refused(checks.check_license_key, key)


def test_sec_47_an_admin_token_of_ones_own_is_no_placeholder() -> None:
    for number in range(20):
        token = new_token(lambda count, number=number: bytes([number * 7 + each for each in range(count)]))  # type: ignore[misc]
        assert check_own_token(token) == token
    for token in (
        "",
        "short",
        "x" * 40,
        "changeme-changeme-changeme-12345",
        "MyPasswordIsVeryLong1234567890",
        "EXAMPLE-0123456789-abcdefghij",
        "has blanks in it and is long 1234",
        "tab\tinside-0123456789-abcdefghij",
        "a0b1c2d3e4f5g6h7i8j9k0l1" * 30,
    ):
        assert refused(check_own_token, token)

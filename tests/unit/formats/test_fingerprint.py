"""Fingerprints: the native one and the values that are no identity (specs/fingerprint.md, SEC-16, SEC-19)."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from carnet.core.errors import MalformedError, UsageError
from carnet.formats.fingerprint import (
    check_device_identifier,
    check_fingerprint,
    is_native,
    is_placeholder,
    native_fingerprint,
)

ANCHOR = "c0ffee00-1111-2222-3333-444455556666"
GOOD = native_fingerprint("hustl", ANCHOR)


def test_a_native_fingerprint_is_hmac_sha_256_of_the_anchor_under_the_product() -> None:
    assert hmac.new(b"hustl", ANCHOR.encode(), hashlib.sha256).hexdigest() == GOOD
    assert GOOD == "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"
    assert check_fingerprint(GOOD) == GOOD


def test_sec_19_two_products_see_two_unrelated_fingerprints() -> None:
    assert native_fingerprint("hustl", ANCHOR) != native_fingerprint("inkwell", ANCHOR)
    assert native_fingerprint("hustl", ANCHOR) != native_fingerprint("hustl", ANCHOR.upper())


def test_users_ask_35_a_declared_id_of_any_length_is_accepted() -> None:
    for anchor in ("a", "7", "node-1", "x" + "y" * 5000, "機械"):
        assert is_native(native_fingerprint("hustl", anchor))


@pytest.mark.parametrize(
    "anchor",
    [
        "",
        " ",
        "\t\n",
        "---",
        " c0ffee00",
        "c0ffee00\n",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "To Be Filled By O.E.M.",
        "to be filled by o.e.m",
        "Default string",
        "uninitialized",
        "None",
        "0",
        "0123456789",
        "\ud800",
    ],
)
def test_sec_16_an_anchor_that_many_devices_share_is_no_identity(anchor: str) -> None:
    with pytest.raises(UsageError) as refused:
        native_fingerprint("hustl", anchor)
    assert refused.value.code == "bad_anchor"
    assert refused.value.fix


@pytest.mark.parametrize("product", ["", "\udfff"])
def test_a_fingerprint_needs_a_product(product: str) -> None:
    with pytest.raises(UsageError) as refused:
        native_fingerprint(product, ANCHOR)
    assert refused.value.code == "bad_product"


@pytest.mark.parametrize(
    "text", ["", GOOD[:63], GOOD + "0", GOOD.upper(), GOOD[:63] + "g", GOOD[:63] + "\n", " " + GOOD[1:], "٣" * 64]
)
def test_a_native_fingerprint_has_one_spelling(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        check_fingerprint(text)
    assert refused.value.code == "bad_fingerprint"


@pytest.mark.parametrize(
    "text",
    [
        "0" * 64,
        "f" * 64,
        "0123456789abcdef" * 4,
        hashlib.sha256(b"").hexdigest(),
        hashlib.sha256(b"To be filled by O.E.M.").hexdigest(),
        hashlib.sha256(b"00000000-0000-0000-0000-000000000000").hexdigest(),
    ],
)
def test_sec_16_placeholder_fingerprints_are_refused(text: str) -> None:
    with pytest.raises(MalformedError) as refused:
        check_fingerprint(text)
    assert refused.value.code == "placeholder_fingerprint"
    assert check_fingerprint(("1" if text[0] == "0" else "0") + text[1:])  # one digit on, it is somebody's


@pytest.mark.parametrize("text", ["fp-7c1e40aa9d3b", "web-1x2y3z", "12345679", "x" * 254 + "y", "É" * 126 + "ab", GOOD])
def test_device_identifiers_of_other_vendors_are_free_form(text: str) -> None:
    assert check_device_identifier(text) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("fp-7c1e", "bad_fingerprint"),
        ("x" * 255 + "y", "bad_fingerprint"),
        (" fp-7c1e40aa", "bad_fingerprint"),
        ("fp-7c1e40aa ", "bad_fingerprint"),
        ("fp-7c1e\n40aa", "bad_fingerprint"),
        ("fp-7c1e\x7f40aa", "bad_fingerprint"),
        ("fp-7c1e\x8540aa", "bad_fingerprint"),
        ("fp-\ud8007c1e40aa", "bad_fingerprint"),
        ("00000000", "placeholder_fingerprint"),
        ("Default string", "placeholder_fingerprint"),
        ("--------", "placeholder_fingerprint"),
    ],
)
def test_device_identifiers_are_bounded_and_identify(text: str, code: str) -> None:
    with pytest.raises(MalformedError) as refused:
        check_device_identifier(text)
    assert refused.value.code == code


def test_case_and_punctuation_do_not_hide_a_placeholder() -> None:
    assert is_placeholder("DEFAULT-STRING")
    assert is_placeholder("....")
    assert is_placeholder("aaaa")
    assert not is_placeholder("aaa")
    assert not is_placeholder("default string 2")

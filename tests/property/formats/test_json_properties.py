"""What holds for every JSON text and every encoded value (specs/strict-json.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import Instant
from carnet.formats import strict_json
from carnet.formats.encoding import (
    armor,
    b64_decode,
    b64_encode,
    b64url_decode,
    b64url_encode,
    dearmor,
    read_kindly,
)
from carnet.formats.strict_json import dump_json, parse_json
from support.token_oracle import Refused, read_strictly

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


class Text(str):
    """A text of another type."""

    __slots__ = ()


def nest(value: Any, depth: int) -> Any:
    return value if depth == 0 else [nest(value, depth - 1)]


TOKENS = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', "\\", "\\u0061", "\\ud800", "\\udc00", "\\u0000", "a", "é", "0", "1", "-", "-0",
     ".", "e", "9007199254740991", "9007199254740992", "null", "true", "NaN", "Infinity", " ", "\n", "\x00", "\x0b",
     "\ufeff", '"a":1', '"a"', '{"a":', "[[[[[[[", "]]]]]]]"]
)  # fmt: skip


def read(data: bytes) -> Any:
    return parse_json(data, max_bytes=1 << 20, what="It")


def agree(data: bytes) -> None:
    """Our reader and the obvious one take the same texts, and read the same values of the same types."""

    def outcome(reader: Callable[[bytes], Any], refusal: type[Exception]) -> str:
        try:
            return json.dumps(reader(data))
        except refusal:
            return "refused"

    assert outcome(read, MalformedError) == outcome(read_strictly, Refused)


@given(VALUES)
def test_what_is_written_is_what_is_read_and_is_written_the_same_again(value: Any) -> None:
    text = dump_json(value)
    assert read(text) == value
    assert dump_json(read(text)) == text
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


ANY_TEXT = st.lists(st.characters() | st.sampled_from(["\x00", "\ud800", "\\", "\\u0000", '"']), max_size=6).map(
    "".join
)
WRITABLE_OR_NOT = st.recursive(
    VALUES | ANY_TEXT | st.floats() | st.integers() | st.sampled_from([b"", Instant(7), Text("x"), range(2), 2**53]),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(ANY_TEXT | st.sampled_from([1, None, True, Text("k")]), inner, max_size=3)
        | inner.map(lambda value: nest(value, 19))
    ),
    max_leaves=8,
)


@given(WRITABLE_OR_NOT)
@example({"a": "\\u0000"})
@example({"a": [float("nan"), "\x00"]})
@example({Text("k"): 1})
@example({1: 1})
def test_both_writers_write_the_same_and_refuse_the_same(value: Any) -> None:
    def outcome() -> object:
        try:
            return dump_json(value)
        except UsageError as error:
            return error.code
        except TypeError:  # names of several types cannot be sorted
            return "bad_json_value"

    fast = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "_encode", None)
        assert outcome() == fast


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_spelling_of_a_value_is_read_as_that_value(value: Any, ascii_only: bool, indent: Any) -> None:  # noqa: FBT001
    assert read(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@given(st.lists(TOKENS, max_size=12).map("".join))
@example('{"a":1,"\\u0061":1}')
def test_sec_09_any_text_is_read_as_the_obvious_reader_reads_it(text: str) -> None:
    agree(text.encode("utf-8", "surrogatepass"))


@given(VALUES, st.integers(0, 2**16), st.integers(0, 2), st.binary(max_size=2) | TOKENS.map(str.encode))
def test_sec_09_a_text_with_a_change_is_read_as_the_obvious_reader_reads_it(
    value: Any, position: int, cut: int, change: bytes
) -> None:
    text = dump_json(value)
    position %= len(text) + 1
    agree(text[:position] + change + text[position + cut :])


@given(st.binary(max_size=60))
def test_sec_11_any_bytes_are_read_or_refused_with_a_code(data: bytes) -> None:
    agree(data)


@given(st.binary(max_size=200))
def test_base64_round_trips(data: bytes) -> None:
    assert b64url_decode(b64url_encode(data), "It") == data
    assert b64_decode(b64_encode(data), "It") == data
    if data:
        assert dearmor("TEST FILE", armor("TEST FILE", data).encode(), max_bytes=999) == data


@given(st.binary(max_size=12) | st.text("AQgwZz09-_+/= \n", max_size=12).map(str.encode))
def test_sec_08_whatever_base64_is_read_is_what_we_would_have_written(text: bytes) -> None:
    for decode, encode in ((b64url_decode, b64url_encode), (b64_decode, b64_encode)):
        try:
            decoded = decode(text, "It")
        except MalformedError:
            continue
        assert encode(decoded).encode() == text


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda text: text.encode("utf-16")))
def test_kindness_is_done_once(data: bytes) -> None:
    once = read_kindly(data)
    if not once.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        assert read_kindly(once) == once

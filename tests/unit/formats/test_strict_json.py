"""The strict JSON reader and writer: every refusal, over every scanner that it may run on (SEC-09, SEC-10)."""

from __future__ import annotations

import json
import json.decoder
import json.encoder
import json.scanner
import subprocess
import sys
import time
import tracemalloc
from typing import Any

import pytest

from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import Instant
from carnet.formats import strict_json
from carnet.formats.strict_json import dump_json, parse_json, parse_object

MIB = 1024 * 1024


@pytest.fixture(params=["the interpreter's scanner", "the json module", "json in Python"])
def _scanner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "json in Python":
        monkeypatch.setattr(json.scanner, "make_scanner", json.scanner.py_make_scanner)  # type: ignore[attr-defined]
        monkeypatch.setattr(json.decoder, "scanstring", json.decoder.py_scanstring)  # type: ignore[attr-defined]
        monkeypatch.setattr(strict_json, "_quote", json.encoder.py_encode_basestring)
    if request.param != "the interpreter's scanner":
        monkeypatch.setattr(strict_json, "_encode", None)
        for name, hooks in (
            ("_scan", strict_json._Hooks),
            ("_scan_floats", strict_json._FloatHooks),
            ("_scan_short", strict_json._ShortHooks),
        ):
            monkeypatch.setattr(strict_json, name, strict_json._public_scanner(hooks))


every_scanner = pytest.mark.usefixtures("_scanner")


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises(MalformedError) as raised:
        parse_json(data, **{"max_bytes": 2 * MIB, "what": "The test", **options})
    assert raised.value.message.startswith("The test ")
    assert raised.value.fix
    return raised.value.code


def accepted(data: bytes, **options: Any) -> Any:
    return parse_json(data, **{"max_bytes": 2 * MIB, "what": "The test", **options})


def nested(depth: int, inner: bytes = b"") -> bytes:
    return b"[" * depth + inner + b"]" * depth


WELL_FORMED = [
    (b"{}", {}),
    (b"[]", []),
    (b"null", None),
    (b"true", True),
    (b'""', ""),
    (b"0", 0),
    (b"-0", 0),
    (b"-1", -1),
    (b"9007199254740991", 2**53 - 1),
    (b"-9007199254740991", -(2**53 - 1)),
    (b' \t\r\n{ "a" : [ 1 , { "b" : null } ] } \n', {"a": [1, {"b": None}]}),
    (b'"\\u00e9\\n\\/\\ud83d\\ude00"', "é\n/😀"),
    ('"é😀\u2028"'.encode(), "é😀\u2028"),
    (b'"\x7f"', "\x7f"),
    (b'{"":{"":1}}', {"": {"": 1}}),
    (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
    ('{"é":1,"e\u0301":2}'.encode(), {"é": 1, "e\u0301": 2}),
    (b'"9007199254740993 and 1234567890123456789"', "9007199254740993 and 1234567890123456789"),
    (b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": "[" * 26}),
    (nested(20, b"1"), json.loads(nested(20, b"1"))),
    (b'"' + b"a" * 16384 + b'"', "a" * 16384),
    (b'"' + "é".encode() * 8192 + b'"', "é" * 8192),
    (b"[" + b"1," * 4094 + b"1]", [1] * 4095),
]

REFUSED = [
    ("bad_json", b""),
    ("bad_json", b"  "),
    ("bad_json", b"{"),
    ("bad_json", b'{"a"'),
    ("bad_json", b'{"a":'),
    ("bad_json", b'{"a":1'),
    ("bad_json", b'{"a":1,}'),
    ("bad_json", b"[1,]"),
    ("bad_json", b"[,1]"),
    ("bad_json", b"[1 2]"),
    ("bad_json", b"{'a':1}"),
    ("bad_json", b"{a:1}"),
    ("bad_json", b"{1:1}"),
    ("bad_json", b"nul"),
    ("bad_json", b"True"),
    ("bad_json", b"tru e"),
    ("bad_json", b"undefined"),
    ("bad_json", b"01"),
    ("bad_json", b"+1"),
    ("bad_json", b".5"),
    ("bad_json", b"1."),
    ("bad_json", b"0x10"),
    ("bad_json", b"1_000"),
    ("bad_json", b"{}{}"),
    ("bad_json", b"{} x"),
    ("bad_json", b"{}\x00"),
    ("bad_json", b"\x00{}"),
    ("bad_json", b"{}\x0b"),
    ("bad_json", "{}\u00a0".encode()),
    ("bad_json", "\u00a0{}".encode()),
    ("bad_json", b"{}//c"),
    ("bad_json", b"/*c*/{}"),
    ("bad_json", b'"\x01"'),
    ("bad_json", b'"\n"'),
    ("bad_json", b'"\t"'),
    ("bad_json", b'"\\x41"'),
    ("bad_json", b'"\\u12"'),
    ("bad_json", b'"\\u+123"'),
    ("bad_json", b'"\\u1_23"'),
    ("bad_json", b'"\\u 123"'),
    ("bad_json", b'"\\uD83D\\u+E00"'),
    ("bad_json", b'"unterminated'),
    ("bad_json", b'"ends in backslash\\'),
    ("bad_json", b"]"),
    ("bad_json", b"[}"),
    ("bad_utf8", b"\xef\xbb\xbf{}"),
    ("bad_utf8", b'"\xff"'),
    ("bad_utf8", b'"\xc0\x80"'),
    ("bad_utf8", b'"\xed\xa0\x80"'),
    ("bad_utf8", b'"\xf4\x90\x80\x80"'),
    ("bad_utf8", '{"a":1}'.encode("utf-16")),
    ("duplicate_name", b'{"a":1,"a":1}'),
    ("duplicate_name", b'{"a":1,"\\u0061":2}'),
    ("duplicate_name", b'[[{"x":{"a":1,"b":2,"a":3}}]]'),
    ("duplicate_name", b'{"":1,"":2}'),
    ("bad_number", b"1.0"),
    ("bad_number", b"1e3"),
    ("bad_number", b"1E+3"),
    ("bad_number", b"-0.0"),
    ("bad_number", b'{"exp":1e400}'),
    ("bad_number", b"9007199254740992"),
    ("bad_number", b"-9007199254740992"),
    ("bad_number", b"9007199254740993"),
    ("bad_number", b"[99999999999999999999]"),
    ("bad_number", b"1" * 5000),
    ("bad_number", b"-" + b"1" * 5000),
    ("bad_number", b"NaN"),
    ("bad_number", b"Infinity"),
    ("bad_number", b"[-Infinity]"),
    ("bad_string", b'"\\u0000"'),
    ("bad_string", b'{"\\u0000":1}'),
    ("bad_string", b'"\\ud800"'),
    ("bad_string", b'"\\udc00"'),
    ("bad_string", b'"\\udc00\\ud800"'),
    ("bad_string", b'"\\ud800\\ud800\\udc00"'),
    ("bad_string", b'{"\\ud83d":1}'),
    ("too_deep", nested(21)),
    ("too_deep", nested(21, b"1")),
    ("too_deep", b'{"a":' * 21 + b"1" + b"}" * 21),
    ("too_deep", nested(20, b"{}")),
    ("too_deep", nested(3000, b"1")),
    ("too_many_values", b"[" + b"1," * 4095 + b"1]"),
    ("too_many_values", b"[" + b"[]," * 4095 + b"[]]"),
    ("too_many_values", b"[" + b'["\\\\\\"",{}],' * 2048 + b"1]"),
    ("string_too_long", b'"' + b"a" * 16385 + b'"'),
    ("string_too_long", b'"' + "é".encode() * 8193 + b'"'),
    ("string_too_long", b'{"' + b"a" * 16385 + b'":1}'),
    ("string_too_long", b'"\\u00e9' + "é".encode() * 8192 + b'"'),
]


@every_scanner
@pytest.mark.parametrize(("data", "value"), WELL_FORMED, ids=lambda case: repr(case)[:40])
def test_sec_09_well_formed_texts_are_read(data: bytes, value: Any) -> None:
    read = accepted(data)
    assert read == value
    assert type(read) is type(value)


@every_scanner
@pytest.mark.parametrize(("code", "data"), REFUSED, ids=lambda case: repr(case)[:40])
def test_sec_09_everything_else_is_refused_with_its_code(code: str, data: bytes) -> None:
    assert refused(data) == code


@every_scanner
def test_sec_09_other_scripts_digits_are_not_numbers() -> None:
    assert refused("[1२]".encode()) in {"bad_json", "bad_number"}
    assert refused("[1.५]".encode(), allow_floats=True) in {"bad_json", "bad_number"}


@every_scanner
def test_floats_are_read_only_where_they_are_allowed_and_never_infinite() -> None:
    assert accepted(b"[1.5,-2e3,0.0,7]", allow_floats=True) == [1.5, -2000.0, 0.0, 7]
    assert type(accepted(b"1.0", allow_floats=True)) is float
    assert refused(b"1.5") == "bad_number"
    for text in (b"1e400", b"-1e400", b"NaN", b"Infinity", b"9007199254740992"):
        assert refused(text, allow_floats=True) == "bad_number"


def test_sec_10_size_is_checked_first() -> None:
    assert accepted(b'"abc"', max_bytes=5) == "abc"
    assert refused(b'"abc"', max_bytes=4) == "too_large"
    assert refused(b"\xff" * 100, max_bytes=99) == "too_large"


def test_a_longer_string_is_read_where_the_format_carries_one() -> None:
    text = b'"' + b"a" * 20000 + b'"'
    assert refused(text) == "string_too_long"
    assert accepted(text, max_string=20000) == "a" * 20000
    assert refused(text, max_string=19999) == "string_too_long"
    assert refused(b'"abcdef"', max_string=5) == "string_too_long"


def test_an_object_is_asked_for_by_name() -> None:
    assert parse_object(b'{"a":1}', max_bytes=99, what="The test") == {"a": 1}
    for text in (b"[]", b"1", b"null", b'"{}"'):
        with pytest.raises(MalformedError) as raised:
            parse_object(text, max_bytes=99, what="The test")
        assert raised.value.code == "not_an_object"


def test_the_number_of_values_is_counted_exactly_on_both_sides_of_the_fast_path() -> None:
    # 4,096 values: the array and 4,095 in it, with separators inside strings that must not count.
    tricky = b'",,,,[[[[{{{{"'
    assert len(accepted(b"[" + b",".join([tricky] * 4095) + b"]")) == 4095
    assert refused(b"[" + b",".join([tricky] * 4096) + b"]") == "too_many_values"
    # A text of 8,191 bytes can hold 4,096 values and is not walked; one of 8,193 could hold one more, and is.
    most = b"[" + b",".join([b"1"] * 4095) + b"]"
    assert len(most) == 8191
    assert len(accepted(most)) == 4095
    assert refused(b"[" + b",".join([b"1"] * 4096) + b"]") == "too_many_values"


WORST = {
    "brackets": b"[" * MIB,
    "objects": b"[" + b"{}," * (MIB // 3 - 1) + b"{}]",
    "nested objects": b'{"a":' * (MIB // 5),
    "quotes": b'"' * MIB,
    "digits": b"1" * MIB,
    "negative digits": b"[-" + b"1" * (MIB - 3) + b"]",
    "escapes": b'"' + b"\\u0041" * (MIB // 6 - 1) + b'"',
    "backslashes": b"\\" * MIB,
    "names": b"{" + b",".join(b'"%d":1' % number for number in range(90_000)) + b"}",
    "commas in a string": b'["' + b"," * (MIB - 4) + b'"]',
    "blanks": b" " * MIB,
    "few long strings": b"[" + b",".join([b'"' + b"\\u0000" * 40 + b'"'] * 4000) + b"]",
    "digits of a fraction": b"[1." + b"1" * (MIB - 5) + b"]",
}


@pytest.mark.parametrize("data", WORST.values(), ids=WORST.keys())
def test_sec_10_the_worst_megabyte_is_refused_in_50_ms_and_64_mb(data: bytes) -> None:
    def spend() -> float:
        start = time.thread_time()
        refused(data, max_bytes=MIB)
        return time.thread_time() - start

    assert any(spend() < 0.05 for _ in range(50)), "it takes a tenth of that; a busy machine spoils some tries"
    tracemalloc.start()
    try:
        refused(data, max_bytes=MIB)
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["brackets", "objects", "nested objects", "quotes", "names"])
def test_sec_10_what_holds_too_many_values_is_refused_before_it_is_scanned(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scanner in ("_scan", "_scan_floats", "_scan_short"):
        monkeypatch.setattr(strict_json, scanner, None)
    assert refused(WORST[name]) == "too_many_values"


def test_the_json_module_is_loaded_neither_for_good_nor_for_bad_texts() -> None:
    program = """
import sys
from carnet.core.errors import MalformedError
from carnet.formats.strict_json import dump_json, parse_json
assert parse_json(dump_json({"a": [1, "x"]}), max_bytes=99, what="It") == {"a": [1, "x"]}
for text in (b'{"a"', b"[1,]", b'"abc', b"nul", b"", b'{"a":1 2}', b"[1" + b"1" * 99 + b"]", b'{"a":1,"a":2}'):
    try:
        parse_json(text, max_bytes=999, what="It")
    except MalformedError:
        pass
    else:
        raise SystemExit(f"{text!r} was read")
assert "json" not in sys.modules and "re" not in set(sys.modules) - before
"""
    start = "import sys, typing\nbefore = set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", start + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@every_scanner
def test_the_writer_has_one_form_and_the_reader_reads_it() -> None:
    value: Any = {
        "b": [1, -2, None, True, False, {}],
        "a": {"ü": 'q"\\/\n\t\r\b\f\x01\x1f\x7f', "U": "", "é": "\u2028😀"},
    }
    text = dump_json(value)
    assert (
        text
        == (
            '{"a":{"U":"","é":"\u2028😀","ü":"q\\"\\\\/\\n\\t\\r\\b\\f\\u0001\\u001f\x7f"},"b":[1,-2,null,true,false,{}]}'
        ).encode()
    )
    assert accepted(text) == value
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert dump_json((1, (2,))) == b"[1,[2]]"
    assert dump_json([]) == b"[]"
    assert dump_json(Instant(1790000000)) == b"1790000000"
    assert dump_json(2**53 - 1) == b"9007199254740991"


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        b"bytes",
        {1: 2},
        {None: 1},
        {"a": {2, 3}},
        "\x00",
        {"\x00": 1},
        "\ud800",
        Instant,
        json.loads("[" * 21 + "]" * 21),
    ],
    ids=repr,
)
def test_the_writer_refuses_what_the_reader_would(value: object) -> None:
    with pytest.raises(UsageError) as raised:
        dump_json(value)
    assert raised.value.code == "bad_json_value"

"""Base64, armour, digests, and the one place of kindness."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from carnet.core.errors import MalformedError
from carnet.formats.encoding import (
    armor,
    b64_decode,
    b64_encode,
    b64url_decode,
    b64url_encode,
    dearmor,
    read_kindly,
    sha256,
    sha256_b64url,
    sha256_hex,
)

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def code_of(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(MalformedError) as raised:
        function(*arguments, **options)
    return raised.value.code


@pytest.mark.parametrize("size", range(70))
def test_base64url_is_that_of_rfc_4648_without_padding(size: int) -> None:
    data = bytes((size * 7 + index * 31) % 256 for index in range(size))
    text = b64url_encode(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert b64url_decode(text, "It") == data
    assert b64url_decode(text.encode(), "It") == data
    assert b64_encode(data) == base64.b64encode(data).decode()
    assert b64_decode(b64_encode(data), "It") == data


def test_sec_08_exactly_one_spelling_of_each_value_is_read() -> None:
    # Of every text of up to 3 of all 256 bytes, exactly those are read that the encoder writes.
    for first in range(256):
        assert code_of(b64url_decode, bytes([first]), "It") == "bad_base64"
        for second in range(256):
            text = bytes([first, second])
            written = first in ALPHABET and second in b"AQgw"
            if written:
                assert b64url_encode(b64url_decode(text, "It")).encode() == text
            else:
                assert code_of(b64url_decode, text, "It") == "bad_base64"
    for last in range(256):
        text = b"AB" + bytes([last])
        if last in b"AEIMQUYcgkosw048":
            assert b64url_encode(b64url_decode(text, "It")).encode() == text
        else:
            assert code_of(b64url_decode, text, "It") == "bad_base64"


@pytest.mark.parametrize(
    "text",
    ["AAA=", "AA==", "A", "AAAAA", "AA AA", "AAAA\n", "\nAAAA", "AA+A", "AA/A", "AA.A", "ÄÄÄÄ", "AAA\u00c1", "=AAA"],
)
def test_sec_08_other_spellings_are_refused(text: str) -> None:
    assert code_of(b64url_decode, text, "It") == "bad_base64"


@pytest.mark.parametrize(
    "text", ["AAA", "AA", "AAA=\n", "AAB=", "AB==", "AA=A", "AAAA====", "-_AA", "Ä===", "AAAA AAAA"]
)
def test_padded_base64_has_one_spelling_too(text: str) -> None:
    assert code_of(b64_decode, text, "It") == "bad_base64"
    assert code_of(b64_decode, text.encode(), "It") == "bad_base64"


def test_padded_base64_reads_exactly_what_the_encoder_writes() -> None:
    for tail in (b"", b"A", b"AA", b"AAA", b"AAAA", b"=", b"==", b"===", b"====", b"A=", b"AA==", b"AAA=", b"=A"):
        for last in range(256):
            for text in (b"AAA" + bytes([last]) + tail, b"A" + bytes([last]) + b"==" + tail):
                try:
                    decoded = b64_decode(text, "It")
                except MalformedError:
                    continue
                assert b64_encode(decoded).encode() == text


@pytest.mark.parametrize("size", [1, 2, 3, 47, 48, 49, 95, 96, 97, 1000])
def test_armour_has_lines_of_64_and_no_final_newline(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    text = armor("TEST FILE", data)
    lines = text.split("\n")
    assert lines[0] == "-----BEGIN TEST FILE-----"
    assert lines[-1] == "-----END TEST FILE-----"
    assert all(len(line) == 64 for line in lines[1:-2])
    assert 0 < len(lines[-2]) <= 64
    assert dearmor("TEST FILE", text.encode(), max_bytes=len(text)) == data
    assert code_of(dearmor, "TEST FILE", text.encode(), max_bytes=len(text) - 1) == "too_large"


def test_armour_of_another_label_or_frame_is_refused() -> None:
    text = armor("TEST FILE", b"x" * 100)
    begin, first, second, third, end = text.split("\n")
    broken = [
        "",
        begin,
        f"{begin}\n{end}",
        f"{begin}\n\n{end}",
        text.replace("TEST", "BEST"),
        text.replace("BEGIN TEST", "BEGIN BEST"),
        text + "\n",
        " " + text,
        text.replace("\n", "\r\n"),
        f"{begin}\n{first}\n\n{second}\n{third}\n{end}",
        "\n".join((begin, first + second, third, end)),
        "\n".join((begin, f" {first}", second, third, end)),
        f"{begin}\nVersion: 1\n{first}\n{second}\n{third}\n{end}",
        f"{text}\n{end}",
        f"{begin}\n{first}\n{second}\n{third}",
    ]
    for each in broken:
        assert code_of(dearmor, "TEST FILE", each.encode(), max_bytes=9999) in {"bad_armor", "bad_base64"}, each
    assert dearmor("TEST FILE", "\n".join((begin, first[:10], first[10:], second, third, end)).encode(), max_bytes=999)


KIND = "-----BEGIN X-----\nAAAA\nBBBB\n-----END X-----"


@pytest.mark.parametrize(
    "received",
    [
        KIND.encode(),
        KIND.encode() + b"\n",
        b"\n\n  \t" + KIND.encode() + b" \r\n\r\n",
        KIND.replace("\n", "\r\n").encode(),
        KIND.replace("\n", "\r").encode(),
        KIND.replace("\n", " \n  ").encode(),
        KIND.encode("utf-8-sig"),
        KIND.encode("utf-16"),
        b"\xfe\xff" + KIND.encode("utf-16-be"),
        b"\xff\xfe" + KIND.replace("\n", "\r\n").encode("utf-16-le"),
    ],
)
def test_what_mail_editors_and_shells_do_to_text_is_undone_once(received: bytes) -> None:
    assert read_kindly(received) == KIND.encode()
    assert read_kindly(read_kindly(received)) == KIND.encode()


def test_kindness_changes_nothing_else() -> None:
    for text in (b"", b"a b\tc", b"a\n\nb", b"\x00", b"\xff\xfe\x00", b"\xff", "\u00a0é\u2028".encode(), b"\x0b\x0c"):
        assert read_kindly(text) == text
    assert read_kindly(b"\xff\xfe\x00\xd8") == b"\xff\xfe\x00\xd8"  # half a surrogate: not UTF-16, left to the parser


def test_digests_are_sha_256() -> None:
    for data in (b"", b"abc", b"x" * 5000):
        assert sha256(data) == hashlib.sha256(data).digest()
        assert sha256_hex(data) == hashlib.sha256(data).hexdigest()
        assert b64url_decode(sha256_b64url(data), "It") == hashlib.sha256(data).digest()

"""The bundle: a box for a device's files; strict inside, kind about what mail does outside."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.errors import MalformedError, UsageError
from carnet.formats.bundle import Bundle, read_bundle, write_bundle
from carnet.formats.encoding import armor
from carnet.formats.limits import MAX_BUNDLE
from carnet.formats.strict_json import dump_json
from support.tokens import TOKEN

FULL = Bundle(
    roots=('{"payload":"1"}', '{"payload":"2"}'),
    token=TOKEN,
    machine_file="-----BEGIN MACHINE FILE-----\nAAAA\n-----END MACHINE FILE-----",
    status_lists=("a.b.c", "d.e.f"),
    time="g.h.i",
    answer="j.k.l",
    lease="m.n.o",
)


def code_of(data: bytes) -> str:
    with pytest.raises(MalformedError) as raised:
        read_bundle(data)
    return raised.value.code


def boxed(members: Any) -> bytes:
    return armor("CARNET BUNDLE", members if isinstance(members, bytes) else dump_json(members)).encode()


@pytest.mark.parametrize(
    "bundle", [FULL, Bundle(), Bundle(token="a.b.c"), replace(FULL, roots=()), replace(FULL, status_lists=())]
)
def test_what_is_written_is_what_is_read(bundle: Bundle) -> None:
    text = write_bundle(bundle)
    assert read_bundle(text.encode()) == bundle
    assert write_bundle(read_bundle(text.encode())) == text
    assert not text.endswith("\n")
    assert text.isascii()


def test_what_mail_and_editors_do_to_it_is_forgiven() -> None:
    text = write_bundle(FULL)
    for received in (
        text.replace("\n", "\r\n") + "\r\n",
        "\n\n" + text + "\n",
        text.replace("\n", " \n"),
        "\ufeff" + text,
    ):
        assert read_bundle(received.encode()) == FULL
    assert read_bundle(text.encode("utf-16")) == FULL


def test_a_large_machine_file_and_status_list_fit() -> None:
    large = Bundle(machine_file="x" * 256 * 1024, status_lists=("y" * 3 * 1024 * 1024,))
    assert read_bundle(write_bundle(large).encode()) == large


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "bad_bundle"),
        ({"format": 2}, "bad_bundle"),
        ({"format": True}, "bad_bundle"),
        ({"format": "1"}, "bad_bundle"),
        ({"format": 1, "extra": ""}, "bad_bundle"),
        ({"format": 1, "token": ""}, "bad_bundle"),
        ({"format": 1, "token": None}, "bad_bundle"),
        ({"format": 1, "token": ["a"]}, "bad_bundle"),
        ({"format": 1, "machine_file": 1}, "bad_bundle"),
        ({"format": 1, "roots": "a"}, "bad_bundle"),
        ({"format": 1, "roots": []}, "bad_bundle"),
        ({"format": 1, "roots": [""]}, "bad_bundle"),
        ({"format": 1, "roots": [1]}, "bad_bundle"),
        ({"format": 1, "roots": ["r"] * 257}, "bad_bundle"),
        ({"format": 1, "status_lists": ["r"] * 257}, "bad_bundle"),
        (b'{"format": 1}', "bad_bundle"),
        (b'{"token":"a","format":1}', "bad_bundle"),
        (b'{"format":1}\n', "bad_bundle"),
        (b'{"format":1,"format":1}', "duplicate_name"),
        (b'{"format":1.0}', "bad_number"),
        (b"[]", "not_an_object"),
        (b"\xff", "bad_utf8"),
    ],
)
def test_another_content_is_refused(members: Any, code: str) -> None:
    assert code_of(boxed(members)) == code


def test_another_frame_is_refused() -> None:
    text = write_bundle(FULL).encode()
    assert code_of(b"") == "bad_armor"
    assert code_of(text.replace(b"BUNDLE", b"BUNDLES")) == "bad_armor"
    assert code_of(text[:-1]) == "bad_armor"
    assert code_of(text + b"\nx") == "bad_armor"
    assert code_of(b"x" * (MAX_BUNDLE + 1)) == "too_large"


@pytest.mark.parametrize("bundle", [Bundle(token=""), Bundle(roots=("",)), Bundle(roots=("r",) * 257)])
def test_what_could_not_be_read_is_not_written(bundle: Bundle) -> None:
    with pytest.raises(UsageError) as raised:
        write_bundle(bundle)
    assert raised.value.code == "bad_bundle"


def test_one_flipped_bit_in_the_body_never_reads_as_the_same_bundle() -> None:
    data = write_bundle(Bundle(token="a.b.c", time="t")).encode()
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            try:
                read = read_bundle(bytes(flipped))
            except MalformedError:
                continue
            assert read != Bundle(token="a.b.c", time="t") or bytes(flipped).split() == data.split()

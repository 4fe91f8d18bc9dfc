"""The backup file: what comes out is what went in, or nothing; every cut, swap and changed byte is told."""

from __future__ import annotations

import io
import zlib

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import CarnetError
from carnet.core.instant import Instant
from carnet.formats.primitives import hkdf_sha256
from carnet.server.backup.container import (
    MAGIC,
    MAX_PLAIN,
    BackupWriter,
    EndPart,
    FilePart,
    Head,
    Part,
    RowsPart,
    read_head,
    read_parts,
)

SECRET = bytes(range(32))
HEAD = Head(issuer="i1", anchor="a" * 64, created_at=Instant(1_790_000_000), schema="0009", salt=b"s" * 32)
PARTS: tuple[Part, ...] = (
    FilePart(name="root.json", content=b"{}"),
    RowsPart(table="t", columns=["a", "b"], rows=[[1, "x"], [2, None]]),
    RowsPart(table="t", columns=["a", "b"], rows=[[3, b"\0\xff"]]),
    EndPart(rows={"t": 3, "empty": 0}),
)


def written(parts: tuple[Part, ...] = PARTS, head: Head = HEAD, secret: bytes = SECRET) -> bytes:
    stream = io.BytesIO()
    writer = BackupWriter(stream, head, secret)
    for part in parts:
        writer.write(part)
    return stream.getvalue()


def read(data: bytes, secret: bytes = SECRET) -> tuple[Part, ...]:
    stream = io.BytesIO(data)
    return tuple(read_parts(stream, read_head(stream), secret))


def code_of(data: bytes, secret: bytes = SECRET) -> str:
    with pytest.raises(CarnetError) as caught:
        read(data, secret)
    return caught.value.code


def frames(data: bytes) -> tuple[bytes, list[bytes]]:
    """The head, and each sealed part with its length."""
    at = data.index(b"\n", len(MAGIC)) + 1
    head, found = data[:at], []
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(data[at:end])
        at = end
    return head, found


def sealed(number: int, plain: bytes, *, last: bool) -> bytes:
    head, _ = frames(written())
    key = hkdf_sha256(SECRET, salt=HEAD.salt, info=b"carnet/v1/backup", length=32)
    text = AESGCM(key).encrypt(number.to_bytes(11, "big") + bytes((last,)), plain, head)
    return len(text).to_bytes(4, "big") + text


def test_what_was_written_is_read() -> None:
    assert read(written()) == PARTS


_VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20), st.binary(max_size=20))


@given(st.lists(st.lists(_VALUES, min_size=2, max_size=2), max_size=20))
def test_any_rows_come_back_as_they_were(rows: list[list[int | str | bytes | None]]) -> None:
    part = RowsPart(table="t", columns=["a", "b"], rows=[list(row) for row in rows])
    parts: tuple[Part, ...] = (part, EndPart(rows={"t": len(rows)}))
    assert read(written(parts)) == parts


def test_every_changed_byte_is_refused() -> None:
    data = written()
    for position in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[position] ^= flip
            assert code_of(bytes(changed)) in {"not_a_backup", "backup_damaged", "backup_does_not_open"}


def test_every_cut_is_refused() -> None:
    data = written()
    assert {code_of(data[:length]) for length in range(len(data))} == {"not_a_backup", "backup_damaged"}


def test_parts_in_another_order_or_left_out_are_refused() -> None:
    head, parts = frames(written())
    for others in (
        [parts[0], parts[2], parts[1], parts[3]],
        [parts[1], parts[0], *parts[2:]],
        [parts[0], parts[1], parts[3]],
        [parts[0], parts[1], parts[1], *parts[2:]],
        parts[:-1],
        [*parts, parts[-1]],
    ):
        assert code_of(head + b"".join(others)) in {"backup_damaged", "backup_does_not_open"}


def test_parts_of_another_backup_of_the_same_installation_are_refused() -> None:
    other = Head(issuer="i1", anchor="a" * 64, created_at=Instant(1_790_000_001), schema="0009", salt=b"t" * 32)
    head, parts = frames(written())
    _, theirs = frames(written(head=other))
    assert code_of(head + b"".join([parts[0], theirs[1], *parts[2:]])) == "backup_damaged"
    assert code_of(head + b"".join(theirs)) == "backup_does_not_open"


def test_another_installations_secrets_open_nothing() -> None:
    assert code_of(written(), bytes(32)) == "backup_does_not_open"


def test_something_behind_the_end_is_refused() -> None:
    assert code_of(written() + b"\0") == "backup_damaged"


def test_rows_that_were_not_counted_or_not_there_are_refused() -> None:
    for rows in ({"t": 2}, {"t": 4}, {}, {"t": 3, "u": 1}):
        assert code_of(written((*PARTS[:-1], EndPart(rows=rows)))) == "backup_damaged"


def test_an_end_part_in_the_middle_is_refused() -> None:
    head, parts = frames(written())
    end = msgspec.msgpack.encode(EndPart(rows={}))
    assert code_of(head + sealed(0, zlib.compress(end), last=False) + b"".join(parts[1:])) == "backup_damaged"
    row = msgspec.msgpack.encode(PARTS[1])
    assert code_of(head + parts[0] + sealed(1, zlib.compress(row), last=True)) == "backup_damaged"


@pytest.mark.parametrize(
    "plain",
    [
        b"not compressed",
        zlib.compress(b"not msgpack"),
        zlib.compress(msgspec.msgpack.encode(["other", 1])),
        zlib.compress(msgspec.msgpack.encode(["rows", "t", ["a"], [[1, 2]]])),
        zlib.compress(msgspec.msgpack.encode(["rows", "t", ["a"], [[[1]]]])),
        zlib.compress(msgspec.msgpack.encode(["rows", "t", ["a"], [[True]]])),
        zlib.compress(msgspec.msgpack.encode(PARTS[0])) + b"behind",
        zlib.compress(bytes(MAX_PLAIN + 1)),
    ],
)
def test_genuine_parts_that_we_would_not_write_are_refused(plain: bytes) -> None:
    head, parts = frames(written())
    assert code_of(head + sealed(0, plain, last=False) + b"".join(parts[1:])) == "backup_damaged"


@pytest.mark.parametrize(
    "data",
    [b"", b"carnet-backup/2\n{}\n", b"SQLite format 3\0", MAGIC.rstrip()],
)
def test_other_files_are_no_backup(data: bytes) -> None:
    assert code_of(data) == "not_a_backup"


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[1]\n", b'{"issuer":1}\n', b"{" * 5000, b'{"issuer":"i"'])
def test_heads_that_cannot_be_read_are_refused(line: bytes) -> None:
    assert code_of(MAGIC + line) == "backup_damaged"


def test_no_row_can_be_read_without_the_secret() -> None:
    parts: tuple[Part, ...] = (
        RowsPart(table="licenses", columns=["a"], rows=[["a rather long word"]]),
        EndPart(rows={"licenses": 1}),
    )
    data = written(parts)
    assert b"rather" not in data
    assert b"licenses" not in data

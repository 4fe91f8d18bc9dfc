"""
The backup file: a readable head, then sealed parts, each authenticated with its place, so that one that is cut, swapped
or changed anywhere is told from a whole one (specs/backup.md).

Pure but for the stream it is given. Knows no database: parts are files and rows of named columns.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError
from carnet.core.instant import Instant, parse_instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.primitives import hkdf_sha256
from carnet.formats.strict_json import dump_json, parse_object

MAGIC: Final = b"carnet-backup/1\n"
MAX_HEAD: Final = 4096
MAX_SEALED: Final = 32 * 1024 * 1024
"""Of one part as stored; `MAX_PLAIN` of it once opened and inflated."""
MAX_PLAIN: Final = 64 * 1024 * 1024

_SALT_BYTES: Final = 32
_KEY_BYTES: Final = 32
_INFO: Final = b"carnet/v1/backup"
_LENGTH_BYTES: Final = 4
_FIX: Final = "Use another backup; check each with: carnet backup verify FILE"

_VALUES: Final = frozenset({int, float, str, bytes, type(None)})


class Head(Struct):
    """
    What anybody may read of a backup.

    Attributes:
        issuer: The installation's id.
        anchor: Of its root file, version 1.
        created_at: The moment whose state this is.
        schema: The database's revision.
        salt: 32 random bytes; the key of this file is derived with them.
    """

    issuer: str
    anchor: str
    created_at: Instant
    schema: str
    salt: bytes


class FilePart(msgspec.Struct, tag="file", array_like=True, frozen=True):
    """One small file of the data directory."""

    name: str
    content: bytes


class RowsPart(msgspec.Struct, tag="rows", array_like=True, frozen=True):
    """Some rows of a table: numbers, text, bytes and None, in the order of its columns."""

    table: str
    columns: list[str]
    rows: list[list[Any]]


class EndPart(msgspec.Struct, tag="end", array_like=True, frozen=True):
    """The last part: how many rows each table has in all."""

    rows: dict[str, int]


Part = FilePart | RowsPart | EndPart

_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], Part] = msgspec.msgpack.Decoder(Part).decode


class BackupWriter:
    """
    Writes one backup.

    Args:
        stream: Where to; binary, at its beginning.
        head: What stands in clear.
        secret: 32 bytes that only this installation has and that a restore needs anyway.

    Raises (all methods): OSError of *stream*.
    """

    def __init__(self, stream: IO[bytes], head: Head, secret: bytes) -> None:
        self._stream = stream
        written = MAGIC + _head_line(head)
        self._seal = AESGCM(_key(secret, head.salt))
        self._context = written
        self._number = 0
        stream.write(written)

    def write(self, part: Part) -> None:
        """Seal *part* behind the others; `EndPart` is the last one."""
        plain = zlib.compress(_encode(part))
        sealed = self._seal.encrypt(_nonce(self._number, last=isinstance(part, EndPart)), plain, self._context)
        self._number += 1
        self._stream.write(len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)


def read_head(stream: IO[bytes]) -> Head:
    """
    The readable head of the backup in *stream*, which then stands behind it. Nothing is verified.

    Raises:
        MalformedError: ``not_a_backup``.
    """
    if stream.read(len(MAGIC)) != MAGIC:
        raise MalformedError("not_a_backup", "This is not a backup of Carnet.", "Give a file of carnet backup create.")
    line = stream.readline(MAX_HEAD)
    try:
        head = parse_object(line.removesuffix(b"\n"), max_bytes=MAX_HEAD, what="The head of the backup")
        issuer, anchor, schema = (_text(head, name) for name in ("issuer", "anchor", "schema"))
        made = Head(
            issuer=issuer,
            anchor=anchor,
            created_at=parse_instant(_text(head, "created_at")),
            schema=schema,
            salt=b64url_decode(_text(head, "salt"), "The salt"),
        )
    except CarnetError as error:
        raise damaged("its head cannot be read") from error
    if _head_line(made) != line:
        raise damaged("its head is not as it was written")
    return made


def read_parts(stream: IO[bytes], head: Head, secret: bytes) -> Iterator[Part]:
    """
    Open what follows the head, part by part; the last one is the `EndPart`, and nothing is behind it.

    Args:
        stream: Behind the head.
        head: As `read_head` gave it.
        secret: As given to `BackupWriter`.

    Raises:
        NotGenuineError: ``backup_does_not_open``: another installation's, or changed at its beginning;
            ``backup_damaged``: cut, swapped or changed later on. What was yielded before is genuine, but not whole.
    """
    opener, context, number = AESGCM(_key(secret, head.salt)), MAGIC + _head_line(head), 0
    counted: Counter[str] = Counter()
    while True:
        part, is_last = _open(stream, opener, context, number)
        number += 1
        if isinstance(part, RowsPart):
            if any(len(row) != len(part.columns) or not _VALUES.issuperset(map(type, row)) for row in part.rows):
                raise damaged("a row is not one of its table")
            counted[part.table] = counted.get(part.table, 0) + len(part.rows)
        if isinstance(part, EndPart) is not is_last:
            raise damaged("its end is in the wrong place")
        if isinstance(part, EndPart) and Counter(part.rows) != counted:
            raise damaged("rows are missing")
        if is_last and stream.read(1):
            raise damaged("something follows its end")
        yield part
        if is_last:
            return


def damaged(problem: str) -> NotGenuineError:
    """A backup that is not as it was written."""
    return NotGenuineError("backup_damaged", f"This backup is damaged: {problem}.", _FIX)


def _open(stream: IO[bytes], opener: AESGCM, context: bytes, number: int) -> tuple[Part, bool]:
    length = stream.read(_LENGTH_BYTES)
    size = int.from_bytes(length, "big")
    if len(length) < _LENGTH_BYTES or not 0 < size <= MAX_SEALED:
        raise damaged("it ends too early")
    sealed = stream.read(size)
    if len(sealed) < size:
        raise damaged("it ends too early")
    for is_last in (False, True):
        try:
            plain = opener.decrypt(_nonce(number, last=is_last), sealed, context)
        except InvalidTag:
            continue
        return _decoded(plain), is_last
    if number == 0:
        raise NotGenuineError(
            "backup_does_not_open",
            "This backup does not open with the secrets of this installation.",
            "Put the secrets/ directory of the installation it was made of in its place, then try again.",
        )
    raise damaged(f"part {number + 1} was changed, or is not in its place")


def _decoded(plain: bytes) -> Part:
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(plain, MAX_PLAIN)
        if not inflate.eof or inflate.unused_data:
            raise damaged("a part is larger than any we write")
        return _decode(content)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise damaged("a part is not one we write") from error


def _head_line(head: Head) -> bytes:
    content = {
        "issuer": head.issuer,
        "anchor": head.anchor,
        "created_at": str(head.created_at),
        "schema": head.schema,
        "salt": b64url_encode(head.salt),
    }
    return dump_json(content) + b"\n"


def _key(secret: bytes, salt: bytes) -> bytes:
    return hkdf_sha256(secret, salt=salt, info=_INFO, length=_KEY_BYTES)


def _nonce(number: int, *, last: bool) -> bytes:
    # The key serves this one file, so a counter never repeats; the last part's own mark tells an end from a cut
    # (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
    return number.to_bytes(11, "big") + bytes((last,))


def _text(head: Mapping[str, Any], name: str) -> str:
    value = head.get(name)
    if not isinstance(value, str):
        raise damaged("its head cannot be read")
    return value

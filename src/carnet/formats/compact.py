"""
Numbers, times and texts in few bytes, for what a person may have to type; specs/signed-license-key.md §5.

Belongs here: one value to bytes and back. Does not belong here: which values make an artifact (`signed_key_payload`).

The writers write one form of each value. `Reader` takes some other forms too: what it read must be written again and
compared (`signed_key_payload.read_payload` does).
"""

from __future__ import annotations

import functools
from typing import Final, NoReturn

from carnet.core.errors import MalformedError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.policy_claims import is_text

EPOCH: Final = 1767225600
"""2026-01-01T00:00:00Z: times count from here, which saves a byte until 2034."""

PACKED: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_.*"
"""The 40 characters that product ids, entitlement keys, versions and host names are made of: three in two bytes."""

_PACKED_VALUES: Final = {letter: value for value, letter in enumerate(PACKED)}
_PACKED_SET: Final = frozenset(PACKED)
_UUID_CHARACTERS: Final = 36
_MAX_VARINT_BYTES: Final = 6
_FIX: Final = "Ask the vendor for a new key."


def write_varint(number: int) -> bytes:
    """*number*, 0 or more: seven bits a byte, lowest first, the top bit set on all but the last (LEB128)."""
    if number < 128:
        return bytes((number,))
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


@functools.lru_cache(maxsize=64)
def write_time(instant: int) -> bytes:
    """
    Seconds since `EPOCH`.

    Raises:
        MalformedError: ``bad_times``: before 2026 or after 9999.
    """
    if not EPOCH <= instant <= MAX_INSTANT:
        _refuse("bad_times", "A time is before 2026 or after 9999.")
    return write_varint(instant - EPOCH)


def write_text(text: str) -> bytes:
    """
    An id or a name, in the shortest form it has.

    Raises:
        MalformedError: ``bad_claim``: not 1 to 255 printable characters.
    """
    if not is_text(text):
        _refuse("bad_claim", "An id or a name is not 1 to 255 printable characters.")
    return write_any_text(text)


@functools.lru_cache(maxsize=256)
def remembered_text(text: str) -> bytes:
    """`write_text` for what many keys share."""
    return write_text(text)


def write_any_text(text: str) -> bytes:
    """
    *text*, one character or more: 0 and the 16 bytes of a UUID; or twice its length and its characters packed; or one
    more than twice the length of its UTF-8, and that.
    """
    if len(text) == _UUID_CHARACTERS:
        raw = _uuid(text)
        if raw is not None:
            return b"\0" + raw
    if not _PACKED_SET.issuperset(text):
        encoded = text.encode()
        return write_varint(2 * len(encoded) + 1) + encoded
    values = [_PACKED_VALUES[letter] for letter in text]
    packed = bytearray(write_varint(2 * len(values)))
    for start in range(0, len(values), 3):
        number = 0
        for value in values[start : start + 3]:
            number = number * 40 + value
        packed += number.to_bytes(1 if start + 1 == len(values) else 2, "big")
    return bytes(packed)


class Reader:
    """Takes bytes apart from the front. Never looks behind their end; true while any are left."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, data: bytes) -> None:
        self._bytes = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._bytes)

    def take(self, count: int) -> bytes:
        """The next *count* bytes."""
        taken = self._bytes[self._at : self._at + count]
        if len(taken) != count:
            _refuse("bad_payload", "It ends too early.")
        self._at += count
        return taken

    def varint(self) -> int:
        """What `write_varint` wrote, below 2^42."""
        number = 0
        for place in range(_MAX_VARINT_BYTES):
            (byte,) = self.take(1)
            number |= (byte & 127) << 7 * place
            if byte < 128:
                return number
        return _refuse("bad_payload", "A number in it is too large.")

    def time(self) -> Instant:
        """What `write_time` wrote."""
        return Instant(EPOCH + self.varint())

    def text(self) -> str:
        """What `write_any_text` wrote; empty for a form that it does not write."""
        head = self.varint()
        if head == 0:
            return _uuid_text(self.take(16))
        count, is_utf8 = divmod(head, 2)
        if not is_utf8:
            return self._unpacked(count)
        try:
            return self.take(count).decode()
        except UnicodeDecodeError:
            return _refuse("bad_payload", "A text in it is not UTF-8.")

    def _unpacked(self, count: int) -> str:
        packed = self.take(count // 3 * 2 + count % 3)
        letters: list[str] = []
        for start in range(0, len(packed), 2):
            number, size = int.from_bytes(packed[start : start + 2], "big"), min(3, count - len(letters))
            letters += [PACKED[number // 40**place % 40] for place in reversed(range(size))]
        return "".join(letters)


def _uuid(text: str) -> bytes | None:
    """The bytes of a UUID in its usual spelling: lower case, hyphens after 8, 12, 16 and 20 digits."""
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return raw if len(raw) == 16 and _uuid_text(raw) == text else None


def _uuid_text(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, f"The license key does not say what one must: {sentence}", _FIX) from None

"""
What a usable identifier looks like: canonical spelling, and the values that many machines share.

A placeholder is never identity (SEC-16, SEC-19): two machines that both report it would be one device.
"""

from __future__ import annotations

import os
from typing import Literal

from carnet.core._base import Struct

Strength = Literal["strong", "declared", "weak"]

SMALL_FILE_BYTES = 32 * 1024

_HEX = frozenset("0123456789abcdef")

_SHARED = frozenset(
    {
        # Firmware defaults of unrelated machines; the second is the first, read with the other byte order.
        "03000200040005000006000700080009",
        "00020003000400050006000700080009",
        "123456781234567890abcddeefaabbcc",
        "12345678123412341234123456789012",
        "000102030405060708090a0b0c0d0e0f",
        "030201000504070608090a0b0c0d0e0f",
        "deadbeefdeadbeefdeadbeefdeadbeef",
        "0123456789abcdef0123456789abcdef",
    }
)
"""
Hexadecimal ids that whole product lines share. `formats.fingerprint` refuses more, for identities of any shape; this
short list keeps it out of every start of the app, and a test compares the two.
"""


class Anchor(Struct):
    """
    One identifier of this device. Its raw value stays in this process (SEC-19): print it and you see its kind.

    Attributes:
        kind: Where it comes from, for example ``linux-machine-id``; names the slot in the state file.
        value: Canonical text, not empty.
        strength: ``strong`` (the operating system's or the firmware's own), ``declared`` (by the operator), or
            ``weak`` (shared by clones of one image, or copied with the state directory).
    """

    kind: str
    value: str
    strength: Strength

    def __repr__(self) -> str:
        return f"Anchor(kind={self.kind!r}, strength={self.strength!r})"


class Missing(Struct):
    """A source of identity that gave none, and why, in a sentence (users-ask 32, 38)."""

    kind: str
    reason: str


class Found(Struct):
    """What the sources of one kind of system gave, in the order in which they are believed."""

    anchors: tuple[Anchor, ...] = ()
    missing: tuple[Missing, ...] = ()


def canonical_uuid(text: str) -> str | None:
    """
    The lower-case, dashed spelling of a UUID, or None when *text* is none or one that many machines share.

    Args:
        text: As an operating system or firmware gives it: any case, with or without braces and dashes.
    """
    digits = text.strip().strip("{}").replace("-", "").lower()
    if not _is_identity(digits):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_monotonous(digits: str) -> bool:
    """Whether *digits* repeats one or two characters only: all zeros, all F, FEFE…; never a real identifier."""
    return len(set(digits)) <= 2


def canonical_machine_id(text: str) -> str | None:
    """
    A machine-id(5) as 32 lower-case hex digits, or None when it is not one.

    ``uninitialized`` (systemd's word before the first boot), an empty file and all zeros are none.
    """
    digits = text.strip().lower()
    return digits if _is_identity(digits) else None


def _is_identity(digits: str) -> bool:
    return len(digits) == 32 and _HEX.issuperset(digits) and not is_monotonous(digits) and digits not in _SHARED


def read_text(path: str, most: int = SMALL_FILE_BYTES) -> str:
    """
    The first *most* bytes of a file, as UTF-8; bytes that are not UTF-8 become surrogates, which nothing accepts.

    Raises:
        OSError: It cannot be opened or read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        return os.read(handle, most).decode("utf-8", "surrogateescape")
    finally:
        os.close(handle)

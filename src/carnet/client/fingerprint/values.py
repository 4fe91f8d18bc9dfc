"""
What a usable identifier looks like: canonical spelling, and the values that many machines share.

Pure. A placeholder is never identity (SEC-16, SEC-19): two machines that both report it would be one device.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.formats.fingerprint import is_placeholder

Strength = Literal["strong", "declared", "weak"]

MAX_DECLARED_CHARACTERS = 4096
"""Any honest length is taken and hashed to a fixed size (users-ask 35); the bound only keeps reading finite."""

_HEX = frozenset("0123456789abcdef")

_SHARED_UUIDS = frozenset(
    {
        # Counting bytes, in both byte orders, and a programmer's joke: firmware defaults beside those that
        # `formats.fingerprint` knows.
        "00010203-0405-0607-0809-0a0b0c0d0e0f",
        "03020100-0504-0706-0809-0a0b0c0d0e0f",
        "deadbeef-dead-beef-dead-beefdeadbeef",
    }
)


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
    if len(digits) != 32 or not _HEX.issuperset(digits) or is_monotonous(digits):
        return None
    dashed = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return None if dashed in _SHARED_UUIDS or is_placeholder(dashed) else dashed


def is_monotonous(digits: str) -> bool:
    """Whether *digits* repeats one or two characters only: all zeros, all F, FEFE…; never a real identifier."""
    return len(set(digits)) <= 2


def canonical_machine_id(text: str) -> str | None:
    """
    A machine-id(5) as 32 lower-case hex digits, or None when it is not one.

    ``uninitialized`` (systemd's word before the first boot), an empty file and all zeros are none.
    """
    digits = text.strip().lower()
    if len(digits) == 32 and _HEX.issuperset(digits) and not is_monotonous(digits) and not is_placeholder(digits):
        return digits
    return None

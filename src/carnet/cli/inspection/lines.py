"""
The vocabulary of an explanation: lines, and how values are written in them. Pure: the clock comes in as an argument.
"""

from __future__ import annotations

from typing import Any

from carnet.core._base import Struct
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, MINUTE, Instant

MASKED_NAMES = ("license_key", "password", "secret", "private", "passphrase")
"""Members that nobody knows are masked where their name holds one of these, or is one of `MASKED_EXACTLY`."""

MASKED_EXACTLY = frozenset(("key", "token", "d", "pin", "licensekey", "apikey"))

_YEAR = 365 * DAY
_MASK = "…"
_MAX_SHOWN = 600


class Line(Struct):
    """One line: where it stands in the artifact, its value as text (secrets masked), and what it means."""

    name: str
    value: str
    meaning: str


class Problem(Struct):
    """Why a reader would refuse the artifact: a stable code and a sentence."""

    code: str
    message: str


class Explained(Struct):
    """
    An artifact, explained.

    Attributes:
        title: What kind of thing it is, in one sentence.
        members: Its facts for programs.
        lines: Its facts for people, in the artifact's order.
        problems: Why a reader would refuse it, as far as that shows without keys.
        parts: Name and explanation of the artifacts inside it.
    """

    title: str
    members: dict[str, Any]
    lines: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = ()
    parts: tuple[tuple[str, Explained], ...] = ()


def masked(secret: str) -> str:
    """*secret* as it may be shown: its last four characters, and never more than half of a short one (SEC-33)."""
    from carnet.formats.license_key import last_four

    return _MASK + last_four(secret)


def masked_address(address: str) -> str:
    """An e-mail address as it may be shown: its first letter and its domain."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}{_MASK}{at}{domain}" if at else masked(address)


def is_secret_name(name: str) -> bool:
    """Whether a member that nobody knows may hold a secret, by its name."""
    plain = name.lower()
    return plain in MASKED_EXACTLY or any(word in plain for word in MASKED_NAMES)


def moment(value: Any, now: Instant | None) -> str:
    """
    A time in whole Unix seconds as RFC 3339, and how far it is from *now* where that is given.

    Args:
        value: Of any type; what is no time is shown as it is.
        now: The moment to count from; None leaves the distance out.
    """
    if type(value) is bool or not isinstance(value, int) or not 0 <= value <= MAX_INSTANT:
        return f"{shown(value)} (not a time)"
    text = str(Instant(value))
    return text if now is None else f"{text} ({distance(value - now)})"


def distance(seconds: int) -> str:
    """``now``, ``in 12 days``, ``3 hours ago``: rounded down to the largest unit that is at least 1, days up to 2 y."""
    if seconds == 0:
        return "now"
    text = span(abs(seconds), rough=True)
    return f"in {text}" if seconds > 0 else f"{text} ago"


def span(seconds: int, *, rough: bool = False) -> str:
    """
    A duration as people say it: ``7 days``, ``90 seconds``.

    Args:
        seconds: At least 0.
        rough: Round down; otherwise the largest unit that divides it is used.
    """
    units = ((_YEAR, "year"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second"))
    for unit, name in units:
        if unit == _YEAR and (not rough or seconds < 2 * _YEAR):
            continue
        if seconds >= unit and (rough or seconds % unit == 0):
            count = seconds // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "0 seconds"


def shown(value: Any) -> str:
    """Any JSON value as one line of text, at most 600 characters."""
    if isinstance(value, str):
        text = value
    else:
        from carnet.cli.output import as_json

        text = as_json(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"

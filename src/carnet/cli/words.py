"""
Words on the command line that become values: names, times, durations, policy members.

Forgiving where nothing is at stake (a name may be a plain word or an option), exact where something is.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from carnet.core.dates import parse_end
from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, MINUTE, Instant, parse_instant

_DURATION = re.compile(r"([0-9]{1,12})([smhdw]?)")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_UNITS = {"": 1, "s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


def add_name(parser: argparse.ArgumentParser, option: str, summary: str, *, required: bool = True) -> None:
    """
    Let a name be given as a plain word or as *option*: `product show hustl` is `product show --id hustl`.

    Args:
        parser: The command.
        option: For example ``--id``; its words are the name that `name` reads.
        summary: Help for both.
        required: Whether `name` insists on it.
    """
    dest = option.lstrip("-").replace("-", "_")
    parser.add_argument(f"{dest}_word", nargs="?", metavar=dest.upper(), help=summary)
    parser.add_argument(option, dest=f"{dest}_option", metavar=dest.upper(), help=argparse.SUPPRESS)
    parser.set_defaults(**{f"{dest}_required": required})


def name(options: argparse.Namespace, dest: str) -> str:
    """
    The name given as a word or as an option.

    Raises:
        UsageError: ``bad_usage``: it is missing and required, or given twice and differently.
    """
    given: set[str] = {text for text in (getattr(options, f"{dest}_word"), getattr(options, f"{dest}_option")) if text}
    if len(given) > 1:
        raise UsageError("bad_usage", f"Two different names were given for {dest.upper()}.", "Give one of them.")
    if not given:
        raise UsageError("bad_usage", f"{dest.upper()} is missing.", "Add it to the command; --help shows where.")
    return given.pop()


def duration(text: str) -> int:
    """Seconds from `90`, `90s`, `15m`, `12h`, `30d` or `4w`; for argparse's ``type``."""
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a duration; write 12h, 30d or 4w")
    return int(match[1]) * _UNITS[match[2]]


def instant(text: str) -> Instant:
    """
    An RFC 3339 time, in any of the spellings that RFC 3339 §5.6 has; for argparse's ``type``. Our formats have one
    spelling (design.md §2 rule 2); people and other programs write offsets and fractions, which are dropped.
    """
    try:
        return _rfc3339(text)
    except MalformedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _rfc3339(text: str) -> Instant:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return parse_instant(text)  # which says what is wrong
    local = parse_instant(f"{match[1]}T{match[2]}Z")
    offset = int(match[4] or 0) * HOUR + int(match[5] or 0) * MINUTE
    at = local + (offset if match[3] == "-" else -offset)
    return Instant(at) if 0 <= at <= MAX_INSTANT else parse_instant(text)


def end_of(text: str) -> Instant:
    """A time, or a date: valid until that day has ended everywhere on Earth (REL-15); for argparse's ``type``."""
    try:
        return _rfc3339(text) if _RFC3339.fullmatch(text) else parse_end(text)
    except MalformedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def whole(low: int, high: int) -> Any:
    """A whole number from *low* to *high*; for argparse's ``type``."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def members(assignments: Sequence[str]) -> dict[str, Any]:
    """
    Policy members from `NAME=VALUE` words; a value is JSON where it reads as JSON, else text.

    Raises:
        UsageError: ``bad_usage``: a word has no `=`, or a name comes twice.
    """
    from carnet.formats.strict_json import parse_json

    found: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key or key in found:
            raise UsageError(
                "bad_usage", f"{assignment[:40]!r} is not a new NAME=VALUE.", "For example: --set seat_limit=5"
            )
        try:
            found[key] = parse_json(text.encode(), max_bytes=16384, what="the value")
        except MalformedError:
            found[key] = text
    return found

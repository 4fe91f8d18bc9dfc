"""
The stamp that a device shows at its next refresh, and what it tells of copies (SEC-45; specs/answer.md §7).

Every authentic grant hands out a stamp: a number that rises and something random. A device shows the one it holds. Two
devices with one identity, one a copy of the other, show stamps that cannot both be the newest; one device whose answer
was lost shows the one before. That a copy was seen is told to the vendor, and changes nothing for the device.

    what is shown                                   so                                          a fork
    ----------------------------------------------  ------------------------------------------  ------
    nothing                                         an older program, or a state that was lost  no
    the newest                                      the answer came                             no
    one that was given beside the newest            two asked at once; that one's answer came   no
    the one that was shown before                   the answer was lost; the newest is given up  no
    another one, and it is not known what was shown an answer to an activation was lost         no
    one with a higher number than any given out     the server forgot, not the device           no
    any other                                       given up, or long past                      yes

What is given for the same stamp at once, to several programs of one device, is given *beside* the newest: the number is
one more, and the random part is the same, so that each of them is known by the newest. Any one may be shown next, and
then the others are given up.
"""

from __future__ import annotations

from typing import Final

from carnet.core._base import Struct
from carnet.core.errors import UsageError

MAX_NUMBER: Final = 2**53 - 1
RANDOM_CHARACTERS: Final = 16
MAX_STAMP: Final = 16 + 1 + RANDOM_CHARACTERS
"""Characters of the longest stamp: the largest number, a dot, and 96 random bits as base64url."""

_DIGITS: Final = frozenset("0123456789")
_RANDOM: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Stamps(Struct):
    """
    What a server remembers of one activation's stamps.

    Attributes:
        newest: The stamp that was given out last; None before the first.
        shown: The one that was shown when *newest* was given out; None where none was.
        forks: How often a stamp was shown that a copy must have held.
    """

    newest: str | None = None
    shown: str | None = None
    forks: int = 0


def number_of(stamp: str) -> int | None:
    """The number of *stamp*, 1 to 2^53 - 1; None where it is none: it must be spelt as `make_stamp` does."""
    number, dot, random = stamp.partition(".")
    if not dot or len(random) != RANDOM_CHARACTERS or not _RANDOM.issuperset(random):
        return None
    if not 0 < len(number) <= len(str(MAX_NUMBER)) or not _DIGITS.issuperset(number) or number[0] == "0":
        return None
    value = int(number)
    return value if value <= MAX_NUMBER else None


def make_stamp(number: int, random: str) -> str:
    """
    The stamp of *number*, 1 to 2^53 - 1, and 16 random characters of base64url.

    Raises:
        UsageError: ``bad_stamp``: another number or other characters.
    """
    stamp = f"{number}.{random}"
    if number_of(stamp) != number:
        raise UsageError("bad_stamp", "A stamp is a number from 1 and 16 characters of base64url.")
    return stamp


def next_stamp(stamps: Stamps, shown: str | None, random: str, *, at_once: bool = False) -> tuple[Stamps, bool]:
    """
    What is remembered after a grant, whose stamp is its `newest`, and whether a fork was seen: the table above.

    Args:
        stamps: What was remembered.
        shown: What the device showed; anything that is no stamp counts for nothing.
        random: 16 random characters of base64url, never used before.
        at_once: Whether the newest was given out so short a time ago that this may have been asked for by then.
    """
    number = None if shown is None else number_of(shown)
    last = 0 if stamps.newest is None else number_of(stamps.newest) or 0
    following = min(max(last, number or 0) + 1, MAX_NUMBER)
    is_fork = (
        number is not None
        and stamps.newest is not None
        and stamps.shown is not None
        and shown not in {stamps.newest, stamps.shown}
        and number <= last
        and _random_of(shown) != _random_of(stamps.newest)
    )
    if at_once and number is not None and shown == stamps.shown and last < following:
        random = _random_of(stamps.newest)
    after = Stamps(
        newest=make_stamp(following, random),
        shown=None if number is None else shown,
        forks=stamps.forks + is_fork,
    )
    return after, is_fork


def _random_of(stamp: str | None) -> str:
    return "" if stamp is None else stamp.partition(".")[2]


def is_newer_stamp(stamp: str, held: str | None) -> bool:
    """Whether a device that holds *held* keeps *stamp* in its place: answers may overtake each other."""
    before = None if held is None else number_of(held)
    return before is None or (number_of(stamp) or 0) >= before

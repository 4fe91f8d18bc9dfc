"""
Budgets: at most so many of something within a period (users-ask 12 and 18).

A period begins with the first thing that is counted in it and ends after its whole length; the next thing begins
another. So a budget needs one count and one time per license, which stand in the row that is locked anyway, and never
a look back over history. At worst twice the budget fits into one length of time, around the border of two periods.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.instant import Instant


class Tally(Struct):
    """How many were counted in the period that began at `began_at`; None: none ever was."""

    count: int = 0
    began_at: Instant | None = None


def counted(tally: Tally, period_seconds: int, now: Instant) -> int:
    """How many are counted in the period that is running *now*; a period is over once it lasted its whole length."""
    if tally.began_at is None or now >= tally.began_at + period_seconds:
        return 0
    return tally.count


def has_room(tally: Tally, budget: int | None, period_seconds: int, now: Instant) -> bool:
    """Whether one more fits into *budget*; None is no budget."""
    return budget is None or counted(tally, period_seconds, now) < budget


def count_one(tally: Tally, period_seconds: int, now: Instant) -> Tally:
    """*tally* with one more, in the running period or at the beginning of a new one."""
    count = counted(tally, period_seconds, now)
    began_at = tally.began_at if count else now
    return Tally(count=count + 1, began_at=began_at)


def free_again_at(tally: Tally, period_seconds: int) -> int | None:
    """When the running period is over, in seconds since 1970; None if none ever began."""
    return None if tally.began_at is None else tally.began_at + period_seconds

"""
More seats than were sold: refused, allowed up to a share, or allowed and reported (users-ask 10 and 23).

The limit that was sold is the policy's `seat_limit`; the *ceiling* is where the database stops. Held seats are never
taken back by either. Pure numbers; the events they lead to are written with the seat that crossed the mark.
"""

from __future__ import annotations

from typing import Final, Literal

from carnet.core.instant import DAY

SeatMark = Literal["near_limit", "at_limit", "over_limit"]

LEVELS: Final[dict[SeatMark, int]] = {"near_limit": 1, "at_limit": 2, "over_limit": 3}
"""How bad each mark is; 0 is none of them."""

HOLD_DOWN_SECONDS = DAY
"""For how long the same is not told again (users-ask 60)."""

MAX_OVERAGE_PERCENT = 1000
"""Eleven times what was sold; whoever wants more allows any number and has it reported."""


def seat_ceiling(limit: int | None, overage_percent: int | None) -> int | None:
    """
    How many seats may be held at most; None for any number.

    Args:
        limit: How many were sold, at least 1; None for any number.
        overage_percent: 0 refuses more; 20 allows a fifth more, rounded down; None allows any number and reports it.
    """
    if limit is None or overage_percent is None:
        return None
    return limit + limit * overage_percent // 100


def seat_mark(used: int, limit: int | None, near_percent: int | None) -> SeatMark | None:
    """
    What taking a seat has just led to, worth telling the vendor; None if nothing.

    Told on the way up, when the mark is crossed, and not with every seat beyond it; each seat over the limit is told,
    because it may be billed. A seat that comes and goes around a mark reaches it each time: `is_worth_telling` holds
    that down where events are handed out (users-ask 60).

    Args:
        used: Seats held, the new one included.
        limit: How many were sold; None never leads to anything.
        near_percent: From how many percent of the limit on it is nearly reached, 1 … 100; None does not tell.
    """
    if limit is None:
        return None
    if used > limit:
        return "over_limit"
    if used == limit:
        return "at_limit"
    if near_percent is None:
        return None
    near = -(-limit * near_percent // 100)  # the first whole number of seats that reaches the share
    return "near_limit" if used == near else None


def limit_level(used: int, limit: int | None, near_percent: int | None) -> int:
    """
    Where a limit stands, as one of `LEVELS`; 0 below the share from which on the vendor is told.

    Args:
        used: How many are held.
        limit: How many may be; None: any number, which is never near.
        near_percent: As for `seat_mark`.
    """
    if limit is None:
        return 0
    if used >= limit:
        return LEVELS["over_limit"] if used > limit else LEVELS["at_limit"]
    is_near = near_percent is not None and used >= -(-limit * near_percent // 100)
    return LEVELS["near_limit"] if is_near else 0


def is_worth_telling(level: int, used: int, now: int, *, told_level: int, told_used: int, told_at: int) -> bool:
    """
    Whether a level that was just reached is news (users-ask 60).

    It is where nothing was told, where it is worse than what was told last, where more are over the limit than ever
    told, and when `HOLD_DOWN_SECONDS` have passed since. A clock that went back holds nothing down.

    Args:
        level: One of `LEVELS`.
        used: How many are held.
        now: The present second.
        told_level: What was told last; 0: nothing.
        told_used: How many were held then.
        told_at: When.
    """
    if level > told_level or not 0 <= now - told_at < HOLD_DOWN_SECONDS:
        return True
    return level == told_level == LEVELS["over_limit"] and used > told_used

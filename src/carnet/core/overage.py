"""
More seats than were sold: refused, allowed up to a share, or allowed and reported (users-ask 10 and 23).

The limit that was sold is the policy's `seat_limit`; the *ceiling* is where the database stops. Held seats are never
taken back by either. Pure numbers; the events they lead to are written with the seat that crossed the mark.
"""

from __future__ import annotations

from typing import Literal

SeatMark = Literal["near_limit", "at_limit", "over_limit"]

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
    because it may be billed. A seat that comes and goes around a mark tells it each time: holding that down is the
    business of whoever delivers events (users-ask 60).

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

"""
From where a renewal counts (R-05, users-ask 64; specs/decision.md §7.2).

`expiry` adds a term to the old end: paying early loses nothing. `now` counts from the renewal. `anchor_day` keeps the
billing cycle: the new end is an end of the cycle, on its day of the month, and the first one that lies ahead. Each of
them takes terms of seconds and of calendar months.
"""

from __future__ import annotations

from typing import Literal

from carnet.core.dates import add_months, civil, months_between
from carnet.core.instant import Instant
from carnet.core.starts import Term, end_of

RenewalBasis = Literal["expiry", "now", "anchor_day"]

RENEWAL_BASES: tuple[RenewalBasis, ...] = ("expiry", "now", "anchor_day")


def renewed_end(
    term: Term,
    basis: RenewalBasis,
    *,
    old_end: Instant,
    now: Instant,
    anchor_day: int | None = None,
) -> int:
    """
    The new end of a term that is renewed.

    Args:
        term: What is added; not endless.
        basis: From where it counts.
        old_end: First second after the term so far.
        now: The server's time.
        anchor_day: For ``anchor_day`` with months: the day of the month of every end, 1 … 31 (a shorter month: its last
            day); None for the day of *old_end*.

    Returns:
        For ``expiry`` and ``now`` exactly one term after them, whatever comes of it: an end that is over already, not
        later than the old one, or beyond the year 9999 is the caller's to refuse. For ``anchor_day`` the first end that
        is a whole number of cycles, at least one, after *old_end*, and after *now*: cycles that went by unpaid are
        skipped.
    """
    if basis != "anchor_day":
        end = end_of(term, old_end if basis == "expiry" else now)
        assert end is not None  # noqa: S101 - not endless
        return end
    if term.months is None:
        assert term.seconds is not None  # noqa: S101 - not endless
        cycles = max(0, now - old_end) // term.seconds + 1
        return old_end + cycles * term.seconds
    day = civil(old_end).day if anchor_day is None else anchor_day
    # A cycle may land earlier in its month than the old end stood in its own; the next one is then surely ahead.
    cycles = max(1, months_between(old_end, now, day=day) // term.months)
    end = add_months(old_end, cycles * term.months, day=day)
    return end if end > now else add_months(old_end, (cycles + 1) * term.months, day=day)

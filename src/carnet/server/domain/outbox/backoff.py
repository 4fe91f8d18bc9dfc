"""
When a delivery that failed is tried again, and when it is given up (REL-09). Pure.
"""

from __future__ import annotations

from typing import Final

from carnet.core.instant import DAY, HOUR, Instant

FIRST_SECONDS: Final = 5
MOST_SECONDS: Final = 6 * HOUR
GIVE_UP_SECONDS: Final = 3 * DAY
"""From the first attempt on."""

_DOUBLINGS: Final = 20


def next_attempt(attempts: int, first_tried_at: Instant, now: Instant, chance: float) -> Instant | None:
    """
    When to try again; None: not any more.

    The wait doubles from `FIRST_SECONDS` up to `MOST_SECONDS`, and up to half of it is taken off by chance, so that
    what failed together is not tried together again. The last attempt is when `GIVE_UP_SECONDS` are over.

    Args:
        attempts: How many there were, the one that just failed included; at least 1.
        first_tried_at: When the first was.
        now: The present second.
        chance: From 0 up to 1.
    """
    ends_at = first_tried_at + GIVE_UP_SECONDS
    if now >= ends_at:
        return None
    longest = min(FIRST_SECONDS << min(attempts - 1, _DOUBLINGS), MOST_SECONDS)
    wait = max(1, round(longest * (1 - chance / 2)))
    return Instant(min(now + wait, ends_at))

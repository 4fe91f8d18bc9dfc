"""
When the vendor is told that a license ends (R-62): some days before, and when it has ended. Pure.

A reminder is for terms that are long enough: thirty days before the end of a thirty-day license is its beginning.
"""

from __future__ import annotations

from carnet.core.instant import DAY, Instant

LEADS = (30 * DAY, 7 * DAY, DAY, 0)
"""How long before the end, in seconds; 0 is the end itself."""


def is_reminded(lead: int, begins_at: Instant, ends_at: Instant) -> bool:
    """
    Whether the vendor is told *lead* seconds before the end of a term: at the end always, before it where the term is
    at least twice as long.

    Args:
        lead: One of `LEADS`.
        begins_at: The first second of the term, or when the license was made.
        ends_at: The first second after it.
    """
    return lead == 0 or ends_at - begins_at >= 2 * lead

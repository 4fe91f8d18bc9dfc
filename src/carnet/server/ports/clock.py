"""
What the database knows about the clocks of those who signed (SEC-31).
"""

from __future__ import annotations

from typing import Protocol

from carnet.core._base import Struct
from carnet.core.instant import Instant


class ClockMarks(Struct):
    """
    Times to hold a clock against.

    Attributes:
        signed_at: `issued_at` of the newest artifact in the register, whoever signed it; None: there is none. It is
            dated back (SEC-04), so it may be a minute before the signature, never after it.
        confirmed_at: When an operator last said that the clock is right; None: never.
        signed_until: What was signed after `confirmed_at` up to here had a wrong time, says the same confirmation.
    """

    signed_at: Instant | None = None
    confirmed_at: Instant | None = None
    signed_until: Instant | None = None


class ClockStore(Protocol):
    """Clock marks."""

    async def clock_marks(self, issuer: str) -> ClockMarks:
        """The marks of an installation: two rows, each found by an index."""
        ...

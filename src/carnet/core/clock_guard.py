"""
Whether a server's clock may be signed with (SEC-31, docs/decisions/0056).

A wrong time that is signed lasts: devices keep it as the latest time they know, and tokens that are dated into the
future open nowhere. So whoever signs asks first. Pure: what the clock shows and what is known besides are given.
"""

from __future__ import annotations

from typing import Final, Literal

from carnet.core._base import Struct
from carnet.core.errors import StateError
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, MINUTE, Instant

MAX_BEHIND_SECONDS: Final = 5 * MINUTE
"""How far a clock may be behind its own last signature (SEC-31)."""

MAX_JUMP_SECONDS: Final = HOUR
"""How far a clock may run ahead of the time that is known to have passed (SEC-31)."""

MAX_UNSEEN_SECONDS: Final = 30 * DAY
"""How long a machine may have been off before its clock has to be confirmed: nothing tells that time from a jump."""


class ClockFacts(Struct):
    """
    What is known of a clock.

    Attributes:
        now: What it shows.
        signed_at: When something was signed last, by the same clock or a colleague's; None: never.
        expected: What it should show: its last right reading, and the time since by a clock that nobody sets. None
            where there is no such reading.
        seen_at: A right reading of an earlier boot: how long ago that was, nobody knows. None where there is none.
    """

    now: Instant
    signed_at: Instant | None = None
    expected: Instant | None = None
    seen_at: Instant | None = None


class ClockDoubt(Struct):
    """
    Why nothing is signed.

    Attributes:
        code: ``clock_behind``: it is earlier than what was signed; ``clock_jumped``: it went ahead by itself.
        now: What the clock shows.
        known: The time it is compared with.
    """

    code: Literal["clock_behind", "clock_jumped"]
    now: Instant
    known: Instant

    def error(self) -> StateError:
        """What whoever wants a signature is told."""
        if self.code == "clock_behind":
            return StateError(
                "clock_behind",
                f"This server's clock says {self.now}, but something was signed at {self.known} already.",
                "Set the clock (use NTP); if it is right, say so: carnet db confirm-clock",
            )
        return StateError(
            "clock_jumped",
            f"This server's clock says {self.now}; by what is known it should be about {self.known}.",
            "Set the clock (use NTP); if it is right, say so: carnet db confirm-clock",
        )


def judge_clock(facts: ClockFacts) -> ClockDoubt | None:
    """
    Whether the clock of *facts* may be signed with.

    Returns:
        None where it may: it is at most `MAX_BEHIND_SECONDS` behind the last signature and at most `MAX_JUMP_SECONDS`
        ahead of what is expected; where only an earlier boot's reading is known, at most `MAX_UNSEEN_SECONDS` ahead of
        that. A clock that is set back but not behind a signature is not judged.
    """
    now = facts.now
    if facts.signed_at is not None and now < facts.signed_at - MAX_BEHIND_SECONDS:
        return ClockDoubt(code="clock_behind", now=now, known=facts.signed_at)
    if facts.expected is not None:
        if now > facts.expected + MAX_JUMP_SECONDS:
            return ClockDoubt(code="clock_jumped", now=now, known=facts.expected)
    elif facts.seen_at is not None and now > facts.seen_at + MAX_UNSEEN_SECONDS:
        return ClockDoubt(code="clock_jumped", now=now, known=facts.seen_at)
    return None


def expected_time(seen_at: Instant, passed_seconds: float) -> Instant:
    """What a clock should show that was right at *seen_at*, when *passed_seconds* have passed; never earlier."""
    return Instant(min(seen_at + max(0, int(passed_seconds)), MAX_INSTANT))

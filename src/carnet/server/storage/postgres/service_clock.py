"""
The service clock on PostgreSQL: one for all processes, moved on by whoever beats (design.md §9, REL-10).

Every process beats every few seconds: one UPDATE that adds the database's time since the last beat, whosesoever it was.
A silence that is longer than `SILENCE_MS` adds nothing: nobody served, or the database's clock was set; nor does one
that is negative. So downtime does not count, a step of the clock does not either, and what is not counted only lets
leases last longer. Between two beats a process goes on from its last one by its own running clock, and no further than
`SILENCE_MS` (docs/decisions/0044).
"""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final

BEAT_SECONDS: Final = 3.0
"""How often each process beats."""

SILENCE_MS: Final = 15_000
"""The longest time between two beats that counts as running: four beats may be lost."""

HISTORY: Final = 1500
"""Beats that are remembered, to tell the age of a replica's state: more than an hour of them."""

_NOW: Final = "coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
# A beat may have waited for another one that was later: then it moves nothing back, or that time would count twice, or,
# with a silence behind it, not at all.
BEAT: Final = f"""
INSERT INTO service_clock AS c (id, ran_ms, beat_at_ms) VALUES (1, 0, {_NOW})
ON CONFLICT (id) DO UPDATE SET
    ran_ms = c.ran_ms + CASE WHEN excluded.beat_at_ms - c.beat_at_ms BETWEEN 0 AND {SILENCE_MS}
                             THEN excluded.beat_at_ms - c.beat_at_ms ELSE 0 END,
    beat_at_ms = CASE WHEN c.beat_at_ms - excluded.beat_at_ms BETWEEN 0 AND {SILENCE_MS}
                      THEN c.beat_at_ms ELSE excluded.beat_at_ms END
RETURNING ran_ms
"""  # noqa: S608 - our own number


class ServiceClock:
    """
    The clock as one process knows it.

    Args:
        database_ms: The database's time in milliseconds, for tests; None: the database's own.
    """

    def __init__(self, database_ms: Callable[[], int] | None) -> None:
        self._database_ms = database_ms
        self._ran_ms = 0
        self._beaten = 0.0
        self._history: list[tuple[int, float]] = []
        self._one_at_a_time = asyncio.Lock()

    async def beat(self, write: Callable[..., Any]) -> None:
        """Move the clock on by *write*, which runs one statement and gives its rows."""
        async with self._one_at_a_time:  # else what is answered late would be taken for what is true now
            sent_at = self._running()
            rows = await write(BEAT, None if self._database_ms is None else self._database_ms())
            self._ran_ms = rows[0][0]
            self._beaten = self._running()
        if self._history and self._history[-1][0] > self._ran_ms:  # an older state of the database was put back
            self._history.clear()
        self._history.append((self._ran_ms, sent_at))
        del self._history[:-HISTORY]

    def seconds(self) -> int:
        """How long the service has run, in whole seconds."""
        since = int((self._running() - self._beaten) * 1000)
        return (self._ran_ms + min(max(since, 0), SILENCE_MS)) // 1000

    def age_of(self, ran_ms: int) -> float | None:
        """
        How old a state of the database is, at most, in which the clock shows *ran_ms*; None: nobody can tell.

        It is no older than the last beat of ours that it holds: whatever was committed before that beat was sent is in
        it. Nobody's wall clock is asked, and no replica is believed but for what it shows. A clock further on than it
        can be here is another database's.
        """
        if not self._history or ran_ms > self._ran_ms + (self.running() - self._beaten) * 1000 + SILENCE_MS:
            return None
        place = bisect_left(self._history, (ran_ms, -math.inf))
        if place < len(self._history) and self._history[place][0] == ran_ms:
            return self.running() - self._history[place][1]  # of several beats that show the same, the first
        return self.running() - self._history[place - 1][1] if place else None

    def running(self) -> float:
        """Seconds of a clock that only runs on; a test's where it gave one."""
        return self._running()

    def _running(self) -> float:
        return time.monotonic() if self._database_ms is None else self._database_ms() / 1000

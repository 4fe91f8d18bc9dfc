"""
Forgetting what is over: rows that answer nobody's question any more. Safe to do twice, or to leave undone for long.
"""

from __future__ import annotations

from typing import Final

from carnet.core.instant import DAY, Instant
from carnet.server.domain.statistics.anomalies import DAY_SECONDS
from carnet.server.ports import Clock, Storage

KEEP_EVENTS_DAYS: Final = 90
KEEP_COUNTS_DAYS: Final = 800
"""Two years and a bit, so that a month can be compared with the same month of the years before."""

KEEP_STRANGERS_DAYS: Final = 800
"""
How long an artifact that was never issued is kept in the list after it was seen last: as long as counts. Which license
it came with is worth knowing while somebody may still hold it; that it came at all stands in the audit, which is
forgotten by nobody (SEC-24). One that is seen again after that is told of again.
"""

_LOT: Final = 500


class Upkeep:
    """
    What forgets.

    Args:
        storage: Where.
        clock: The time.
        keep_events_days: How long events that everybody got are kept.
    """

    def __init__(self, storage: Storage, clock: Clock, *, keep_events_days: int = KEEP_EVENTS_DAYS) -> None:
        self._storage = storage
        self._clock = clock
        self._keep_events_seconds = keep_events_days * DAY

    async def forget_requests(self) -> bool:
        """Forget Idempotency-Keys that are over (REL-02)."""
        await self._storage.forget_remembered(self._clock.now())
        return False

    async def forget_traffic(self) -> bool:
        """
        Forget some empty rate limits, used device proofs, and counts and strangers of years ago; whether there may be
        more.
        """
        now = self._clock.now()
        forgotten = (
            await self._storage.forget_charges(now_ns=int(now) * 1_000_000_000, limit=_LOT),
            await self._storage.forget_proofs(now, limit=_LOT),
            await self._storage.forget_counts(before_day=int(now) // DAY_SECONDS - KEEP_COUNTS_DAYS, limit=_LOT),
            await self._storage.forget_strangers(before=Instant(max(0, now - KEEP_STRANGERS_DAYS * DAY)), limit=_LOT),
        )
        return max(forgotten) == _LOT

    async def forget_events(self) -> bool:
        """Forget some old events that every destination got, with their deliveries; whether there may be more."""
        before = Instant(max(0, self._clock.now() - self._keep_events_seconds))
        return await self._storage.forget_events(before=before, limit=_LOT) == _LOT

"""
Statistics of a running server: noted in a microsecond, written a few times a minute, bounded.

Nothing here is a fact: a crash loses at most what was noted since the last flush, and a full buffer loses statistics
rather than memory (design.md §2 rule 9). Facts (who holds a seat, what was signed) are written where they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from carnet.core.errors import CarnetError
from carnet.core.instant import Instant
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.statistics.anomalies import DAY_SECONDS, Alert, Anomalies
from carnet.server.ports import DayCount, LastSeen, Seen, Storage
from carnet.server.records import SYSTEM, Activation, License

MAX_BUFFERED = 50_000
"""Things seen, and numbers counted, between two flushes; more of them are not noted."""

CALLER_NETWORK: ContextVar[bytes] = ContextVar("carnet_caller_network", default=b"")
"""What stands for the caller's address while a request is answered: a hash; empty where there is no request."""


_LOT = 500
"""Entries of each buffer in one transaction."""


class Statistics:
    """
    Buffers statistics and watches for anomalies.

    Args:
        storage: Where they are written.
        ids: For the events of alerts.
        anomalies: Judges what is noted.
        most: How many entries each buffer holds.
    """

    def __init__(
        self, storage: Storage, ids: Ids, anomalies: Anomalies | None = None, *, most: int = MAX_BUFFERED
    ) -> None:
        self._storage = storage
        self._ids = ids
        self._anomalies = anomalies or Anomalies()
        self._most = most
        self._seen: dict[tuple[Seen, str], Instant] = {}
        self._counts: dict[tuple[int, str, str], int] = {}
        self._untold: tuple[Alert, ...] = ()
        self._told: Callable[[Alert], None] = _nobody
        self.dropped = 0
        self.alerts: dict[str, int] = {}

    def on_alert(self, told: Callable[[Alert], None]) -> None:
        """Call *told* with each alert, once it is written."""
        self._told = told

    def seen(self, subject: Seen, subject_id: str, at: Instant) -> None:
        """Something was in contact."""
        key = (subject, subject_id)
        if key in self._seen or len(self._seen) < self._most:
            self._seen[key] = at
        else:
            self.dropped += 1

    def count(self, name: str, subject_id: str, at: Instant) -> None:
        """Something happened once more today."""
        key = (int(at) // DAY_SECONDS, name, subject_id)
        counted = self._counts.get(key)
        if counted is None and len(self._counts) >= self._most:
            self.dropped += 1
        else:
            self._counts[key] = (counted or 0) + 1

    def noted(self, name: str, subject_id: str, days: range) -> int:
        """How often something was counted on *days* that is not written yet."""
        return sum(self._counts.get((day, name, subject_id), 0) for day in days)

    def license_used(
        self,
        name: str,
        license_: License,
        activation: Activation | None,
        now: Instant,
        *,
        is_new_device: bool = False,
        is_fork: bool = False,
    ) -> None:
        """
        A license was used: validated, activated, refreshed.

        Args:
            name: How, as it is counted for the product.
            license_: Which.
            activation: The device's seat, where it holds one.
            now: When.
            is_new_device: The seat was taken for a device that had none.
            is_fork: A copy of the device was seen.
        """
        self.count(name, license_.product, now)
        self.seen("license", license_.id, now)
        self._anomalies.used(license_.id, license_.seat_limit, CALLER_NETWORK.get(), now, is_new_device=is_new_device)
        if activation is not None:
            self.seen("activation", activation.id, now)
            self._anomalies.identified(license_.id, activation.id, activation.public_key, now)
            if is_fork:
                self._anomalies.forked(license_.id, activation.id, activation.stamps.forks, now)

    async def flush(self) -> None:
        """
        Write what was noted.

        Raises:
            StateError: The storage does not take it now; it stays noted for the next time.
        """
        seen, self._seen = self._seen, {}
        counts, self._counts = self._counts, {}
        while seen or counts:
            # Some at a time: a lot of them would hold up requests, and the one writer of an embedded database.
            some_seen = [seen.popitem() for _ in range(min(_LOT, len(seen)))]
            some_counts = [counts.popitem() for _ in range(min(_LOT, len(counts)))]
            try:
                await self._storage.add_statistics(
                    tuple(LastSeen(subject=subject, subject_id=one, at=at) for (subject, one), at in some_seen),
                    tuple(
                        DayCount(day=day, name=name, subject_id=one, count=count)
                        for (day, name, one), count in some_counts
                    ),
                )
            except CarnetError:
                self._keep({**seen, **dict(some_seen)}, {**counts, **dict(some_counts)})
                raise
        await self._tell()

    async def _tell(self) -> None:
        alerts = (*self._untold, *self._anomalies.take_alerts())
        self._untold = alerts
        for number, alert in enumerate(alerts, 1):
            details = {"suspicion": alert.kind, "count": alert.count, "activation": alert.activation_id}
            license_ = await self._storage.license(alert.license_id)
            product = None if license_ is None else license_.product
            await self._storage.add_alert(
                entry(alert.at, SYSTEM, "license.suspected", alert.license_id, **details),
                event(self._ids, alert.at, "license.suspected", alert.license_id, product, **details),
            )
            self._untold = alerts[number:]
            self.alerts[alert.kind] = self.alerts.get(alert.kind, 0) + 1
            self._told(alert)

    def _keep(self, seen: dict[tuple[Seen, str], Instant], counts: dict[tuple[int, str, str], int]) -> None:
        for thing, at in seen.items():
            if thing not in self._seen:
                self.seen(*thing, at)
        for key, counted in counts.items():
            if key in self._counts or len(self._counts) < self._most:
                self._counts[key] = self._counts.get(key, 0) + counted
            else:
                self.dropped += counted


def _nobody(_alert: Alert) -> None:
    """Nobody listens."""

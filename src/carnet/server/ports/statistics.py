"""
What is counted and not a fact: when something was seen last, how often something happened on a day.

Buffered in process and written a few times a minute; a crash loses at most what was not written yet.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import AuditEntry, Event

Seen: TypeAlias = Literal["activation", "apikey", "license"]
"""Of what the last contact is kept."""


class LastSeen(Struct):
    """The last contact of one thing."""

    subject: Seen
    subject_id: str
    at: Instant


class DayCount(Struct):
    """
    How often something happened on one day.

    Attributes:
        day: Days since 1970-01-01, UTC.
        name: What happened.
        subject_id: To what: a product's slug, a license's id.
        count: How often; when written, how often more.
    """

    day: int
    name: str
    subject_id: str
    count: int


class StatisticsStore(Protocol):
    """Statistics."""

    async def add_statistics(self, seen: tuple[LastSeen, ...], counts: tuple[DayCount, ...]) -> None:
        """Move the last contacts on, never back, and add to the counts."""
        ...

    async def add_alert(self, entry: AuditEntry, event: Event) -> None:
        """Store an audit row that tells of something odd, and the event for the outbox, together."""
        ...

    async def last_seen(self, subject: Seen, subject_ids: tuple[str, ...]) -> dict[str, Instant]:
        """The last contacts of some things; those never seen are left out."""
        ...

    async def day_counts(self, *, first_day: int, last_day: int, subject_id: str | None) -> tuple[DayCount, ...]:
        """Counts of some days, of one subject or of all, by day, name and subject."""
        ...

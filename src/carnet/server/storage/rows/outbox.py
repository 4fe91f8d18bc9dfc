"""
Rows of deliveries, marks and jobs, to records and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carnet.core.instant import Instant
from carnet.server.ports import Delivery, JobRow, LimitMark, StoredDestination
from carnet.server.storage.rows.models import event_from
from carnet.server.storage.rows.values import instant

DELIVERY_COLUMNS = (
    "seq",
    "destination",
    "lane",
    "state",
    "attempts",
    "first_tried_at",
    "due_at",
    "ended_at",
    "problem",
)
"""What `delivery_from` reads, before the columns of the event."""


def delivery_from(row: Sequence[Any]) -> Delivery:
    """The `DELIVERY_COLUMNS` of a row of `deliveries`, followed by its event."""
    return Delivery(
        seq=row[0],
        destination=row[1],
        lane=row[2],
        state=row[3],
        attempts=row[4],
        first_tried_at=instant(row[5]),
        due_at=Instant(row[6]),
        ended_at=instant(row[7]),
        problem=row[8],
        event=event_from(row[9:]),
    )


def destination_from(row: Sequence[Any]) -> StoredDestination:
    """A row of `destinations`."""
    return StoredDestination(name=row[0], lanes=row[1], since=Instant(row[2]))


def mark_from(row: Sequence[Any]) -> LimitMark:
    """A row of `limit_marks`."""
    return LimitMark(
        license_id=row[0],
        what=row[1],
        level=row[2],
        told_level=row[3],
        told_used=row[4],
        told_at=Instant(row[5]),
    )


def mark_values(mark: LimitMark) -> Mapping[str, Any]:
    """The columns of *mark*."""
    return {
        "license_id": mark.license_id,
        "what": mark.what,
        "level": mark.level,
        "told_level": mark.told_level,
        "told_used": mark.told_used,
        "told_at": int(mark.told_at),
    }


def job_from(row: Sequence[Any]) -> JobRow:
    """A row of `jobs`."""
    return JobRow(
        name=row[0],
        holder=row[1],
        every_seconds=row[3],
        ran_at=instant(row[4]),
        ok_at=Instant(row[5]),
        problem=row[6],
    )

"""
Rows of remembered requests, levels and statistics, to records and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carnet.core.instant import Instant
from carnet.server.ports import DayCount, LastSeen, LimitLevel, Remembered
from carnet.server.storage.rows.values import read_json, write_json


def remembered_from(row: Sequence[Any]) -> Remembered:
    """A row of `remembered_requests`."""
    return Remembered(
        scope=bytes(row[0]),
        request=bytes(row[1]),
        ids=read_json(row[2]),
        at=Instant(row[3]),
        until=Instant(row[4]),
    )


def remembered_values(remembered: Remembered) -> tuple[bytes, bytes, str, int, int]:
    """The columns of *remembered*, in their order."""
    return (
        remembered.scope,
        remembered.request,
        write_json(dict(remembered.ids)),
        int(remembered.at),
        int(remembered.until),
    )


def level_from(row: Sequence[Any]) -> LimitLevel:
    """The first three columns of a row of `rate_limits`."""
    return LimitLevel(kind=row[0], bucket=bytes(row[1]), empty_at_ns=row[2])


def last_seen_values(seen: LastSeen) -> Mapping[str, Any]:
    """The columns of *seen*."""
    return {"subject": seen.subject, "subject_id": seen.subject_id, "seen_at": int(seen.at)}


def day_count_from(row: Sequence[Any]) -> DayCount:
    """A row of `day_counts`."""
    return DayCount(day=row[0], name=row[1], subject_id=row[2], count=row[3])


def day_count_values(count: DayCount) -> Mapping[str, Any]:
    """The columns of *count*."""
    return {"day": count.day, "name": count.name, "subject_id": count.subject_id, "count": count.count}

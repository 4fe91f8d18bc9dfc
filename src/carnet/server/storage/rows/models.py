"""
Rows of the outbox, enrolment tokens and meters, to records and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carnet.core.instant import Instant
from carnet.server.records import Enrolment, Event, Usage, UsageEvent
from carnet.server.storage.rows.values import instant, read_json, write_json


def event_from(row: Sequence[Any]) -> Event:
    """A row of `events`."""
    return Event(
        id=row[0],
        at=Instant(row[1]),
        kind=row[2],
        object_id=row[3],
        product=row[4],
        payload=read_json(row[5]),
        delivered_at=instant(row[6]),
        seq=row[7],
    )


EVENT_COLUMNS = ("id", "at", "kind", "object_id", "product_id", "payload", "delivered_at")
"""What is written of an event; the database numbers it."""


def event_values(event: Event) -> tuple[Any, ...]:
    """The `EVENT_COLUMNS` of *event*."""
    return (
        event.id,
        int(event.at),
        event.kind,
        event.object_id,
        event.product,
        write_json(dict(event.payload)),
        event.delivered_at,
    )


def enrolment_from(row: Sequence[Any]) -> Enrolment:
    """A row of `enrolments`."""
    return Enrolment(
        id=row[0],
        license_id=row[1],
        name=row[2],
        token_hash=row[3],
        token_sealed=row[4],
        last_four=row[5],
        max_uses=row[6],
        used=row[7],
        networks=tuple(read_json(row[8])),
        group=row[9],
        created_at=Instant(row[10]),
        expires_at=instant(row[11]),
        revoked_at=instant(row[12]),
    )


def enrolment_values(enrolment: Enrolment) -> dict[str, Any]:
    """The columns of *enrolment*."""
    return {
        "id": enrolment.id,
        "license_id": enrolment.license_id,
        "name": enrolment.name,
        "token_hash": enrolment.token_hash,
        "token_sealed": enrolment.token_sealed,
        "last_four": enrolment.last_four,
        "max_uses": enrolment.max_uses,
        "used": enrolment.used,
        "networks": write_json(list(enrolment.networks)),
        "device_group": enrolment.group,
        "created_at": int(enrolment.created_at),
        "expires_at": enrolment.expires_at,
        "revoked_at": enrolment.revoked_at,
    }


def usage_from(row: Sequence[Any]) -> Usage:
    """A row of `usage`."""
    return Usage(
        license_id=row[0], meter=row[1], period_starts_at=Instant(row[2]), used=row[3], updated_at=Instant(row[4])
    )


def usage_event_from(row: Sequence[Any]) -> UsageEvent:
    """A row of `usage_events`."""
    return UsageEvent(
        license_id=row[0],
        id=row[1],
        meter=row[2],
        amount=row[3],
        at=Instant(row[4]),
        period_starts_at=Instant(row[5]),
        used_after=row[6],
    )


def usage_event_values(event: UsageEvent) -> dict[str, Any]:
    """The columns of *event*."""
    return {
        "license_id": event.license_id,
        "id": event.id,
        "meter": event.meter,
        "amount": event.amount,
        "at": int(event.at),
        "period_starts_at": int(event.period_starts_at),
        "used_after": event.used_after,
    }

"""
What is told to those outside who asked (REL-09): every kind of event, and how one is made.

An event is written into the outbox in the transaction of what it tells of; delivering it is somebody else's. Payloads
hold ids, times and counts: never keys, names or addresses.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core.instant import Instant
from carnet.core.overage import LEVELS, SeatMark
from carnet.server.domain.ids import Ids
from carnet.server.records import Event, License

EVENT_KINDS: Final[dict[str, str]] = {
    "license.created": "A license was issued.",
    "license.started": "A license's term began with its first activation or use.",
    "license.renewed": "A license got a later end, or a later update window.",
    "license.converted": "A license changed its type or policy in place, such as a trial that was bought.",
    "license.suspended": "A license was suspended.",
    "license.reinstated": "A suspension was lifted.",
    "license.revoked": "A license was revoked.",
    "license.suspected": "Something about a license looks odd: many new devices, many addresses, or a cloned device.",
    "license.seats_near_limit": "The share of seats was reached from which the vendor wants to know.",
    "license.seats_at_limit": "The last seat that was sold was taken.",
    "license.seats_over_limit": "A seat above those that were sold was taken.",
    "license.floating_near_limit": "So many floating seats are held that the vendor wants to know.",
    "license.floating_at_limit": "The last floating seat is held.",
    "license.expiring": "A license ends in 30 days, in 7 days or tomorrow.",
    "license.expired": "A license's term has ended.",
    "license.usage_over_limit": "A meter went over its limit.",
    "activation.created": "A device took a seat.",
    "activation.deactivated": "A seat was given back or taken back.",
    "activation.forked": "A copy of a device came too: it showed a stamp that the device itself has given up.",
    "activation.rebound": "A seat followed its device, whose parts were changed.",
    "activation.replaced": "A seat was given up for another device.",
    "trial.started": "A device began its one trial of a product.",
    "trial.ending": "A trial ends in 30 days, in 7 days or tomorrow.",
    "trial.ended": "A trial's term has ended.",
    "enrolment.used": "A device came with an enrolment token.",
    "artifact.never_issued": "An artifact was seen that names a key of ours, and that was never issued here.",
}
"""Kind -> what happened."""

SEAT_EVENTS: Final[dict[SeatMark, str]] = {
    "near_limit": "license.seats_near_limit",
    "at_limit": "license.seats_at_limit",
    "over_limit": "license.seats_over_limit",
}

SEAT_LEVELS: Final[dict[str, int]] = {kind: LEVELS[mark] for mark, kind in SEAT_EVENTS.items()}
"""The kinds that are held down (users-ask 60), and how bad each is."""


def event(ids: Ids, now: Instant, kind: str, object_id: str, product: str | None, **payload: Any) -> Event:
    """
    An event for the outbox.

    Args:
        ids: For its id.
        now: When.
        kind: One of `EVENT_KINDS`.
        object_id: To which object.
        product: Of which product.
        **payload: What else matters, as plain JSON. Times as text; None is left out.
    """
    assert kind in EVENT_KINDS  # noqa: S101 - receivers rely on the published list
    plain = {
        name: str(value) if isinstance(value, Instant) else value
        for name, value in payload.items()
        if value is not None
    }
    return Event(id=ids.new(now), at=now, kind=kind, object_id=object_id, product=product, payload=plain)


def seats_event(ids: Ids, now: Instant, license_: License, mark: SeatMark, used: int) -> Event:
    """What is told when taking a seat reached *mark*."""
    limit = license_.effective.seat_limit
    return event(ids, now, SEAT_EVENTS[mark], license_.id, license_.product, limit=limit, used=used)

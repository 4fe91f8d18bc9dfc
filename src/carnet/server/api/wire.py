"""
Types that several calls share on the wire, and how the services' values become them.

msgspec structs are the edge's own: the services never see them. Their docstrings and bounds are what `/openapi.json`
says. Optional members of requests may be absent or null, with the same meaning; members of replies are always present,
null where there is nothing, unless they say otherwise.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from carnet.core.decision import Access, Action, Decision, Severity, State
from carnet.core.instant import Instant, parse_instant
from carnet.core.model import Entitlement
from carnet.formats.limits import MAX_JSON_INTEGER

Time: TypeAlias = Annotated[
    str,
    Meta(
        description="RFC 3339, UTC, whole seconds, always with a Z.",
        examples=["2026-11-22T09:30:00Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
WrittenTime: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
        description="RFC 3339, UTC, whole seconds, with a Z.",
        examples=["2027-11-22T00:00:00Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Seconds: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_JSON_INTEGER, description="A duration in whole seconds.")]


class EntitlementWire(msgspec.Struct, kw_only=True):
    """A feature or limit: usable while `now < expires_at` and for app versions below `below_version`."""

    key: str
    expires_at: Time | None
    below_version: str | None


class SeatsWire(msgspec.Struct, kw_only=True):
    """Seats of a license; `limit` null means no limit."""

    limit: int | None
    used: int


class ReasonWire(msgspec.Struct, kw_only=True):
    """One fact: a stable code, a sentence for a person, and what would change it."""

    code: str
    message: str
    fix: str


class NoticeWire(msgspec.Struct, kw_only=True):
    """What an app may show its user now."""

    code: str
    severity: Severity
    title: str
    text: str
    actions: list[Action]


class DecisionWire(msgspec.Struct, kw_only=True):
    """A decision, with every fact that shaped it (specs/http-api.md §5, design of the fields: docs/reference)."""

    state: State
    access: Access
    reasons: list[ReasonWire]
    product: str
    license_id: str | None
    device: str | None
    license_expires_at: Time | None
    offline_until: Time | None
    grace_until: Time | None
    days_left: int | None
    renew_after: Time | None
    entitlements: list[EntitlementWire]
    notice: NoticeWire | None
    evidence_ids: list[str]
    checked_at: Time


def text(instant: Instant | None) -> str | None:
    """An instant as the wire writes it."""
    return None if instant is None else str(instant)


def instant(written: str | None) -> Instant | None:
    """
    A time of a request.

    Raises:
        MalformedError: ``bad_time``.
    """
    return None if written is None else parse_instant(written)


def entitlements(values: tuple[Entitlement, ...]) -> list[EntitlementWire]:
    """Entitlements for a reply."""
    return [
        EntitlementWire(key=value.key, expires_at=text(value.expires_at), below_version=value.below_version)
        for value in values
    ]


def decision(value: Decision) -> DecisionWire:
    """A decision for a reply; the same members as `Decision.to_json`."""
    notice = value.notice
    return DecisionWire(
        state=value.state,
        access=value.access,
        reasons=[ReasonWire(code=r.code, message=r.message, fix=r.fix) for r in value.reasons],
        product=value.product,
        license_id=value.license_id,
        device=value.device,
        license_expires_at=text(value.license_expires_at),
        offline_until=text(value.offline_until),
        grace_until=text(value.grace_until),
        days_left=value.days_left,
        renew_after=text(value.renew_after),
        entitlements=entitlements(value.entitlements),
        notice=None
        if notice is None
        else NoticeWire(
            code=notice.code,
            severity=notice.severity,
            title=notice.title,
            text=notice.text,
            actions=list(notice.actions),
        ),
        evidence_ids=list(value.evidence_ids),
        checked_at=str(value.checked_at),
    )

"""
Enrolment tokens and metered use in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.core.progress import progress_to_json
from carnet.server.ports import EnrolmentChange, UsageChange, UsageFacts, UsageQuery
from carnet.server.records import AuditEntry, Enrolment, License, Usage
from carnet.server.storage import rows
from carnet.server.storage.core.licenses import LICENSE
from carnet.server.storage.core.unit import CoreUnits, add_audit, add_events, lock_license
from carnet.server.storage.tables import enrolments, licenses, usage, usage_events

_T = TypeVar("_T")


class ModelPart(CoreUnits):
    """`ports.ModelStore`."""

    async def add_enrolment(self, enrolment: Enrolment, entry: AuditEntry) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(enrolments), rows.enrolment_values(enrolment))
            add_audit(connection, entry)

        await self._write(work)

    async def enrolment(self, enrolment_id: str) -> Enrolment | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(enrolments).where(enrolments.c.id == enrolment_id), rows.enrolment_from)

    async def enrolments(self, license_id: str, *, after: str | None, limit: int) -> tuple[Enrolment, ...]:
        """See `ports.Storage`."""
        query = sa.select(enrolments).where(enrolments.c.license_id == license_id)
        return await self._newest(query, enrolments.c.id, after, limit, rows.enrolment_from)

    async def change_enrolment(
        self, enrolment_id: str, change: Callable[[Enrolment], EnrolmentChange]
    ) -> Enrolment | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> Enrolment | None:
            chosen = sa.select(enrolments).where(enrolments.c.id == enrolment_id)
            row = connection.execute(chosen.with_for_update(key_share=True)).first()
            if row is None:
                return None
            made = change(rows.enrolment_from(row))
            if made.audit is not None:
                values = rows.enrolment_values(made.enrolment)
                connection.execute(sa.update(enrolments).where(enrolments.c.id == enrolment_id).values(values))
                add_audit(connection, made.audit)
            return made.enrolment

        return await self._write(work)

    async def count_use(self, query: UsageQuery, decide: Callable[[UsageFacts], UsageChange[_T]]) -> _T:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> _T:
            license_ = _locked_license(connection, query)
            made = decide(_facts(connection, license_, query))
            if license_ is not None:
                _write_use(connection, license_, made)
            return made.outcome

        return await self._write(work)

    async def usage(self, license_id: str, *, since: Instant) -> tuple[Usage, ...]:
        """See `ports.Storage`."""
        chosen = sa.select(usage).where(usage.c.license_id == license_id, usage.c.period_starts_at >= int(since))
        return await self._all(chosen.order_by(usage.c.meter, usage.c.period_starts_at), rows.usage_from)


def _locked_license(connection: sa.Connection, query: UsageQuery) -> License | None:
    found = query.license_id
    for lookup in query.lookups:
        if found is None:
            found = connection.scalar(sa.select(licenses.c.id).where(licenses.c.key_lookup == lookup))
    if found is None and query.enrolment is not None:
        is_live = sa.and_(enrolments.c.token_hash == query.enrolment, enrolments.c.revoked_at.is_(None))
        found = connection.scalar(sa.select(enrolments.c.license_id).where(is_live))
    if found is None:
        return None
    lock_license(connection, found)
    chosen = LICENSE.where(licenses.c.id == found)
    row = connection.execute(chosen).first()
    return None if row is None else rows.license_from(row)


def _facts(connection: sa.Connection, license_: License | None, query: UsageQuery) -> UsageFacts:
    if license_ is None:
        return UsageFacts(license=None, counted=None, used=lambda _meter, _period: 0)
    is_same = sa.and_(usage_events.c.license_id == license_.id, usage_events.c.id == query.event_id)
    row = connection.execute(sa.select(usage_events).where(is_same)).first()

    def used(meter: str, period_starts_at: Instant) -> int:
        return connection.scalar(sa.select(usage.c.used).where(_is_count(license_.id, meter, period_starts_at))) or 0

    return UsageFacts(license=license_, counted=None if row is None else rows.usage_event_from(row), used=used)


def _write_use(connection: sa.Connection, license_: License, made: UsageChange[Any]) -> None:
    event = made.event
    if event is not None:
        connection.execute(sa.insert(usage_events), rows.usage_event_values(event))
        values = {"used": event.used_after, "updated_at": int(event.at)}
        is_count = _is_count(license_.id, event.meter, event.period_starts_at)
        if connection.execute(sa.update(usage).where(is_count).values(values)).rowcount == 0:
            key = {
                "license_id": license_.id,
                "meter": event.meter,
                "period_starts_at": int(event.period_starts_at),
            }
            connection.execute(sa.insert(usage), key | values)
    moved: dict[str, Any] = {}
    if made.progress is not None:
        moved["progress"] = rows.write_json(progress_to_json(made.progress))
    if made.term is not None:
        moved |= {"starts_at": int(made.term[0]), "expires_at": int(made.term[1])}
    if moved:
        connection.execute(sa.update(licenses).where(licenses.c.id == license_.id).values(moved))
    for entry in made.audit:
        add_audit(connection, entry)
    add_events(connection, made.events)


def _is_count(license_id: str, meter: str, period_starts_at: Instant) -> sa.ColumnElement[bool]:
    return sa.and_(
        usage.c.license_id == license_id,
        usage.c.meter == meter,
        usage.c.period_starts_at == int(period_starts_at),
    )

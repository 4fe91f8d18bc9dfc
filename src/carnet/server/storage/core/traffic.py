"""
Remembered requests, levels of rate limits and statistics in SQLAlchemy Core.

The statements that add to what is there ("upserts") are the same on SQLite and PostgreSQL but for the class that builds
them. Rows are written in the order of their keys, so that two processes that write the same ones never wait for each
other in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from carnet.core.instant import Instant
from carnet.server.ports import DayCount, LastSeen, LimitCharge, LimitLevel, Remembered, Seen, request_in_flight
from carnet.server.records import AuditEntry, Event
from carnet.server.storage.core.unit import CoreUnits, add_audit, add_events
from carnet.server.storage.rows.traffic import (
    day_count_from,
    day_count_values,
    last_seen_values,
    level_from,
    remembered_from,
    remembered_values,
)
from carnet.server.storage.tables.traffic import day_counts, last_seen, rate_limits, remembered_requests


class TrafficPart(CoreUnits):
    """`ports.IdempotencyStore`, `ports.LimitStore` and `ports.StatisticsStore`."""

    async def remembered(self, scope: bytes) -> Remembered | None:
        """See `ports.Storage`."""
        query = sa.select(remembered_requests).where(remembered_requests.c.scope == scope)
        return await self._one(query, remembered_from)

    async def forget_remembered(self, now: Instant) -> None:
        """See `ports.Storage`."""
        is_over = remembered_requests.c.forgotten_at <= int(now)
        if await self._one(sa.select(remembered_requests.c.scope).where(is_over).limit(1), bool):
            await self._write(lambda connection: _execute(connection, sa.delete(remembered_requests).where(is_over)))

    async def share_limits(
        self, charges: tuple[LimitCharge, ...], *, now_ns: int, since_ns: int
    ) -> tuple[LimitLevel, ...]:
        """See `ports.Storage`."""
        table = rate_limits
        columns = (table.c.kind, table.c.bucket, table.c.empty_at_ns)
        query = sa.select(*columns).where(table.c.changed_at_ns >= since_ns, table.c.empty_at_ns > now_ns)
        if not charges:
            return await self._all(query, level_from)

        def work(connection: sa.Connection) -> tuple[LimitLevel, ...]:
            connection.execute(sa.delete(table).where(table.c.empty_at_ns <= now_ns))
            charged = sa.bindparam("charged", type_=sa.BigInteger)
            upsert = _insert(connection, table)
            upsert = upsert.on_conflict_do_update(
                index_elements=[table.c.kind, table.c.bucket],
                set_={
                    "empty_at_ns": sa.case((table.c.empty_at_ns > now_ns, table.c.empty_at_ns), else_=now_ns) + charged,
                    "changed_at_ns": now_ns,
                },
            )
            ordered = sorted(charges, key=lambda charge: (charge.kind, charge.bucket))
            connection.execute(
                upsert,
                [
                    {
                        "kind": charge.kind,
                        "bucket": charge.bucket,
                        "empty_at_ns": now_ns + charge.charged_ns,
                        "changed_at_ns": now_ns,
                        "charged": charge.charged_ns,
                    }
                    for charge in ordered
                ],
            )
            return tuple(level_from(row) for row in connection.execute(query))

        return await self._write(work)

    async def add_statistics(self, seen: tuple[LastSeen, ...], counts: tuple[DayCount, ...]) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            if seen:
                contact = _insert(connection, last_seen)
                contact = contact.on_conflict_do_update(
                    index_elements=[last_seen.c.subject, last_seen.c.subject_id],
                    set_={"seen_at": contact.excluded.seen_at},
                    where=last_seen.c.seen_at < contact.excluded.seen_at,
                )
                connection.execute(contact, _in_order([last_seen_values(each) for each in seen]))
            if counts:
                more = _insert(connection, day_counts)
                more = more.on_conflict_do_update(
                    index_elements=[day_counts.c.day, day_counts.c.name, day_counts.c.subject_id],
                    set_={"count": day_counts.c.count + more.excluded.count},
                )
                connection.execute(more, _in_order([day_count_values(each) for each in counts]))

        if seen or counts:
            await self._write(work)

    async def add_alert(self, entry: AuditEntry, event: Event) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            add_audit(connection, entry)
            add_events(connection, (event,))

        await self._write(work)

    async def last_seen(self, subject: Seen, subject_ids: tuple[str, ...]) -> dict[str, Instant]:
        """See `ports.Storage`."""
        query = sa.select(last_seen.c.subject_id, last_seen.c.seen_at).where(
            last_seen.c.subject == subject, last_seen.c.subject_id.in_(subject_ids)
        )
        return dict(await self._all(query, lambda row: (row[0], Instant(row[1]))))

    async def day_counts(self, *, first_day: int, last_day: int, subject_id: str | None) -> tuple[DayCount, ...]:
        """See `ports.Storage`."""
        table = day_counts
        query = sa.select(table).where(table.c.day.between(first_day, last_day))
        if subject_id is not None:
            query = query.where(table.c.subject_id == subject_id)
        return await self._all(query.order_by(table.c.day, table.c.name, table.c.subject_id), day_count_from)


def remember(connection: sa.Connection, remembered: Remembered) -> None:
    """
    Write *remembered*, behind its change and in the same transaction (`ports.remembering`).

    Raises:
        CarnetError: ``request_in_flight``: another request with that key was faster; nothing of this one is written.
    """
    table = remembered_requests
    is_over = sa.and_(table.c.scope == remembered.scope, table.c.forgotten_at <= int(remembered.at))
    connection.execute(sa.delete(table).where(is_over))
    try:
        connection.execute(sa.insert(table), dict(zip(table.c.keys(), remembered_values(remembered), strict=True)))
    except IntegrityError as error:
        raise request_in_flight() from error


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _in_order(values: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(values, key=lambda each: tuple(each.values())[:-1])


def _execute(connection: sa.Connection, statement: sa.Executable) -> None:
    connection.execute(statement)

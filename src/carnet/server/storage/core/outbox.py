"""
The outbox in SQLAlchemy Core: events, destinations, deliveries.

Of two processes that hand out at once, the second waits for the first at the oldest event, and finds those that it
waited for handed out. Of two that claim at once, each passes by the heads of lanes that the other has (SKIP LOCKED; on
SQLite the write lock has made them take turns), and the rows behind a head belong to whoever has the head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.server.ports import (
    Delivery,
    DeliveryEnd,
    DeliveryState,
    EventFilter,
    HandOut,
    LimitMark,
    OutboxState,
    StoredDestination,
)
from carnet.server.records import AuditEntry, Event
from carnet.server.storage import rows
from carnet.server.storage.core.inserting import insert_many
from carnet.server.storage.core.unit import CoreUnits, add_audit, insert
from carnet.server.storage.rows import outbox as outbox_rows
from carnet.server.storage.tables import deliveries, destinations, events, limit_marks

_DELIVERY = sa.select(*(deliveries.c[name] for name in outbox_rows.DELIVERY_COLUMNS), *events.c).join(
    events, events.c.seq == deliveries.c.event_seq
)
_IS_WAITING = deliveries.c.state == "waiting"


class OutboxPart(CoreUnits):
    """`ports.OutboxStore`."""

    async def events(self, which: EventFilter, *, before: int | None, limit: int) -> tuple[Event, ...]:
        """See `ports.OutboxStore`."""
        query = _chosen(which).order_by(events.c.seq.desc()).limit(limit)
        return await self._all(query if before is None else query.where(events.c.seq < before), rows.event_from)

    async def events_after(self, which: EventFilter, *, after: int, limit: int) -> tuple[Event, ...]:
        """See `ports.OutboxStore`."""
        query = _chosen(which).where(events.c.seq > after).order_by(events.c.seq).limit(limit)
        return await self._all(query, rows.event_from)

    async def waiting_events(self, *, after: int | None, limit: int) -> tuple[Event, ...]:
        """See `ports.OutboxStore`."""
        query = sa.select(events).where(events.c.delivered_at.is_(None)).order_by(events.c.seq).limit(limit)
        return await self._all(query if after is None else query.where(events.c.seq > after), rows.event_from)

    async def add_destination(self, destination: StoredDestination) -> None:
        """See `ports.OutboxStore`."""
        if any(each.name == destination.name for each in await self.destinations()):
            return
        values = {"name": destination.name, "lanes": destination.lanes, "since": int(destination.since)}

        def work(connection: sa.Connection) -> None:
            insert(connection, destinations, values)  # of two at once, one does it

        await self._write(work)

    async def remove_destination(self, name: str, entry: AuditEntry) -> bool:
        """See `ports.OutboxStore`."""

        def work(connection: sa.Connection) -> bool:
            if not connection.execute(sa.delete(destinations).where(destinations.c.name == name)).rowcount:
                return False
            connection.execute(sa.delete(deliveries).where(deliveries.c.destination == name))
            add_audit(connection, entry)
            return True

        return await self._write(work)

    async def destinations(self) -> tuple[StoredDestination, ...]:
        """See `ports.OutboxStore`."""
        query = sa.select(destinations).order_by(destinations.c.name)
        return await self._all(query, outbox_rows.destination_from)

    async def hand_out(
        self,
        *,
        at: Instant,
        limit: int,
        judge: Callable[[tuple[Event, ...], Mapping[str, LimitMark]], HandOut],
    ) -> int:
        """See `ports.OutboxStore`."""
        waiting = sa.select(events).where(events.c.delivered_at.is_(None)).order_by(events.c.seq).limit(limit)
        if not await self._one(waiting.limit(1), bool):
            return 0

        def work(connection: sa.Connection) -> int:
            found = tuple(rows.event_from(row) for row in connection.execute(waiting.with_for_update()))
            marks = _seat_marks(connection, {event.object_id for event in found})
            judged = judge(found, marks)
            told = [event for event in found if event.seq not in judged.held_down]
            where = [outbox_rows.destination_from(row) for row in connection.execute(sa.select(destinations))]
            insert_many(connection, deliveries, [_first(event, each, at) for event in told for each in where])
            if told:
                is_told = events.c.seq.in_([event.seq for event in told])
                connection.execute(sa.update(events).where(is_told).values(delivered_at=int(at)))
            if judged.held_down:
                connection.execute(sa.delete(events).where(events.c.seq.in_(judged.held_down)))
            put_marks(connection, judged.marks)
            return len(found)

        return await self._write(work)

    async def claim_deliveries(
        self, destination: str, *, claim: str, at: Instant, until: Instant, most: int
    ) -> tuple[Delivery, ...]:
        """See `ports.OutboxStore`."""
        heads = _heads(destination, at).limit(most)
        if not await self._one(heads.limit(1), bool):
            return ()

        def work(connection: sa.Connection) -> tuple[Delivery, ...]:
            lanes = [row[1] for row in connection.execute(heads.with_for_update(skip_locked=True, of=deliveries))]
            behind = (
                sa.select(deliveries.c.seq)
                .where(deliveries.c.destination == destination, _IS_WAITING, deliveries.c.lane.in_(lanes))
                .order_by(deliveries.c.seq)
                .limit(most)
            )
            taken = [row[0] for row in connection.execute(behind.with_for_update())]
            connection.execute(
                sa.update(deliveries).where(deliveries.c.seq.in_(taken)).values(claim=claim, claimed_until=int(until))
            )
            query = _DELIVERY.where(deliveries.c.seq.in_(taken)).order_by(deliveries.c.seq)
            return tuple(outbox_rows.delivery_from(row) for row in connection.execute(query))

        return await self._write(work)

    async def end_deliveries(self, claim: str, ends: tuple[DeliveryEnd, ...]) -> int:
        """See `ports.OutboxStore`."""

        def work(connection: sa.Connection) -> int:
            alike: dict[DeliveryEnd, list[int]] = {}
            for end in ends:
                alike.setdefault(replace(end, seq=0), []).append(end.seq)
            return sum(_end(connection, claim, end, seqs) for end, seqs in alike.items())

        return await self._write(work) if ends else 0

    async def deliveries(
        self, state: DeliveryState, *, destination: str | None, before: int | None, limit: int
    ) -> tuple[Delivery, ...]:
        """See `ports.OutboxStore`."""
        query = _DELIVERY.where(deliveries.c.state == state).order_by(deliveries.c.seq.desc()).limit(limit)
        if destination is not None:
            query = query.where(deliveries.c.destination == destination)
        if before is not None:
            query = query.where(deliveries.c.seq < before)
        return await self._all(query, outbox_rows.delivery_from)

    async def retry_delivery(self, seq: int, *, at: Instant, entry: AuditEntry) -> Delivery | None:
        """See `ports.OutboxStore`."""
        again = {
            "state": "waiting",
            "attempts": 0,
            "first_tried_at": None,
            "due_at": int(at),
            "ended_at": None,
            "claim": None,
            "claimed_until": None,
        }

        def work(connection: sa.Connection) -> Delivery | None:
            is_dead = sa.and_(deliveries.c.seq == seq, deliveries.c.state == "dead")
            if not connection.execute(sa.update(deliveries).where(is_dead).values(again)).rowcount:
                return None
            add_audit(connection, entry)
            return outbox_rows.delivery_from(connection.execute(_DELIVERY.where(deliveries.c.seq == seq)).one())

        return await self._write(work)

    async def outbox_state(self) -> OutboxState:
        """See `ports.OutboxStore`."""
        at = events.c.at
        not_out = sa.select(at).where(events.c.delivered_at.is_(None)).order_by(events.c.seq).limit(1)

        def work(connection: sa.Connection) -> OutboxState:
            oldest = [connection.scalar(not_out)]
            waiting: dict[str, int] = {}
            dead: dict[str, int] = {}
            for (name,) in connection.execute(sa.select(destinations.c.name).order_by(destinations.c.name)):
                of = deliveries.c.destination == name
                number = sa.select(sa.func.count()).select_from(deliveries)
                waiting[name] = connection.scalar(number.where(of, _IS_WAITING)) or 0
                dead[name] = connection.scalar(number.where(of, deliveries.c.state == "dead")) or 0
                first = sa.select(sa.func.min(deliveries.c.event_seq)).where(of, _IS_WAITING).scalar_subquery()
                oldest.append(connection.scalar(sa.select(at).where(events.c.seq == first)))
            known = [each for each in oldest if each is not None]
            return OutboxState(oldest_at=Instant(min(known)) if known else None, waiting=waiting, dead=dead)

        return await self._read(work)

    async def forget_events(self, *, before: Instant, limit: int) -> int:
        """See `ports.OutboxStore`."""
        is_wanted = sa.exists().where(deliveries.c.event_seq == events.c.seq, deliveries.c.state != "delivered")
        old = (
            sa.select(events.c.seq)
            .where(events.c.delivered_at < int(before), sa.not_(is_wanted))
            .order_by(events.c.seq)
            .limit(limit)
        )
        if not await self._one(old.limit(1), bool):
            return 0

        def work(connection: sa.Connection) -> int:
            chosen = [row[0] for row in connection.execute(old)]
            connection.execute(sa.delete(deliveries).where(deliveries.c.event_seq.in_(chosen)))
            connection.execute(sa.delete(events).where(events.c.seq.in_(chosen)))
            return len(chosen)

        return await self._write(work)


def put_marks(connection: sa.Connection, marks: tuple[LimitMark, ...]) -> None:
    """Write *marks*, in the transaction of what they stand for."""
    for mark in marks:
        is_it = sa.and_(limit_marks.c.license_id == mark.license_id, limit_marks.c.what == mark.what)
        values = outbox_rows.mark_values(mark)
        if not connection.execute(sa.update(limit_marks).where(is_it).values(values)).rowcount:
            connection.execute(sa.insert(limit_marks), values)


def _chosen(which: EventFilter) -> sa.Select[Any]:
    query = sa.select(events)
    if which.object_id is not None:
        query = query.where(events.c.object_id == which.object_id)
    if which.kind is not None:
        query = query.where(events.c.kind == which.kind)
    if which.product is not None:
        query = query.where(events.c.product_id == which.product)
    return query


def _seat_marks(connection: sa.Connection, license_ids: set[str]) -> dict[str, LimitMark]:
    query = sa.select(limit_marks).where(limit_marks.c.what == "seats", limit_marks.c.license_id.in_(license_ids))
    return {row[0]: outbox_rows.mark_from(row) for row in connection.execute(query)}


def _first(event: Event, destination: StoredDestination, at: Instant) -> dict[str, Any]:
    return {
        "destination": destination.name,
        "event_seq": event.seq,
        "lane": event.object_id if destination.lanes == "object" else "",
        "state": "waiting",
        "attempts": 0,
        "due_at": int(at),
    }


def _heads(destination: str, at: Instant) -> sa.Select[Any]:
    """What each lane begins with, where that is due and nobody has it."""
    earlier = deliveries.alias("earlier")
    is_behind = sa.exists().where(
        earlier.c.destination == destination,
        earlier.c.state == "waiting",
        earlier.c.lane == deliveries.c.lane,
        earlier.c.seq < deliveries.c.seq,
    )
    return (
        sa.select(deliveries.c.seq, deliveries.c.lane)
        .where(
            deliveries.c.destination == destination,
            _IS_WAITING,
            deliveries.c.due_at <= int(at),
            sa.or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= int(at)),
            sa.not_(is_behind),
        )
        .order_by(deliveries.c.seq)
    )


def _end(connection: sa.Connection, claim: str, end: DeliveryEnd, seqs: list[int]) -> int:
    values: dict[str, Any] = {"claim": None, "claimed_until": None}
    if end.was_tried:
        values |= {
            "state": end.state,
            "attempts": deliveries.c.attempts + 1,
            "first_tried_at": sa.func.coalesce(deliveries.c.first_tried_at, int(end.at)),
            "due_at": int(end.due_at),
            "ended_at": None if end.state == "waiting" else int(end.at),
            "problem": end.problem,
        }
    is_ours = sa.and_(deliveries.c.seq.in_(seqs), deliveries.c.claim == claim)
    return connection.execute(sa.update(deliveries).where(is_ours).values(values)).rowcount

"""
Jobs in SQLAlchemy Core: who holds them, and what they read and write in their own ways.

The time of a hold is the database's (PostgreSQL), so that the clocks of the machines do not matter; on SQLite there is
one machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.server.ports import JobReport, JobsKept, LimitMark, PoolLevel
from carnet.server.records import Event, License
from carnet.server.storage import rows
from carnet.server.storage.core.leases import LeasePart
from carnet.server.storage.core.licenses import LICENSE
from carnet.server.storage.core.outbox import put_marks
from carnet.server.storage.core.unit import CoreUnits, add_events, insert
from carnet.server.storage.rows import outbox as outbox_rows
from carnet.server.storage.rows.leases import lease_terms_of
from carnet.server.storage.tables import (
    day_counts,
    lease_pools,
    lease_terms,
    leases,
    licenses,
    limit_marks,
    rate_limits,
    seen_proofs,
)
from carnet.server.storage.tables import jobs as _jobs

_NOW: Final = {
    "sqlite": sa.text("SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"),
    "postgresql": sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"),
}
_MAX_PROBLEM: Final = 500

_OWN = lease_terms.alias("own")
_POLICYS = lease_terms.alias("policys")
_POOL = (
    LICENSE.add_columns(sa.func.coalesce(_OWN.c.terms, _POLICYS.c.terms))
    .join(lease_pools, lease_pools.c.license_id == licenses.c.id)
    .outerjoin(_OWN, _OWN.c.subject_id == licenses.c.id)
    .outerjoin(_POLICYS, _POLICYS.c.subject_id == licenses.c.policy_id)
)
"""Licenses that gave a lease, with the terms of their pool behind them."""


class JobPart(CoreUnits):
    """`ports.JobStore`."""

    async def keep_jobs(
        self,
        holder: str,
        jobs: Mapping[str, int],
        *,
        lease_seconds: int,
        reports: tuple[JobReport, ...] = (),
        at_ms: int | None = None,
    ) -> JobsKept:
        """See `ports.JobStore`."""
        query = sa.select(_jobs).where(_jobs.c.name.in_(jobs)).order_by(_jobs.c.name)

        def look(connection: sa.Connection) -> tuple[Instant, bool]:
            now = _now(connection) if at_ms is None else at_ms
            found = connection.execute(query).all()
            is_all = len(found) == len(jobs)
            return Instant(now // 1000), is_all and not any(_may_hold(row, holder, now, lease_seconds) for row in found)

        at, is_none_for_us = await self._read(look)
        if is_none_for_us:  # who holds nothing writes nothing
            return JobsKept(at=at, held=())

        def work(connection: sa.Connection) -> JobsKept:
            _make_known(connection, jobs, _now(connection) if at_ms is None else at_ms)
            found = connection.execute(query.with_for_update()).all()
            now = _now(connection) if at_ms is None else at_ms  # after the wait for the lock
            ended = {report.name: report for report in reports}
            held = {row.name for row in found if _may_hold(row, holder, now, lease_seconds)}
            for row in found:
                if row.name in held:
                    until = now + 1000 * lease_seconds
                    values = {"holder": holder, "held_until": until, "every_seconds": jobs[row.name]}
                    values |= _reported(ended.get(row.name) if row.holder == holder else None, now // 1000)
                    connection.execute(sa.update(_jobs).where(_jobs.c.name == row.name).values(values))
            kept = [outbox_rows.job_from(row) for row in connection.execute(query) if row.name in held]
            return JobsKept(at=Instant(now // 1000), held=tuple(kept))

        return await self._write(work)

    async def release_jobs(self, holder: str) -> None:
        """See `ports.JobStore`."""
        is_ours = _jobs.c.holder == holder

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.update(_jobs).where(is_ours).values(holder="", held_until=0))

        if await self._one(sa.select(_jobs.c.name).where(is_ours).limit(1), bool):
            await self._write(work)

    async def jobs(self) -> JobsKept:
        """See `ports.JobStore`."""

        def work(connection: sa.Connection) -> JobsKept:
            found = connection.execute(sa.select(_jobs).order_by(_jobs.c.name))
            return JobsKept(
                at=Instant(_now(connection) // 1000), held=tuple(outbox_rows.job_from(row) for row in found)
            )

        return await self._read(work)

    async def job_memory(self, name: str) -> str:
        """See `ports.JobStore`."""
        found = await self._one(sa.select(_jobs.c.state).where(_jobs.c.name == name), lambda row: str(row[0]))
        return found or ""

    async def move_job(
        self, name: str, *, was: str, state: str, events: tuple[Event, ...] = (), marks: tuple[LimitMark, ...] = ()
    ) -> bool:
        """See `ports.JobStore`."""

        def work(connection: sa.Connection) -> bool:
            is_as_known = sa.and_(_jobs.c.name == name, _jobs.c.state == was)
            if connection.execute(sa.update(_jobs).where(is_as_known).values(state=state)).rowcount != 1:
                return False
            add_events(connection, events)
            put_marks(connection, marks)
            return True

        return await self._write(work)

    async def licenses_ending(self, *, after: tuple[Instant, str], until: Instant, limit: int) -> tuple[License, ...]:
        """See `ports.JobStore`."""
        ends, id_ = licenses.c.expires_at, licenses.c.id
        is_behind = sa.or_(ends > int(after[0]), sa.and_(ends == int(after[0]), id_ > after[1]))
        query = LICENSE.where(ends.is_not(None), ends >= int(after[0]), ends <= int(until), is_behind)
        return await self._all(query.order_by(ends, id_).limit(limit), rows.license_from)

    async def pool_levels(self, *, at: Instant, after: str, limit: int) -> tuple[PoolLevel, ...]:
        """See `ports.JobStore`."""
        assert isinstance(self, LeasePart)  # noqa: S101 - a driver is both
        service_now = await self.service_seconds()

        def work(connection: sa.Connection) -> tuple[PoolLevel, ...]:
            chosen = _POOL.where(licenses.c.id > after).order_by(licenses.c.id).limit(limit)
            found = [(rows.license_from(row[:-1]), row[-1]) for row in connection.execute(chosen)]
            ids = [each.id for each, _ in found]
            is_held = sa.and_(
                leases.c.license_id.in_(ids),
                leases.c.id.is_not(None),
                leases.c.released_at.is_(None),
                sa.or_(leases.c.deadline > service_now, leases.c.covered_until > int(at)),
            )
            counted = sa.select(leases.c.license_id, sa.func.count()).where(is_held).group_by(leases.c.license_id)
            held = {row[0]: row[1] for row in connection.execute(counted)}
            marked = sa.select(limit_marks).where(limit_marks.c.what == "leases", limit_marks.c.license_id.in_(ids))
            marks = {row[0]: outbox_rows.mark_from(row) for row in connection.execute(marked)}
            return tuple(
                PoolLevel(
                    license=each,
                    held=held.get(each.id, 0),
                    limit=None if terms is None else lease_terms_of(terms).limit,
                    mark=marks.get(each.id),
                )
                for each, terms in found
            )

        return await self._read(work)

    async def forget_charges(self, *, now_ns: int, limit: int) -> int:
        """See `ports.JobStore`."""
        return await self._forget_rows(rate_limits, rate_limits.c.empty_at_ns <= now_ns, limit)

    async def forget_proofs(self, now: Instant, *, limit: int) -> int:
        """See `ports.JobStore`."""
        return await self._forget_rows(seen_proofs, seen_proofs.c.expires_at <= int(now), limit)

    async def forget_counts(self, *, before_day: int, limit: int) -> int:
        """See `ports.JobStore`."""
        return await self._forget_rows(day_counts, day_counts.c.day < before_day, limit)

    async def _forget_rows(self, table: sa.Table, is_over: sa.ColumnElement[bool], limit: int) -> int:
        # Those that a request has under its hands are left for the next time.
        key = tuple(table.primary_key.columns)
        some = sa.select(*key).where(is_over).limit(limit)
        if not await self._one(some.limit(1), bool):
            return 0

        def work(connection: sa.Connection) -> int:
            chosen = connection.execute(some.with_for_update(skip_locked=True)).all()
            is_chosen = sa.tuple_(*key).in_([tuple(row) for row in chosen])
            return connection.execute(sa.delete(table).where(is_chosen, is_over)).rowcount

        return await self._write(work)


def _make_known(connection: sa.Connection, jobs: Mapping[str, int], now: int) -> None:
    known = set(connection.scalars(sa.select(_jobs.c.name)))
    for name, every_seconds in jobs.items():
        if name not in known:
            new = {"name": name, "holder": "", "held_until": 0, "state": "", "ok_at": now // 1000}
            insert(connection, _jobs, {**new, "every_seconds": every_seconds})


def _now(connection: sa.Connection) -> int:
    return int(connection.scalar(_NOW[connection.dialect.name]) or 0)


def _may_hold(row: Any, holder: str, now: int, lease_seconds: int) -> bool:
    """Whether *holder* has the job, or nobody does: a hold that is over, or longer than any is, holds nothing."""
    return bool(row.holder == holder or not now < row.held_until <= now + 1000 * lease_seconds)


def _reported(report: JobReport | None, now: int) -> dict[str, Any]:
    if report is None:
        return {}
    ended = now - report.seconds_ago
    if report.problem is not None:
        return {"ran_at": ended, "problem": report.problem[:_MAX_PROBLEM]}
    return {"ran_at": ended, "ok_at": ended, "problem": None}

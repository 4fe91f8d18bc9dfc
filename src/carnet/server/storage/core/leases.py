"""
Leases as administration reads them, and their terms, in SQLAlchemy Core.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseTerms
from carnet.core.leases import Lease
from carnet.server.ports import IndexPlace
from carnet.server.ports.leases import StoredLeaseTerms
from carnet.server.records import AuditEntry
from carnet.server.storage.core.unit import CoreUnits, add_audit
from carnet.server.storage.rows import leases as rows
from carnet.server.storage.tables import lease_terms, leases


class LeasePart(CoreUnits):
    """The part of `ports.LeaseStore` that holders do not wait for."""

    def __init__(self, place: IndexPlace) -> None:
        super().__init__(place)
        self._is_right: Callable[[], bool] = lambda: True

    @abstractmethod
    async def service_seconds(self) -> int:
        """See `ports.LeaseStore`: a driver says."""

    def count_only_while(self, is_right: Callable[[], bool]) -> None:
        """See `ports.LeaseStore`."""
        self._is_right = is_right

    def time_counts(self) -> bool:
        """Whether the service clock goes on: see `count_only_while`."""
        return self._is_right()

    async def redate_leases(self, at: Instant) -> int:
        """See `ports.LeaseStore`. Whoever renews meanwhile is found renewed by then, and passed by."""
        until = int(at) + leases.c.ttl_seconds
        is_ahead = sa.and_(leases.c.renewed_at > int(at), leases.c.covered_until > until)
        held = sa.and_(leases.c.id.is_not(None), leases.c.released_at.is_(None))
        redated = (
            sa.update(leases)
            .where(held, is_ahead)
            .values(
                covered_until=until, expires_at=sa.case((leases.c.expires_at > until, until), else_=leases.c.expires_at)
            )
        )
        return await self._write(lambda connection: connection.execute(redated).rowcount)

    async def leases(self, license_id: str, *, at: Instant, after: str | None, limit: int) -> tuple[Lease, ...]:
        """See `ports.LeaseStore`."""
        service_now = await self.service_seconds()
        query = sa.select(*(leases.c[name] for name in rows.LEASE_COLUMNS)).where(
            leases.c.license_id == license_id,
            leases.c.id.is_not(None),
            leases.c.released_at.is_(None),
            sa.or_(leases.c.deadline > service_now, leases.c.covered_until > int(at)),
        )
        return await self._newest(query, leases.c.id, after, limit, rows.lease_from)

    async def lease_terms(self, subject_id: str) -> StoredLeaseTerms | None:
        """See `ports.LeaseStore`."""
        query = sa.select(lease_terms).where(lease_terms.c.subject_id == subject_id)
        return await self._one(query, rows.stored_terms_from)

    async def put_lease_terms(self, subject_id: str, terms: LeaseTerms | None, at: Instant, entry: AuditEntry) -> None:
        """See `ports.LeaseStore`."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(lease_terms).where(lease_terms.c.subject_id == subject_id))
            if terms is not None:
                connection.execute(sa.insert(lease_terms), rows.stored_terms_values(subject_id, terms, at))
            add_audit(connection, entry)

        await self._write(work)

"""
Artifacts that were seen and never issued, in SQLAlchemy Core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.server.ports.never_issued import Stranger, StrangerFilter, StrangerPlace
from carnet.server.records import ArtifactKind, AuditEntry, Event, Issuance
from carnet.server.storage import rows
from carnet.server.storage.core.unit import CoreUnits, add_audit, add_events
from carnet.server.storage.tables import installation, issuances, never_issued


class NeverIssuedPart(CoreUnits):
    """`ports.NeverIssuedStore`."""

    async def issuances_of(self, jtis: tuple[str, ...]) -> tuple[Issuance, ...]:
        """See `ports.NeverIssuedStore`."""
        columns = [column if column.name != "claims" else sa.literal("") for column in issuances.c]
        return await self._all(sa.select(*columns).where(issuances.c.jti.in_(jtis)), rows.issuance_from)

    async def issuances_at(self, license_id: str, kind: ArtifactKind, issued_at: Instant) -> tuple[Issuance, ...]:
        """See `ports.NeverIssuedStore`."""
        table = issuances
        of_license = sa.select(table).where(table.c.license_id == license_id, table.c.kind == kind)
        query = of_license.where(table.c.issued_at == int(issued_at)).order_by(table.c.jti)
        return await self._all(query, rows.issuance_from)

    async def add_strangers(
        self,
        strangers: tuple[Stranger, ...],
        told: Callable[[Stranger], tuple[AuditEntry, Event]],
        *,
        most: int,
        most_of_license: int,
    ) -> tuple[Stranger, ...]:
        """See `ports.NeverIssuedStore`."""

        def work(connection: sa.Connection) -> tuple[Stranger, ...]:
            # Two processes that saw the same one do this one after the other: it is rare, and never on a hot path.
            connection.execute(sa.select(installation.c.issuer).with_for_update())
            room = most - (connection.scalar(sa.select(sa.func.count()).select_from(never_issued)) or 0)
            told_of = _told_of(connection, {each.license_id for each in strangers if each.license_id is not None})
            new: list[Stranger] = []
            for each in strangers:
                same = _is(each)
                row = connection.execute(sa.select(never_issued).where(same)).first()
                has_room = room > 0 and told_of[each.license_id] < most_of_license
                if row is None and (has_room or each.proved):
                    room -= 1
                    told_of[each.license_id] += each.license_id is not None
                    connection.execute(sa.insert(never_issued), _values(each))
                    new.append(each)
                elif row is not None:
                    known = stranger_from(row)
                    now = replace(
                        known,
                        proved=known.proved or each.proved,
                        last_seen_at=max(known.last_seen_at, each.last_seen_at),
                        times=known.times + each.times,
                    )
                    connection.execute(sa.update(never_issued).where(same).values(_values(now)))
                    if now.proved and not known.proved:
                        new.append(now)
            for each in new:
                audit, event = told(each)
                add_audit(connection, audit)
                add_events(connection, (event,))
            return tuple(new)

        return await self._write(work)

    async def strangers(self, *, kid: str | None, limit: int) -> tuple[Stranger, ...]:
        """See `ports.NeverIssuedStore`."""
        table = never_issued
        query = _about(sa.select(table), kid)
        query = query.order_by(table.c.proved.desc(), table.c.last_seen_at.desc(), table.c.jti).limit(limit)
        return await self._all(query, stranger_from)

    async def count_strangers(self, *, kid: str | None) -> int:
        """See `ports.NeverIssuedStore`."""
        query = _about(sa.select(sa.func.count()).select_from(never_issued), kid)
        return await self._read(lambda connection: connection.scalar(query) or 0)

    async def list_strangers(
        self, which: StrangerFilter, *, after: StrangerPlace | None, limit: int
    ) -> tuple[Stranger, ...]:
        """See `ports.NeverIssuedStore`."""
        table = never_issued
        query = _about(sa.select(table), which.kid)
        if which.products is not None:
            query = query.where(table.c.product.in_(which.products))
        if which.proved is not None:
            query = query.where(table.c.proved == int(which.proved))
        place = (table.c.first_seen_at, table.c.jti, table.c.kid, table.c.expires_at)
        if after is not None:
            values = (int(after.first_seen_at), after.jti, after.kid, int(after.expires_at))
            query = query.where(sa.tuple_(*place) < sa.tuple_(*values))
        return await self._all(query.order_by(*(each.desc() for each in place)).limit(limit), stranger_from)

    async def forget_strangers(self, *, before: Instant, limit: int) -> int:
        """See `ports.NeverIssuedStore`."""
        table = never_issued
        is_over = table.c.last_seen_at < int(before)
        key = tuple(table.primary_key.columns)
        some = sa.select(*key).where(is_over).limit(limit)
        if not await self._one(some.limit(1), bool):
            return 0

        def work(connection: sa.Connection) -> int:
            # As whoever adds to them: one that comes again in this moment is either counted or told of anew.
            connection.execute(sa.select(installation.c.issuer).with_for_update())
            chosen = [tuple(row) for row in connection.execute(some)]
            return connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(chosen))).rowcount

        return await self._write(work)


def _told_of(connection: sa.Connection, licenses: set[str]) -> Counter[str | None]:
    """How many there are of each of *licenses*."""
    of = never_issued.c.license_id
    query = sa.select(of, sa.func.count()).where(of.in_(licenses)).group_by(of)
    return Counter({row[0]: row[1] for row in connection.execute(query)})


def stranger_from(row: Sequence[Any]) -> Stranger:
    """A row of `never_issued`."""
    return Stranger(
        jti=row[0],
        kid=row[1],
        expires_at=Instant(row[2]),
        kind=row[3],
        issued_at=Instant(row[4]),
        reason=row[5],
        proved=bool(row[6]),
        product=row[7],
        license_id=row[8],
        activation_id=row[9],
        first_seen_at=Instant(row[10]),
        last_seen_at=Instant(row[11]),
        times=row[12],
    )


def _values(stranger: Stranger) -> dict[str, Any]:
    return {
        "jti": stranger.jti,
        "kid": stranger.kid,
        "expires_at": int(stranger.expires_at),
        "kind": stranger.kind,
        "issued_at": int(stranger.issued_at),
        "reason": stranger.reason,
        "proved": int(stranger.proved),
        "product": stranger.product,
        "license_id": stranger.license_id,
        "activation_id": stranger.activation_id,
        "first_seen_at": int(stranger.first_seen_at),
        "last_seen_at": int(stranger.last_seen_at),
        "times": stranger.times,
    }


def _is(stranger: Stranger) -> sa.ColumnElement[bool]:
    table = never_issued
    return sa.and_(
        table.c.jti == stranger.jti, table.c.kid == stranger.kid, table.c.expires_at == int(stranger.expires_at)
    )


def _about(query: sa.Select[Any], kid: str | None) -> sa.Select[Any]:
    return query if kid is None else query.where(never_issued.c.kid == kid)

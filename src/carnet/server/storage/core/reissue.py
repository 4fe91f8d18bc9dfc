"""
The register, as the compromise drill uses it, in SQLAlchemy Core.

What is read is read outside of the write lock, and looked at once more under it: a batch holds the lock for some
milliseconds, and what ended or was refreshed in between is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.server.ports.reissue import ByHand, SeatsUnder, SeatUnder, Successor
from carnet.server.records import AuditEntry, Issuance
from carnet.server.storage import rows
from carnet.server.storage.core.inserting import insert_many
from carnet.server.storage.core.unit import CoreUnits, add_audit
from carnet.server.storage.tables import activations, enrolments, issuances, licenses

_OF_SEATS: Final = ("token", "machine-file")
_BY_HAND: Final = ("license-key", "offline-token")


class ReissuePart(CoreUnits):
    """`ports.ReissueStore`."""

    async def seats_under(
        self, kid: str, *, after: str | None, limit: int, only_lines_of_it: bool = False
    ) -> SeatsUnder:
        """See `ports.ReissueStore`."""
        concerned = _concerned(kid).order_by(issuances.c.activation_id).limit(limit)
        if after is not None:
            concerned = concerned.where(issuances.c.activation_id > after)

        def work(connection: sa.Connection) -> SeatsUnder:
            ids = list(connection.scalars(concerned))
            if not ids:
                return SeatsUnder(looked_at=0, last=None, seats=())
            newest: dict[str, list[Issuance]] = {}
            lines = sa.select(issuances).where(issuances.c.jti.in_(_newest(connection, ids)))
            if only_lines_of_it:
                lines = lines.where(issuances.c.kid == kid)
            for row in connection.execute(lines.order_by(issuances.c.kind)):
                issuance = rows.issuance_from(row)
                newest.setdefault(str(issuance.activation_id), []).append(issuance)
            found = connection.execute(_LIVE.where(activations.c.id.in_(ids)).order_by(activations.c.id))
            seats = tuple(_seat_from(row, tuple(newest.get(row[0], ()))) for row in found)
            return SeatsUnder(looked_at=len(ids), last=ids[-1], seats=seats)

        return await self._read(work)

    async def count_seats_under(self, kid: str) -> int:
        """See `ports.ReissueStore`."""
        query = sa.select(sa.func.count()).select_from(_concerned(kid).subquery())
        return await self._read(lambda connection: connection.scalar(query) or 0)

    async def register_again(
        self, successors: tuple[Successor, ...], audit: Callable[[tuple[Issuance, ...]], AuditEntry]
    ) -> tuple[Issuance, ...]:
        """See `ports.ReissueStore`."""
        of_licenses = sorted({each.issuance.license_id for each in successors})
        of_seats = sorted({str(each.issuance.activation_id) for each in successors})

        def work(connection: sa.Connection) -> tuple[Issuance, ...]:
            # Licenses first, then seats, each in the order of their ids: as everybody locks them.
            active = sa.select(licenses.c.id).where(licenses.c.id.in_(of_licenses), licenses.c.status == "active")
            known = set(connection.scalars(active.order_by(licenses.c.id).with_for_update(read=True)))
            held = sa.select(activations.c.id).where(
                activations.c.id.in_(of_seats), activations.c.deactivated_at.is_(None)
            )
            seats = set(connection.scalars(held.order_by(activations.c.id).with_for_update(read=True)))
            newest = set(_newest(connection, of_seats))
            made = tuple(
                each.issuance
                for each in successors
                if each.replaces in newest
                and each.issuance.license_id in known
                and each.issuance.activation_id in seats
            )
            if made:
                insert_many(connection, issuances, [rows.issuance_columns(each) for each in made])
                add_audit(connection, audit(made))
            return made

        return await self._write(work)

    async def by_hand(self, kid: str, *, now: Instant) -> tuple[ByHand, ...]:
        """See `ports.ReissueStore`."""
        table = issuances
        query = (
            sa.select(licenses.c.product_id, table.c.kind, sa.func.count())
            .join(licenses, table.c.license_id == licenses.c.id)
            .where(table.c.kid == kid, table.c.kind.in_(_BY_HAND), table.c.expires_at > int(now))
            .where(licenses.c.status == "active")
            .group_by(licenses.c.product_id, table.c.kind)
            .order_by(licenses.c.product_id, table.c.kind)
        )
        return await self._all(query, lambda row: ByHand(product=row[0], kind=row[1], count=row[2]))


_LIVE: Final = (
    sa.select(
        activations,
        licenses.c.product_id,
        licenses.c.customer_id,
        licenses.c.key_last_four,
        licenses.c.key_sealed,
        enrolments.c.token_sealed,
    )
    .join(licenses, activations.c.license_id == licenses.c.id)
    .outerjoin(enrolments, activations.c.enrolment_id == enrolments.c.id)
    .where(activations.c.deactivated_at.is_(None), licenses.c.status == "active")
)


def _concerned(kid: str) -> sa.Select[Any]:
    """The activations that ever got a token or machine file under *kid*."""
    table = issuances
    return (
        sa.select(table.c.activation_id)
        .where(table.c.kid == kid, table.c.kind.in_(_OF_SEATS), table.c.activation_id.is_not(None))
        .distinct()
    )


def _newest(connection: sa.Connection, ids: Sequence[str]) -> list[str]:
    """The ids of the newest artifact of each kind, of the activations *ids*."""
    table = issuances
    place = sa.func.row_number().over(
        partition_by=(table.c.activation_id, table.c.kind), order_by=(table.c.issued_at.desc(), table.c.jti.desc())
    )
    ranked = (
        sa.select(table.c.jti, place.label("place"))
        .where(table.c.activation_id.in_(ids), table.c.kind.in_(_OF_SEATS))
        .subquery()
    )
    return list(connection.scalars(sa.select(ranked.c.jti).where(ranked.c.place == 1)))


def _seat_from(row: Sequence[Any], newest: tuple[Issuance, ...]) -> SeatUnder:
    width = rows.ACTIVATION_WIDTH + 1
    customer, last_four, key_sealed, token_sealed = row[width:]
    return SeatUnder(
        activation=rows.activation_from(row),
        customer=customer,
        key_last_four=last_four,
        key_sealed=bytes(key_sealed),
        token_sealed=None if token_sealed is None else bytes(token_sealed),
        newest=newest,
    )

"""
Many licenses at once, in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from carnet.server.ports import LicenseChange
from carnet.server.ports.bulk import Chosen
from carnet.server.records import License, StoredPolicy
from carnet.server.storage import rows
from carnet.server.storage.core.licenses import LICENSE, changed
from carnet.server.storage.core.reach import customer_is_within
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import customers, licenses, policies

_ARRAYS: Final = {
    sa.Text: "text[]",
    sa.BigInteger: "bigint[]",
    sa.LargeBinary: "bytea[]",
    sa.SmallInteger: "smallint[]",
}
_FEW: Final = 8
_AT_ONCE: Final = 500
"""Values in one IN list; SQLite takes 32,766 and asyncpg 32,767."""


class BulkPart(CoreUnits):
    """`ports.BulkStore`."""

    async def change_licenses(
        self,
        chosen: Chosen,
        change: Callable[[License, StoredPolicy], LicenseChange],
        *,
        most: int,
        is_wanted: Callable[[tuple[LicenseChange, ...]], bool],
    ) -> tuple[LicenseChange, ...] | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> tuple[LicenseChange, ...] | None:
            found = connection.execute(
                sa.select(licenses.c.id, licenses.c.policy_id)
                .join(policies, licenses.c.policy_id == policies.c.id)
                .where(*_conditions(chosen))
                .order_by(licenses.c.id)
                .limit(most + 1)
            ).all()
            if len(found) > most:
                return None
            # Policies first, then licenses, each in the order of their ids: as everybody locks them.
            follows = sa.select(policies).where(policies.c.id.in_({row[1] for row in found})).order_by(policies.c.id)
            known = {row[0]: rows.policy_from(row) for row in connection.execute(follows.with_for_update(read=True))}
            changes: list[tuple[License, LicenseChange]] = []
            for begin in range(0, len(found), _AT_ONCE):
                ids = [row[0] for row in found[begin : begin + _AT_ONCE]]
                locked = LICENSE.where(licenses.c.id.in_(ids)).order_by(licenses.c.id)
                for row in connection.execute(locked.with_for_update(of=licenses, key_share=True)).all():
                    license_ = rows.license_from(row)
                    changes.append((license_, change(license_, known[license_.policy_id])))
            made = tuple(each for _, each in changes)
            if is_wanted(made):
                for license_, each in changes:
                    changed(connection, license_, each)
            return made

        return await self._write(work)

    async def known_keys(self, lookups: tuple[bytes, ...]) -> frozenset[bytes]:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> frozenset[bytes]:
            found: set[bytes] = set()
            for begin in range(0, len(lookups), _AT_ONCE):
                some = licenses.c.key_lookup.in_(lookups[begin : begin + _AT_ONCE])
                found.update(bytes(key) for key in connection.scalars(sa.select(licenses.c.key_lookup).where(some)))
            return frozenset(found)

        return await self._read(work)

    async def known_customers(self, ids: tuple[str, ...], within: tuple[str, ...] | None) -> frozenset[str]:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> frozenset[str]:
            found: set[str] = set()
            for begin in range(0, len(ids), _AT_ONCE):
                query = sa.select(customers.c.id).where(customers.c.id.in_(ids[begin : begin + _AT_ONCE]))
                if within is not None:
                    query = query.where(customer_is_within(customers.c.id, within))
                found.update(connection.scalars(query))
            return frozenset(found)

        return await self._read(work)


def _conditions(chosen: Chosen) -> list[sa.ColumnElement[bool]]:
    which = chosen.which
    within = [] if which.within is None else [licenses.c.product_id.in_(which.within)]
    if chosen.ids is not None:
        return [licenses.c.id.in_(chosen.ids), *within]
    wanted = (
        (licenses.c.product_id, which.product),
        (licenses.c.customer_id, which.customer),
        (licenses.c.status, which.status),
        (licenses.c.type, which.type),
        (policies.c.name, chosen.policy),
    )
    return [*within, *(column == value for column, value in wanted if value is not None)]

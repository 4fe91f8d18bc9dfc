"""
Licenses in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from carnet.core._base import replace
from carnet.server.ports import LicenseChange, LicenseContext, LicenseFilter, NewLicense, NextIndex
from carnet.server.ports.preconditions import require_revision
from carnet.server.records import License, StoredPolicy
from carnet.server.storage import rows
from carnet.server.storage.core.inserting import insert_many
from carnet.server.storage.core.unit import CoreUnits, add_audit, add_events, exists, lock_license, policy_by_name
from carnet.server.storage.tables import (
    audit,
    customers,
    events,
    issuances,
    licenses,
    policies,
    products,
    status_indices,
)

LICENSE = sa.select(licenses, *(policies.c[name] for name in rows.POLICY_COLUMNS)).join(
    policies, licenses.c.policy_id == policies.c.id
)
"""Rows that `rows.license_from` reads."""


class LicensePart(CoreUnits):
    """`ports.LicenseStore`."""

    async def add_licenses(
        self,
        *,
        product: str,
        policy: str,
        customer: str | None,
        build: Callable[[LicenseContext, NextIndex], tuple[NewLicense, ...]],
    ) -> tuple[NewLicense, ...]:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> tuple[NewLicense, ...]:
            found = _stored_policy(connection, product, policy)
            context = LicenseContext(
                product_known=exists(connection, products.c.id == product),
                policy=found,
                customer_known=customer is not None and exists(connection, customers.c.id == customer),
                in_use=0 if found is None else _in_use(connection, found),
            )
            next_number = self._next_number(connection)
            sequences: dict[int, int] = {}

            def next_index() -> int:
                sequence = next_number()
                position = self._place(sequence - 1)
                sequences[position] = sequence
                return position

            made = build(context, next_index)
            places = [
                {
                    "sequence": sequences[each.license.status_index],
                    "position": each.license.status_index,
                    "subject": "license",
                    "subject_id": each.license.id,
                }
                for each in made
            ]
            insert_many(connection, status_indices, places)
            insert_many(connection, licenses, [rows.license_values(each.license) for each in made])
            insert_many(
                connection,
                issuances,
                [rows.issuance_columns(issuance) for each in made for issuance in each.issuances],
            )
            insert_many(connection, audit, [rows.audit_values(each.audit) for each in made])
            told = [rows.event_values(event) for each in made for event in each.events]
            insert_many(connection, events, [dict(zip(rows.EVENT_COLUMNS, each, strict=True)) for each in told])
            return made

        return await self._write(work)

    async def license(self, license_id: str) -> License | None:
        """See `ports.Storage`."""
        return await self._one(LICENSE.where(licenses.c.id == license_id), rows.license_from)

    async def license_by_key(self, lookups: tuple[bytes, ...]) -> License | None:
        """See `ports.Storage`."""
        found = await self._all(LICENSE.where(licenses.c.key_lookup.in_(lookups)), rows.license_from)
        return min(found, key=lambda each: lookups.index(each.key_lookup), default=None)

    async def licenses(self, which: LicenseFilter, *, after: str | None, limit: int) -> tuple[License, ...]:
        """See `ports.Storage`."""
        query = LICENSE
        if which.within is not None:
            query = query.where(licenses.c.product_id.in_(which.within))
        if which.product is not None:
            query = query.where(licenses.c.product_id == which.product)
        if which.customer is not None:
            query = query.where(licenses.c.customer_id == which.customer)
        if which.status is not None:
            query = query.where(licenses.c.status == which.status)
        if which.type is not None:
            query = query.where(licenses.c.type == which.type)
        return await self._newest(query, licenses.c.id, after, limit, rows.license_from)

    async def change_license(self, license_id: str, change: Callable[[License], LicenseChange]) -> License | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> License | None:
            found = _locked(connection, license_id)
            return None if found is None else changed(connection, found, change(found))

        return await self._write(work)

    async def change_license_under(
        self, license_id: str, policy: str | None, change: Callable[[License, StoredPolicy | None], LicenseChange]
    ) -> License | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> License | None:
            seen = connection.execute(LICENSE.where(licenses.c.id == license_id)).first()
            if seen is None:
                return None
            known = rows.license_from(seen)
            # The policy first, as whoever changes a policy and its licenses does.
            stored = _stored_policy(connection, known.product, known.policy.name if policy is None else policy)
            found = _locked(connection, license_id)
            return None if found is None else changed(connection, found, change(found, stored))

        return await self._write(work)


_FIXED = frozenset({"id", "product_id", "key_lookup", "key_sealed", "key_last_four", "created_at", "seats_used"})
"""Columns of a license that no change of it writes: what it is, and what devices count."""


def _stored_policy(connection: sa.Connection, product: str, name: str) -> StoredPolicy | None:
    """A policy, kept as it is until the end of the transaction; where licenses of it are counted, for one at a time."""
    chosen = policy_by_name(product, name)
    row = connection.execute(chosen).first()
    if row is None:
        return None
    is_counted = rows.policy_from(row).conditions.license_quota is not None
    lock = chosen.with_for_update(key_share=True) if is_counted else chosen.with_for_update(read=True)
    row = connection.execute(lock).first()
    return None if row is None else rows.policy_from(row)


def _in_use(connection: sa.Connection, policy: StoredPolicy) -> int:
    if policy.conditions.license_quota is None:
        return 0
    counted = sa.and_(licenses.c.policy_id == policy.id, licenses.c.status != "revoked")
    return connection.scalar(sa.select(sa.func.count()).select_from(licenses).where(counted)) or 0


def _locked(connection: sa.Connection, license_id: str) -> License | None:
    lock_license(connection, license_id)
    chosen = LICENSE.where(licenses.c.id == license_id)
    row = connection.execute(chosen).first()
    return None if row is None else rows.license_from(row)


def changed(connection: sa.Connection, found: License, made: LicenseChange) -> License:
    """Write *made* over *found*, which is locked; the license as it is then."""
    require_revision(found.revision)
    if made.audit is None:
        return made.license
    values = {name: value for name, value in rows.license_values(made.license).items() if name not in _FIXED}
    limit = made.license.seat_limit
    values["seats_over"] = 0 if limit is None else max(0, found.seats_used - limit)
    values["revision"] = found.revision + 1
    connection.execute(sa.update(licenses).where(licenses.c.id == found.id).values(values))
    add_audit(connection, made.audit)
    add_events(connection, made.events)
    return replace(made.license, revision=found.revision + 1, seats_over=values["seats_over"])

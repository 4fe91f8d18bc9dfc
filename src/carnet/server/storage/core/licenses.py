"""
Licenses in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from carnet.core._base import replace
from carnet.server.ports import LicenseChange, LicenseContext, LicenseFilter, NewLicense, NextIndex
from carnet.server.records import License
from carnet.server.storage import rows
from carnet.server.storage.core.unit import CoreUnits, add_audit, exists, policy_by_name
from carnet.server.storage.tables import audit, customers, issuances, licenses, policies, products, status_indices

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
            row = connection.execute(policy_by_name(product, policy).with_for_update(read=True)).first()
            context = LicenseContext(
                product_known=exists(connection, products.c.id == product),
                policy=None if row is None else rows.policy_from(row),
                customer_known=customer is not None and exists(connection, customers.c.id == customer),
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
            connection.execute(sa.insert(status_indices), places)
            connection.execute(sa.insert(licenses), [rows.license_values(each.license) for each in made])
            register = [rows.issuance_columns(issuance) for each in made for issuance in each.issuances]
            if register:
                connection.execute(sa.insert(issuances), register)
            connection.execute(sa.insert(audit), [rows.audit_values(each.audit) for each in made])
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
            query = LICENSE.where(licenses.c.id == license_id).with_for_update(of=licenses, key_share=True)
            row = connection.execute(query).first()
            if row is None:
                return None
            made = change(rows.license_from(row))
            if made.audit is not None:
                connection.execute(
                    sa.update(licenses)
                    .where(licenses.c.id == license_id)
                    .values(
                        status=made.license.status,
                        expires_at=made.license.expires_at,
                        revision=licenses.c.revision + 1,
                    )
                )
                add_audit(connection, made.audit)
                return replace(made.license, revision=made.license.revision + 1)
            return made.license

        return await self._write(work)

"""
Products, policies and customers in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from carnet.core._base import replace
from carnet.server.ports import OwnValues, PolicyChange
from carnet.server.ports.preconditions import require_revision
from carnet.server.records import AuditEntry, Customer, Product, StoredPolicy
from carnet.server.storage import rows
from carnet.server.storage.core.reach import customer_is_within
from carnet.server.storage.core.unit import CoreUnits, add_audit, insert, policy_by_name
from carnet.server.storage.tables import customer_products, customers, licenses, policies, products


class CatalogPart(CoreUnits):
    """`ports.CatalogStore`."""

    async def add_product(self, product: Product, presets: tuple[StoredPolicy, ...], entry: AuditEntry) -> bool:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> bool:
            if not insert(connection, products, rows.product_values(product)):
                return False
            for policy in presets:
                connection.execute(sa.insert(policies), rows.policy_values(policy))
            add_audit(connection, entry)
            return True

        return await self._write(work)

    async def product(self, product: str) -> Product | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(products).where(products.c.id == product), rows.product_from)

    async def products(
        self, *, after: str | None, limit: int, within: tuple[str, ...] | None = None
    ) -> tuple[Product, ...]:
        """See `ports.Storage`."""
        query = sa.select(products).order_by(products.c.id).limit(limit)
        if within is not None:
            query = query.where(products.c.id.in_(within))
        return await self._all(query if after is None else query.where(products.c.id > after), rows.product_from)

    async def add_policy(self, policy: StoredPolicy, entry: AuditEntry) -> bool:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> bool:
            if not insert(connection, policies, rows.policy_values(policy)):
                return False
            add_audit(connection, entry)
            return True

        return await self._write(work)

    async def policy(self, product: str, name: str) -> StoredPolicy | None:
        """See `ports.Storage`."""
        return await self._one(policy_by_name(product, name), rows.policy_from)

    async def policies(self, product: str, *, after: str | None, limit: int) -> tuple[StoredPolicy, ...]:
        """See `ports.Storage`."""
        query = sa.select(policies).where(policies.c.product_id == product).order_by(policies.c.name).limit(limit)
        return await self._all(query if after is None else query.where(policies.c.name > after), rows.policy_from)

    async def change_policy(
        self, product: str, name: str, change: Callable[[StoredPolicy, tuple[OwnValues, ...]], PolicyChange]
    ) -> StoredPolicy | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> StoredPolicy | None:
            row = connection.execute(policy_by_name(product, name).with_for_update(key_share=True)).first()
            if row is None:
                return None
            old = rows.policy_from(row)
            require_revision(old.revision)
            texts = connection.execute(
                sa.select(licenses.c.overrides, licenses.c.conditions).where(licenses.c.policy_id == old.id).distinct()
            ).all()
            own = [(each, _own_values(*each)) for each in texts]
            made = change(old, tuple(values for _, values in own))
            stored = made.policy
            connection.execute(
                sa.update(policies)
                .where(policies.c.id == stored.id)
                .values(**rows.policy_values(stored), revision=old.revision + 1)
            )
            nothing = OwnValues(overrides={}, conditions={})
            _limit_seats(connection, licenses.c.seat_limit_is_own == 0, stored.id, made.ceiling(nothing))
            for (overrides, conditions), values in own:
                if rows.has_own_ceiling(values.overrides, values.conditions):
                    is_own = sa.and_(licenses.c.overrides == overrides, licenses.c.conditions == conditions)
                    _limit_seats(connection, is_own, stored.id, made.ceiling(values))
            add_audit(connection, made.audit)
            return replace(stored, revision=old.revision + 1)

        return await self._write(work)

    async def add_customer(self, customer: Customer, entry: AuditEntry, products: tuple[str, ...] = ()) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(customers), rows.customer_values(customer))
            for product in products:
                values = {"customer_id": customer.id, "product_id": product}
                connection.execute(sa.insert(customer_products), values)
            add_audit(connection, entry)

        await self._write(work)

    async def customer(self, customer_id: str) -> Customer | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(customers).where(customers.c.id == customer_id), rows.customer_from)

    async def customers(
        self, *, after: str | None, limit: int, within: tuple[str, ...] | None = None
    ) -> tuple[Customer, ...]:
        """See `ports.Storage`."""
        query = sa.select(customers)
        if within is not None:
            query = query.where(customer_is_within(customers.c.id, within))
        return await self._newest(query, customers.c.id, after, limit, rows.customer_from)


def _own_values(overrides: str, conditions: str) -> OwnValues:
    return OwnValues(overrides=rows.read_json(overrides), conditions=rows.read_json(conditions))


def _limit_seats(connection: sa.Connection, which: sa.ColumnElement[bool], policy_id: str, limit: int | None) -> None:
    """Put the ceiling of seats into the licenses of a policy for which it changes."""
    # users-ask 10: seats that are held stay held when the limit sinks below them; only new ones are refused.
    over = 0 if limit is None else sa.case((licenses.c.seats_used > limit, licenses.c.seats_used - limit), else_=0)
    connection.execute(
        sa.update(licenses)
        .where(licenses.c.policy_id == policy_id, which, licenses.c.seat_limit.is_distinct_from(limit))
        .values(seat_limit=limit, seats_over=over, revision=licenses.c.revision + 1)
    )

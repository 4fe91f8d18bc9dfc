"""
What belongs to which product, in SQLAlchemy Core: for admin tokens that are limited to some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from carnet.server.ports.access import SubjectKind
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import (
    activations,
    compatibility_keys,
    customer_products,
    enrolments,
    leases,
    licenses,
)


def _of_license(table: sa.Table) -> sa.Select[Any]:
    return sa.select(licenses.c.product_id).join(table, table.c.license_id == licenses.c.id)


_PRODUCT: Final[Mapping[SubjectKind, tuple[sa.Select[Any], sa.Column[Any]]]] = {
    "license": (sa.select(licenses.c.product_id), licenses.c.id),
    "activation": (_of_license(activations), activations.c.id),
    "enrolment": (_of_license(enrolments), enrolments.c.id),
    "lease": (_of_license(leases), leases.c.id),
    "key": (sa.select(compatibility_keys.c.product_id), compatibility_keys.c.kid),
}


def customer_is_within(customer_id: sa.ColumnElement[str], products: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """Whether a customer has a license of one of *products*, or was recorded for one of them."""
    recorded, held = customer_products.c, licenses.c
    return sa.or_(
        sa.exists().where(recorded.customer_id == customer_id, recorded.product_id.in_(products)),
        sa.exists().where(held.customer_id == customer_id, held.product_id.in_(products)),
    )


class ReachPart(CoreUnits):
    """The part of `ports.AccessStore` that says what belongs to which product."""

    async def product_of(self, kind: SubjectKind, subject_id: str) -> str | None:
        """See `ports.Storage`."""
        query, column = _PRODUCT[kind]
        return await self._one(query.where(column == subject_id), lambda row: str(row[0]))

    async def customer_within(self, customer_id: str, products: tuple[str, ...]) -> bool:
        """See `ports.Storage`."""
        found = await self._one(sa.select(customer_is_within(sa.literal(customer_id), products)), lambda row: row[0])
        return bool(found)

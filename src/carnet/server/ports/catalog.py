"""
What is sold and to whom, as storage keeps it: products, policies, customers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.server.records import AuditEntry, Customer, Product, StoredPolicy

Details: TypeAlias = Mapping[str, Any]
"""A plain JSON object."""


class OwnValues(Struct):
    """What some licenses of a policy have of their own: members of its rules, and of its conditions (R-05)."""

    overrides: Details
    conditions: Details


class PolicyChange(Struct):
    """
    A policy's new rules, and the audit row.

    `ceiling` says how many seats a license with own values may hold at most; None: any number.
    """

    policy: StoredPolicy
    audit: AuditEntry
    ceiling: Callable[[OwnValues], int | None]


class CatalogStore(Protocol):
    """Products, policies, customers."""

    async def add_product(self, product: Product, presets: tuple[StoredPolicy, ...], entry: AuditEntry) -> bool:
        """Store a product with its policies; False if its slug is taken."""
        ...

    async def product(self, product: str) -> Product | None:
        """One product."""
        ...

    async def products(
        self, *, after: str | None, limit: int, within: tuple[str, ...] | None = None
    ) -> tuple[Product, ...]:
        """Products by slug; with *within*, only those of them."""
        ...

    async def add_policy(self, policy: StoredPolicy, entry: AuditEntry) -> bool:
        """Store a policy; False if the product has one of that name. Its product must exist."""
        ...

    async def policy(self, product: str, name: str) -> StoredPolicy | None:
        """One policy of a product."""
        ...

    async def policies(self, product: str, *, after: str | None, limit: int) -> tuple[StoredPolicy, ...]:
        """Policies of a product by name."""
        ...

    async def change_policy(
        self, product: str, name: str, change: Callable[[StoredPolicy, tuple[OwnValues, ...]], PolicyChange]
    ) -> StoredPolicy | None:
        """
        Change a policy and the seat limits of the licenses that follow it; None if there is none.

        *change* is also given the different own values that licenses of the policy have.
        """
        ...

    async def add_customer(self, customer: Customer, entry: AuditEntry, products: tuple[str, ...] = ()) -> None:
        """Store a customer, recorded for *products*, which exist."""
        ...

    async def customer(self, customer_id: str) -> Customer | None:
        """One customer."""
        ...

    async def customers(
        self, *, after: str | None, limit: int, within: tuple[str, ...] | None = None
    ) -> tuple[Customer, ...]:
        """Customers, newest first; with *within*, only those that `customer_within` is true of."""
        ...

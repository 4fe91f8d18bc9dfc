"""Customers: create, show, list."""

from __future__ import annotations

from carnet.server.domain.customers.commands import CreateCustomer
from carnet.server.records import Actor, Customer, Page


class CustomerService:
    """What can be done with customers."""

    async def create(self, command: CreateCustomer, actor: Actor) -> Customer:
        """
        Record a customer.

        Raises:
            UsageError: ``invalid_argument``.
        """
        raise NotImplementedError

    async def get(self, customer_id: str) -> Customer:
        """
        One customer.

        Raises:
            UsageError: ``customer_not_found``.
        """
        raise NotImplementedError

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[Customer]:
        """Customers, newest first, at most *limit* (1 to 500) older than the id *after*."""
        raise NotImplementedError

"""Customers: create, show, list."""

from __future__ import annotations

from carnet.core.errors import UsageError
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_email, check_metadata, check_page, check_text
from carnet.server.domain.customers.commands import CreateCustomer
from carnet.server.domain.ids import Ids
from carnet.server.domain.pages import after_id, page_of
from carnet.server.ports import Clock, Storage
from carnet.server.records import Actor, Customer, Page


class CustomerService:
    """What can be done with customers."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids

    async def create(self, command: CreateCustomer, actor: Actor) -> Customer:
        """
        Record a customer. The audit row names only its id: personal data stays where it can be erased (R-67).

        Raises:
            UsageError: ``invalid_argument``.
        """
        now = self._clock.now()
        customer = Customer(
            id=self._ids.new(now),
            name=check_text("name", command.name, most=200),
            email=check_email("email", command.email),
            created_at=now,
            metadata=check_metadata("metadata", command.metadata),
        )
        audit = entry(now, actor, "customer.created", customer.id)
        await self._storage.add_customer(customer, audit, command.products)
        return customer

    async def get(self, customer_id: str) -> Customer:
        """
        One customer.

        Raises:
            UsageError: ``customer_not_found``.
        """
        found = await self._storage.customer(customer_id)
        if found is None:
            raise customer_not_found()
        return found

    async def list(
        self, *, after: str | None = None, limit: int = 50, within: tuple[str, ...] | None = None
    ) -> Page[Customer]:
        """
        Customers, newest first, at most *limit* (1 to 500) older than the id *after*; with *within*, those who hold a
        license of one of these products or were recorded for one.

        Raises:
            UsageError: ``invalid_argument``.
        """
        found = await self._storage.customers(after=after_id(after), limit=check_page(limit) + 1, within=within)
        return page_of(found, limit, lambda customer: customer.id)


def customer_not_found() -> UsageError:
    """The error for a customer that does not exist."""
    return UsageError("customer_not_found", "There is no such customer.", "Check the customer's id.")

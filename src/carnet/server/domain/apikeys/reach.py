"""
What an admin token that is limited to products may touch (SEC-36). What belongs to other products looks as if it were
not there; what belongs to the whole installation is refused by the edge, which knows the calls.
"""

from __future__ import annotations

from carnet.server.ports import Storage
from carnet.server.ports.access import SubjectKind


class ReachService:
    """Answers whether things belong to products."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def holds(self, products: tuple[str, ...], kind: SubjectKind, subject_id: str) -> bool:
        """Whether something exists and belongs to one of *products*. What belongs to one never moves to another."""
        return await self._storage.product_of(kind, subject_id) in products

    async def knows(self, products: tuple[str, ...], customer_id: str) -> bool:
        """Whether a customer holds a license of one of *products*, or was recorded for one."""
        return await self._storage.customer_within(customer_id, products)

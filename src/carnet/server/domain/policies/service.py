"""Policies: create, show, list, update."""

from __future__ import annotations

from carnet.server.domain.policies.commands import CreatePolicy, UpdatePolicy
from carnet.server.records import Actor, Page, StoredPolicy


class PolicyService:
    """What can be done with policies."""

    async def create(self, command: CreatePolicy, actor: Actor) -> StoredPolicy:
        """
        Make a policy.

        Raises:
            UsageError: ``bad_policy``, ``invalid_argument``, ``product_not_found``; ``already_exists``: the name is taken.
        """
        raise NotImplementedError

    async def get(self, product: str, name: str) -> StoredPolicy:
        """
        One policy of a product, by its name.

        Raises:
            UsageError: ``policy_not_found``.
        """
        raise NotImplementedError

    async def list(self, product: str, *, after: str | None = None, limit: int = 50) -> Page[StoredPolicy]:
        """Policies of a product by name, at most *limit* (1 to 500) after the name *after*."""
        raise NotImplementedError

    async def update(self, command: UpdatePolicy, actor: Actor) -> StoredPolicy:
        """
        Replace a policy's rules.

        Raises:
            UsageError: ``bad_policy``, ``invalid_argument``, ``policy_not_found``.
        """
        raise NotImplementedError

"""Products: create, show, list."""

from __future__ import annotations

from carnet.server.domain.products.commands import CreateProduct
from carnet.server.records import Actor, Page, Product


class ProductService:
    """What can be done with products."""

    async def create(self, command: CreateProduct, actor: Actor) -> Product:
        """
        Make a product with its three preset policies, in one transaction.

        Raises:
            UsageError: ``invalid_argument``; ``already_exists``: the slug is taken.
        """
        raise NotImplementedError

    async def get(self, product: str) -> Product:
        """
        One product by its slug.

        Raises:
            UsageError: ``product_not_found``.
        """
        raise NotImplementedError

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[Product]:
        """Products in the order of their slugs, at most *limit* (1 to 500) after the slug *after*."""
        raise NotImplementedError

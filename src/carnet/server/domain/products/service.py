"""Products: create, show, list."""

from __future__ import annotations

from carnet.core.errors import UsageError
from carnet.core.policies import PRESETS
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_metadata, check_page, check_slug, check_text
from carnet.server.domain.ids import Ids
from carnet.server.domain.pages import after_slug, page_of
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.ports import Clock, Storage
from carnet.server.records import Actor, Page, Product, StoredPolicy


class ProductService:
    """What can be done with products."""

    def __init__(self, storage: Storage, clock: Clock, ids: Ids) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids

    async def create(self, command: CreateProduct, actor: Actor) -> Product:
        """
        Make a product with its three preset policies, in one transaction.

        Raises:
            UsageError: ``invalid_argument``; ``already_exists``: the slug is taken.
        """
        now = self._clock.now()
        slug = check_slug("id", command.id)
        product = Product(
            id=slug,
            name=slug if command.name is None else check_text("name", command.name, most=100),
            created_at=now,
            metadata=check_metadata("metadata", command.metadata),
        )
        presets = tuple(
            StoredPolicy(
                id=self._ids.new(now),
                product=slug,
                policy=policy,
                license_type="perpetual",
                duration_seconds=None,
                created_at=now,
                updated_at=now,
            )
            for policy in PRESETS.values()
        )
        if not await self._storage.add_product(product, presets, entry(now, actor, "product.created", slug)):
            raise UsageError("already_exists", f"There is a product {slug} already.", "Choose another id.")
        return product

    async def get(self, product: str) -> Product:
        """
        One product by its slug.

        Raises:
            UsageError: ``product_not_found``.
        """
        found = await self._storage.product(product)
        if found is None:
            raise product_not_found(product)
        return found

    async def list(
        self, *, after: str | None = None, limit: int = 50, within: tuple[str, ...] | None = None
    ) -> Page[Product]:
        """
        Products (of *within*) in the order of their slugs, at most *limit* (1 to 500) after the slug *after*.

        Raises:
            UsageError: ``invalid_argument``.
        """
        found = await self._storage.products(after=after_slug(after), limit=check_page(limit) + 1, within=within)
        return page_of(found, limit, lambda product: product.id)


def product_not_found(product: str) -> UsageError:
    """The error for a product that does not exist."""
    return UsageError("product_not_found", f"There is no product {product[:100]!r}.", "Check its id.")

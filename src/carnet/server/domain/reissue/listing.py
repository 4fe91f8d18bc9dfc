"""
What was seen and never issued, page by page (SEC-24).

The order is that of the first sight, which never changes: whoever turns pages misses none that was there when they
began, however often devices tell of them meanwhile.
"""

from __future__ import annotations

from typing import Final

from carnet.core.errors import MalformedError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.strict_json import dump_json, parse_json
from carnet.server.domain.checks import check_page, invalid
from carnet.server.domain.pages import page_of
from carnet.server.domain.products.service import product_not_found
from carnet.server.ports import Storage
from carnet.server.ports.never_issued import Stranger, StrangerFilter, StrangerPlace
from carnet.server.records import Page

MAX_CURSOR: Final = 2048
"""An id of 255 characters may have four bytes each, and a third more in Base64."""


class NeverIssued:
    """
    The list.

    Args:
        storage: Where it is.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(
        self,
        *,
        kid: str | None = None,
        product: str | None = None,
        proved: bool | None = None,
        after: str | None = None,
        limit: int = 50,
        within: tuple[str, ...] | None = None,
    ) -> Page[Stranger]:
        """
        Artifacts that were seen and never issued, those first that were first seen last.

        Args:
            kid: Those that name this key.
            product: Those of this product: where a device told, of the license it came with; else as the artifact says.
            proved: Those that we saw ourselves, or only those that devices told.
            after: Where the page before ended.
            limit: 1 to 500.
            within: Other products are as if they were not there.

        Raises:
            UsageError: ``product_not_found``; ``invalid_argument``: a limit or a cursor that is none.
        """
        if product is not None and within is not None and product not in within:
            raise product_not_found(product)
        which = StrangerFilter(kid=kid, products=within if product is None else (product,), proved=proved)
        place = None if after is None else _place(after)
        found = await self._storage.list_strangers(which, after=place, limit=check_page(limit) + 1)
        if product is not None and not found and await self._storage.product(product) is None:
            raise product_not_found(product)
        return page_of(found, limit, _cursor)


def _cursor(stranger: Stranger) -> str:
    place = [int(stranger.first_seen_at), stranger.jti, stranger.kid, int(stranger.expires_at)]
    return b64url_encode(dump_json(place))


def _place(cursor: str) -> StrangerPlace:
    try:
        told = parse_json(b64url_decode(cursor, "The cursor"), max_bytes=MAX_CURSOR, what="The cursor")
    except MalformedError:
        told = None
    match told:
        case [int(seen), str(jti), str(kid), int(expires)] if (
            max(seen, expires) <= MAX_INSTANT and min(seen, expires) >= 0
        ):
            return StrangerPlace(first_seen_at=Instant(seen), jti=jti, kid=kid, expires_at=Instant(expires))
        case _:
            raise invalid("cursor", "what the page before ended with")

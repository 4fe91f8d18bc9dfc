"""The published status lists (specs/status-list.md §8): public, signed, and kept by whoever lies in between."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from carnet.core.errors import CarnetError
from carnet.server.api.caching import Cacheable
from carnet.server.api.openapi import reply
from carnet.server.api.paths import is_spelled
from carnet.server.domain.status.building import LIFETIME_SECONDS, TTL_SECONDS
from carnet.server.domain.status.lists import StatusLists

STATUS_MEDIA_TYPE: Final = "application/statuslist+jwt"

CACHE_CONTROL: Final = f"public, max-age={TTL_SECONDS}, stale-if-error={LIFETIME_SECONDS}"
"""A cache asks every minute, and goes on with what it has while nobody answers (RFC 5861 §4)."""


class ServedLists:
    """The lists of one app as they are served, each made once for each version."""

    def __init__(self, lists: StatusLists) -> None:
        self._lists = lists
        self._made: dict[int, tuple[tuple[int, int], Cacheable]] = {}

    def of(self, shard: int) -> Cacheable | None:
        """The newest list of *shard*; None where there is none."""
        newest = self._lists.list(shard)
        if newest is None:
            return None
        made = self._made.get(shard)
        if made is None or made[0] != newest.version:
            content = Cacheable(newest.token.encode(), media_type=STATUS_MEDIA_TYPE, cache_control=CACHE_CONTROL)
            made = self._made[shard] = (newest.version, content)
        return made[1]


@get(
    "/v1/status/{shard:int}",
    operation_id="statusList",
    tags=["Trust"],
    media_type=STATUS_MEDIA_TYPE,
    response_description="The list: a signed token.",
    responses={304: reply(None, "You have it already (`If-None-Match`).")},
    opt={"problems": ("status_list_not_found",)},
)
async def status_list(
    request: Request[Any, Any, Any],
    shard: Annotated[int, PathParameter(description="From 0; artifacts name the whole address.")],
    served: NamedDependency[ServedLists],
) -> Response[str]:
    """
    Get a status list (specs/status-list.md).

    It says, signed, which of 131,072 licenses and activations are revoked or suspended. A change is in it within 60
    seconds. Any CDN may stand in front.
    """
    found = served.of(shard) if is_spelled(request, shard) else None
    if found is None:
        raise CarnetError(
            "status_list_not_found",
            "There is no status list of that number.",
            "Ask for the address that the license names; the list of a new one is there within a minute.",
        )
    return found.answer(request)


STATUS_HANDLERS: Final = (status_list,)

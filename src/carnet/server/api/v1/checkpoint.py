"""The newest checkpoint of the log (specs/transparency.md §4), for whoever keeps them. Public, cacheable."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency

from carnet.core.errors import CarnetError
from carnet.server.api.caching import SHORT, Cacheable
from carnet.server.api.openapi import reply
from carnet.server.domain.proof.checkpoints import Checkpoints

CHECKPOINT_MEDIA_TYPE: Final = "text/plain"


@get(
    "/v1/checkpoint",
    operation_id="checkpoint",
    tags=["Trust"],
    media_type=CHECKPOINT_MEDIA_TYPE,
    response_description="The signed note.",
    responses={304: reply(None, "You have it already (`If-None-Match`).")},
    opt={"problems": ("checkpoint_not_found", "unavailable")},
)
async def checkpoint(request: Request[Any, Any, Any], checkpoints: NamedDependency[Checkpoints]) -> Response[str]:
    """
    Get the newest signed checkpoint of the log of everything that was issued, as a C2SP signed note.

    Keep each one that you see: the log can never become what does not continue it without that being found.
    """
    text = await checkpoints.newest()
    if text is None:
        raise CarnetError("checkpoint_not_found", "No checkpoint was signed yet.", "Ask again in a minute.")
    return Cacheable(text.encode(), media_type=CHECKPOINT_MEDIA_TYPE, cache_control=SHORT).answer(request)


CHECKPOINT_HANDLERS: Final = (checkpoint,)

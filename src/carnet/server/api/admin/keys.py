"""Compatibility keys of products (specs/http-api.md §7). Private keys never cross HTTP, in neither direction."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from carnet.server.api.admin import views
from carnet.server.api.admin.key_models import (
    AddedKeyReply,
    CreateKeyRequest,
    ExportedKeyReply,
    KeyReply,
    KeysReply,
    RetireKeyRequest,
)
from carnet.server.api.admin.params import PAGE_SIZE, Cursor, KeyPath, Limit
from carnet.server.api.auth import actor_of
from carnet.server.api.reach import within
from carnet.server.domain.keys.commands import CreateKey
from carnet.server.domain.keys.service import KeyService

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable")


@post(
    "/keys",
    operation_id="createKey",
    tags=_TAGS,
    response_description="The new key, its public half.",
    opt={"problems": (*_WRITE, "product_not_found", "key_exists")},
)
async def create_key(
    request: Request[Any, Any, Any], data: JSONBody[CreateKeyRequest], keys: NamedDependency[KeyService]
) -> Response[AddedKeyReply]:
    """
    Make a product's compatibility key; the one that it has only verifies from now on.

    The private half stays sealed on the server. To take over a key that apps have pinned already, run
    `carnet key import` there.
    """
    made = await keys.create(CreateKey(product=data.product, alg=data.alg), actor_of(request))
    return Response(views.added_key(made), headers={"Location": f"/v1/admin/keys/{made.key.kid}"})


@get(
    "/keys",
    operation_id="listKeys",
    tags=_TAGS,
    response_description="Compatibility keys, newest first.",
    opt={"problems": ("product_not_found",)},
)
async def list_keys(
    request: Request[Any, Any, Any],
    *,
    keys: NamedDependency[KeyService],
    product: Annotated[
        str | None, QueryParameter(name="product", max_length=100, description="Of this product.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[KeysReply]:
    """List compatibility keys."""
    return views.page(
        request, await keys.list(product, after=cursor, limit=limit, within=within(request)), views.key, KeysReply
    )


@get(
    "/keys/{kid:str}",
    operation_id="getKey",
    tags=_TAGS,
    response_description="The key, its public half.",
    opt={"problems": ("key_not_found",)},
)
async def get_key(kid: KeyPath, keys: NamedDependency[KeyService]) -> Response[ExportedKeyReply]:
    """Export the public half of a compatibility key, as PEM and as JWK, for apps to pin."""
    return Response(views.exported_key(await keys.get(kid)))


@post(
    "/keys/{kid:str}/retire",
    status_code=200,
    operation_id="retireKey",
    tags=_TAGS,
    response_description="The key as it is now.",
    opt={"problems": (*_WRITE, "key_not_found", "conflict")},
)
async def retire_key(
    request: Request[Any, Any, Any],
    kid: KeyPath,
    keys: NamedDependency[KeyService],
    data: JSONBody[RetireKeyRequest | None] = None,
) -> Response[KeyReply]:
    """
    End a compatibility key for good: it leaves the JWKS, and its private half is destroyed.

    The key that signs now ends only where the request says so.
    """
    even_active = data is not None and data.even_active
    return Response(views.key(await keys.retire(kid, actor_of(request), even_active=even_active)))


KEY_HANDLERS: Final = (create_key, list_keys, get_key, retire_key)

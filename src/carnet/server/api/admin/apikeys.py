"""Admin tokens over the admin API (specs/http-api.md §7). A token is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from carnet.core.instant import Instant
from carnet.server.api import wire
from carnet.server.api.admin import views
from carnet.server.api.admin.models import Slug
from carnet.server.api.admin.params import PAGE_SIZE, Cursor, Limit
from carnet.server.api.auth import actor_of
from carnet.server.api.wire import Time, WrittenTime
from carnet.server.domain.apikeys.commands import CreateApiKey, Scope
from carnet.server.domain.apikeys.service import MAX_PRODUCTS, ApiKeyService
from carnet.server.records import ApiKey

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable")


class CreateApiKeyRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A token for the admin API. `admin` may do everything, `read` may look, `issue` makes and renews licenses and makes
    customers, `support` suspends, reinstates, frees seats and has files checked, `keys` sees license keys again.

    With `products`, it may touch only what belongs to these; all else looks as if it were not there.
    """

    example: ClassVar[dict[str, Any]] = {"name": "Web shop", "scopes": ["issue"], "expires_at": "2028-01-01T00:00:00Z"}

    name: Annotated[str, Meta(min_length=1, max_length=100, description="What it is for.")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=5)]
    expires_at: WrittenTime | None = None
    products: Annotated[list[Slug], Meta(min_length=1, max_length=MAX_PRODUCTS)] | None = None


class ApiKeyReply(msgspec.Struct, kw_only=True):
    """An admin token's record; never the token. `last_used_at` may be some seconds late."""

    id: str
    name: str
    last_four: str
    scopes: list[str]
    products: list[str] | None
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None


class CreatedApiKeyReply(ApiKeyReply, kw_only=True):
    """A new admin token, shown here and nowhere else."""

    token: str


class ApiKeysReply(msgspec.Struct, kw_only=True):
    """Admin tokens, newest first. `next_cursor` is null exactly when `has_more` is false."""

    has_more: bool
    next_cursor: str | None
    items: list[ApiKeyReply]


ApiKeyPath = Annotated[str, PathParameter(description="The token's id.", max_length=64)]


def _members(value: ApiKey, last_used: Mapping[str, Instant]) -> dict[str, Any]:
    return {
        "id": value.id,
        "name": value.name,
        "last_four": value.last_four,
        "scopes": list(value.scopes),
        "products": None if value.products is None else list(value.products),
        "created_at": str(value.created_at),
        "expires_at": wire.text(value.expires_at),
        "revoked_at": wire.text(value.revoked_at),
        "last_used_at": wire.text(last_used.get(value.id)),
    }


@post(
    "/apikeys",
    operation_id="createApiKey",
    tags=_TAGS,
    response_description="The new token.",
    opt={"problems": (*_WRITE, "bad_time", "product_not_found")},
)
async def create_api_key(
    request: Request[Any, Any, Any], data: JSONBody[CreateApiKeyRequest], apikeys: NamedDependency[ApiKeyService]
) -> Response[CreatedApiKeyReply]:
    """Make an admin token. It is stored only as a hash: note it now."""
    command = CreateApiKey(
        name=data.name,
        scopes=tuple(data.scopes),
        expires_at=wire.instant(data.expires_at),
        products=None if data.products is None else tuple(data.products),
    )
    made = await apikeys.create(command, actor_of(request))
    return Response(CreatedApiKeyReply(**_members(made.api_key, {}), token=made.token))


@get("/apikeys", operation_id="listApiKeys", tags=_TAGS, response_description="Admin tokens, newest first.")
async def list_api_keys(
    request: Request[Any, Any, Any],
    *,
    apikeys: NamedDependency[ApiKeyService],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[ApiKeysReply]:
    """List admin tokens: what each may do, until when, and when it was used last."""
    found = await apikeys.list(after=cursor, limit=limit)
    last_used = await apikeys.last_used(found.items)
    return views.page(request, found, lambda each: ApiKeyReply(**_members(each, last_used)), ApiKeysReply)


@post(
    "/apikeys/{api_key_id:str}/revoke",
    status_code=200,
    operation_id="revokeApiKey",
    tags=_TAGS,
    response_description="The token's record as it is now.",
    opt={"problems": (*_WRITE, "apikey_not_found")},
)
async def revoke_api_key(
    request: Request[Any, Any, Any], api_key_id: ApiKeyPath, apikeys: NamedDependency[ApiKeyService]
) -> Response[ApiKeyReply]:
    """Stop an admin token at once. Revoking twice changes nothing."""
    revoked = await apikeys.revoke(api_key_id, actor_of(request))
    return Response(ApiKeyReply(**_members(revoked, await apikeys.last_used((revoked,)))))


APIKEY_HANDLERS: Final = (create_api_key, list_api_keys, revoke_api_key)

"""Root files, public keys and the signed time (specs/http-api.md §6). All of it public; all but the time cacheable."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from carnet.core.errors import CarnetError
from carnet.formats.strict_json import dump_json
from carnet.server.api.caching import FOREVER, SHORT, Cacheable
from carnet.server.api.openapi import reply
from carnet.server.api.paths import is_spelled
from carnet.server.api.wire import Time
from carnet.server.domain.trust.service import TrustService

ROOT_MEDIA_TYPE: Final = "application/json"
JWKS_MEDIA_TYPE: Final = "application/jwk-set+json"

_TAGS: Final = ["Trust"]
_NOT_MODIFIED: Final = {304: reply(None, "You have it already (`If-None-Match`).")}


class TimeReply(msgspec.Struct, kw_only=True):
    """The server's time. `token` says the same, signed and bound to the nonce (specs/time.md): trust only that."""

    server_time: Time
    token: str


class Published:
    """The root files of one app as they are served, each made once; a new one is there when the app trusts it."""

    def __init__(self, trust: TrustService) -> None:
        self._trust = trust
        self._roots: list[Cacheable] = []
        self._newest = Cacheable(b"", media_type=ROOT_MEDIA_TYPE, cache_control=SHORT)

    @property
    def roots(self) -> list[Cacheable]:
        """Every version, 1 first."""
        self._keep_up()
        return self._roots

    @property
    def newest(self) -> Cacheable:
        """The last of them, which may be another one soon."""
        self._keep_up()
        return self._newest

    def _keep_up(self) -> None:
        for root in self._trust.roots[len(self._roots) :]:
            self._roots.append(Cacheable(root.encode(), media_type=ROOT_MEDIA_TYPE, cache_control=FOREVER))
            self._newest = Cacheable(root.encode(), media_type=ROOT_MEDIA_TYPE, cache_control=SHORT)


@get("/v1/root", operation_id="newestRoot", tags=_TAGS, response_description="The file.", responses=_NOT_MODIFIED)
async def newest_root(
    request: Request[Any, Any, Any], published: NamedDependency[Published]
) -> Response[dict[str, Any]]:
    """
    Get the newest root file, byte for byte (specs/root.md).

    Apps embed version 1 and compare its SHA-256, the anchor; never trust a root only because this address gave it.
    """
    return published.newest.answer(request)


@get(
    "/v1/root/{version:int}",
    operation_id="root",
    tags=_TAGS,
    response_description="The file.",
    responses=_NOT_MODIFIED,
    opt={"problems": ("root_not_found",)},
)
async def root(
    request: Request[Any, Any, Any],
    version: Annotated[int, PathParameter(description="From 1.")],
    published: NamedDependency[Published],
) -> Response[dict[str, Any]]:
    """Get one version of the root file, byte for byte. It never changes."""
    if not (1 <= version <= len(published.roots) and is_spelled(request, version)):
        raise CarnetError(
            "root_not_found", "There is no root file of that version.", f"Versions are 1 to {len(published.roots)}."
        )
    return published.roots[version - 1].answer(request)


@get(
    "/.well-known/jwks.json",
    operation_id="jwks",
    tags=_TAGS,
    media_type=JWKS_MEDIA_TYPE,
    response_description="The JWK set.",
    responses=_NOT_MODIFIED,
    opt={"problems": ("unavailable",)},
)
async def jwks(request: Request[Any, Any, Any], trust: NamedDependency[TrustService]) -> Response[dict[str, Any]]:
    """
    Get the public keys that artifacts are verified with, for plain JOSE libraries.

    Pin what you fetch: TLS alone is no trust anchor. Clients that follow the root file need none of this. A key with
    the member `carnet_product` is the compatibility key of that product and stands in no root.
    """
    content = dump_json(await trust.jwks())
    return Cacheable(content, media_type=JWKS_MEDIA_TYPE, cache_control=SHORT).answer(request)


@get(
    "/v1/time",
    operation_id="time",
    tags=_TAGS,
    response_description="The time, signed.",
    opt={"problems": ("invalid_argument", "unavailable")},
)
async def time(
    trust: NamedDependency[TrustService],
    nonce: Annotated[
        str,
        QueryParameter(
            name="nonce", min_length=1, max_length=128, description="1 to 128 visible ASCII characters, fresh."
        ),
    ],
) -> Response[TimeReply]:
    """Ask for the server's time, signed and bound to a nonce."""
    result = await trust.time(nonce)
    return Response(TimeReply(server_time=str(result.at), token=result.token))


TRUST_HANDLERS: Final = (newest_root, root, jwks, time)

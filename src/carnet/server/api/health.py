"""Whether this process lives, whether it can serve, and what the server counts (REL-14)."""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from carnet._version import __version__
from carnet.server.api.caching import Cacheable
from carnet.server.api.logs import log
from carnet.server.api.metrics import CONTENT_TYPE
from carnet.server.api.openapi import reply
from carnet.server.api.scraping import Scraping
from carnet.server.installation import Installation

READY_SECONDS: Final = 5.0
"""A part that does not answer within this time is as good as broken to whoever asks."""

_FRESH_SECONDS: Final = 1.0
_TAGS: Final = ["Operation"]


class Alive(msgspec.Struct, kw_only=True):
    """This process runs and its event loop turns."""

    alive: bool
    version: str


class PartReady(msgspec.Struct, kw_only=True):
    """
    One part of the server: `problem` is empty when it works. A part that is not `vital` can be broken while the server
    serves everything else.
    """

    name: str
    ok: bool
    problem: str
    vital: bool


class Ready(msgspec.Struct, kw_only=True):
    """Whether requests can be served, part by part."""

    ready: bool
    parts: list[PartReady]


class Readiness:
    """
    Asks an installation's parts whether they work, at most once a second however many ask: the check writes durably,
    and anybody may ask.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._asked_at = -math.inf
        self._answer: asyncio.Future[list[PartReady]] | None = None

    async def parts(self) -> list[PartReady]:
        """Every part, with what is wrong with it."""
        now = monotonic()
        if self._answer is None or (self._answer.done() and now - self._asked_at >= _FRESH_SECONDS):
            self._asked_at = now
            self._answer = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._answer)

    async def _ask(self) -> list[PartReady]:
        try:
            async with asyncio.timeout(READY_SECONDS):
                checks = await self._installation.checks()
        except TimeoutError:
            parts = [
                PartReady(name="checks", ok=False, problem=f"No answer within {READY_SECONDS:g} seconds.", vital=True)
            ]
        else:
            parts = [PartReady(name=c.name, ok=c.ok, problem=c.problem, vital=c.vital) for c in checks]
        if broken := [f"{part.name}: {part.problem}" for part in parts if not part.ok]:
            log.error("server.not_ready", parts=broken)  # also where it is ready but for a part that is not vital
        return parts


@get("/livez", operation_id="livez", tags=_TAGS, response_description="It lives.")
async def livez() -> Response[Alive]:
    """Say whether this process lives. Touches nothing."""
    return Response(Alive(alive=True, version=__version__))


@get(
    "/readyz",
    operation_id="readyz",
    tags=_TAGS,
    response_description="Every vital part works.",
    responses={503: reply(Ready, "A vital part does not work; it is named.")},
)
async def readyz(readiness: NamedDependency[Readiness]) -> Response[Ready]:
    """
    Say whether this server can serve, by a durable write and a signature; the failing part is named.

    A compatibility key that cannot sign is named too, and the server is ready for all that needs no such key.
    """
    parts = await readiness.parts()
    ready = all(part.ok for part in parts if part.vital)
    return Response(Ready(ready=ready, parts=parts), status_code=200 if ready else 503)


@get(
    "/metrics",
    operation_id="metrics",
    tags=_TAGS,
    media_type=MediaType.TEXT,
    response_description="Prometheus text format.",
)
async def metrics(scraping: NamedDependency[Scraping]) -> Response[str]:
    """
    Show the counters of every process of this server, and how outbox and jobs are, for Prometheus.

    Holds no keys, ids or addresses. With several processes each sample names its one as `worker`.
    """
    return Response((await scraping.render()).decode(), media_type=CONTENT_TYPE)


@get("/openapi.json", operation_id="openapi", tags=_TAGS, response_description="This document.")
async def openapi(request: Request[Any, Any, Any], contract: NamedDependency[Cacheable]) -> Response[dict[str, Any]]:
    """Show the OpenAPI 3.1 document of this server."""
    return contract.answer(request)


HEALTH_HANDLERS: Final = (livez, readyz, metrics, openapi)

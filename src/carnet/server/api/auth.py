"""
Who may use the admin API: the bearer of an admin token whose scopes include what the operation needs (SEC-36).

The guard runs before anything of the request's body is read; only of a token that is limited to products, and may make
the call, it is read to see which product it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from carnet.core.errors import CarnetError
from carnet.server.api.reach import require_reach
from carnet.server.domain.apikeys.commands import Scope
from carnet.server.domain.apikeys.reach import ReachService
from carnet.server.domain.apikeys.service import ApiKeyService
from carnet.server.records import Actor, ApiKey

_SCHEME: Final = "bearer "
_MAX_TOKEN: Final = 512
_READING: Final = frozenset({"GET", "HEAD"})

READS: Final = "reads"
"""A handler's `opt` for a POST that only looks (it is one so that a license key stands in no address)."""


SCOPES_OF_CHANGES: Final[Mapping[str, Scope]] = {
    "createCustomer": "issue",
    "createLicense": "issue",
    "createLicenses": "issue",
    "bulkIssue": "issue",
    "importLicenses": "issue",
    "renewLicense": "issue",
    "convertLicense": "issue",
    "createEnrolment": "issue",
    "suspendLicense": "support",
    "reinstateLicense": "support",
    "deactivateByVendor": "support",
    "replaceSeat": "support",
    "revokeEnrolment": "support",
    "correctUsage": "support",
    "checkArtifact": "support",
    "revealKey": "keys",
    "exportKeys": "keys",
}
"""The scope that each change needs, by its operation; those not named here need `admin`."""


def needed_scope(handler: BaseRouteHandler) -> Scope:
    """The scope that an operation needs, besides `admin`, which opens all of them."""
    if handler.opt.get(READS, False) or not handler.http_methods.isdisjoint(_READING):  # type: ignore[attr-defined]
        return "read"
    return SCOPES_OF_CHANGES.get(str(handler.operation_id), "admin")  # type: ignore[attr-defined]


class AdminGuard:
    """
    A Litestar guard: recognises the token, checks its scope and its products, leaves its record as `request.auth`.
    """

    def __init__(self, apikeys: ApiKeyService, reach: ReachService) -> None:
        self._apikeys = apikeys
        self._reach = reach

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: Litestar copies routers with all they hold, and a copy of the database's writer is nobody's wish."""
        return self

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """
        Let the request through, or not.

        Raises:
            CarnetError: ``admin_token_required``, ``admin_token_refused`` (both 401), ``scope_required`` (403); for a
                token that is limited to products as `require_reach`.
        """
        header = connection.headers.get("authorization", "")
        if not header:
            raise CarnetError(
                "admin_token_required", "This call needs an admin token.", "Send it as `Authorization: Bearer …`."
            )
        token = header[len(_SCHEME) :].strip()
        record: ApiKey | None = None
        if header[: len(_SCHEME)].lower() == _SCHEME and 0 < len(token) <= _MAX_TOKEN and token.isascii():
            record = await self._apikeys.authenticate(token)
        if record is None:
            # One answer for unknown, revoked and expired tokens: a stranger learns nothing about which exist.
            raise CarnetError(
                "admin_token_refused",
                "That admin token does not work.",
                "Check that it is complete and neither revoked nor expired; `carnet init` shows the first one.",
            )
        needed = needed_scope(handler)
        if needed not in record.scopes and "admin" not in record.scopes:
            raise CarnetError(
                "scope_required",
                f"This admin token may not do this: it needs the scope `{needed}`.",
                "Use another token, or make one with that scope.",
            )
        connection.scope["auth"] = record
        if record.products is not None:
            assert isinstance(connection, Request)  # noqa: S101 - the admin API has no other routes
            await require_reach(connection, record.products, self._reach)


def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """Who is acting, for the audit: the admin token's id."""
    record: ApiKey = request.auth
    return Actor(kind="vendor", id=record.id)

"""Artifacts issued by hand: signed keys, offline tokens, tokens for other clients (specs/http-api.md §7)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from carnet.core.decision import Refused
from carnet.server.api.admin import views
from carnet.server.api.admin.artifact_models import (
    ArtifactReply,
    OfflineTokenRequest,
    SignedKeyRequest,
    TokenRequest,
)
from carnet.server.api.admin.params import LicensePath
from carnet.server.api.auth import actor_of
from carnet.server.api.problems import refusal
from carnet.server.domain.artifacts.commands import (
    IssuedArtifact,
    IssueOfflineToken,
    IssueSignedKey,
    IssueToken,
    SignedKeyOptions,
)
from carnet.server.domain.artifacts.service import ArtifactService

_TAGS: Final = ["Admin"]
_ISSUE: Final = (
    "invalid_argument",
    "unknown_member",
    "bad_grant",
    "license_not_found",
    "license_revoked",
    "license_suspended",
    "license_expired",
    "unavailable",
)
_SEAT: Final = (*_ISSUE, "license_not_started", "activation_not_found", "wrong_domain")


@post(
    "/licenses/{license_id:str}/signed-key",
    status_code=200,
    operation_id="issueSignedKey",
    tags=_TAGS,
    response_description="The signed key.",
    opt={"problems": (*_ISSUE, "bad_fingerprint", "placeholder_fingerprint", "conflict")},
)
async def issue_signed_key(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    artifacts: NamedDependency[ArtifactService],
    data: JSONBody[SignedKeyRequest | None] = None,
) -> Response[ArtifactReply]:
    """
    Give out a license's signed key, which verifies without any server.

    It is the one that was given out last, while that still says what the license says.
    """
    asked = SignedKeyRequest() if data is None else data
    options = SignedKeyOptions(device=asked.device, revocable=asked.revocable)
    command = IssueSignedKey(license_id=license_id, options=options)
    return _answer(await artifacts.signed_key(command, actor_of(request)))


@post(
    "/licenses/{license_id:str}/offline-token",
    status_code=200,
    operation_id="issueOfflineToken",
    tags=_TAGS,
    response_description="The offline token.",
    opt={"problems": _SEAT},
)
async def issue_offline_token(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[OfflineTokenRequest],
    artifacts: NamedDependency[ArtifactService],
) -> Response[ArtifactReply]:
    """Issue a legacy offline token for a device that holds a seat (specs/offline-token.md)."""
    command = IssueOfflineToken(license_id=license_id, fingerprint=data.device, ttl_seconds=data.ttl_seconds)
    return _answer(await artifacts.offline_token(command, actor_of(request)))


@post(
    "/licenses/{license_id:str}/token",
    status_code=200,
    operation_id="issueToken",
    tags=_TAGS,
    response_description="The token.",
    opt={"problems": (*_SEAT, "no_compatibility_key", "wrong_key_type", "key_use_conflict", "key_not_active")},
)
async def issue_token(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[TokenRequest],
    artifacts: NamedDependency[ArtifactService],
) -> Response[ArtifactReply]:
    """Issue a token for other clients, under the product's active compatibility key (specs/token-profiles.md)."""
    command = IssueToken(
        license_id=license_id, profile=data.profile, fingerprint=data.device, ttl_seconds=data.ttl_seconds
    )
    return _answer(await artifacts.token(command, actor_of(request)))


def _answer(result: IssuedArtifact | Refused) -> Response[ArtifactReply]:
    return refusal(result, None) if isinstance(result, Refused) else Response(views.artifact(result))


ARTIFACT_HANDLERS: Final = (issue_signed_key, issue_offline_token, issue_token)

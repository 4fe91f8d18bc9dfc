"""The register of everything issued, asked: is this ours, and what came that is not (specs/http-api.md §7; SEC-24)."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from carnet.core.errors import CarnetError
from carnet.formats.keys import KeyState
from carnet.formats.limits import MAX_BUNDLE
from carnet.server.api.admin import views
from carnet.server.api.admin.params import PAGE_SIZE, Limit
from carnet.server.api.reach import within
from carnet.server.api.wire import ReasonWire, Time
from carnet.server.domain import documents
from carnet.server.domain.reissue.checking import ArtifactChecking, Judgement, Verdict
from carnet.server.domain.reissue.listing import MAX_CURSOR, NeverIssued
from carnet.server.ports.never_issued import Strangeness, Stranger
from carnet.server.records import ArtifactKind

_TAGS: Final = ["Admin"]
_TEXT: Final = "text/plain"
_PLAIN: Final = frozenset({"identity", ""})

_Cursor: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="cursor", max_length=MAX_CURSOR, description="`next_cursor` of the page before; opaque."),
]


class CheckedArtifactReply(msgspec.Struct, kw_only=True):
    """
    What an artifact says, and what the register says of it.

    `unknown`: there is no line of it. `differs`: there is one, and the members in `differs` are others. `cannot_know`:
    it says that it was issued in a time that was lost when a backup was put back, or before its key was imported from
    another system. `jti` is its id in the register; of what names none and was never issued, one that is made of its
    content. `license_id` is null where it names a license key that no license of its product has. `expires_at` is the
    end of its offline window, and of a signed license key that of its license; null means never.
    """

    verdict: Verdict
    differs: list[str]
    kind: ArtifactKind
    jti: str
    kid: str
    key_state: KeyState
    product: str
    license_id: str | None
    activation_id: str | None
    issued_at: Time
    expires_at: Time | None


class JudgedReply(msgspec.Struct, kw_only=True):
    """
    Whether a file was issued here.

    `issued`: all of it, exactly as it is. `never_issued`: a key of ours signed something in it that was never issued,
    so somebody else has that key. `cannot_know`: neither can be said; `reasons` say why.
    """

    verdict: Judgement
    items: list[CheckedArtifactReply]
    reasons: list[ReasonWire]


class NeverIssuedReply(msgspec.Struct, kw_only=True):
    """
    An artifact that was seen, names a key of ours, and was never issued here.

    `proved`: we saw it, and its signature verifies; otherwise a device told that it holds it, and a device can tell
    anything. `kind`, `issued_at` and `expires_at` are what it says of itself.
    """

    jti: str
    kind: str
    kid: str
    reason: Strangeness
    proved: bool
    product: str
    license_id: str | None
    activation_id: str | None
    issued_at: Time
    expires_at: Time
    first_seen_at: Time
    last_seen_at: Time
    times: int


class AllNeverIssuedReply(msgspec.Struct, kw_only=True):
    """Those first that were first seen last. `next_cursor` is null exactly when `has_more` is false."""

    items: list[NeverIssuedReply]
    has_more: bool
    next_cursor: str | None


@post(
    "/artifacts/check",
    status_code=200,
    request_max_body_size=MAX_BUNDLE,
    operation_id="checkArtifact",
    tags=_TAGS,
    response_description="Whether it was issued here.",
    opt={"raw_body": (_TEXT,), "problems": ("product_not_found", "unavailable")},
)
async def check_artifact(
    request: Request[Any, Any, Any], checking: NamedDependency[ArtifactChecking]
) -> Response[JudgedReply]:
    """
    Hold an artifact, or the token and the machine file of a bundle, against the register of everything issued.

    The body is the file as it is, up to 8 MiB: a license token, a bundle with one, a signed license key, an offline
    token, or a token for other clients. It is looked at under every signing key there ever was, lost ones among
    them. What was never issued is recorded, audited, and told as `artifact.never_issued`.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in _PLAIN:
        raise CarnetError("compressed_body", "The body is compressed.", "Send it without a Content-Encoding.")
    judged = await checking.judge(await request.body(), within=within(request))
    items = msgspec.convert([documents.checked_json(each) for each in judged.items], list[CheckedArtifactReply])
    reasons = [ReasonWire(code=each.code, message=each.message, fix=each.fix) for each in judged.reasons]
    return Response(JudgedReply(verdict=judged.verdict, items=items, reasons=reasons))


@get(
    "/never-issued",
    operation_id="listNeverIssued",
    tags=_TAGS,
    response_description="Artifacts that were seen and never issued.",
    opt={"problems": ("invalid_argument", "product_not_found")},
)
async def list_never_issued(
    request: Request[Any, Any, Any],
    *,
    never_issued: NamedDependency[NeverIssued],
    product: Annotated[
        str | None, QueryParameter(name="product", max_length=100, description="Of this product.")
    ] = None,
    kid: Annotated[str | None, QueryParameter(name="kid", max_length=64, description="That name this key.")] = None,
    proved: Annotated[
        bool | None, QueryParameter(name="proved", description="Those that we saw, or those that devices only told.")
    ] = None,
    cursor: _Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[AllNeverIssuedReply]:
    """
    List artifacts that were seen and never issued, though they name a key of ours.

    One that nobody saw for 800 days is forgotten here; that it came stays in the audit.
    """
    found = await never_issued.list(
        kid=kid, product=product, proved=proved, after=cursor, limit=limit, within=within(request)
    )
    return views.page(request, found, _stranger, AllNeverIssuedReply)


def _stranger(value: Stranger) -> NeverIssuedReply:
    return msgspec.convert(documents.stranger_json(value), NeverIssuedReply)


REGISTER_HANDLERS: Final = (check_artifact, list_never_issued)

"""
Problem details (RFC 9457): how every "no" and every error of the server looks on the wire (specs/http-api.md §3).

Domain code knows no HTTP; what it returns (`Refused`) or raises (`CarnetError`) is mapped here and nowhere else, by the
table in `problem_kinds`. Anything else is a fault of ours: logged with its traceback under the request id, answered as
an opaque 500.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, LitestarException, ValidationException

from carnet.core.decision import Reason, Refused
from carnet.core.errors import (
    CarnetError,
    MalformedError,
    NotGenuineError,
    StateError,
    TransportError,
    UsageError,
)
from carnet.core.quantities import how_many
from carnet.server.api.context import NOTED_CODE, REQUEST_ID
from carnet.server.api.logs import log
from carnet.server.api.problem_kinds import PROBLEMS, is_retryable, problem_type
from carnet.server.domain.limits.rules import Limit

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2
"""Sent as `Retry-After` with every retryable problem: long enough for a queue to drain, short enough for a person."""


SIGNING_ERRORS: Final = frozenset(
    {"no_signing_key", "signing_failed", "signer_unavailable", "signer_refused", "signer_wrong_signature"}
)
"""What the services say when an artifact could not be signed, or did not verify afterwards."""

_QUOTED_NAME: Final = re.compile(r"'([A-Za-z_-]{1,40})'")
"""A parameter's name in Litestar's sentences."""


class ProblemReason(msgspec.Struct, kw_only=True):
    """One fact behind a problem."""

    code: str
    message: str
    fix: str


class ProblemHolder(msgspec.Struct, kw_only=True):
    """A device that holds a seat, or a holder of a floating seat."""

    device_name: str
    activated_at: str
    activation_id: str | msgspec.UnsetType = msgspec.UNSET
    lease_id: str | msgspec.UnsetType = msgspec.UNSET


class Problem(msgspec.Struct, kw_only=True):
    """
    An RFC 9457 problem: what went wrong, for programs (`code`, `retryable`, `reasons[].code`) and people (the rest).

    `instance` is the request's id. `holders` comes with `seat_limit_reached` and `lease_limit_reached`; `proof` comes
    whenever the request had a nonce and the answer is a decision about a license; `roots` with it, where the request
    said `root_version`: the root files after that one, without which the proof may not verify.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    reasons: list[ProblemReason]
    retryable: bool
    holders: list[ProblemHolder] | msgspec.UnsetType = msgspec.UNSET
    proof: str | msgspec.UnsetType = msgspec.UNSET
    roots: list[str] | msgspec.UnsetType = msgspec.UNSET


def problem(
    code: str,
    reasons: Iterable[Reason],
    *,
    retryable: bool = False,
    refused: Refused | None = None,
    proof: str | None = None,
    roots: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Response[Any]:
    """
    Answer with a problem.

    Args:
        code: A key of `PROBLEMS`.
        reasons: What to say, the main reason first; at least one.
        retryable: Whether the same request may succeed later without any change.
        refused: The refusal, for its seat holders.
        proof: The signed answer, where the request had a nonce.
        roots: Root files that the device does not know yet, oldest first.
        headers: More response headers.
    """
    kind = PROBLEMS[code]
    listed = [ProblemReason(code=reason.code, message=reason.message, fix=reason.fix) for reason in reasons]
    main = listed[0]
    body = Problem(
        type=problem_type(code),
        title=kind.title,
        status=kind.status,
        detail=f"{main.message} {main.fix}".strip(),
        instance=REQUEST_ID.get(),
        code=code,
        reasons=listed,
        retryable=retryable,
        proof=msgspec.UNSET if proof is None else proof,
        roots=list(roots) or msgspec.UNSET,
    )
    if refused is not None and refused.holders:
        body.holders = [
            ProblemHolder(
                **{"lease_id" if code == "lease_limit_reached" else "activation_id": holder.activation_id},
                device_name=holder.device_name,
                activated_at=str(holder.activated_at),
            )
            for holder in refused.holders
        ]
    sent = dict(headers or {})
    if kind.status == HTTPStatus.UNAUTHORIZED:
        sent.setdefault("WWW-Authenticate", "Bearer" if code.startswith("admin_") else "Carnet-Device-Proof")
    if retryable:
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    NOTED_CODE.set(code)
    return Response(msgspec.json.encode(body), status_code=kind.status, media_type=PROBLEM_MEDIA_TYPE, headers=sent)


def refusal(refused: Refused, proof: str | None, *, roots: Sequence[str] = ()) -> Response[Any]:
    """A refusal of the services as a problem; `Refused` is a value, and stays one up to here (style.md §4 step 2)."""
    return problem(
        refused.code, refused.reasons, retryable=refused.retryable, refused=refused, proof=proof, roots=roots
    )


def _single(
    code: str, message: str, fix: str, *, retryable: bool = False, headers: Mapping[str, str] | None = None
) -> Response[Any]:
    return problem(code, (Reason(code=code, message=message, fix=fix),), retryable=retryable, headers=headers)


def rate_limited(limit: Limit, seconds: int) -> Response[Any]:
    """
    The answer to who asks too often (SEC-35).

    Args:
        limit: Which limit it met.
        seconds: When to come again: `Retry-After`. The draft headers beside it (draft-ietf-httpapi-ratelimit-headers)
            may change as the draft does.
    """
    return _single(
        "rate_limited",
        "There were too many requests.",
        f"Wait {how_many(seconds, 'second')}, and ask less often.",
        retryable=True,
        headers={
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"{limit.name}";q={limit.count};w={limit.seconds}',
            "RateLimit": f'"{limit.name}";r=0;t={seconds}',
        },
    )


def internal_error() -> Response[Any]:
    """The opaque answer to a fault of ours: nothing of it but the request id leaves the server."""
    return _single(
        "internal_error",
        "The server failed while answering.",
        "Try again; if it keeps failing, give the request id to whoever runs this server.",
    )


def unavailable() -> Response[Any]:
    """The answer while a part of the server (storage, signer) cannot do its work: an outage, never a refusal."""
    return _single(
        "unavailable",
        "The server cannot do this just now.",
        "Try again in a moment; nothing was decided.",
        retryable=True,
    )


class RateLimitedError(CarnetError):
    """``rate_limited``, found out after the body was read: which *limit* was met, and the *seconds* to wait."""

    def __init__(self, limit: Limit, seconds: int) -> None:
        super().__init__("rate_limited", "There were too many requests.", f"Wait {how_many(seconds, 'second')}.")
        self.limit = limit
        self.seconds = seconds


def from_carnet_error(request: Request[Any, Any, Any], error: CarnetError) -> Response[Any]:
    """Litestar exception handler: our own errors. What is wrong with the request is said; what is wrong here is not."""
    if isinstance(error, RateLimitedError):
        return rate_limited(error.limit, error.seconds)
    if error.code in PROBLEMS and PROBLEMS[error.code].status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _single(error.code, error.message, error.fix, retryable=is_retryable(error.code))
    if isinstance(error, MalformedError | UsageError | NotGenuineError):
        return problem("bad_request", (Reason(code=error.code, message=error.message, fix=error.fix),))
    if isinstance(error, StateError | TransportError):
        log.error("request.unavailable", code=error.code, problem=str(error), exc_info=error)
        if error.code in SIGNING_ERRORS:
            request.app.state.metrics.signing_errors.inc()
        return unavailable()
    return from_unknown(request, error)


def from_http_exception(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Litestar exception handler: what the framework itself refuses (routing, parameters, sizes)."""
    headers = error.headers or {}
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return _single(
                "not_found", "Nothing is at this address.", "See /openapi.json for what this server answers."
            )
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(sorted(headers.get("allow", "").split(", ")))
            return _single(
                "method_not_allowed",
                "This address does not take that method.",
                f"It takes {allowed}.",
                headers={"Allow": allowed},
            )
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return _single("too_large", "The body is larger than this call takes.", "Send less.")
        case status if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _parameter_problem(error)
        case _:
            return from_unknown(_request, error)


def _parameter_problem(error: HTTPException) -> Response[Any]:
    """Name the parameter that Litestar refused, never its value."""
    names: list[str] = []
    if isinstance(error, ValidationException):
        listed = error.extra if isinstance(error.extra, list) else []
        names = [str(item["key"]) for item in listed if isinstance(item, dict) and "key" in item]
        names = names or _QUOTED_NAME.findall(error.detail)[:1]
    if names == ["data"]:
        return _single("bad_json", "The request has no body.", "Send one JSON object; see /openapi.json.")
    if names:
        return _single(
            "bad_request", f"The parameter {', '.join(names)} is missing or out of its bounds.", "See /openapi.json."
        )
    return _single("bad_request", "The request cannot be understood.", "See /openapi.json for what this call takes.")


def from_unknown(_request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar exception handler: anything else is a fault of ours; logged with its traceback, answered opaquely."""
    log.error("request.failed", kind=type(error).__name__, exc_info=error)
    return internal_error()


EXCEPTION_HANDLERS: Final[Mapping[type[Exception], Any]] = {
    CarnetError: from_carnet_error,
    HTTPException: from_http_exception,
    LitestarException: from_unknown,
    Exception: from_unknown,
}
"""For `Litestar(exception_handlers=…)`; the nearest class wins."""

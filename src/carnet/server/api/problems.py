"""
Problem details (RFC 9457): how every "no" and every error of the server looks on the wire (specs/http-api.md §3).

`PROBLEMS` is the one table from code to status and title. Domain code knows no HTTP; what it returns (`Refused`) or
raises (`CarnetError`) is mapped here and nowhere else. Anything else is a fault of ours: logged with its traceback
under the request id, answered as an opaque 500.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, LitestarException, ValidationException

from carnet.core._base import Struct
from carnet.core.decision import Reason, Refused
from carnet.core.errors import (
    CarnetError,
    MalformedError,
    NotGenuineError,
    StateError,
    TransportError,
    UsageError,
)
from carnet.server.api.context import NOTED_CODE, REQUEST_ID
from carnet.server.api.logs import log
from carnet.server.domain.limits.rules import Limit

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2
"""Sent as `Retry-After` with every retryable problem: long enough for a queue to drain, short enough for a person."""


class Kind(Struct):
    """What is the same for every problem of one code."""

    status: int
    title: str


def _kinds(status: int, titles: Mapping[str, str]) -> dict[str, Kind]:
    return {code: Kind(status=status, title=title) for code, title in titles.items()}


PROBLEMS: Final[Mapping[str, Kind]] = {
    **_kinds(
        400,
        {
            "bad_request": "The request cannot be understood",
            "bad_json": "The body is not JSON",
            "bad_utf8": "The body is not UTF-8",
            "not_an_object": "The body is not a JSON object",
            "bad_string": "A string in the body holds characters that are not allowed",
            "string_too_long": "A string in the body is too long",
            "bad_number": "A number in the body is not allowed",
            "bad_time": "A time is not RFC 3339 in UTC",
            "duplicate_name": "A name occurs twice in one JSON object",
            "too_deep": "The body is nested too deeply",
            "too_many_values": "The body holds too many values",
            "missing_member": "A required member is missing",
            "bad_member": "A member has the wrong type or is out of its bounds",
            "unknown_member": "The body has a member that this call does not know",
            "invalid_argument": "A value is out of its bounds",
            "bad_fingerprint": "The fingerprint is not one",
            "placeholder_fingerprint": "The fingerprint is one that many devices share",
            "bad_base64": "A value is not canonical Base64",
            "bad_key": "The public key is not one",
            "bad_policy": "The policy does not hold together",
            "bad_import": "The file cannot be imported",
            "bad_lease_terms": "The lease terms do not hold together",
            "bad_grant": "The artifact cannot say that",
            "bad_license_key": "The license key is not one",
            "license_key_not_canonical": "The license key is not in its one spelling",
            "weak_license_key": "The license key is too easy to guess",
        },
    ),
    **_kinds(
        401,
        {
            "admin_token_required": "An admin token is required",
            "admin_token_refused": "The admin token does not work",
            "device_proof_required": "A proof of the device key is required",
            "device_proof_invalid": "The proof of the device key does not fit",
            "license_key_required": "The license key is required",
        },
    ),
    **_kinds(
        403,
        {
            "scope_required": "The admin token may not do this",
            "token_limited": "The admin token is limited to some products",
            "license_suspended": "The license is suspended",
            "license_revoked": "The license was revoked",
            "license_expired": "The license has expired",
            "license_not_started": "The license has not started",
            "wrong_product": "The license is for another product",
            "wrong_domain": "The license is for other domains",
            "wrong_device": "The activation is another device's",
            "deactivated": "The device was deactivated",
            "trial_used": "The device had its trial",
            "user_required": "The request names no user",
            "activation_budget_spent": "The license was activated too often",
            "move_quota_reached": "The license was moved too often",
            "enrolment_revoked": "The enrolment token was revoked",
            "enrolment_expired": "The enrolment token has ended",
            "enrolment_used_up": "The enrolment token is used up",
            "enrolment_network": "The enrolment token is for other networks",
            "not_activated": "The device is not activated",
            "leases_not_offered": "The license has no floating seats",
            "holder_kind_refused": "The license gives no floating seats to holders of this kind",
            "holder_denied": "The vendor excluded this holder",
            "holder_not_registered": "The device has to be activated first",
            "borrowing_refused": "This holder cannot borrow a floating seat",
            "lease_token_refused": "The lease token does not prove this lease",
        },
    ),
    **_kinds(
        404,
        {
            "not_found": "Nothing is here",
            "license_not_found": "No such license",
            "activation_not_found": "No such activation",
            "lease_not_found": "No such lease, or its seat has another holder",
            "product_not_found": "No such product",
            "policy_not_found": "No such policy",
            "customer_not_found": "No such customer",
            "apikey_not_found": "No such admin token",
            "key_not_found": "No such key",
            "root_not_found": "No such root file",
            "checkpoint_not_found": "No checkpoint yet",
            "status_list_not_found": "No such status list",
            "meter_not_found": "No such meter",
            "enrolment_not_found": "No such enrolment token",
            "delivery_not_found": "No such delivery that was given up",
            "problem_not_found": "No such problem",
        },
    ),
    "method_not_allowed": Kind(status=405, title="This address does not take that method"),
    **_kinds(
        409,
        {
            "seat_limit_reached": "All seats are taken",
            "lease_limit_reached": "All floating seats are taken",
            "lease_released": "The lease was ended",
            "lease_cooling_down": "The holder gets no new lease for now",
            "borrow_limit_reached": "No more floating seats may be borrowed",
            "seat_not_held": "The seat to be replaced is not held",
            "usage_limit_reached": "The meter is used up",
            "request_in_flight": "The same request is being answered",
            "already_exists": "That name is taken",
            "conflict": "That does not fit the present state",
            "key_exists": "That key is here already",
            "key_not_active": "That key signs nothing new",
            "key_use_conflict": "That key signs tokens of another kind",
            "no_compatibility_key": "The product has no key for that",
            "wrong_key_type": "The product's key is of another algorithm",
        },
    ),
    "precondition_failed": Kind(status=412, title="It was changed in the meantime"),
    "too_large": Kind(status=413, title="The request is too large"),
    "compressed_body": Kind(status=415, title="Compressed bodies are not accepted"),
    "idempotency_mismatch": Kind(status=422, title="The idempotency key was used for another request"),
    "quota_exceeded": Kind(status=429, title="The quota is used up"),
    "rate_limited": Kind(status=429, title="Too many requests"),
    "internal_error": Kind(status=500, title="The server failed"),
    "unavailable": Kind(status=503, title="The server cannot do this just now"),
}
"""Every code of a problem, with its HTTP status and what it means (design.md §8, specs/http-api.md §3)."""

SIGNING_ERRORS: Final = frozenset(
    {"no_signing_key", "signing_failed", "signer_unavailable", "signer_refused", "signer_wrong_signature"}
)
"""What the services say when an artifact could not be signed, or did not verify afterwards."""

_QUOTED_NAME: Final = re.compile(r"'([A-Za-z_-]{1,40})'")
"""A parameter's name in Litestar's sentences."""

RETRYABLE_STATUSES: Final = frozenset({429, 503})
_RETRYABLE_CODES: Final = frozenset({"request_in_flight"})
_LASTING_CODES: Final = frozenset({"quota_exceeded"})
"""What no waiting of seconds ends: a month's, or the vendor's own."""


def is_retryable(code: str) -> bool:
    """Whether the same request may succeed later without any change."""
    if code in _LASTING_CODES:
        return False
    return code in _RETRYABLE_CODES or PROBLEMS[code].status in RETRYABLE_STATUSES


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


def problem_type(code: str) -> str:
    """The `type` of problems with *code*: an address on the same server that explains it, whatever its host is."""
    return f"/problems/{code}"


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
        f"Wait {seconds} seconds, and ask less often.",
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
        super().__init__("rate_limited", "There were too many requests.", f"Wait {seconds} seconds.")
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

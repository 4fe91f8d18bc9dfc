"""
`PROBLEMS`: the one table from the code of a problem to its HTTP status and title (specs/http-api.md §3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from carnet.core._base import Struct


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

RETRYABLE_STATUSES: Final = frozenset({429, 503})
_RETRYABLE_CODES: Final = frozenset({"request_in_flight"})
_LASTING_CODES: Final = frozenset({"quota_exceeded"})
"""What no waiting of seconds ends: a month's, or the vendor's own."""


def is_retryable(code: str) -> bool:
    """Whether the same request may succeed later without any change."""
    if code in _LASTING_CODES:
        return False
    return code in _RETRYABLE_CODES or PROBLEMS[code].status in RETRYABLE_STATUSES


def problem_type(code: str) -> str:
    """The `type` of problems with *code*: an address on the same server that explains it, whatever its host is."""
    return f"/problems/{code}"

"""
How a policy, entitlements and status references stand inside signed artifacts; specs/machine-file.md §6.

Belongs here: the members below `pol`, `ent` and the status claims, both ways. Does not belong here: which artifact
carries them, and what they mean (`carnet.core`).

What a member says when it is left out is part of the format and not a default of the code: old artifacts keep their
meaning. Members that this version does not know are left alone: signed structures grow by addition.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, TypeGuard

from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import Entitlement, Policy, StatusRef
from carnet.core.policies import check_policy, is_entitlement_key
from carnet.formats.limits import MAX_ENTITLEMENTS, MAX_ID

_MAX_INDEX: Final = 2**31 - 1
_NEVER_NULL: Final = ("warn", "seats", "edition", "below", "status_age")
"""Members of `pol` whose field may be None: in an artifact they are left out then, and have one spelling."""
_FIX: Final = "Fetch it again; if it stays so, tell the vendor that issued it."


def policy_to_claims(policy: Policy) -> dict[str, Any]:
    """
    What a machine file says of *policy* (specs/machine-file.md §6): short names, and nothing that is as usual.

    `grace_seconds` is not among it: a machine file has it elsewhere.
    """
    claims: dict[str, Any] = {
        "name": policy.name,
        "refresh": policy.refresh_after_seconds,
        "term_grace": policy.term_grace_seconds,
        "token_ttl": policy.token_ttl_seconds,
        "ttl": policy.offline_ttl_seconds,
    }
    unusual = {
        "access": (policy.grace_access, "limited"),
        "activation": (policy.require_activation, True),
        "below": (policy.below_version, None),
        "clock": (policy.clock_strictness, "off"),
        "domains": (list(policy.domains), []),
        "edition": (policy.edition, None),
        "ent": (entitlements_to_claims(policy.entitlements), []),
        "essential": (list(policy.essential), []),
        "max_ttl": (policy.max_offline_ttl_seconds, policy.offline_ttl_seconds),
        "seats": (policy.seat_limit, None),
        "status_age": (policy.max_revocation_age_seconds, None),
        "warn": (policy.warn_before_seconds, None),
    }
    claims.update((member, value) for member, (value, usual) in unusual.items() if value != usual)
    return claims


def policy_from_claims(value: Any, *, grace_seconds: int) -> Policy:
    """
    Read what `policy_to_claims` writes.

    Args:
        value: A parsed JSON value.
        grace_seconds: The policy's grace, which the artifact states elsewhere.

    Raises:
        MalformedError: ``bad_policy``: not an object, a member is missing, or one is outside its bounds;
            ``bad_entitlements``.
    """
    if type(value) is not dict:
        _refuse("bad_policy", "The policy is not an object.")
    get = value.get
    essential, domains = get("essential", []), get("domains", [])
    if type(essential) is not list or type(domains) is not list:
        _refuse("bad_policy", "The policy's essential features or domains are not a list.")
    for member in _NEVER_NULL:
        if member in value and value[member] is None:
            _refuse("bad_policy", f"The policy's {member} is null instead of left out.")
    try:
        policy = Policy(
            name=value["name"],
            offline_ttl_seconds=value["ttl"],
            max_offline_ttl_seconds=value["max_ttl"] if "max_ttl" in value else value["ttl"],
            token_ttl_seconds=value["token_ttl"],
            grace_seconds=grace_seconds,
            term_grace_seconds=value["term_grace"],
            grace_access=get("access", "limited"),
            refresh_after_seconds=value["refresh"],
            warn_before_seconds=get("warn"),
            require_activation=get("activation", True),
            seat_limit=get("seats"),
            essential=tuple(essential),
            entitlements=entitlements_from_claims(get("ent", [])),
            edition=get("edition"),
            below_version=get("below"),
            domains=tuple(domains),
            clock_strictness=get("clock", "off"),
            max_revocation_age_seconds=get("status_age"),
        )
        check_policy(policy)
    except KeyError as missing:
        _refuse("bad_policy", f"The policy has no {missing}.")
    except UsageError as bad:
        _refuse("bad_policy", f"The policy cannot be: {bad.message}")
    return policy


def entitlements_to_claims(entitlements: tuple[Entitlement, ...]) -> list[dict[str, Any]]:
    """``{"key", "exp"?, "below"?}`` each, in order; a member that says nothing is left out."""
    claims: list[dict[str, Any]] = []
    for entitlement in entitlements:
        claim: dict[str, Any] = {"key": entitlement.key}
        if entitlement.expires_at is not None:
            claim["exp"] = entitlement.expires_at
        if entitlement.below_version is not None:
            claim["below"] = entitlement.below_version
        claims.append(claim)
    return claims


def entitlements_from_claims(value: Any) -> tuple[Entitlement, ...]:
    """
    Read what `entitlements_to_claims` writes.

    Raises:
        MalformedError: ``bad_entitlements``: not up to 500 objects with different keys, or a value out of bounds.
    """
    if type(value) is not list or len(value) > MAX_ENTITLEMENTS:
        _refuse("bad_entitlements", f"The entitlements are not a list of up to {MAX_ENTITLEMENTS}.")
    return distinct([_entitlement(claim) for claim in value])


def distinct(entitlements: list[Entitlement]) -> tuple[Entitlement, ...]:
    """
    *entitlements*, when every key stands once.

    Raises:
        MalformedError: ``bad_entitlements``.
    """
    if len({entitlement.key for entitlement in entitlements}) != len(entitlements):
        _refuse("bad_entitlements", "An entitlement is listed twice.")
    return tuple(entitlements)


def status_to_claims(status: StatusRef) -> dict[str, Any]:
    """``{"status_list": {"idx", "uri"}}`` (IETF Token Status List §6.1). `minimum` is a claim beside it."""
    return {"status_list": {"idx": status.index, "uri": status.uri}}


def status_from_claims(claims: dict[str, Any]) -> StatusRef | None:
    """
    Read the members `status`, as `status_to_claims` writes it, and `status_min` of *claims*.

    Returns:
        None where neither is there.

    Raises:
        MalformedError: ``bad_status``: another shape, an index that is not a whole number from 0 to 2^31 - 1, or a
            minimum that is no version of a list, or is without a status.
    """
    if "status" not in claims:
        if "status_min" in claims:
            _refuse("bad_status", "The oldest version of a list is named without the list.")
        return None
    status = claims["status"]
    return _status(status.get("status_list") if type(status) is dict else None, claims, "status_min")


def activation_status_to_claims(status: StatusRef, license_status: StatusRef | None) -> dict[str, Any]:
    """``{"idx", "uri"?, "min"?}``; address and minimum are left out where they are those of the license's list."""
    claims: dict[str, Any] = {"idx": status.index}
    if license_status is None or license_status.uri != status.uri:
        claims["uri"] = status.uri
        license_status = None
    if status.minimum is not None and (license_status is None or license_status.minimum != status.minimum):
        claims["min"] = list(status.minimum)
    return claims


def activation_status_from_claims(value: Any, license_status: StatusRef | None) -> StatusRef:
    """
    Read what `activation_status_to_claims` writes.

    Raises:
        MalformedError: ``bad_status``.
    """
    # Of one list one oldest version counts, whether or not the address stands twice (license-token.md §3.4, SEC-27).
    if (
        type(value) is dict
        and license_status is not None
        and value.get("uri", license_status.uri) == license_status.uri
    ):
        shared: dict[str, Any] = {"uri": license_status.uri}
        if license_status.minimum is not None:
            shared["min"] = list(license_status.minimum)
        value = {**shared, **value}
    return _status(value, value, "min")


def is_list_version(value: Any) -> TypeGuard[list[int]]:
    """Whether *value* is the version of a status list: epoch and number, each a whole number from 0 to 2^53 - 1."""
    return type(value) is list and len(value) == 2 and all(type(part) is int and part >= 0 for part in value)


def is_text(value: Any) -> TypeGuard[str]:
    """Whether *value* can be an id or a name in an artifact: 1 to 255 printable characters."""
    return type(value) is str and 0 < len(value) <= MAX_ID and value.isprintable()


def is_time(value: Any) -> TypeGuard[int]:
    """Whether *value* is a time in an artifact: a whole number of Unix seconds, 0 < t ≤ 253402300799."""
    return type(value) is int and 0 < value <= MAX_INSTANT


def _status(entry: Any, beside: Any, minimum_name: str) -> StatusRef:
    index, uri = (entry.get("idx"), entry.get("uri")) if type(entry) is dict else (None, None)
    if type(index) is not int or not 0 <= index <= _MAX_INDEX or not is_text(uri):
        _refuse("bad_status", "A status reference is not an index and the address of a list.")
    if minimum_name not in beside:
        return StatusRef(uri=uri, index=index)
    minimum = beside[minimum_name]
    if not is_list_version(minimum):
        _refuse("bad_status", "The oldest version of a status list is not two whole numbers.")
    return StatusRef(uri=uri, index=index, minimum=(minimum[0], minimum[1]))


def _entitlement(claim: Any) -> Entitlement:
    if type(claim) is not dict or not is_entitlement_key(claim.get("key")):
        _refuse("bad_entitlements", "An entitlement has no proper key.")
    expires_at = below_version = None
    if "exp" in claim:
        if not is_time(claim["exp"]):
            _refuse("bad_entitlements", "An entitlement's end is not a time.")
        expires_at = Instant(claim["exp"])
    if "below" in claim:
        below_version = claim["below"]
        if not is_text(below_version):
            _refuse("bad_entitlements", "An entitlement's version ceiling is not a version.")
    return Entitlement(key=claim["key"], expires_at=expires_at, below_version=below_version)


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX) from None

"""
Policies: the presets, their bounds, per-license overrides, and their plain JSON form (R-02, R-05).

A policy is data; what it means is decided in `rules.py`, `seats.py` and `terms.py`. One gate for all policies that a
vendor writes: `check_policy`. Policies inside genuine artifacts passed it when they were issued.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core._base import replace
from carnet.core.domains import canonical_pattern
from carnet.core.errors import MalformedError, UsageError
from carnet.core.instant import DAY, Instant, parse_instant
from carnet.core.model import Entitlement, Policy
from carnet.core.versions import parse_core

MAX_TTL_SECONDS = 3650 * DAY
"""Ten years: no artifact may be valid for longer (SEC-04)."""

MAX_GRACE_SECONDS = 30 * DAY
"""The longest `grace_period` that a machine file can carry (contracts/licenseseat.md §3.5)."""

MAX_TERM_GRACE_SECONDS = 365 * DAY
MAX_SEATS = 1_000_000_000
MAX_ENTITLEMENTS = 500
MAX_DOMAINS = 500
_MAX_NAME = 100
_MAX_VERSION = 255

PRESETS: dict[str, Policy] = {
    "consumer": Policy(name="consumer"),
    "professional": Policy(
        name="professional",
        offline_ttl_seconds=45 * DAY,
        max_offline_ttl_seconds=45 * DAY,
        grace_seconds=30 * DAY,
        term_grace_seconds=30 * DAY,
    ),
    "enterprise": Policy(
        name="enterprise",
        offline_ttl_seconds=365 * DAY,
        max_offline_ttl_seconds=365 * DAY,
        grace_seconds=30 * DAY,
        term_grace_seconds=30 * DAY,
        seat_limit=10,
    ),
}
"""The three plans of the LicenseSeat seed: 30 + 7 days and 2 seats, 45 + 30 and 2, 365 + 30 and 10 (R-02)."""

_NUMBERS: dict[str, tuple[int, int, bool]] = {
    "offline_ttl_seconds": (1, MAX_TTL_SECONDS, False),
    "max_offline_ttl_seconds": (1, MAX_TTL_SECONDS, False),
    "token_ttl_seconds": (1, MAX_TTL_SECONDS, False),
    "grace_seconds": (0, MAX_GRACE_SECONDS, False),
    "term_grace_seconds": (0, MAX_TERM_GRACE_SECONDS, False),
    "refresh_after_seconds": (1, MAX_TTL_SECONDS, False),
    "warn_before_seconds": (0, MAX_TTL_SECONDS, True),
    "seat_limit": (1, MAX_SEATS, True),
    "max_revocation_age_seconds": (1, MAX_TTL_SECONDS, True),
}
"""Member -> (least, most, whether null is a value). `seat_limit` null is unlimited, and it is never 0 (§2.1 there)."""

_CHOICES: dict[str, tuple[str, ...]] = {"grace_access": ("full", "limited"), "clock_strictness": ("off", "countdown")}
_KEY_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEY_REST = _KEY_FIRST | frozenset("_-")


def check_policy(policy: Policy) -> None:
    """
    Refuse a policy that says something impossible, contradictory or beyond the formats.

    Args:
        policy: Of any values; also of wrong types.

    Raises:
        UsageError: ``bad_policy``, naming the member, its bounds and what it is.
    """
    for member, (least, most, nullable) in _NUMBERS.items():
        value = getattr(policy, member)
        if value is None and nullable:
            continue
        if type(value) is not int or not least <= value <= most:
            raise _bad(member, f"a whole number from {least} to {most}{' or null' if nullable else ''}", value)
    for member, choices in _CHOICES.items():
        if getattr(policy, member) not in choices:
            raise _bad(member, f"one of {', '.join(choices)}", getattr(policy, member))
    if type(policy.require_activation) is not bool:
        raise _bad("require_activation", "true or false", policy.require_activation)
    if not _is_text(policy.name):
        raise _bad("name", f"1 to {_MAX_NAME} printable characters", policy.name)
    if policy.edition is not None and not _is_text(policy.edition):
        raise _bad("edition", f"1 to {_MAX_NAME} printable characters or null", policy.edition)
    _check_ceiling("below_version", policy.below_version)
    if policy.essential != ():
        _check_keys("essential", policy.essential)
    if policy.entitlements != ():
        _check_entitlements(policy.entitlements)
    if policy.domains != ():
        _check_domains(policy.domains)
    if policy.offline_ttl_seconds > policy.max_offline_ttl_seconds:
        raise UsageError(
            "bad_policy",
            f"offline_ttl_seconds ({policy.offline_ttl_seconds}) is more than max_offline_ttl_seconds "
            f"({policy.max_offline_ttl_seconds}).",
            "Raise max_offline_ttl_seconds or lower offline_ttl_seconds.",
        )


def override(policy: Policy, overrides: Mapping[str, Any]) -> Policy:
    """
    *policy* with a license's own values in place (R-05). Members that *overrides* does not name are inherited.

    Args:
        policy: The policy that the license follows.
        overrides: JSON form, as in `policy_to_json`; never ``name``. A longer ``offline_ttl_seconds`` lifts
            ``max_offline_ttl_seconds`` with it where that is not given.

    Raises:
        UsageError: ``bad_policy``: an unknown member, or values that `check_policy` refuses.
    """
    if "name" in overrides:
        raise UsageError(
            "bad_policy",
            "A license cannot rename its policy.",
            "Leave out name, or use another policy for the license.",
        )
    return _apply(policy, overrides)


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Every member of *policy* as plain JSON values: tuples as lists, instants as RFC 3339 text."""
    plain: dict[str, Any] = {member: getattr(policy, member) for member in policy.__fields__}
    plain["essential"] = list(policy.essential)
    plain["domains"] = list(policy.domains)
    plain["entitlements"] = [entitlement_to_json(entitlement) for entitlement in policy.entitlements]
    return plain


def policy_from_json(value: Mapping[str, Any]) -> Policy:
    """
    Read what `policy_to_json` writes, or a part of it.

    Args:
        value: A JSON object as Python values. ``name`` is needed, other missing members have the defaults of `Policy`;
            a missing ``max_offline_ttl_seconds`` is never less than ``offline_ttl_seconds``.

    Raises:
        UsageError: ``bad_policy``: an unknown member, or values that `check_policy` refuses.
    """
    if "name" not in value:
        raise UsageError("bad_policy", "The policy has no name.", "Give it one.")
    return _apply(Policy(name=""), value)


def policy_from_record(value: Mapping[str, Any]) -> Policy:
    """
    Exactly the policy that `policy_to_json` wrote, all of it, for what was issued under it.

    It need not be one that a license may follow: what a license token keeps of a policy with a long offline window has
    the default for ``max_offline_ttl_seconds``. So it is not checked again; it was before it was signed.

    Args:
        value: Every member, as `policy_to_json` writes it.
    """
    plain: dict[str, Any] = {
        member: tuple(given) if isinstance(given, list) else given for member, given in value.items()
    }
    plain["entitlements"] = tuple(entitlement_from_json(each) for each in plain["entitlements"])
    return Policy(**plain)


def entitlement_to_json(entitlement: Entitlement) -> dict[str, Any]:
    """``{"key", "expires_at", "below_version"}``, the form of `Decision.to_json`."""
    expires_at = entitlement.expires_at
    return {
        "key": entitlement.key,
        "expires_at": None if expires_at is None else str(expires_at),
        "below_version": entitlement.below_version,
    }


def entitlement_from_json(value: object) -> Entitlement:
    """
    Read what `entitlement_to_json` writes; a text alone is an entitlement of that key.

    Raises:
        UsageError: ``bad_policy``: another shape, an unknown member, or no time in ``expires_at``.
    """
    if isinstance(value, str):
        return Entitlement(key=value)
    if not isinstance(value, Mapping) or not {"key"} <= set(value) <= {"key", "expires_at", "below_version"}:
        raise _bad("entitlements", "objects of key, expires_at and below_version", value)
    return Entitlement(
        key=value["key"], expires_at=_instant(value.get("expires_at")), below_version=value.get("below_version")
    )


def _apply(policy: Policy, values: Mapping[str, Any]) -> Policy:
    changes: dict[str, Any] = {}
    for member, value in values.items():
        if member not in policy.__fields__:
            raise UsageError(
                "bad_policy", f"A policy has no member {member[:60]!r}.", f"Members are {', '.join(policy.__fields__)}."
            )
        changes[member] = tuple(value) if isinstance(value, list) else value
    entitlements = changes.get("entitlements")
    if isinstance(entitlements, tuple):
        changes["entitlements"] = tuple(
            entry if isinstance(entry, Entitlement) else entitlement_from_json(entry) for entry in entitlements
        )
    ttl = changes.get("offline_ttl_seconds")
    if "max_offline_ttl_seconds" not in changes and type(ttl) is int and ttl > policy.max_offline_ttl_seconds:
        changes["max_offline_ttl_seconds"] = ttl
    changed = replace(policy, **changes)
    check_policy(changed)
    return changed


def _instant(value: object) -> Instant | None:
    if value is None or isinstance(value, Instant):
        return value
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except MalformedError:
            pass
    raise _bad("entitlements.expires_at", "an RFC 3339 time such as 2026-11-22T09:30:00Z, or null", value)


def _check_entitlements(entitlements: object) -> None:
    if not isinstance(entitlements, tuple) or not all(isinstance(entry, Entitlement) for entry in entitlements):
        raise _bad("entitlements", "a list of entitlements", entitlements)
    _check_keys("entitlements", tuple(entry.key for entry in entitlements))
    for entry in entitlements:
        _check_ceiling("entitlements.below_version", entry.below_version)
        _instant(entry.expires_at)


def _check_keys(member: str, keys: object) -> None:
    ok = isinstance(keys, tuple) and len(keys) <= MAX_ENTITLEMENTS and all(is_entitlement_key(key) for key in keys)
    if ok and isinstance(keys, tuple) and len(set(keys)) == len(keys):
        return
    raise _bad(member, f"up to {MAX_ENTITLEMENTS} different keys of 1 to 100 characters a-z, 0-9, _ and -", keys)


def is_entitlement_key(key: object) -> bool:
    """Whether *key* can name an entitlement: ``[a-z0-9][a-z0-9_-]{0,99}`` (contracts/licenseseat.md §1.5)."""
    return type(key) is str and 0 < len(key) <= _MAX_NAME and key[0] in _KEY_FIRST and _KEY_REST.issuperset(key)


def _check_domains(domains: object) -> None:
    if isinstance(domains, tuple) and len(domains) <= MAX_DOMAINS and all(is_domain_pattern(each) for each in domains):
        return
    raise _bad("domains", f"up to {MAX_DOMAINS} lower-case host names, or *. before one of two labels or more", domains)


def is_domain_pattern(pattern: object) -> bool:
    """Whether *pattern* can stand in a policy: the one spelling of a host name or of a one-label wildcard (R-27)."""
    return type(pattern) is str and canonical_pattern(pattern) == pattern


def _check_ceiling(member: str, ceiling: object) -> None:
    # A ceiling without a comparable core would cover every version (§6.4 of the contract): surely a mistake.
    if ceiling is None or (
        type(ceiling) is str
        and len(ceiling) <= _MAX_VERSION
        and ceiling.isprintable()  # what follows the core may be anything else, and is shown (SEC-39)
        and parse_core(ceiling) is not None
    ):
        return
    raise _bad(member, "a printable version of up to three numbers, such as 3.0.0, or null", ceiling)


def _is_text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= _MAX_NAME and value.isprintable()


def _bad(member: str, wanted: str, found: object) -> UsageError:
    return UsageError("bad_policy", f"{member} is {_brief(found)}.", f"It must be {wanted}.")


def _brief(value: object) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…"

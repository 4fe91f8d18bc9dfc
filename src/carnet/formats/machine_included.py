"""
The license that another vendor's machine file may include (contracts/licenseseat.md §3.5, specs/machine-file.md §5.1).

Carnet's own files say the same in their extras and include nothing; what is included is checked all the same. Does not
belong here: the rest of the content (`machine_claims.py`).
"""

from __future__ import annotations

from typing import Any, NoReturn

from carnet.core.errors import MalformedError, NotGenuineError
from carnet.core.instant import Instant, parse_instant
from carnet.core.model import Entitlement
from carnet.core.policies import is_entitlement_key
from carnet.formats.limits import MAX_ENTITLEMENTS
from carnet.formats.policy_claims import distinct, is_text

MODES = ("hardware_locked", "floating", "named_user")

_FIX = "Fetch a new machine file; if it stays so, tell the vendor that issued it."


def included_license(
    value: Any, license_key: str, product: str, license_expires_at: Instant | None
) -> dict[str, Any] | None:
    """
    Check `included` and return what its license says.

    Args:
        value: The member as parsed.
        license_key: The license key of the file.
        product: The product of the file.
        license_expires_at: The end of the license that the file states.

    Returns:
        ``plan_key``, ``seat_limit``, ``starts_at`` and ``entitlements``, or None where no license is included.

    Raises:
        MalformedError: ``bad_included``, ``included_not_active``, ``bad_included_end``, ``bad_entitlements``,
            ``bad_metadata``.
        NotGenuineError: ``included_mismatch``: another license key or product.
    """
    if type(value) is not list or not all(type(each) is dict and is_text(each.get("type")) for each in value):
        _refuse("bad_included", "What the file includes is not a list of resources.")
    licenses = [each for each in value if each["type"] == "licenses"]
    if len(licenses) > 1:
        _refuse("bad_included", "The file includes more than one license.")
    if not licenses:
        return None
    attributes = licenses[0].get("attributes")
    if type(attributes) is not dict:
        _refuse("bad_included", "The included license has no attributes.")
    identity = (licenses[0].get("id"), attributes.get("key"), attributes.get("product_slug"))
    if identity != (license_key, license_key, product):
        _contradict("included_mismatch", "The included license is another one.")
    if attributes.get("status") != "active":
        _refuse("included_not_active", "The included license is not active.")
    if attributes.get("mode") not in MODES:
        _refuse("bad_included", "The included license has an unknown mode.")
    plan, seats = attributes.get("plan_key"), attributes.get("seat_limit", 0)
    if not is_text(plan) or len(plan) > 100:
        _refuse("bad_included", "The included license has no plan.")
    if seats is not None and (type(seats) is not int or seats < 1):
        _refuse("bad_included", "The included license's seat limit is neither null nor at least 1.")
    starts_at = instant_or_none(attributes.get("starts_at"))
    if starts_at is None:
        _refuse("bad_included", "The included license's start is not a time.")
    written_end = attributes.get("ends_at", "")
    ends_at = instant_or_none(written_end)
    if ends_at is None and written_end is not None:
        _refuse("bad_included_end", "The included license's end is neither a time nor null.")
    if ends_at != license_expires_at:
        _refuse("bad_included_end", "The included license ends at another time than the file says.")
    if "metadata" in attributes:
        check_metadata(attributes["metadata"])
    return {
        "plan_key": plan,
        "seat_limit": seats,
        "starts_at": starts_at,
        "entitlements": _included_entitlements(attributes.get("entitlements")),
    }


def _included_entitlements(value: Any) -> tuple[Entitlement, ...]:
    if type(value) is not list or len(value) > MAX_ENTITLEMENTS:
        _refuse("bad_entitlements", f"The included entitlements are not a list of up to {MAX_ENTITLEMENTS}.")
    entitlements: list[Entitlement] = []
    for each in value:
        if type(each) is not dict or not is_entitlement_key(each.get("key")):
            _refuse("bad_entitlements", "An included entitlement has no proper key.")
        written_end = each.get("expires_at", "")
        expires_at = instant_or_none(written_end)
        if expires_at is None and written_end is not None:
            _refuse("bad_entitlements", "An included entitlement's end is neither a time nor null.")
        entitlements.append(Entitlement(key=each["key"], expires_at=expires_at))
    return distinct(entitlements)


def check_metadata(value: Any) -> dict[str, Any]:
    """
    *value*, when it can be metadata (contract §1.5).

    Raises:
        MalformedError: ``bad_metadata``.
    """
    if type(value) is not dict or len(value) > 256 or any(len(name.encode()) > 255 for name in value):
        _refuse("bad_metadata", "The file's metadata is not an object of up to 256 members with short names.")
    return value


def instant_or_none(value: Any) -> Instant | None:
    """The time that *value* writes as RFC 3339, or None where it is none."""
    if type(value) is str:
        try:
            return parse_instant(value)
        except MalformedError:
            pass
    return None


def _refuse(code: str, sentence: str) -> NoReturn:
    raise MalformedError(code, sentence, _FIX)


def _contradict(code: str, sentence: str) -> NoReturn:
    raise NotGenuineError(code, sentence, "Do not use this file; fetch a new one.")

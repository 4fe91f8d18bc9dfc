"""
Bounds of what commands carry, in one place, so that every edge (HTTP, CLI, dashboard) refuses the same things.

Everything raises `UsageError` ``invalid_argument`` and names the member; values appear only where they are no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core.errors import UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.policies import MAX_TTL_SECONDS
from carnet.formats.limits import MAX_LICENSE_KEY_TYPED, MAX_METADATA, MAX_METADATA_DEPTH, MAX_METADATA_KEYS
from carnet.formats.strict_json import dump_json

MAX_PAGE = 500
MAX_NONCE = 128
MAX_SLUG = 100
MAX_EMAIL = 254
MAX_DURATION_SECONDS = 100 * 366 * 86400
"""A license term of at most a hundred years; whoever wants more wants a perpetual one."""

_SLUG_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def invalid(member: str, wanted: str) -> UsageError:
    """The error for a *member* that is not as *wanted*."""
    return UsageError("invalid_argument", f"{member} is not valid.", f"It must be {wanted}.")


def check_text(member: str, value: str, *, least: int = 1, most: int) -> str:
    """*value*, if it is *least* to *most* printable characters without blanks around them."""
    if least <= len(value) <= most and value.isprintable() and value == value.strip():
        return value
    raise invalid(member, f"{least} to {most} printable characters, without blanks around them")


def check_optional_text(member: str, value: str | None, *, most: int) -> str | None:
    """*value*, if it is None or 1 to *most* printable characters."""
    return None if value is None else check_text(member, value, most=most)


def check_slug(member: str, value: str) -> str:
    """*value*, if it is a slug: ``[a-z0-9]+(-[a-z0-9]+)*``, at most 100 characters (contracts/licenseseat.md §1.5)."""
    if len(value) <= MAX_SLUG and all(part and _SLUG_CHARACTERS.issuperset(part) for part in value.split("-")):
        return value
    raise invalid(member, f"lower-case letters and digits with single hyphens between them, at most {MAX_SLUG}")


def check_license_key(value: str) -> str:
    """*value*, if it can be a typed license key: not empty, at most 512 characters. Nothing is known of it yet."""
    if value.strip() and len(value) <= MAX_LICENSE_KEY_TYPED:
        return value
    raise invalid("license_key", f"1 to {MAX_LICENSE_KEY_TYPED} characters")


def check_nonce(value: str | None) -> str | None:
    """*value*, if it is None or 1 to 128 visible ASCII characters."""
    if value is None:
        return None
    if 0 < len(value) <= MAX_NONCE and all("!" <= character <= "~" for character in value):
        return value
    raise invalid("nonce", f"1 to {MAX_NONCE} visible ASCII characters")


def check_seconds(member: str, value: int | None, *, most: int = MAX_TTL_SECONDS) -> int | None:
    """*value*, if it is None or 1 to *most* whole seconds."""
    if value is None or (type(value) is int and 1 <= value <= most):
        return value
    raise invalid(member, f"a whole number of seconds from 1 to {most}")


def check_instant(member: str, value: Instant | None) -> Instant | None:
    """*value*, if it is None or a time that RFC 3339 can write."""
    if value is None or 0 < value <= MAX_INSTANT:
        return value
    raise invalid(member, "a time between 1970 and 9999")


def check_email(member: str, value: str | None) -> str | None:
    """*value*, if it is None or can be an address: one ``@`` with something on both sides, no blanks."""
    if value is None:
        return None
    local, _, domain = value.rpartition("@")
    if local and domain and len(value) <= MAX_EMAIL and value.isprintable() and " " not in value:
        return value
    raise invalid(member, "an e-mail address")


def check_metadata(member: str, value: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    *value* as a plain object, if it is within security-requirements "Limits": 16 KiB, 64 keys, depth 4.

    Raises:
        UsageError: ``invalid_argument``; also for what strict JSON cannot carry, such as a fraction.
    """
    if value is None:
        return {}
    try:
        size = len(dump_json(value))
    except UsageError as error:
        raise invalid(member, "plain JSON: objects, lists, texts, whole numbers, true, false and null") from error
    if len(value) > MAX_METADATA_KEYS or size > MAX_METADATA or _depth(value) > MAX_METADATA_DEPTH:
        raise invalid(member, f"at most {MAX_METADATA_KEYS} keys, {MAX_METADATA_DEPTH} levels and {MAX_METADATA} bytes")
    return dict(value)


def check_page(limit: int) -> int:
    """*limit*, if a page may have that many items: 1 to 500."""
    if type(limit) is int and 1 <= limit <= MAX_PAGE:
        return limit
    raise invalid("limit", f"a whole number from 1 to {MAX_PAGE}")


def _depth(value: object) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list | tuple):
        return 1 + max(map(_depth, value), default=0)
    return 0

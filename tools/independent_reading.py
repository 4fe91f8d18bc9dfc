"""
What `check_vectors.py` reads with: strict JSON, Base64, times and the parts that several formats share.

Written from `specs/conventions.md`, `strict-json.md` and `license-token.md`; imports nothing of Carnet.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from typing import Any, Final, NoReturn
from unicodedata import category

TEN_YEARS: Final = 315_360_000
LAST_TIME: Final = 253402300799


class Bad(Exception):  # noqa: N818 - not an error of this program
    """What a verifier refuses, by its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check(holds: object, code: str) -> None:
    """Refuse with *code* unless *holds*."""
    if not holds:
        raise Bad(code)


# ── conventions.md, strict-json.md ───────────────────────────────────────────────────────────────────────────────────


def base64url(text: str) -> bytes:
    """Canonical base64url without padding (conventions.md §2)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Bad("bad_base64") from None
    check(to_base64url(data) == text, "bad_base64")
    return data


def to_base64url(data: bytes) -> str:
    """The one spelling of *data*."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64_padded(text: str) -> bytes:
    """Canonical Base64 with padding."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad("bad_base64") from None
    check(base64.b64encode(data).decode() == text, "bad_base64")
    return data


def strict_json(data: bytes, max_string: int = 16384) -> Any:
    """Strict JSON (strict-json.md §3)."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("bad_utf8") from None
    check(not text.startswith("\ufeff"), "bad_utf8")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        check(len(pairs) == len(dict(pairs)), "duplicate_name")
        return dict(pairs)

    def number(digits: str) -> int:
        check(len(digits) < 20 and abs(int(digits)) < 2**53, "bad_number")
        return int(digits)

    def refused(_: str) -> NoReturn:
        raise Bad("bad_number")

    try:
        value = json.loads(
            text, object_pairs_hook=members, parse_int=number, parse_float=refused, parse_constant=refused
        )
    except ValueError:
        raise Bad("bad_json") from None
    except RecursionError:
        raise Bad("too_deep") from None
    count = 0
    todo = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        count += 1
        check(count <= 4096, "too_many_values")
        if isinstance(item, dict | list):
            check(depth <= 20, "too_deep")
            todo += [(child, depth + 1) for child in (item.values() if isinstance(item, dict) else item)]
        for string in [item] if isinstance(item, str) else item if isinstance(item, dict) else ():
            check("\0" not in string and not re.search("[\ud800-\udfff]", string), "bad_string")
            check(len(string.encode()) <= max_string, "string_too_long")
    return value


def json_object(data: bytes, max_string: int = 16384) -> dict[str, Any]:
    """A strict JSON object."""
    value = strict_json(data, max_string)
    check(isinstance(value, dict), "not_an_object")
    assert isinstance(value, dict)
    return value


def canonical(value: Any) -> bytes:
    """The canonical form (strict-json.md §4)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_text(value: Any) -> bool:
    """A text of conventions.md §6."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 255
        and all(letter == " " or category(letter)[0] not in "CZ" for letter in value)
    )


def is_integer(value: Any, low: int, high: int) -> bool:
    """An integer within bounds; booleans are none."""
    return type(value) is int and low <= value <= high


def is_time(value: Any) -> bool:
    """A time of conventions.md §5."""
    return is_integer(value, 1, LAST_TIME)


def is_kid(value: Any) -> bool:
    """A key id (keys.md §2)."""
    return isinstance(value, str) and re.fullmatch("[A-Za-z0-9_-]{1,64}", value) is not None


def kind(data: bytes) -> bytes:
    """Undo what editors do at the edges (conventions.md §4)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16").encode()
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line.strip(b" \t") for line in lines).strip(b"\n")


# ── what several formats share ───────────────────────────────────────────────────────────────────────────────────────


def text_of(described: Any) -> str:
    """An input as it stands, or as vectors/README.md describes a very long one."""
    if isinstance(described, list):
        return "".join(map(text_of, described))
    if isinstance(described, dict):
        return str(described["repeat"]) * int(described["times"])
    return str(described)


def check_entitlements(items: Any) -> None:
    """`ent` (license-token.md §3.3)."""
    check(isinstance(items, list) and len(items) <= 500, "bad_entitlements")
    for item in items:
        check(
            isinstance(item, dict)
            and isinstance(item.get("key"), str)
            and re.fullmatch("[a-z0-9][a-z0-9_-]{0,99}", item["key"])
            and is_time(item.get("exp", 1))
            and is_text(item.get("below", "1")),
            "bad_entitlements",
        )
    check(len({item["key"] for item in items}) == len(items), "bad_entitlements")


def check_status(place: Any, default: str | None, oldest: Any = (0, 0)) -> str:
    """A place in a status list and the oldest version that counts (license-token.md §3.4); returns its list."""
    check(is_list_version(oldest), "bad_status")
    check(isinstance(place, dict) and is_integer(place.get("idx"), 0, 2**31 - 1), "bad_status")
    uri = place.get("uri", default)
    check(is_text(uri), "bad_status")
    return str(uri)


def check_statuses(claims: dict[str, Any]) -> None:
    """The places of license and activation (license-token.md §3.4)."""
    uri = None
    check("status" in claims or "status_min" not in claims, "bad_status")
    if "status" in claims:
        check(isinstance(claims["status"], dict), "bad_status")
        uri = check_status(claims["status"].get("status_list"), None, claims.get("status_min", [0, 0]))
    if "act_status" in claims:
        check(isinstance(claims["act_status"], dict), "bad_status")
        check_status(claims["act_status"], uri, claims["act_status"].get("min", [0, 0]))


def is_list_version(value: Any) -> bool:
    """Whether *value* is the version of a status list (status-list.md §3)."""
    return isinstance(value, list) and len(value) == 2 and all(is_integer(part, 0, 2**53 - 1) for part in value)


def plain_decision(facts: dict[str, Any], given: dict[str, Any], device: str, moment: str) -> str:
    """The outcome of product, device and times alone (decision.md); *facts* are named as in a license token."""
    now = datetime.fromisoformat(moment).timestamp()
    over, term = facts["exp"] + facts["grace"], facts["lic_exp"]
    if term is not None:
        over = min(over, term + facts["term_grace"])
    if facts["aud"] != given["product"]:
        return "refused:wrong_product"
    if facts.get("dev", device) != device:
        return "refused:wrong_device"
    if now < max(facts["nbf"], facts.get("lic_nbf", 0)):
        return "refused:not_started"
    return "ok" if now < over else "refused:expired"

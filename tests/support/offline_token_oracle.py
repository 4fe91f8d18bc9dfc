"""
A second reader of offline tokens, written from specs/offline-token.md alone: Python's own JSON and PyNaCl.

`read` gives the token's members, or None for a document that must be refused. Of strict JSON it checks what the
structure-aware tests can make: names twice, floats, integers out of range.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

LAST, DAY = 253402300799, 86400
REQUIRED = frozenset(
    [
        "schema_version",
        "license_key",
        "product_slug",
        "plan_key",
        "mode",
        "fingerprint",
        "iat",
        "nbf",
        "exp",
        "kid",
        "entitlements",
        "metadata",
    ]
)
TEXTS = {
    "license_key": re.compile(r"[!-~]{1,512}"),
    "product_slug": re.compile(r"(?=.{1,100}\Z)[a-z0-9]+(-[a-z0-9]+)*"),
    "plan_key": re.compile(r"(?s).{1,100}"),
    "mode": re.compile(r"hardware_locked|floating|named_user"),
    "fingerprint": re.compile(r"(?s)[^\x00-\x1f\x7f-\x9f]+"),
    "kid": re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}"),
}
KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


def need(*, so: bool) -> None:
    """Refuse unless *so*."""
    if not so:
        raise ValueError


def strict(text: str) -> Any:
    """Parse JSON without names twice and without floats."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(so=len(dict(pairs)) == len(pairs))
        return dict(pairs)

    def integer(digits: str) -> int:
        need(so=abs(int(digits)) < 2**53)
        return int(digits)

    def refuse(_: str) -> NoReturn:
        raise ValueError

    return json.loads(text, object_pairs_hook=members, parse_int=integer, parse_float=refuse, parse_constant=refuse)


def same(one: Any, other: Any) -> bool:
    """Equal in value and in JSON type."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def is_time(value: Any) -> bool:
    """§2."""
    return type(value) is int and 0 < value <= LAST


def check(token: dict[str, Any]) -> None:
    """§2, §5 steps 8 to 10."""
    need(so=REQUIRED <= token.keys() <= REQUIRED | {"seat_limit", "license_expires_at"})
    need(so=type(token["schema_version"]) is int and token["schema_version"] == 1)
    for name, form in TEXTS.items():
        need(so=type(token[name]) is str and form.fullmatch(token[name]) is not None)
    need(so=token["plan_key"].isprintable())
    need(so=8 <= len(token["fingerprint"].encode()) <= 255 and token["fingerprint"].strip() == token["fingerprint"])
    for name in {"iat", "nbf", "exp", "license_expires_at"} & token.keys():
        need(so=is_time(token[name]))
    need(so=token["iat"] <= token["nbf"] < token["exp"] <= token["iat"] + 36600 * DAY)
    need(so=token["iat"] < token.get("license_expires_at", LAST + 1))
    need(so=type(token.get("seat_limit", 1)) is int and token.get("seat_limit", 1) >= 1)
    need(so=type(token["entitlements"]) is list and len(token["entitlements"]) <= 500)
    for entry in token["entitlements"]:
        need(so=type(entry) is dict and entry.keys() == {"key", "expires_at"})
        need(so=type(entry["key"]) is str and KEY.fullmatch(entry["key"]) is not None)
        ends = entry["expires_at"]
        need(so=ends is None or (is_time(ends) and ends > token["iat"]))
    need(so=len({entry["key"] for entry in token["entitlements"]}) == len(token["entitlements"]))
    metadata = token["metadata"]
    need(so=type(metadata) is dict and len(metadata) <= 256 and all(len(name.encode()) <= 255 for name in metadata))


def read(document: bytes, keys: Mapping[str, bytes]) -> dict[str, Any] | None:
    """The token's members under the trusted *keys* (32 bytes by key id), or None."""
    try:
        whole = strict(document.decode())
        need(so=whole.keys() == {"object", "token", "signature", "canonical"} and whole["object"] == "offline_token")
        signature = whole["signature"]
        need(so=type(whole["token"]) is dict and type(whole["canonical"]) is str and type(signature) is dict)
        need(so=signature.keys() == {"algorithm", "key_id", "value"} and signature["algorithm"] == "Ed25519")
        raw = base64.b64decode(signature["value"], validate=True)
        need(so=base64.b64encode(raw).decode() == signature["value"])
        VerifyKey(keys[signature["key_id"]]).verify(whole["canonical"].encode(), raw)
        signed = strict(whole["canonical"])
        need(so=type(signed) is dict and same(signed, whole["token"]))
        check(signed)
        need(so=signed["kid"] == signature["key_id"])
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError, BadSignatureError):
        return None
    return dict(signed)

"""
A second verifier of license tokens, written from specs/license-token.md alone, with other libraries.

It shares no code with `carnet.formats`: PyNaCl verifies, the standard library's `json` reads, and the checks follow the
text of the page. Tests compare the two on genuine, altered and invented tokens.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import nacl.exceptions
import nacl.signing

_B64URL = re.compile(r"[A-Za-z0-9_-]*")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEN_YEARS = 10 * 365 * 24 * 3600
_LAST_SECOND = 253402300799


class Refused(Exception):  # noqa: N818 - it is the oracle's answer
    """The token does not pass; the layer that stops it."""


def _check(good: bool, layer: str = "malformed") -> None:  # noqa: FBT001 - an assertion with a name
    if not good:
        raise Refused(layer)


def _b64url(text: str) -> bytes:
    _check(_B64URL.fullmatch(text) is not None and len(text) % 4 != 1)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    _check(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text)
    return data


def read_strictly(data: bytes) -> Any:
    """Strict JSON (specs/strict-json.md §3), the slow and obvious way."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _check(len({name for name, _ in pairs}) == len(pairs))
        return dict(pairs)

    def no(_text: str) -> Any:
        raise Refused("malformed")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=members, parse_float=no, parse_constant=no)
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    values = [0]

    def walk(value: Any, depth: int) -> None:
        values[0] += 1
        _check(values[0] <= 4096)
        if isinstance(value, str):
            _check("\x00" not in value and not any(0xD800 <= ord(each) <= 0xDFFF for each in value))
            _check(len(value.encode()) <= 16384)
        elif isinstance(value, dict):
            _check(depth < 20)
            for name in value:
                values[0] -= 1
                walk(name, depth)
            for each in value.values():
                walk(each, depth + 1)
        elif isinstance(value, list):
            _check(depth < 20)
            for each in value:
                walk(each, depth + 1)
        elif isinstance(value, int) and not isinstance(value, bool):
            _check(abs(value) < 2**53)

    walk(value, 0)
    return value


def _text(value: Any) -> None:
    _check(isinstance(value, str) and 1 <= len(value) <= 255 and value.isprintable())


def _whole(value: Any, least: int, most: int) -> None:
    _check(isinstance(value, int) and not isinstance(value, bool) and least <= value <= most)


def _list(value: Any, least: int, most: int) -> None:
    _check(isinstance(value, list) and least <= len(value) <= most)


def _claims(claims: Any) -> None:
    _check(isinstance(claims, dict))
    _check({"iss", "aud", "sub", "jti", "iat", "nbf", "exp", "lic_exp", "pol", "ent"} <= set(claims))
    for name in {"iss", "aud", "sub", "jti", "act", "dev", "cus"} & set(claims):
        _text(claims[name])
    for name in {"iat", "nbf", "exp", "lic_nbf", "lic_exp"} & set(claims):
        if name != "lic_exp" or claims[name] is not None:
            _whole(claims[name], 1, _LAST_SECOND)
    _check(claims["iat"] <= claims["nbf"] < claims["exp"] <= claims["iat"] + _TEN_YEARS)
    policy = claims["pol"]
    _check(isinstance(policy, dict) and {"name", "ttl", "grace", "term_grace", "refresh"} <= set(policy))
    for name in {"name", "edition", "below"} & set(policy):
        _text(policy[name])
    for name in {"ttl", "grace", "term_grace", "refresh", "warn", "status_age"} & set(policy):
        _whole(policy[name], 0, _TEN_YEARS)
    for name in {"essential", "domains"} & set(policy):
        _list(policy[name], 1, 500)
        for each in policy[name]:
            _text(each)
    _check(policy.get("access", "full") in ("full", "limited"))
    _check(policy.get("clock", "off") in ("off", "countdown"))
    _list(claims["ent"], 0, 500)
    keys = []
    for entry in claims["ent"]:
        _check(isinstance(entry, dict) and isinstance(entry.get("key"), str))
        _check(_KEY.fullmatch(entry["key"]) is not None)
        keys.append(entry["key"])
        if "exp" in entry:
            _whole(entry["exp"], 1, _LAST_SECOND)
        if "below" in entry:
            _text(entry["below"])
    _check(len(set(keys)) == len(keys))
    uri = None
    _check("status" in claims or "status_min" not in claims)
    if "status_min" in claims:
        _version(claims["status_min"])
    if "status" in claims:
        _check(isinstance(claims["status"], dict) and isinstance(claims["status"].get("status_list"), dict))
        listed = claims["status"]["status_list"]
        _whole(listed.get("idx"), 0, 2**31 - 1)
        uri = listed.get("uri")
        _text(uri)
    if "act_status" in claims:
        _check(isinstance(claims["act_status"], dict))
        _whole(claims["act_status"].get("idx"), 0, 2**31 - 1)
        _text(claims["act_status"].get("uri", uri))
        if "min" in claims["act_status"]:
            _version(claims["act_status"]["min"])


def _version(value: Any) -> None:
    _list(value, 2, 2)
    for part in value:
        _whole(part, 0, 2**53 - 1)


def verify(token: bytes, keys: dict[str, bytes]) -> dict[str, Any]:
    """
    The claims of *token*.

    Args:
        token: Any bytes.
        keys: Raw Ed25519 public keys by key id.

    Raises:
        Refused: ``malformed`` or ``not_genuine``.
    """
    _check(len(token) <= 8192 and token.isascii())
    parts = token.decode("ascii").split(".")
    _check(len(parts) == 3)
    raw_header = _b64url(parts[0])
    _check(len(raw_header) <= 1024)
    header = read_strictly(raw_header)
    _check(isinstance(header, dict) and set(header) == {"alg", "kid", "typ"})
    _check(header["typ"] == "carnet-license+jwt")
    _check(isinstance(header["kid"], str) and _KID.fullmatch(header["kid"]) is not None)
    _check(header["kid"] in keys and header["alg"] in ("EdDSA", "Ed25519"), "not_genuine")
    signature = _b64url(parts[2])
    try:
        _check(len(signature) == 64, "not_genuine")
        nacl.signing.VerifyKey(keys[header["kid"]]).verify(f"{parts[0]}.{parts[1]}".encode(), signature)
    except nacl.exceptions.BadSignatureError:
        raise Refused("not_genuine") from None
    claims = read_strictly(_b64url(parts[1]))
    _claims(claims)
    assert isinstance(claims, dict)
    return claims

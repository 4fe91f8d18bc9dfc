"""
A second reader of machine files, written from specs/machine-file.md alone, with other libraries.

It shares no code with `carnet.formats`: PyNaCl verifies, the standard library's `json` and `datetime` read, and the
checks follow the text of the page. Tests compare the two on every vector and on altered claims. It says where a file is
stopped, not with which code.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Any

import nacl.exceptions
import nacl.signing
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support.token_oracle import Refused, _b64url, _check, read_strictly

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_SLUG = re.compile(r"(?=.{1,100}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_CEILING = re.compile(r"\s*[0-9]+(\.[0-9]+){0,2}([-+].*)?\s*", re.ASCII | re.DOTALL)
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*|\*\.({_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
_LAST_SECOND = 253402300799
_TEN_YEARS, _HUNDRED_YEARS = 3650 * 86400, 36600 * 86400


def open_by_the_book(data: bytes, keys: dict[str, bytes], license_key: str, fingerprint: str) -> dict[str, Any]:
    """The content of the file; raises `Refused` with the layer that stops it."""
    # step 1
    _check(len(data) <= 262144)
    # step 2
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        data = data.decode("utf-16").encode()
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = [line.strip(" \t") for line in text.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    _check(len(lines) >= 3)
    _check(lines[0] == "-----BEGIN MACHINE FILE-----" and lines[-1] == "-----END MACHINE FILE-----")
    _check(all(1 <= len(line) <= 64 for line in lines[1:-1]))
    body = "".join(lines[1:-1])
    _check(re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", body) is not None and len(body) % 4 == 0)
    raw = base64.b64decode(body, validate=True)
    _check(base64.b64encode(raw).decode() == body)
    # step 3
    envelope = read_strictly(raw)
    _check(isinstance(envelope, dict) and set(envelope) == {"enc", "sig", "alg", "kid"})
    _check(all(isinstance(value, str) for value in envelope.values()))
    # step 4
    _check(envelope["alg"] == "aes-256-gcm+ed25519")
    _check(re.fullmatch(r"[A-Za-z0-9._:-]{1,255}", envelope["kid"]) is not None)
    signature = _b64url(envelope["sig"])
    _check(len(signature) == 64)
    # steps 5 and 6
    _check(envelope["kid"] in keys, "not_genuine")
    try:
        nacl.signing.VerifyKey(keys[envelope["kid"]]).verify(b"machine/" + envelope["enc"].encode(), signature)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
        raise Refused("not_genuine") from None
    # step 7
    parts = envelope["enc"].split(".")
    _check(len(parts) == 3)
    ciphertext, nonce, tag = map(_b64url, parts)
    _check(len(nonce) == 12 and len(tag) == 16)
    # step 8
    key = hashlib.sha256((license_key + fingerprint).encode()).digest()
    try:
        plaintext = AESGCM(key).decrypt(nonce, ciphertext + tag, b"")
    except InvalidTag:
        raise Refused("does_not_open") from None
    # step 9
    content = read_strictly(plaintext)
    _check(isinstance(content, dict))
    try:
        _check_content(content, envelope["kid"], license_key, fingerprint)
    except (KeyError, TypeError, AttributeError):
        raise Refused("malformed") from None
    return dict(content)


def _check_content(content: dict[str, Any], kid: str, license_key: str, fingerprint: str) -> None:
    meta, data = content["meta"], content["data"]
    attributes, relationships = data["attributes"], data["relationships"]
    for value in (meta, data, attributes, relationships):
        _check(isinstance(value, dict))
    _check(data["type"] == "machines")
    metadata = attributes.get("metadata", {})
    _check(isinstance(metadata, dict) and len(metadata) <= 256 and all(len(n.encode()) <= 255 for n in metadata))
    _check_meta(meta, _TEN_YEARS if "carnet" in metadata else _HUNDRED_YEARS)
    _check(_text(data["id"]))
    related, product = relationships["license"]["data"], relationships["product"]["data"]
    _check(related["type"] == "licenses" and isinstance(related["id"], str) and related["id"] != "")
    _check(product["type"] == "products" and _SLUG.fullmatch(product["id"]) is not None)
    device = attributes["fingerprint"]
    _check(isinstance(device, str) and 8 <= len(device.encode()) <= 255 and device == device.strip())
    _check(_no_controls(device))
    for name in ("name", "platform"):
        _check(isinstance(attributes[name], str) and len(attributes[name]) <= 255 and _no_controls(attributes[name]))
    if attributes.get("created") is not None:
        _seconds(attributes["created"])
    components = attributes.get("fingerprint_components")
    if components is not None:
        _check(isinstance(components, dict) and len(components) <= 64)
        _check(all(len(n) <= 100 and isinstance(v, str) and len(v) <= 1024 for n, v in components.items()))
    if "carnet" in metadata:
        _check_extras(metadata["carnet"])
    included = content.get("included", [])
    _check(isinstance(included, list) and all(_text(each["type"]) for each in included))
    licenses = [each for each in included if each["type"] == "licenses"]
    _check(len(licenses) <= 1)
    # step 10
    _check(meta.get("kid") == kid, "not_genuine")
    _check(meta.get("lic") == related["id"] == license_key and device == fingerprint, "not_genuine")
    # step 11
    for each in licenses:
        _check_included(each, license_key, product["id"], meta["license_exp"])


def _check_meta(meta: dict[str, Any], longest: int) -> None:
    _check(meta["schema_version"] == 2 and not isinstance(meta["schema_version"], bool))
    iat, nbf, exp = (_time(meta[name]) for name in ("iat", "nbf", "exp"))
    _check(iat <= nbf < exp and _whole(meta["ttl"]) == exp - iat <= longest)
    _check(_seconds(meta["issued"]) == iat and _seconds(meta["expiry"]) == exp)
    _check(0 <= _whole(meta["grace_period"]) <= 2592000)
    if meta["license_exp"] is not None:
        _time(meta["license_exp"])
    if "sdk_version" in meta:
        _check(_text(meta["sdk_version"]))


def _check_included(resource: dict[str, Any], license_key: str, product: str, license_exp: int | None) -> None:
    attributes = resource["attributes"]
    _check(isinstance(attributes, dict))
    identity = (resource.get("id"), attributes.get("key"), attributes.get("product_slug"))
    _check(identity == (license_key, license_key, product), "not_genuine")
    _check(attributes["status"] == "active")
    _check(attributes["mode"] in ("hardware_locked", "floating", "named_user"))
    _check(_text(attributes["plan_key"]) and len(attributes["plan_key"]) <= 100)
    _check(attributes["seat_limit"] is None or _whole(attributes["seat_limit"]) >= 1)
    _seconds(attributes["starts_at"])
    _check((None if attributes["ends_at"] is None else _seconds(attributes["ends_at"])) == license_exp)
    _entitlements(attributes["entitlements"])
    for each in attributes["entitlements"]:
        _check(each["expires_at"] is None or _seconds(each["expires_at"]) >= 0)
    _check(isinstance(attributes.get("metadata", {}), dict))


def _version(value: Any) -> None:
    _check(isinstance(value, list) and len(value) == 2 and all(_whole(part) >= 0 for part in value))


def _check_extras(extras: dict[str, Any]) -> None:
    _check(_whole(extras["v"]) == 1 and "crit" not in extras)
    for name in ("jti", "iss", "sub"):
        _check(_text(extras[name]))
    _check(_text(extras.get("cus", "x")))
    _time(extras.get("lic_nbf", 1))
    _native_entitlements(extras["ent"])
    uri = None
    _check("status" in extras or "status_min" not in extras)
    if "status" in extras:
        _version(extras.get("status_min", [0, 0]))
        uri = extras["status"]["status_list"]["uri"]
        _check(_text(uri) and 0 <= _whole(extras["status"]["status_list"]["idx"]) < 2**31)
    if "act_status" in extras:
        status = extras["act_status"]
        _check(_text(status.get("uri", uri)) and 0 <= _whole(status["idx"]) < 2**31)
        _version(status.get("min", [0, 0]))
    policy = extras["pol"]
    _check(isinstance(policy, dict) and _text(policy["name"]) and len(policy["name"]) <= 100)
    for name in ("ttl", "token_ttl", "refresh"):
        _check(1 <= _whole(policy[name]) <= _TEN_YEARS)
    _check(0 <= _whole(policy["term_grace"]) <= 365 * 86400)
    _check(policy["ttl"] <= _whole(policy.get("max_ttl", policy["ttl"])) <= _TEN_YEARS)
    for name, least in (("warn", 0), ("status_age", 1)):
        _check(least <= _whole(policy.get(name, least)) <= _TEN_YEARS)
    _check(1 <= _whole(policy.get("seats", 1)) <= 10**9)
    _check(
        policy.get("access", "limited") in ("full", "limited") and policy.get("clock", "off") in ("off", "countdown")
    )
    _check(isinstance(policy.get("activation", True), bool))
    edition, below = policy.get("edition", "any"), policy.get("below", "1")
    _check(_text(edition) and len(edition) <= 100)
    _check(_text(below) and _CEILING.fullmatch(below) is not None)
    essential = policy.get("essential", [])
    _check(isinstance(essential, list) and all(_KEY.fullmatch(key) for key in essential))
    _check(len(set(essential)) == len(essential))
    domains = policy.get("domains", [])
    _check(isinstance(domains, list) and all(_HOST.fullmatch(domain) and len(domain) <= 255 for domain in domains))
    _native_entitlements(policy.get("ent", []))


def _native_entitlements(value: Any) -> None:
    _entitlements(value)
    for each in value:
        _time(each.get("exp", 1))
        _check(_text(each.get("below", "1")))


def _entitlements(value: Any) -> None:
    _check(isinstance(value, list) and len(value) <= 500)
    _check(all(_KEY.fullmatch(each["key"]) for each in value))
    _check(len({each["key"] for each in value}) == len(value))


def _whole(value: Any) -> int:
    _check(isinstance(value, int) and not isinstance(value, bool))
    return int(value)


def _time(value: Any) -> int:
    _check(0 < _whole(value) <= _LAST_SECOND)
    return int(value)


def _seconds(value: Any) -> int:
    _check(isinstance(value, str) and _RFC3339.fullmatch(value) is not None)
    try:
        return int(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise Refused("malformed") from None


def _text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 255 and value.isprintable()


def _no_controls(text: str) -> bool:
    return re.search("[\x00-\x1f\x7f-\x9f]", text) is None

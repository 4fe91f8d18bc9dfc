"""
What `check_vectors.py` knows of machine files: written from `specs/machine-file.md`, importing nothing of Carnet.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import nacl.signing
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from tools.independent_keys import fits, trusted  # noqa: E402
from tools.independent_reading import (  # noqa: E402 - found on the path that is set above
    TEN_YEARS,
    Bad,
    base64_padded,
    base64url,
    check,
    check_entitlements,
    check_statuses,
    is_integer,
    is_text,
    is_time,
    json_object,
    kind,
    plain_decision,
    text_of,
)

MAX_FILE: Final = 262_144


class NotJudged(Exception):  # noqa: N818
    """A vector beyond what this program knows."""


def machine_file(vector: dict[str, Any]) -> str:
    """The outcome of a machine file (machine-file.md §7), or of what is computed on the way."""
    given, expect = vector["input"], vector["expect"]
    if "nonce" in given:
        return check_nonce(given["nonce"], expect)
    if "estimate" in given:
        assert round(estimate(given["estimate"]), 1) == expect["value"], "estimate"
        return "ok"
    sealed = given.get("seal") or given.get("encrypt")
    if sealed is not None:
        if expect["outcome"] != "ok":
            raise NotJudged
        return check_sealed(sealed, expect["value"])
    data = bytes.fromhex(given["file_hex"]) if "file_hex" in given else text_of(given["file"]).encode()
    enc, kid, sig = read_envelope(data)
    check(fits(trusted(vector, "machine-file", kid), sig, f"machine/{enc}".encode()), "bad_signature")
    content = json_object(decrypt(enc, given["license_key"], given["fingerprint"]), MAX_FILE)
    facts = check_content(content, kid, given["license_key"], given["fingerprint"])
    return plain_decision(facts, given, given["fingerprint"], vector["now"]) if "now" in vector else "ok"


def read_envelope(data: bytes) -> tuple[str, str, bytes]:
    """Enc, kid and signature: steps 1 to 4."""
    check(len(data) <= MAX_FILE, "too_large")
    lines = kind(data).split(b"\n")
    check(lines[0] == b"-----BEGIN MACHINE FILE-----" and lines[-1] == b"-----END MACHINE FILE-----", "bad_armor")
    check(len(lines) > 2 and all(1 <= len(line) <= 64 for line in lines[1:-1]), "bad_armor")
    body = b"".join(lines[1:-1])
    check(body.isascii(), "bad_base64")
    envelope = json_object(base64_padded(body.decode()), MAX_FILE)
    check(envelope.keys() == {"enc", "sig", "alg", "kid"}, "bad_envelope")
    check(all(isinstance(member, str) for member in envelope.values()), "bad_envelope")
    check(envelope["alg"] == "aes-256-gcm+ed25519", "bad_algorithm")
    check(re.fullmatch("[A-Za-z0-9._:-]{1,255}", envelope["kid"]), "bad_kid")
    sig = base64url(envelope["sig"])
    check(len(sig) == 64, "bad_envelope")
    return envelope["enc"], envelope["kid"], sig


def decrypt(enc: str, license_key: str, fingerprint: str) -> bytes:
    """Steps 7 and 8."""
    parts = enc.split(".")
    check(len(parts) == 3, "bad_enc")
    ciphertext, nonce, tag = map(base64url, parts)
    check(len(nonce) == 12 and len(tag) == 16, "bad_enc")
    try:
        return AESGCM(file_key(license_key, fingerprint)).decrypt(nonce, ciphertext + tag, None)
    except InvalidTag:
        raise Bad("does_not_open") from None


def file_key(license_key: str, fingerprint: str) -> bytes:
    """The key of machine-file.md §4."""
    return hashlib.sha256((license_key + fingerprint).encode()).digest()


def check_content(content: dict[str, Any], kid: str, license_key: str, fingerprint: str) -> dict[str, Any]:
    """Steps 9 to 12: the tables of machine-file.md §5, §5.1 and §6; returns what the decision needs."""
    meta, data = content.get("meta"), content.get("data")
    check(isinstance(meta, dict) and isinstance(data, dict) and data.get("type") == "machines", "bad_structure")
    assert isinstance(meta, dict)
    assert isinstance(data, dict)
    attributes, relations = data.get("attributes"), data.get("relationships")
    check(isinstance(attributes, dict) and isinstance(relations, dict), "bad_structure")
    assert isinstance(attributes, dict)
    assert isinstance(relations, dict)
    metadata = attributes.get("metadata", {})
    check(is_metadata(metadata), "bad_metadata")
    has_extras = "carnet" in metadata
    check_meta(meta, TEN_YEARS if has_extras else 100 * 366 * 86400)
    check(meta.get("kid") == kid, "kid_mismatch")
    check(is_text(data.get("id")), "bad_activation")
    license_id = related(relations, "license", "licenses", "bad_license")
    product = related(relations, "product", "products", "bad_product")
    check(len(product) <= 100 and re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", product), "bad_product")
    check(meta.get("lic") == license_id == license_key, "license_mismatch")
    device = attributes.get("fingerprint")
    check(
        is_plain(device) and 8 <= len(str(device).encode()) <= 255 and device == str(device).strip(), "bad_fingerprint"
    )
    check(device == fingerprint, "device_mismatch")
    for name, code in (("name", "bad_device_name"), ("platform", "bad_platform")):
        check(is_plain(attributes.get(name)) and len(attributes[name]) <= 255, code)
    check(attributes.get("created") is None or is_moment(attributes["created"]), "bad_created")
    parts = attributes.get("fingerprint_components")
    check(parts is None or (isinstance(parts, dict) and len(parts) <= 64), "bad_components")
    for name, value in (parts or {}).items():
        check(len(name) <= 100 and (not isinstance(value, str) or len(value) <= 1024), "bad_components")
    starts = check_included(content.get("included", []), meta, license_key, product)
    facts = {"aud": product, "dev": device, "nbf": meta["nbf"], "exp": meta["exp"], "lic_exp": meta["license_exp"]}
    facts.update(grace=meta["grace_period"], term_grace=0, lic_nbf=starts)
    if has_extras:
        extras = metadata["carnet"]
        check_extras(extras)
        facts.update(term_grace=extras["pol"]["term_grace"], lic_nbf=extras.get("lic_nbf", 0))
    return facts


def check_meta(meta: dict[str, Any], longest: int) -> None:
    """The members of `meta` but key id and license key."""
    check(type(meta.get("schema_version")) is int and meta["schema_version"] == 2, "bad_schema_version")
    for name in ("iat", "nbf", "exp"):
        check(is_time(meta.get(name)), f"bad_{name}")
    check(meta["iat"] <= meta["nbf"] < meta["exp"], "bad_window")
    check(type(meta.get("ttl")) is int and meta["ttl"] == meta["exp"] - meta["iat"], "bad_ttl")
    check(meta["ttl"] <= longest, "ttl_too_long")
    for name, time in (("issued", "iat"), ("expiry", "exp")):
        check(is_moment(meta.get(name)) and seconds(meta[name]) == meta[time], f"bad_{name}")
    check(is_integer(meta.get("grace_period"), 0, 2_592_000), "bad_grace_period")
    check("license_exp" in meta and (meta["license_exp"] is None or is_time(meta["license_exp"])), "bad_license_exp")
    check("sdk_version" not in meta or is_text(meta["sdk_version"]), "bad_sdk_version")


def related(relations: dict[str, Any], name: str, kind_of: str, code: str) -> str:
    """The id of a resource in `relationships`."""
    holder = relations.get(name)
    resource = holder.get("data") if isinstance(holder, dict) else None
    check(isinstance(resource, dict) and resource.get("type") == kind_of, code)
    assert isinstance(resource, dict)
    check(isinstance(resource.get("id"), str) and resource["id"], code)
    return str(resource["id"])


def check_included(included: Any, meta: dict[str, Any], license_key: str, product: str) -> int:
    """Other vendors' included license (§5.1); returns its start."""
    check(isinstance(included, list), "bad_included")
    check(all(isinstance(one, dict) and isinstance(one.get("type"), str) for one in included), "bad_included")
    licenses = [one for one in included if one["type"] == "licenses"]
    check(len(licenses) <= 1, "bad_included")
    if not licenses:
        return 0
    of = licenses[0].get("attributes")
    check(isinstance(of, dict), "bad_included")
    assert isinstance(of, dict)
    said = (licenses[0].get("id"), of.get("key"), of.get("product_slug"))
    check(said == (license_key, license_key, product), "included_mismatch")
    check(of.get("status") == "active", "included_not_active")
    check(of.get("mode") in ("hardware_locked", "floating", "named_user"), "bad_included")
    check(is_text(of.get("plan_key")) and len(of["plan_key"]) <= 100, "bad_included")
    check(of.get("seat_limit") is None or is_integer(of["seat_limit"], 1, 2**53), "bad_included")
    check(is_moment(of.get("starts_at")), "bad_included")
    ends = of.get("ends_at")
    check(ends is None or is_moment(ends), "bad_included")
    check(meta["license_exp"] == (None if ends is None else seconds(ends)), "bad_included_end")
    items = of.get("entitlements", [])
    check(isinstance(items, list), "bad_entitlements")
    for item in items:
        check(isinstance(item, dict) and "expires_at" in item, "bad_entitlements")
        check(item["expires_at"] is None or is_moment(item["expires_at"]), "bad_entitlements")
    check_entitlements([{"key": item.get("key")} for item in items])
    check(is_metadata(of.get("metadata", {})), "bad_metadata")
    return seconds(of["starts_at"])


def check_extras(extras: Any) -> None:
    """Carnet's extras (§6)."""
    check(isinstance(extras, dict), "bad_extras_version")
    check("crit" not in extras, "unknown_critical")
    check(type(extras.get("v")) is int and extras["v"] == 1, "bad_extras_version")
    for name in ("jti", "iss", "sub"):
        check(is_text(extras.get(name)), f"bad_{name}")
    check("cus" not in extras or is_text(extras["cus"]), "bad_cus")
    check("lic_nbf" not in extras or is_time(extras["lic_nbf"]), "bad_lic_nbf")
    check_entitlements(extras.get("ent"))
    check_file_policy(extras.get("pol"))
    check_statuses(extras)


def check_file_policy(policy: Any) -> None:
    """`pol` of the extras, within the bounds of decision.md §2.3."""
    check(isinstance(policy, dict), "bad_policy")
    check(is_text(policy.get("name")), "bad_policy")
    for name, low, high in (
        ("ttl", 1, TEN_YEARS),
        ("token_ttl", 1, TEN_YEARS),
        ("refresh", 1, TEN_YEARS),
        ("term_grace", 0, 31_536_000),
    ):
        check(is_integer(policy.get(name), low, high), "bad_policy")
    for name, low, high in (
        ("max_ttl", policy["ttl"], TEN_YEARS),
        ("seats", 1, 10**9),
        ("warn", 0, TEN_YEARS),
        ("status_age", 1, TEN_YEARS),
    ):
        check(name not in policy or is_integer(policy[name], low, high), "bad_policy")
    check("edition" not in policy or is_text(policy["edition"]), "bad_policy")
    check("below" not in policy or has_version_core(policy["below"]), "bad_policy")
    for name in ("essential", "domains"):
        texts = policy.get(name, ["any"])
        check(isinstance(texts, list) and 1 <= len(texts) <= 500 and all(map(is_text, texts)), "bad_policy")
    check(policy.get("access", "limited") in ("full", "limited"), "bad_policy")
    check(policy.get("clock", "off") in ("off", "countdown"), "bad_policy")
    check(type(policy.get("activation", True)) is bool, "bad_policy")
    if "ent" in policy:
        check_entitlements(policy["ent"])


def is_plain(value: Any) -> bool:
    """A string without control characters."""
    return isinstance(value, str) and re.search("[\x00-\x1f\x7f-\x9f]", value) is None


def has_version_core(value: Any) -> bool:
    """A ceiling in the form of decision.md §9.2."""
    return is_text(value) and re.fullmatch(r"[0-9]+(\.[0-9]+){0,2}", re.split("[-+]", value.strip())[0]) is not None


def is_metadata(value: Any) -> bool:
    """An object of at most 256 members with names of at most 255 bytes."""
    return isinstance(value, dict) and len(value) <= 256 and all(len(name.encode()) <= 255 for name in value)


def is_moment(value: Any) -> bool:
    """RFC 3339 as exactly `YYYY-MM-DDTHH:MM:SSZ`, a time that exists."""
    if not isinstance(value, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", value):
        return False
    try:
        return seconds(value) > 0
    except ValueError:
        return False


def seconds(moment: str) -> int:
    """Unix seconds of an RFC 3339 moment."""
    return int(datetime.fromisoformat(moment).timestamp())


# ── computed on the way ──────────────────────────────────────────────────────────────────────────────────────────────


def estimate(key: str) -> float:
    """The entropy of a license key: 100 bits for one in the form of Carnet's own, else by §4.2."""
    if re.fullmatch("[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){4}", key):
        return 100.0
    groups = re.findall("[A-Za-z0-9]+", key)
    text = "".join(groups)
    if not text:
        return 0.0
    word = [len(run) >= 6 for group in groups for run in re.findall("[A-Za-z]+|[0-9]+", group) for _ in run]
    is_letter = [letter.isalpha() for letter in text]
    bits = math.log2(min(alphabet(text), 4 * len(set(text))))
    total = 0.0
    for at in range(len(text)):
        steps = {ord(text[i + 1]) - ord(text[i]) for i in range(at - 3, at)} if at >= 3 else {9}
        is_run = len(steps) == 1 and steps <= {0, 1, -1}
        is_repeated = at >= 7 and text[at - 3 : at + 1] in text[: at - 3]
        if not is_run and not is_repeated:
            total += min(bits, 2.0) if word[at] and is_letter[at] else bits
    return total


def alphabet(text: str) -> int:
    """How many characters the letters and digits of a key are drawn from."""
    letters = "".join(letter for letter in text if letter.isalpha())
    one_case = letters in (letters.lower(), letters.upper())
    if not letters:
        return 10
    if one_case and re.fullmatch("[0-9A-Fa-f]+", text):
        return 16
    has_digits = len(letters) < len(text)
    return (32 if has_digits else 26) if one_case else (62 if has_digits else 52)


def check_nonce(given: dict[str, Any], expect: dict[str, Any]) -> str:
    """The nonce of machine-file.md §4.3."""
    entropy, content = bytes.fromhex(given["entropy_hex"]), given["content"].encode()
    key = hashlib.sha256(b"carnet/v1/machine-file/nonce" + bytes.fromhex(given["key_hex"])).digest()
    message = len(entropy).to_bytes(8, "big") + entropy + content
    assert hmac.new(key, message, "sha256").digest()[:12].hex() in json.dumps(expect["value"]), "nonce"
    return "ok"


def check_sealed(sealed: dict[str, Any], value: Any) -> str:
    """A file that was made: signed by the seed's key, and it opens to content about the same device and license."""
    enc, kid, sig = read_envelope((value if isinstance(value, str) else value["file"]).encode())
    key = nacl.signing.SigningKey(bytes.fromhex(sealed["seed_hex"])).verify_key
    assert kid == sealed["kid"], "kid"
    key.verify(f"machine/{enc}".encode(), sig)
    device = sealed["grant"]["device"] if "grant" in sealed else sealed["fingerprint"]
    content = decrypt(enc, sealed["license_key"], device)
    if "content" in sealed:
        assert content == sealed["content"].encode(), "content"
    check_content(json_object(content, MAX_FILE), kid, sealed["license_key"], device)
    return "ok"

"""
What `check_vectors.py` knows of token profiles: written from `specs/token-profiles.md`, importing nothing of Carnet.

Signatures are made again with PyNaCl and pyca, so that issuing is compared to the byte.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import nacl.signing
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from tools.independent_hosts import is_covered, spelled_host, spelled_pattern  # noqa: E402 - the path is set above
from tools.independent_keys import ALGORITHMS, NAMES, fits, trusted, usable  # noqa: E402
from tools.independent_reading import (  # noqa: E402
    base64url,
    canonical,
    check,
    is_integer,
    is_kid,
    is_time,
    json_object,
    text_of,
    to_base64url,
)

DAY: Final = 86400
LONGEST: Final = 36_600 * DAY
ISSUER: Final = "trafficorchestrator.com"
AUDIENCE: Final = ["license-validation", "license-offline"]
Claims = dict[str, Any]


# ── §2, §3, §6 ───────────────────────────────────────────────────────────────────────────────────────────────────────


def open_profile(vector: dict[str, Any], algorithms: list[str]) -> tuple[Claims, str, str]:
    """Claims, key id and `alg` of a token whose seal fits: steps 1 to 9."""
    token = text_of(vector["input"]["token"])
    check(len(token.encode()) <= 8192, "too_large")
    parts = token.split(".")
    check(token.isascii() and len(parts) == 3, "bad_compact")
    head = base64url(parts[0])
    check(len(head) <= 1024, "too_large")
    header = json_object(head)
    check(header.keys() - {"kid"} == {"alg", "typ"}, "bad_header")
    check(header["typ"] == "JWT", "wrong_type")
    if "kid" in header:
        check(is_kid(header["kid"]), "bad_kid")
        jwk = trusted(vector, "token", header["kid"])
    else:
        check(len(usable(vector, "token")) == 1, "unknown_key")
        jwk = usable(vector, "token")[0]
    check(header["alg"] in NAMES[jwk["kty"]], "wrong_algorithm")
    check(fits(jwk, base64url(parts[2]), f"{parts[0]}.{parts[1]}".encode()), "bad_signature")
    claims = json_object(base64url(parts[1]))
    check(ALGORITHMS[jwk["kty"]] in algorithms, "wrong_algorithm")
    return claims, jwk["kid"], header["alg"]


def need(members: Claims, *names: str) -> None:
    """Each is there."""
    check(all(name in members for name in names), "missing_claim")


def text(value: Any, most: int = 255) -> bool:
    """A text of §4.1."""
    return isinstance(value, str) and 1 <= len(value) <= most and not re.search("[\0-\x1f\x7f-\x9f]", value)


def part(members: Claims, name: str) -> Claims:
    """An object of claims."""
    check(isinstance(members[name], dict), "bad_claim")
    return dict(members[name])


def rfc3339(seconds: int) -> str:
    """A time as vectors have it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(moment: str) -> int:
    """The same, read."""
    return int(datetime.fromisoformat(moment).timestamp())


def some(members: dict[str, Any]) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in members.items() if value is not None}


def check_optional(claims: Claims, *texts: str) -> None:
    """Claims that may be missing."""
    check(all(text(claims[name]) for name in texts if name in claims), "bad_claim")
    check("nbf" not in claims or is_time(claims["nbf"]), "bad_claim")


def check_times(claims: Claims) -> None:
    """Step 12."""
    check(claims["iat"] < claims["exp"] <= claims["iat"] + LONGEST, "bad_times")


def times_of(claims: Claims, kid: str) -> dict[str, Any]:
    """The facts that both profiles have."""
    said = {"issued_at": rfc3339(claims["iat"]), "expires_at": rfc3339(claims["exp"]), "id": claims.get("jti")}
    return {**said, "not_before": rfc3339(claims["nbf"]) if "nbf" in claims else None, "kid": kid}


# ── §7 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def judged(vector: dict[str, Any], against: list[str], claims: Claims, license_end: int | None) -> str:
    """The outcome of judging; the verdict is compared."""
    given, now = vector["input"], unix(vector["now"])
    leeway = given.get("leeway_seconds", 0)
    check(is_integer(leeway, 0, 300), "bad_leeway")
    floor = max(claims["iat"], unix(given["latest_seen"]) if "latest_seen" in given else 0)
    at = max(now, floor)
    if "nbf" in claims and at < claims["nbf"] - leeway:
        against.append("not_yet_valid")
    ended = ["license_expired"] if license_end is not None and at >= license_end + leeway else []
    ended += ["offline_window_over"] if at >= claims["exp"] + leeway else []
    reasons = against + ended
    assert vector["expect"].get("value") == {
        "reasons": reasons,
        "is_expired": bool(ended),
        "clock_moved_back": now + leeway < floor,
        "judged_at": rfc3339(at),
    }, "verdict"
    return f"refused:{reasons[0]}" if reasons else "ok"


# ── §4 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def verify_keyforge(vector: dict[str, Any]) -> str:
    """The outcome of a Keyforge token."""
    given = vector["input"]
    claims, kid, _ = open_profile(vector, given.get("algorithms", ["ES256"]))
    license_, device = check_keyforge(claims)
    if "now" in vector:
        against = ["wrong_product"] if license_["productId"] not in given["products"] else []
        against += ["wrong_device"] if device["identifier"] != given["device"] else []
        return judged(vector, against, claims, license_["expiresAt"] if claims["status"] == "active" else None)
    assert vector["expect"].get("value") == some(
        {
            "status": claims["status"],
            "license": some(
                {
                    "key": license_["key"],
                    "product_id": license_["productId"],
                    "type": license_["type"],
                    "created_at": rfc3339(license_["createdAt"]),
                    "max_devices": license_["maxDevices"],
                    "expires_at": None if license_["expiresAt"] is None else rfc3339(license_["expiresAt"]),
                    "email": license_["email"],
                }
            ),
            "device": {
                "identifier": device["identifier"],
                "name": device["name"],
                "activated_at": rfc3339(device["activationDate"]),
            },
            **times_of(claims, kid),
        }
    ), "facts"
    return "ok"


def check_keyforge(claims: Claims) -> tuple[Claims, Claims]:
    """`license` and `device`, checked: steps 10 to 12 of §6."""
    need(claims, "status", "license", "device", "iat", "exp")
    check(claims["status"] in ("active", "fallbacked"), "bad_claim")
    license_, device = part(claims, "license"), part(claims, "device")
    need(license_, "key", "productId", "type", "expiresAt", "createdAt", "maxDevices", "email")
    need(device, "identifier", "name", "activationDate")
    end = license_["expiresAt"]
    check(text(license_["key"], 512) and text(license_["productId"]), "bad_claim")
    check(license_["type"] in ("perpetual", "timed") and (end is None or is_time(end)), "bad_claim")
    check(is_time(license_["createdAt"]) and is_integer(license_["maxDevices"], 1, 2**53 - 1), "bad_claim")
    check(license_["email"] is None or text(license_["email"]), "bad_claim")
    check(
        text(device["identifier"], 96) and text(device["name"], 64) and is_time(device["activationDate"]), "bad_claim"
    )
    check(is_time(claims["iat"]) and is_time(claims["exp"]), "bad_claim")
    check_optional(claims, "jti", "sub")
    if license_["type"] == "perpetual":
        check(end is None and claims["status"] == "active", "bad_claim")
    else:
        check(end is not None or claims["status"] == "fallbacked", "bad_claim")
    if "product" in claims:
        product = part(claims, "product")
        need(product, "id")
        check(product["id"] == license_["productId"], "bad_claim")
    check_times(claims)
    return license_, device


def issue_keyforge(vector: dict[str, Any]) -> str:
    """What a token says that is made now (§4.2), and the token."""
    given, now = vector["input"], unix(vector["now"])
    license_, device, settings = given["license"], given["device"], given["settings"]
    validity = settings["validity_seconds"]
    check(60 < validity <= LONGEST and settings["fallback_expires_at"] in ("real", "null"), "bad_token_settings")
    end = unix(license_["expires_at"]) if "expires_at" in license_ else None
    check((license_["type"] == "timed") == (end is not None), "bad_grant")
    over = end is not None and end <= now
    check(not given["is_revoked"] and (not over or given["fallback_enabled"]), "license_unusable")
    iat = max(now - 60, 1)
    claims: Claims = {
        "status": "fallbacked" if over else "active",
        "license": {
            "key": license_["key"],
            "productId": license_["product_id"],
            "type": license_["type"],
            "expiresAt": None if over and settings["fallback_expires_at"] == "null" else end,
            "createdAt": unix(license_["created_at"]),
            "maxDevices": license_["max_devices"],
            "email": license_.get("email") if settings["include_email"] else None,
        },
        "device": {
            "identifier": device["identifier"],
            "name": device["name"],
            "activationDate": unix(device["activated_at"]),
        },
        "product": {"id": license_["product_id"]},
        "iat": iat,
        "exp": iat + validity if end is None or over else min(iat + validity, end),
        **some({"jti": given.get("id")}),
    }
    return issued(vector, claims, lambda: check_keyforge(claims))


def issued(vector: dict[str, Any], claims: Claims, check_claims: Any) -> str:
    """Compare the claims and the token, signed again."""
    try:
        check_claims()
    except Exception as bad:
        check(getattr(bad, "code", "") not in ("bad_claim", "bad_times"), "bad_grant")
        raise
    key = vector["input"]["signing_key"]
    private = bytes.fromhex(key["private_hex"])
    header = {"alg": NAMES[{"Ed25519": "OKP", "ES256": "EC"}[key["alg"]]][0], "kid": key["kid"], "typ": "JWT"}
    signed = f"{to_base64url(canonical(header))}.{to_base64url(canonical(claims))}"
    if key["alg"] == "Ed25519":
        signature = nacl.signing.SigningKey(private).sign(signed.encode()).signature
    else:
        number = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        der = number.sign(signed.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signature = b"".join(half.to_bytes(32, "big") for half in decode_dss_signature(der))
    token = f"{signed}.{to_base64url(signature)}"
    check(len(token) <= 8192, "bad_grant")
    assert vector["expect"].get("value") == {"claims": claims, "token": token}, "claims or token"
    return "ok"


# ── §5 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def verify_orchestrator(vector: dict[str, Any]) -> str:
    """The outcome of a Traffic Orchestrator token."""
    given = vector["input"]
    claims, kid, alg = open_profile(vector, ["Ed25519"])
    check(alg == "EdDSA", "wrong_algorithm")
    issuer = given.get("issuer", ISSUER)
    check_orchestrator(claims, issuer)
    domains = None if "dom" not in claims else [entry for entry in claims["dom"] if entry[0] != "."]
    if "now" in vector:
        against = []
        if domains is not None and not given.get("ignore_domain", False):
            host = given["domain"]
            allowed = given.get("single_label_suffixes", False)
            against += [] if host is not None and is_covered(host, domains, allowed=allowed) else ["wrong_domain"]
        return judged(vector, against, claims, None)
    assert vector["expect"].get("value") == some(
        {
            "license_id": claims["sub"],
            "plan": claims.get("plan"),
            "domains": domains,
            "issuer": issuer,
            **times_of(claims, kid),
        }
    ), "facts"
    return "ok"


def check_orchestrator(claims: Claims, issuer: str) -> None:
    """Steps 10 to 12 of §6."""
    need(claims, "iss", "aud", "sub", "iat", "exp")
    check(claims["iss"] == issuer and text(claims["sub"]), "bad_claim")
    audience = claims["aud"]
    check(isinstance(audience, list) and all(map(text, audience)), "bad_claim")
    check(any(name in AUDIENCE for name in audience), "bad_claim")
    check(is_time(claims["iat"]) and is_time(claims["exp"]), "bad_claim")
    check_optional(claims, "plan", "jti")
    domains = claims.get("dom", [])
    check(isinstance(domains, list) and all(map(text, domains)), "bad_claim")
    check_times(claims)


def issue_orchestrator(vector: dict[str, Any]) -> str:
    """What a token says that is made now (§5.2, §5.3), and the token."""
    given, now = vector["input"], unix(vector["now"])
    end = None if given["license_expires_at"] is None else unix(given["license_expires_at"])
    check(given["status"] == "active" and (end is None or now < end), "license_unusable")
    days = given["days"]
    check(days is None or 1 <= days <= 3650, "bad_days")
    ends = [limit for limit in (end, None if days is None else now + days * DAY) if limit is not None]
    claims: Claims = {
        "iss": given.get("issuer", ISSUER),
        "aud": AUDIENCE,
        "sub": given["license_id"],
        "iat": max(now - 60, 1),
        "exp": min(ends, default=now + 3650 * DAY),
        **some({"plan": given["plan"], "jti": given.get("id")}),
    }
    if given["domains"] is not None:
        claims["dom"] = []
        for domain in given["domains"]:
            pattern = spelled_pattern(domain, allowed=given.get("single_label_suffixes", False))
            check(pattern is not None, "bad_grant")
            entries = [str(pattern)]
            entries += [f".{entries[0].partition('.')[2]}"] if entries[0].startswith("*") else []
            claims["dom"] += [entry for entry in entries if entry not in claims["dom"]]
    check(given["signing_key"]["alg"] == "Ed25519", "wrong_key_type")
    return issued(vector, claims, lambda: check_orchestrator(claims, claims["iss"]))


def spelling(vector: dict[str, Any]) -> str:
    """The outcome of a vector of hosts and patterns."""
    given, expected = vector["input"], vector["expect"].get("value")
    allowed = given.get("single_label_suffixes", False)
    if given["function"] == "host":
        found: Any = spelled_host(given["host"])
    elif given["function"] == "pattern":
        found = spelled_pattern(given["pattern"], allowed=allowed)
    else:
        found = is_covered(given["host"], given["patterns"], allowed=allowed)
    assert found == expected, f"spelling or cover: {found}"
    return "ok"


FUNCTIONS: Final = {
    "verify-keyforge": verify_keyforge,
    "issue-keyforge": issue_keyforge,
    "verify-traffic-orchestrator": verify_orchestrator,
    "issue-traffic-orchestrator": issue_orchestrator,
    "host": spelling,
    "pattern": spelling,
    "covers": spelling,
}


def token_profile(vector: dict[str, Any]) -> str:
    """The outcome of a vector of `token-profiles/` (§10)."""
    return FUNCTIONS[vector["input"]["function"]](vector)

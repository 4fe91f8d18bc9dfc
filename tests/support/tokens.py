"""Genuine license tokens for tests, and tokens of any header and payload signed by the genuine key."""

from __future__ import annotations

from typing import Any

from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Ed25519Signer, KeyRing, Role, TrustedKey
from carnet.formats.license_token import TYP, issue_license_token
from carnet.formats.strict_json import dump_json

SIGNER = Ed25519Signer(bytes(range(32)))
OTHER_SIGNER = Ed25519Signer(bytes(range(1, 33)))
RING = KeyRing.single("token", SIGNER.public_key)
ISSUED_AT = Instant(1790000000)
DEVICE = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"

GRANT = Grant(
    kind="token",
    id="tok-0001",
    issuer="installation-1",
    product="hustl",
    license_id="license-1",
    issued_at=ISSUED_AT,
    not_before=Instant(ISSUED_AT + 5),
    offline_until=Instant(ISSUED_AT + 7 * DAY),
    policy=Policy(
        name="studio",
        offline_ttl_seconds=45 * DAY,
        grace_seconds=3 * DAY,
        term_grace_seconds=5 * DAY,
        grace_access="full",
        refresh_after_seconds=2 * DAY,
        warn_before_seconds=DAY,
        essential=("open", "save"),
        edition="studio",
        below_version="4.0",
        domains=("example.com", "*.example.org"),
        clock_strictness="countdown",
        max_revocation_age_seconds=7 * DAY,
    ),
    activation_id="activation-1",
    device=DEVICE,
    customer="customer-1",
    license_starts_at=Instant(ISSUED_AT - 90 * DAY),
    license_expires_at=Instant(ISSUED_AT + 275 * DAY),
    entitlements=(
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(ISSUED_AT + 100 * DAY), below_version="3.0.0"),
    ),
    license_status_ref=StatusRef(uri="https://license.example.com/v1/status/0", index=11),
    activation_status_ref=StatusRef(uri="https://license.example.com/v1/status/3", index=131071),
    kid=SIGNER.kid,
)
TOKEN = issue_license_token(GRANT, SIGNER)

HEADER = {"alg": "EdDSA", "kid": SIGNER.kid, "typ": TYP}


def ring_of(*roles: Role) -> KeyRing:
    """A ring in which the one test key has all of *roles*."""
    return KeyRing(TrustedKey(role=role, key=SIGNER.public_key) for role in roles)


def forge(header: Any, payload: Any, signer: Ed25519Signer = SIGNER) -> str:
    """
    A compact JWS of any header and payload, with a signature that fits.

    Args:
        header: A JSON value, or the exact bytes to encode.
        payload: Likewise.
    """
    parts = [b64url_encode(part if isinstance(part, bytes) else dump_json(part)) for part in (header, payload)]
    signed = ".".join(parts)
    return f"{signed}.{b64url_encode(signer.sign(signed.encode()))}"

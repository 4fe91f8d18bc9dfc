"""The contract's own offline token (contracts/licenseseat.md §3.8, §4.1), and any others, genuinely signed."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy
from carnet.formats.encoding import b64_encode
from carnet.formats.keys import Ed25519Signer, KeyRing

SIGNER = Ed25519Signer(bytes(range(32)), kid="org-2026-a")
RING = KeyRing.single("offline", SIGNER.public_key)
CONTRACT_KEY: Final = "KT4Q-9ZXW-22LM-7PRD"
CONTRACT_SIGNATURE: Final = "hlcvkEu8HzjPYOV2oZ2AXpgHgy+a2sj9v4LVA7tJuIgQMvGe+r6pDhSMRqRu/PqkH9P3v3HA18tRm1Zp5HpDCg=="
ISSUED_AT = Instant(1790000000)

TOKEN: dict[str, Any] = {
    "schema_version": 1,
    "license_key": CONTRACT_KEY,
    "product_slug": "inkwell",
    "plan_key": "studio",
    "mode": "hardware_locked",
    "seat_limit": 3,
    "fingerprint": "fp-7c1e40aa9d3b",
    "iat": 1790000000,
    "nbf": 1790000000,
    "exp": 1792592000,
    "kid": "org-2026-a",
    "entitlements": [{"key": "export-pdf", "expires_at": None}, {"key": "updates", "expires_at": 1821536000}],
    "metadata": {"team": "Zoë/1"},
}
CONTRACT: dict[str, Any] = {
    "object": "offline_token",
    "token": TOKEN,
    "signature": {"algorithm": "Ed25519", "key_id": "org-2026-a", "value": CONTRACT_SIGNATURE},
    "canonical": (
        '{"entitlements":[{"expires_at":null,"key":"export-pdf"},{"expires_at":1821536000,"key":"updates"}],'
        '"exp":1792592000,"fingerprint":"fp-7c1e40aa9d3b","iat":1790000000,"kid":"org-2026-a",'
        '"license_key":"KT4Q-9ZXW-22LM-7PRD","metadata":{"team":"Zoë/1"},"mode":"hardware_locked","nbf":1790000000,'
        '"plan_key":"studio","product_slug":"inkwell","schema_version":1,"seat_limit":3}'
    ),
}

GRANT = Grant(
    kind="token",
    id="tok-0001",
    issuer="installation-1",
    product="inkwell",
    license_id="license-1",
    issued_at=ISSUED_AT,
    not_before=ISSUED_AT,
    offline_until=Instant(ISSUED_AT + 30 * DAY),
    policy=Policy(name="studio", seat_limit=3),
    activation_id="activation-1",
    device="fp-7c1e40aa9d3b",
    entitlements=(
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(1821536000), below_version="3.0.0"),
    ),
)
"""A native grant, whose policy has grace and whose entitlement has a ceiling: more than the contract can say."""


def document(**changes: Any) -> dict[str, Any]:
    """The contract's document with members of it, or of its signature, changed."""
    changed = copy.deepcopy(CONTRACT)
    for name, value in changes.items():
        (changed["signature"] if name in changed["signature"] else changed)[name] = value
    return changed


def resigned(token: dict[str, Any], canonical: str | None = None, signer: Ed25519Signer = SIGNER) -> bytes:
    """A document of *token*, with the genuine signature over *canonical* or else over its own canonical text."""
    if canonical is None:
        canonical = json.dumps(token, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    value = b64_encode(signer.sign(canonical.encode()))
    signature = {"algorithm": "Ed25519", "key_id": signer.kid, "value": value}
    whole = {"object": "offline_token", "token": token, "signature": signature, "canonical": canonical}
    return json.dumps(whole, ensure_ascii=False).encode()

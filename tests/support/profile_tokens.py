"""The contracts' own tokens and keys of the two token profiles, and tokens of any claims under those keys."""

from __future__ import annotations

import copy
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.jose_keys import JoseSigner
from carnet.formats.keys import Ed25519Signer, KeyRing, Signer
from carnet.formats.profiles.keyforge import KeyforgeDevice, KeyforgeFacts, KeyforgeLicense
from carnet.formats.profiles.traffic_orchestrator import TrafficOrchestratorFacts
from carnet.formats.strict_json import dump_json

REMOVED: Final = object()
"""In an alteration: the claim is taken away."""

# contracts/keyforge.md §3.5 and §10
KEYFORGE_JWK: Final = {
    "kty": "EC",
    "crv": "P-256",
    "x": "evgXDBG_ZHuHugK_Kdy_NeiTbe8dP4JxtHvT382_0_g",
    "y": "yJDQ7B8AYrggtdQY1bVixy48iKP-cUOi7mnOSl5RDOk",
    "alg": "ES256",
}
KEYFORGE_PEM: Final = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEevgXDBG/ZHuHugK/Kdy/NeiTbe8d
P4JxtHvT382/0/jIkNDsHwBiuCC11BjVtWLHLjyIo/5xQ6Luac5KXlEM6Q==
-----END PUBLIC KEY-----
"""
KEYFORGE_TOKEN: Final = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtmLXRlc3QtMSIsInR5cCI6IkpXVCJ9."
    "eyJzdGF0dXMiOiJhY3RpdmUiLCJsaWNlbnNlIjp7ImtleSI6IlE3TTJYLTRIRDlLLVRSM1dCLThOVkNQLUo1WVpBIiwicHJvZHVjdElkIjoicF85"
    "ZjNrMmEiLCJ0eXBlIjoicGVycGV0dWFsIiwiZXhwaXJlc0F0IjpudWxsLCJjcmVhdGVkQXQiOjE3NjcyMjU2MDAsIm1heERldmljZXMiOjMsImVt"
    "YWlsIjpudWxsfSwiZGV2aWNlIjp7ImlkZW50aWZpZXIiOiJob3N0LTdjMWUiLCJuYW1lIjoiTGFiIHdvcmtzdGF0aW9uIiwiYWN0aXZhdGlvbkRh"
    "dGUiOjE3NjgwMDMyMDB9LCJwcm9kdWN0Ijp7ImlkIjoicF85ZjNrMmEifSwiaWF0IjoxNzY4MDAzMTQwLCJleHAiOjQxMDI0NDQ4MDB9."
    "3ksci9ATNNkNijU_9zJPUkAcAm2bD3RHF1JErzfmJHQBNxyELBfFxYQQ8tFMjsQr7jmNhuAhl7_EDNfIGpRHAw"
)
KEYFORGE_SIGNER: Final = JoseSigner(
    ec.derive_private_key(
        int.from_bytes(b64url_decode("FExm_4WkRhP8Ly5PYJ3oQW5_SIubMwCB1McGsGcnlZA", "d"), "big"), ec.SECP256R1()
    ),
    "kf-test-1",
)
KEYFORGE_RING: Final = KeyRing.single("token", KEYFORGE_SIGNER.public_key)
KEYFORGE_LICENSE: Final = KeyforgeLicense(
    key="Q7M2X-4HD9K-TR3WB-8NVCP-J5YZA",
    product_id="p_9f3k2a",
    type="perpetual",
    created_at=Instant(1767225600),
    max_devices=3,
)
KEYFORGE_DEVICE: Final = KeyforgeDevice(
    identifier="host-7c1e", name="Lab workstation", activated_at=Instant(1768003200)
)
KEYFORGE_FACTS: Final = KeyforgeFacts(
    status="active",
    license=KEYFORGE_LICENSE,
    device=KEYFORGE_DEVICE,
    issued_at=Instant(1768003140),
    expires_at=Instant(4102444800),
    kid="kf-test-1",
)

# contracts/traffic-orchestrator.md §8
ORCHESTRATOR_PEM: Final = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAD2coKM2ngq4NCe8j0qFJIb0mDq2fZGwQp3iqN0nZ1kQ=
-----END PUBLIC KEY-----
"""
ORCHESTRATOR_TOKEN: Final = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6InRvLXRlc3QtMSIsInR5cCI6IkpXVCJ9."
    "eyJpc3MiOiJ0cmFmZmljb3JjaGVzdHJhdG9yLmNvbSIsImF1ZCI6WyJsaWNlbnNlLXZhbGlkYXRpb24iLCJsaWNlbnNlLW9mZmxpbmUiXSwic3Vi"
    "IjoibGljXzAxSjhaSyIsInBsYW4iOiJlbnRlcnByaXNlIiwiZG9tIjpbImV4YW1wbGUuY29tIiwiKiouYXBwcy5leGFtcGxlLm9yZyIsIi5hcHBz"
    "LmV4YW1wbGUub3JnIl0sImlhdCI6MTc2ODAwMzE0MCwiZXhwIjo0MTAyNDQ0ODAwfQ."
    "SJlN21aetFVkkDvdamEI7dPSH3e7Pb7ClNWQp1TRVEX2U6UTvwteKHmQ0-bM9v__9rEZVB7s9nx7OE0cPhWxBg"
)
ORCHESTRATOR_SIGNER: Final = Ed25519Signer(
    bytes.fromhex("64322e01198e17eefadca400fd257d69db60eb2564e99c34d5bec87aea50c008"), "to-test-1"
)
ORCHESTRATOR_RING: Final = KeyRing.single("token", ORCHESTRATOR_SIGNER.public_key)
ORCHESTRATOR_FACTS: Final = TrafficOrchestratorFacts(
    license_id="lic_01J8ZK",
    issued_at=Instant(1768003140),
    expires_at=Instant(4102444800),
    plan="enterprise",
    domains=("example.com", "**.apps.example.org"),
    kid="to-test-1",
)


def forged(claims: Any, signer: Signer, header: dict[str, Any] | None = None) -> str:
    """A token of any claims with a signature that fits; *header* replaces the usual one."""
    alg = {"Ed25519": "EdDSA"}.get(signer.public_key.alg, signer.public_key.alg)
    usual = {"alg": alg, "kid": signer.kid, "typ": "JWT"}
    parts = [b64url_encode(dump_json(part)) for part in (usual if header is None else header, claims)]
    signed = ".".join(parts)
    return f"{signed}.{b64url_encode(signer.sign(signed.encode()))}"


def altered(claims: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of *claims* with the member at the dotted *path* set, or `REMOVED`."""
    copied = copy.deepcopy(claims)
    *outer, last = path.split(".")
    members = copied
    for name in outer:
        members = members[name]
    if value is REMOVED:
        del members[last]
    else:
        members[last] = value
    return copied

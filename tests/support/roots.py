"""Root files for tests: fixed keys, one root of the usual shape, and roots of any content under the genuine key."""

from __future__ import annotations

from typing import Any

from carnet.core.instant import DAY, Instant
from carnet.formats.dsse import sign_envelope
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Ed25519Signer, PublicKey, Role
from carnet.formats.root import PAYLOAD_TYPE, Root, build_root, sign_root
from carnet.formats.strict_json import dump_json

ISSUED_AT = Instant(1790000000)
EXPIRES_AT = Instant(ISSUED_AT + 3650 * DAY)
ROOT_SIGNERS = [Ed25519Signer(bytes([number]) * 32) for number in (1, 2, 3)]
ONLINE_SIGNERS = [Ed25519Signer(bytes([number]) * 32) for number in (11, 12, 13, 14)]

KEYS: dict[Role, tuple[PublicKey, ...]] = {
    "root": (ROOT_SIGNERS[0].public_key,),
    "token": (ONLINE_SIGNERS[0].public_key,),
    "machine-file": (ONLINE_SIGNERS[1].public_key,),
    **dict.fromkeys(
        ("status-list", "answer", "time", "offline", "lease", "receipt", "checkpoint"),
        (ONLINE_SIGNERS[2].public_key,),
    ),
}


def root_of(**change: Any) -> Root:
    """The usual root, with changes to what `build_root` is told."""
    told: dict[str, Any] = {
        "version": 1,
        "issuer": "installation-1",
        "issued_at": ISSUED_AT,
        "expires_at": EXPIRES_AT,
        "keys": KEYS,
    }
    return build_root(**{**told, **change})


ROOT = root_of()
ROOT_FILE = sign_root(ROOT, ROOT_SIGNERS[:1])

MEMBERS: dict[str, Any] = {
    "version": 1,
    "iss": "installation-1",
    "iat": ISSUED_AT,
    "exp": EXPIRES_AT,
    "keys": [
        {
            "alg": "Ed25519",
            "x": b64url_encode(key.raw),
            "roles": sorted(role for role, keys in KEYS.items() if key in keys),
        }
        for key in ROOT.keys
    ],
    "threshold": 1,
    "formats": {"license-token": 1, "machine-file": 1},
}


def signed_root(payload: Any, signers: list[Ed25519Signer] | None = None) -> bytes:
    """Any payload, as a JSON value or as bytes, in an envelope that the genuine root key signed."""
    data = payload if isinstance(payload, bytes) else dump_json(payload)
    return sign_envelope(PAYLOAD_TYPE, data, ROOT_SIGNERS[:1] if signers is None else signers)

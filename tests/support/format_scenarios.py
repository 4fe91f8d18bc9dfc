"""
What the generators of the format vectors share: fixed keys, an ordinary artifact of each kind, the frame of a file.

The generators are `tools/vectors_*.py`; what a file means is said in `specs/vectors/README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy, StatusRef
from carnet.formats.answer import Answer, digest_artifacts
from carnet.formats.encoding import b64url_encode
from carnet.formats.jws import unverified_jws
from carnet.formats.keys import Ed25519Signer, PublicKey, Role, Signer
from carnet.formats.license_token import TYP, issue_license_token
from carnet.formats.root import Root, build_root
from carnet.formats.strict_json import dump_json
from support.format_vectors import run_format_vector
from support.vector_keys import record

VECTORS = Path(__file__).resolve().parents[2] / "specs" / "vectors"

Scenario = dict[str, Any]
AROUND = ((-1, "before"), (0, "at"), (1, "after"))


def signer(number: int) -> Ed25519Signer:
    """Test key *number*: 32 bytes of that value are its seed."""
    return Ed25519Signer(bytes([number]) * 32)


TOKEN_SIGNER, ANSWER_SIGNER, OTHER_SIGNER = signer(1), signer(2), signer(9)
ROOT_SIGNERS = [signer(number) for number in (11, 12, 13)]
TOKEN_KEYS: dict[Role, list[PublicKey]] = {"token": [TOKEN_SIGNER.public_key], "answer": [ANSWER_SIGNER.public_key]}
ISSUED_AT = Instant(1790000000)
DEVICE = "7356efc5789c7620acec623db78f3e7d36767a68dc780ab909ed21e04a7f3c74"

GRANT = Grant(
    kind="token",
    id="tok-0001",
    issuer="installation-1",
    product="hustl",
    license_id="license-1",
    issued_at=ISSUED_AT,
    not_before=ISSUED_AT,
    offline_until=Instant(ISSUED_AT + 7 * DAY),
    policy=Policy(
        name="consumer",
        offline_ttl_seconds=30 * DAY,
        grace_seconds=7 * DAY,
        term_grace_seconds=7 * DAY,
        refresh_after_seconds=DAY,
        essential=("open",),
    ),
    activation_id="activation-1",
    device=DEVICE,
    license_expires_at=Instant(ISSUED_AT + 365 * DAY),
    entitlements=(
        Entitlement(key="export-pdf"),
        Entitlement(key="updates", expires_at=Instant(ISSUED_AT + 100 * DAY), below_version="3.0.0"),
    ),
    license_status_ref=StatusRef(uri="https://license.example.com/v1/status/0", index=4711),
    activation_status_ref=StatusRef(uri="https://license.example.com/v1/status/0", index=92),
)
TOKEN = issue_license_token(GRANT, TOKEN_SIGNER)
CLAIMS = unverified_jws(TOKEN, max_bytes=8192, what="It")[1]
HEADER = {"alg": "EdDSA", "kid": TOKEN_SIGNER.kid, "typ": TYP}

ANSWER = Answer(
    id="ans-0001",
    issuer="installation-1",
    nonce="q1W2e3R4t5Y6u7I8o9P0aa",
    action="refresh",
    outcome="granted",
    at=ISSUED_AT,
    product="hustl",
    device=DEVICE,
    license_id="license-1",
    activation_id="activation-1",
    artifacts=digest_artifacts({"token": TOKEN}),
)

ROOT_KEYS: dict[Role, tuple[PublicKey, ...]] = {
    "root": (ROOT_SIGNERS[0].public_key,),
    "token": (TOKEN_SIGNER.public_key,),
    "machine-file": (signer(3).public_key,),
    **dict.fromkeys(
        ("status-list", "answer", "time", "offline", "lease", "receipt", "checkpoint"), (ANSWER_SIGNER.public_key,)
    ),
}


def root_of(**change: Any) -> Root:
    """The ordinary root, with changes to what `build_root` is told."""
    told: dict[str, Any] = {
        "version": 1,
        "issuer": "installation-1",
        "issued_at": ISSUED_AT,
        "expires_at": Instant(ISSUED_AT + 3650 * DAY),
        "keys": ROOT_KEYS,
    }
    return build_root(**{**told, **change})


def forged(header: Any, payload: Any, by: Signer = TOKEN_SIGNER) -> str:
    """A compact JWS of any header and payload (JSON values or exact bytes), with a signature that fits."""
    parts = [b64url_encode(part if isinstance(part, bytes) else dump_json(part)) for part in (header, payload)]
    return ".".join((*parts, b64url_encode(by.sign(".".join(parts).encode()))))


def scenario(name: str, section: str, catches: str, given: dict[str, Any], **more: Any) -> Scenario:
    """The scenario with its members in order and its outcome."""
    made: Scenario = {"id": name, "spec": f"{name.partition('/')[0]}.md §{section}", "catches": catches, "input": given}
    if "keys" in more:
        made["keys"] = {
            role: [key if isinstance(key, dict) else record(key) for key in keys] for role, keys in more["keys"].items()
        }
    if "now" in more:
        made["now"] = str(more["now"])
    made["expect"] = run_format_vector(made)
    return made


def rendered(parts: Iterable[Callable[[], Iterator[Scenario]]]) -> dict[str, str]:
    """Path below `specs/vectors` -> content of every vector of *parts*."""
    files: dict[str, str] = {}
    for part in parts:
        for each in part():
            path = f"{each['id']}.json"
            assert path not in files, f"two scenarios are called {path}"
            files[path] = json.dumps(each, indent=1, ensure_ascii=False) + "\n"
    return files


def write(parts: Iterable[Callable[[], Iterator[Scenario]]]) -> int:
    """Write every vector of *parts*, remove files of their folders that are none any more; return how many."""
    files = rendered(parts)
    for folder in sorted({path.partition("/")[0] for path in files}):
        (VECTORS / folder).mkdir(parents=True, exist_ok=True)
        for path in (VECTORS / folder).glob("*.json"):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
    for name, text in files.items():
        (VECTORS / name).write_text(text, encoding="utf-8")
    return len(files)

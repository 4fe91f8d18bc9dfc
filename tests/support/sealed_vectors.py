"""Runs and frames the vectors of license keys, fingerprints and machine files (specs/vectors/README.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, DoesNotOpenError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import parse_instant
from carnet.core.model import Grant, Policy, StatusRef
from carnet.core.policies import entitlement_from_json
from carnet.core.rules import decide
from carnet.formats.encoding import sha256_hex
from carnet.formats.fingerprint import (
    check_device_identifier,
    check_fingerprint,
    component_digest,
    native_fingerprint,
)
from carnet.formats.key_strength import estimated_bits
from carnet.formats.keys import Ed25519Signer, PublicKey
from carnet.formats.license_key import canonical_license_key, generate_license_key, heal_license_key
from carnet.formats.machine_file import (
    _encryption_key,
    _synthetic_nonce,
    open_machine_file,
    read_machine_file,
    seal_machine_file,
    seal_plaintext,
)
from support.decisions import to_json
from support.vector_keys import KeyRecord, record, ring_of

VECTORS = Path(__file__).resolve().parents[2] / "specs" / "vectors"

Scenario = dict[str, Any]
Outcome = dict[str, Any]

_LAYERS: dict[type[CarnetError], str] = {
    MalformedError: "malformed",
    NotGenuineError: "not_genuine",
    DoesNotOpenError: "does_not_open",
    UsageError: "usage",
}


def scenario(
    name: str,
    section: str,
    catches: str,
    given: dict[str, Any],
    *,
    keys: Iterable[PublicKey | KeyRecord] = (),
    now: str | None = None,
) -> Scenario:
    """The scenario with its members in order and its outcome; *name* is ``folder/case``, *section* of that page."""
    made: Scenario = {"id": name, "spec": f"{name.partition('/')[0]}.md §{section}", "catches": catches, "input": given}
    trusted = [key if isinstance(key, dict) else record(key) for key in keys]
    if trusted:
        made["keys"] = {"machine-file": trusted}
    if now is not None:
        made["now"] = now
    made["expect"] = run_vector(made)
    return made


def run_vector(vector: Mapping[str, Any]) -> Outcome:
    """The outcome of *vector*, as its `expect` has it."""
    run = _RUNNERS[vector["id"].partition("/")[0]]
    try:
        return run(vector)
    except CarnetError as refusal:
        return {"outcome": _LAYERS[type(refusal)], "code": refusal.code}


def text_of(described: Any) -> str:
    """A text that stands as it is, or as a list of texts and repetitions."""
    if isinstance(described, str):
        return described
    if isinstance(described, Mapping):
        return str(described["repeat"]) * int(described["times"])
    return "".join(text_of(part) for part in described)


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


def grant_to_json(grant: Grant) -> dict[str, Any]:
    """A grant with every member that says something; of the policy too, so that reading it needs no default of ours."""
    members = {name: to_json(getattr(grant, name)) for name in grant.__fields__}
    members["policy"] = {name: to_json(getattr(grant.policy, name)) for name in grant.policy.__fields__}
    return _without_nothing({**members, "policy": _without_nothing(members["policy"])})


def grant_from_json(value: Mapping[str, Any]) -> Grant:
    """Read `grant_to_json(grant)`."""
    members = dict(value)
    for name in ("issued_at", "not_before", "offline_until", "license_starts_at", "license_expires_at"):
        if name in members:
            members[name] = parse_instant(members[name])
    for name in ("license_status_ref", "activation_status_ref"):
        if name in members:
            members[name] = _status_ref_from_json(**members[name])
    members["entitlements"] = tuple(entitlement_from_json(item) for item in members.get("entitlements", ()))
    policy: dict[str, Any] = {"seat_limit": None, **members["policy"]}
    policy["entitlements"] = tuple(entitlement_from_json(item) for item in policy.get("entitlements", ()))
    for name in ("essential", "domains"):
        policy[name] = tuple(policy.get(name, ()))
    members["policy"] = Policy(**policy)
    return Grant(**members)


def _status_ref_from_json(uri: str, index: int, minimum: list[int] | None = None) -> StatusRef:
    return StatusRef(uri=uri, index=index, minimum=None if minimum is None else (minimum[0], minimum[1]))


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None and value != []}


def _license_key(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    if "random_hex" in given:
        drawn = bytes.fromhex(given["random_hex"])
        return {"outcome": "ok", "value": generate_license_key(lambda _: drawn)}
    if "read" in given:
        return {"outcome": "ok", "value": canonical_license_key(text_of(given["read"]))}
    healing = heal_license_key(text_of(given["heal"]))
    if healing is None:
        return {"outcome": "ok", "value": None}
    changes = [
        {"position": change.position, "typed": change.typed, "corrected": change.corrected}
        for change in healing.changes
    ]
    return {"outcome": "ok", "value": {"key": healing.key, "changes": changes, "exact": healing.exact}}


def _fingerprint(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    if "anchor" in given:
        return {"outcome": "ok", "value": native_fingerprint(given["product"], text_of(given["anchor"]))}
    if "kind" in given:
        value = component_digest(given["product"], given["license_key"], given["kind"], text_of(given["value"]))
        return {"outcome": "ok", "value": value}
    if "fingerprint" in given:
        check_fingerprint(given["fingerprint"])
    else:
        check_device_identifier(text_of(given["device_identifier"]))
    return {"outcome": "ok"}


def _machine_file(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    if "estimate" in given:
        return {"outcome": "ok", "value": round(estimated_bits(given["estimate"]), 1)}
    if "nonce" in given:
        nonce = given["nonce"]
        key, entropy = bytes.fromhex(nonce["key_hex"]), bytes.fromhex(nonce["entropy_hex"])
        return {"outcome": "ok", "value": _synthetic_nonce(key, entropy, nonce["content"].encode()).hex()}
    if "encrypt" in given:
        return _encrypt(given["encrypt"])
    if "seal" in given:
        return _seal(given["seal"])
    data = bytes.fromhex(given["file_hex"]) if "file_hex" in given else text_of(given["file"]).encode()
    grant = open_machine_file(data, ring_of(vector), license_key=given["license_key"], fingerprint=given["fingerprint"])
    if "now" not in vector:
        return {"outcome": "ok", "value": grant_to_json(grant)}
    evidence = Evidence(grants=(grant,), device=given["fingerprint"])
    decision = decide(evidence, parse_instant(vector["now"]), Host(product=given["product"]))
    return {"outcome": "ok" if decision else f"refused:{decision.state}", "decision": decision.to_json()}


def _seal(given: Mapping[str, Any]) -> Outcome:
    sealed = seal_machine_file(
        grant_from_json(given["grant"]),
        license_key=given["license_key"],
        device_name=given["device_name"],
        platform=given["platform"],
        signer=Ed25519Signer(bytes.fromhex(given["seed_hex"]), kid=given["kid"]),
        entropy=bytes.fromhex(given["entropy_hex"]),
        created=None if given["created"] is None else parse_instant(given["created"]),
    )
    return {"outcome": "ok", "value": sealed}


def _encrypt(given: Mapping[str, Any]) -> Outcome:
    sealed = seal_plaintext(
        given["content"].encode(),
        license_key=given["license_key"],
        fingerprint=given["fingerprint"],
        signer=Ed25519Signer(bytes.fromhex(given["seed_hex"]), kid=given["kid"]),
        entropy=b"",
        nonce=bytes.fromhex(given["nonce_hex"]),
    )
    file = read_machine_file(sealed.encode())
    return {
        "outcome": "ok",
        "value": {
            "file": sealed,
            "file_sha256": sha256_hex(sealed.encode()),
            "key_hex": _encryption_key(given["license_key"], given["fingerprint"]).hex(),
            "content_sha256": sha256_hex(given["content"].encode()),
            "enc_sha256": sha256_hex(file.enc.encode()),
            "signature_hex": file.signature.hex(),
        },
    }


_RUNNERS: dict[str, Callable[[Mapping[str, Any]], Outcome]] = {
    "license-key": _license_key,
    "fingerprint": _fingerprint,
    "machine-file": _machine_file,
}

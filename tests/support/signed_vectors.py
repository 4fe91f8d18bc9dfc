"""Runs and frames the vectors of signed license keys and offline tokens (specs/vectors/README.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import parse_instant
from carnet.core.model import Grant
from carnet.core.rules import decide
from carnet.formats.keys import Ed25519Signer, Role
from carnet.formats.offline_token import issue_offline_token, verify_offline_token
from carnet.formats.signed_key import issue_signed_key, locate_typing_errors, verify_signed_key
from carnet.formats.signed_key_payload import write_payload
from support.sealed_vectors import grant_from_json, grant_to_json, text_of
from support.vector_keys import KeyRecord, record, ring_of

Scenario = dict[str, Any]
Outcome = dict[str, Any]

_LAYERS: dict[type[CarnetError], str] = {
    MalformedError: "malformed",
    NotGenuineError: "not_genuine",
    UsageError: "usage",
}


def scenario(
    name: str,
    section: str,
    catches: str,
    given: dict[str, Any],
    *,
    role: Role | None = None,
    keys: Iterable[Ed25519Signer | KeyRecord] = (),
    now: str | None = None,
) -> Scenario:
    """The scenario with its members in order and its outcome; *name* is ``folder/case``, *section* of that page."""
    made: Scenario = {"id": name, "spec": f"{name.partition('/')[0]}.md §{section}", "catches": catches, "input": given}
    if role is not None:
        made["keys"] = {role: [key if isinstance(key, dict) else record(key) for key in keys]}
    if now is not None:
        made["now"] = now
    made["expect"] = run_vector(made)
    return made


def run_vector(vector: Mapping[str, Any]) -> Outcome:
    """The outcome of *vector*, as its `expect` has it."""
    run = _RUNNERS[vector["id"].partition("/")[0], vector["input"]["function"]]
    try:
        return run(vector)
    except CarnetError as refusal:
        return {"outcome": _LAYERS[type(refusal)], "code": refusal.code}


def _grant(value: Mapping[str, Any]) -> Grant:
    if "offline_until" in value:
        return grant_from_json(value)
    return replace(grant_from_json({"offline_until": value["issued_at"], **value}), offline_until=None)


def _judged(grant: Grant, vector: Mapping[str, Any]) -> Outcome:
    if "now" not in vector:
        return {"outcome": "ok", "value": {"grant": grant_to_json(grant)}}
    given = vector["input"]
    evidence = Evidence(grants=(grant,), device=given.get("device"))
    decision = decide(evidence, parse_instant(vector["now"]), Host(**given["host"]))
    return {
        "outcome": "ok" if decision else f"refused:{decision.state}",
        "value": {"state": decision.state, "access": decision.access},
    }


def _verify_key(vector: Mapping[str, Any]) -> Outcome:
    return _judged(verify_signed_key(text_of(vector["input"]["key"]), ring_of(vector)), vector)


def _issue_key(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    signer = Ed25519Signer(bytes.fromhex(given["seed_hex"]))
    grant = _grant(given["grant"])
    key = issue_signed_key(grant, signer)
    return {"outcome": "ok", "value": {"key": key, "payload_hex": write_payload(grant, signer.kid).hex()}}


def _locate(vector: Mapping[str, Any]) -> Outcome:
    errors = locate_typing_errors(text_of(vector["input"]["key"]))
    shown = [{"group": error.group, "problem": error.problem, "typed": error.typed} for error in errors]
    return {"outcome": "ok", "value": {"errors": shown}}


def _verify_token(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    document = text_of(given["document"]).encode()
    return _judged(verify_offline_token(document, ring_of(vector), license_key=given.get("license_key")), vector)


def _issue_token(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    document = issue_offline_token(
        _grant(given["grant"]),
        license_key=given["license_key"],
        signer=Ed25519Signer(bytes.fromhex(given["seed_hex"]), kid=given["kid"]),
        metadata=given["metadata"],
    )
    return {"outcome": "ok", "value": {"document": json.loads(document)}}


_RUNNERS: dict[tuple[str, str], Callable[[Mapping[str, Any]], Outcome]] = {
    ("signed-license-key", "verify"): _verify_key,
    ("signed-license-key", "issue"): _issue_key,
    ("signed-license-key", "locate"): _locate,
    ("offline-token", "verify"): _verify_token,
    ("offline-token", "issue"): _issue_token,
}

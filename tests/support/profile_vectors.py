"""Runs and frames the vectors of token profiles (specs/token-profiles.md §10, specs/vectors/README.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError, NotGenuineError, UsageError
from carnet.core.instant import Instant, parse_instant
from carnet.formats.jose_keys import JoseSigner
from carnet.formats.keys import Ed25519Signer, PublicKey, Signer
from carnet.formats.profiles.hosts import canonical_host, canonical_pattern, host_covered
from carnet.formats.profiles.keyforge import (
    KeyforgeDevice,
    KeyforgeLicense,
    KeyforgeSettings,
    draw_up_keyforge_token,
    issue_keyforge_token,
    judge_keyforge_token,
    keyforge_claims,
    verify_keyforge_token,
)
from carnet.formats.profiles.traffic_orchestrator import (
    TrafficOrchestratorSettings,
    draw_up_traffic_orchestrator_token,
    issue_traffic_orchestrator_token,
    judge_traffic_orchestrator_token,
    traffic_orchestrator_claims,
    verify_traffic_orchestrator_token,
)
from carnet.formats.profiles.verdicts import Verdict
from support.sealed_vectors import text_of
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
    keys: Iterable[PublicKey | KeyRecord] = (),
    now: int | None = None,
) -> Scenario:
    """The scenario with its members in order and its outcome; *section* of specs/token-profiles.md."""
    made: Scenario = {"id": f"token-profiles/{name}", "spec": f"token-profiles.md §{section}", "catches": catches}
    made["input"] = given
    trusted = [key if isinstance(key, dict) else record(key) for key in keys]
    if trusted:
        made["keys"] = {"token": trusted}
    if now is not None:
        made["now"] = str(Instant(now))
    made["expect"] = run_vector(made)
    return made


def run_vector(vector: Mapping[str, Any]) -> Outcome:
    """The outcome of *vector*, as its `expect` has it."""
    try:
        return _RUNNERS[vector["input"]["function"]](vector)
    except CarnetError as refusal:
        return {"outcome": _LAYERS[type(refusal)], "code": refusal.code}


def facts_to_json(value: Any) -> Any:
    """Facts as JSON: what is None is left out, times are RFC 3339."""
    if isinstance(value, Struct):
        members = {name: getattr(value, name) for name in value.__fields__}
        return {name: facts_to_json(member) for name, member in members.items() if member is not None}
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Instant) else value


def _times(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: parse_instant(value) if name.endswith("_at") and value is not None else value
        for name, value in members.items()
    }


def _signer(given: Mapping[str, str]) -> Signer:
    private = bytes.fromhex(given["private_hex"])
    if given["alg"] == "Ed25519":
        return Ed25519Signer(private, given["kid"])
    return JoseSigner(ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()), given["kid"])


def _judged(verdict: Verdict) -> Outcome:
    reasons = [reason.code for reason in verdict.reasons]
    assert verdict.is_usable == (not reasons)
    assert verdict.latest_seen == verdict.judged_at
    return {
        "outcome": f"refused:{reasons[0]}" if reasons else "ok",
        "value": {
            "reasons": reasons,
            "is_expired": verdict.is_expired,
            "clock_moved_back": verdict.clock_moved_back,
            "judged_at": str(verdict.judged_at),
        },
    }


def _when(vector: Mapping[str, Any]) -> dict[str, Any]:
    given = vector["input"]
    seen = given.get("latest_seen")
    return {
        "now": parse_instant(vector["now"]),
        "leeway_seconds": given.get("leeway_seconds", 0),
        "latest_seen": None if seen is None else parse_instant(seen),
    }


def _verify_keyforge(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    algorithms = tuple(given.get("algorithms", ("ES256",)))
    facts = verify_keyforge_token(text_of(given["token"]), ring_of(vector), algorithms=algorithms)
    if "now" not in vector:
        return {"outcome": "ok", "value": facts_to_json(facts)}
    return _judged(
        judge_keyforge_token(facts, products=given["products"], device=given["device"], **_when(vector)),
    )


def _issue_keyforge(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    facts = draw_up_keyforge_token(
        KeyforgeLicense(**_times(given["license"])),
        KeyforgeDevice(**_times(given["device"])),
        is_revoked=given["is_revoked"],
        fallback_enabled=given["fallback_enabled"],
        now=parse_instant(vector["now"]),
        settings=KeyforgeSettings(**given["settings"]),
        id=given.get("id"),
    )
    token = issue_keyforge_token(facts, _signer(given["signing_key"]))
    return {"outcome": "ok", "value": {"claims": keyforge_claims(facts), "token": token}}


def _settings(given: Mapping[str, Any]) -> TrafficOrchestratorSettings:
    names = ("issuer", "single_label_suffixes")
    return TrafficOrchestratorSettings(**{name: given[name] for name in names if name in given})


def _verify_traffic_orchestrator(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    settings = _settings(given)
    facts = verify_traffic_orchestrator_token(text_of(given["token"]), ring_of(vector), settings=settings)
    if "now" not in vector:
        return {"outcome": "ok", "value": facts_to_json(facts)}
    return _judged(
        judge_traffic_orchestrator_token(
            facts,
            domain=given["domain"],
            ignore_domain=given.get("ignore_domain", False),
            settings=settings,
            **_when(vector),
        )
    )


def _issue_traffic_orchestrator(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    settings, ends_at = _settings(given), given["license_expires_at"]
    facts = draw_up_traffic_orchestrator_token(
        license_id=given["license_id"],
        plan=given["plan"],
        domains=None if given["domains"] is None else tuple(given["domains"]),
        license_expires_at=None if ends_at is None else parse_instant(ends_at),
        status=given["status"],
        now=parse_instant(vector["now"]),
        days=given["days"],
        settings=settings,
        id=given.get("id"),
    )
    token = issue_traffic_orchestrator_token(facts, _signer(given["signing_key"]), settings=settings)
    return {"outcome": "ok", "value": {"claims": traffic_orchestrator_claims(facts), "token": token}}


def _host(vector: Mapping[str, Any]) -> Outcome:
    return {"outcome": "ok", "value": canonical_host(text_of(vector["input"]["host"]))}


def _pattern(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    allowed = given.get("single_label_suffixes", False)
    return {"outcome": "ok", "value": canonical_pattern(given["pattern"], single_label_suffixes=allowed)}


def _covers(vector: Mapping[str, Any]) -> Outcome:
    given = vector["input"]
    allowed = given.get("single_label_suffixes", False)
    return {"outcome": "ok", "value": host_covered(given["host"], given["patterns"], single_label_suffixes=allowed)}


_RUNNERS: dict[str, Callable[[Mapping[str, Any]], Outcome]] = {
    "verify-keyforge": _verify_keyforge,
    "issue-keyforge": _issue_keyforge,
    "verify-traffic-orchestrator": _verify_traffic_orchestrator,
    "issue-traffic-orchestrator": _issue_traffic_orchestrator,
    "host": _host,
    "pattern": _pattern,
    "covers": _covers,
}

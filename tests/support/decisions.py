"""
Ordinary evidence to start from, and the JSON form of the decision's inputs and outcomes that `specs/vectors/decision`
uses (specs/decision.md §10). Used by the tests of `core` and by `tools/vectors_decision.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from carnet.core._base import Struct, replace
from carnet.core.decision import Decision, Evidence, Host, Refused
from carnet.core.domains import domain_matches
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, Instant, parse_instant
from carnet.core.model import Fault, Grant, Policy, Refusal, StatusRef
from carnet.core.policies import entitlement_from_json
from carnet.core.revocation import Listed, with_lists
from carnet.core.rules import decide
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest, decide_activation, decide_refresh
from carnet.core.terms import offline_window
from carnet.core.versions import covers

ISSUED = parse_instant("2026-06-01T00:00:00Z")
DEVICE = "0a" * 32
OTHER_DEVICE = "0b" * 32
HOST = Host(product="hustl")

_T = TypeVar("_T", bound=Struct)


def at(seconds: int) -> Instant:
    """*seconds* after `ISSUED`."""
    return Instant(ISSUED + seconds)


def policy(**changes: Any) -> Policy:
    """The consumer preset (30 + 7 days), changed."""
    return replace(Policy(name="consumer"), **changes)


def grant(**changes: Any) -> Grant:
    """A machine file of 30 days, issued at `ISSUED` for `DEVICE`, changed; `policy` members may be given as such."""
    rules = {name: changes.pop(name) for name in Policy.__fields__ if name in changes and name != "entitlements"}
    base: dict[str, Any] = {
        "kind": "machine-file",
        "id": "file-1",
        "issuer": "issuer-1",
        "product": "hustl",
        "license_id": "license-1",
        "activation_id": "activation-1",
        "device": DEVICE,
        "issued_at": ISSUED,
        "not_before": ISSUED,
        "offline_until": at(30 * DAY),
        "policy": policy(**rules),
    }
    return Grant(**{**base, **changes})


def evidence(*grants: Grant, **changes: Any) -> Evidence:
    """*grants* on `DEVICE`, changed."""
    return Evidence(**{"grants": grants, "device": DEVICE, **changes})


def refusal(code: str, seconds: int, **changes: Any) -> Refusal:
    """A refusal about `grant`'s license and activation, *seconds* after `ISSUED`, changed."""
    base: dict[str, Any] = {
        "id": f"refusal-{code}",
        "code": code,
        "at": at(seconds),
        "product": "hustl",
        "license_id": "license-1",
        "activation_id": "activation-1",
    }
    return Refusal(**{**base, **changes})


def codes(outcome: Decision | Refused) -> list[str]:
    """The codes of its reasons, in order."""
    return [reason.code for reason in outcome.reasons]


# JSON


def to_json(value: Any) -> Any:
    """A value type as plain JSON: members that have their default are left out."""
    if isinstance(value, Struct):
        return {
            name: to_json(getattr(value, name))
            for name in value.__fields__
            if name not in value.__defaults__ or getattr(value, name) != value.__defaults__[name]
        }
    if isinstance(value, Instant):
        return str(value)
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value


def evidence_from_json(value: Mapping[str, Any]) -> Evidence:
    """Read `to_json(evidence)`."""
    readers: dict[str, Callable[[Any], Any]] = {
        "grants": lambda items: tuple(_grant_from_json(item) for item in items),
        "faults": lambda items: tuple(Fault(**item) for item in items),
        "refusals": lambda items: tuple(_times(Refusal, item, "at") for item in items),
    }
    plain = {name: readers[name](member) if name in readers else member for name, member in value.items()}
    return _times(Evidence, plain, "trusted_at", "clock_suspect_at", "revocation_checked_at")


def lists_from_json(value: Sequence[Mapping[str, Any]]) -> tuple[Listed, ...]:
    """Read `to_json` of what status lists say."""
    return tuple(
        _times(
            Listed,
            {**item, "version": tuple(item["version"]), "statuses": tuple(map(tuple, item.get("statuses", ())))},
            "issued_at",
        )
        for item in value
    )


def _grant_from_json(value: Mapping[str, Any]) -> Grant:
    members = dict(value)
    for name in ("license_status_ref", "activation_status_ref"):
        if name in members:
            ref = members[name]
            minimum = ref.get("minimum")
            members[name] = StatusRef(**{**ref, "minimum": None if minimum is None else tuple(minimum)})
    members["policy"] = _policy_from_json(members["policy"])
    if "entitlements" in members:
        members["entitlements"] = tuple(entitlement_from_json(item) for item in members["entitlements"])
    return _times(Grant, members, "issued_at", "not_before", "offline_until", "license_starts_at", "license_expires_at")


def _policy_from_json(value: Mapping[str, Any]) -> Policy:
    members: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
    return Policy(**members)


def _times(kind: type[_T], members: Mapping[str, Any], *names: str) -> _T:
    parsed = {name: parse_instant(members[name]) for name in names if members.get(name) is not None}
    return kind(**{**members, **parsed})


def _seats(function: Callable[..., Any], given: Mapping[str, Any], now: Instant) -> dict[str, Any]:
    license_ = {**given["license"], "policy": _policy_from_json(given["license"]["policy"])}
    outcome = function(
        _times(LicenseFacts, license_, "starts_at", "expires_at"),
        tuple(_times(HeldSeat, seat, "activated_at") for seat in given["held"]),
        SeatRequest(**given["request"]),
        now,
    )
    if isinstance(outcome, Refused):
        value: dict[str, Any] = {"reasons": codes(outcome), "holders": [seat.activation_id for seat in outcome.holders]}
        return {"outcome": f"refused:{outcome.code}", "code": outcome.code, "value": value}
    existing = outcome.existing
    return {"outcome": "ok", "value": {"existing": None if existing is None else existing.activation_id}}


def _window(given: Mapping[str, Any], now: Instant) -> dict[str, Any]:
    members = dict(given)
    chosen = _policy_from_json(members.pop("policy"))
    for name in ("license_starts_at", "license_expires_at"):
        if name in members:
            members[name] = parse_instant(members[name])
    try:
        window = offline_window(chosen, now, **members)
    except CarnetError as error:
        return {"outcome": "usage", "code": error.code}
    return {"outcome": "ok", "value": to_json(window)}


def run_scenario(vector: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a vector of `specs/vectors/decision` says, and return its `expect`."""
    given = dict(vector["input"])
    function = given.pop("function")
    now = parse_instant(vector["now"]) if "now" in vector else Instant(0)
    if function == "decide":
        known = with_lists(evidence_from_json(given["evidence"]), lists_from_json(given.get("lists", [])))
        decision = decide(known, now, Host(**given["host"]))
        return {
            "outcome": "ok" if decision else f"refused:{decision.state}",
            "decision": decision.to_json(),
        }
    if function == "decide_activation":
        return _seats(decide_activation, given, now)
    if function == "decide_refresh":
        return _seats(decide_refresh, given, now)
    if function == "offline_window":
        return _window(given, now)
    if function == "domain_matches":
        return {"outcome": "ok", "value": domain_matches(given["domain"], given["pattern"])}
    assert function == "covers"
    return {"outcome": "ok", "value": covers(given["version"], given["below"])}

"""Runs a vector of specs/clock.md §9 through the SDK."""

from __future__ import annotations

from typing import Any

from carnet.client.clock import (
    ClockFacts,
    Uptime,
    believed,
    is_checkpoint_due,
    is_suspect,
    observe,
    suspect_at,
    trusted_now,
)
from carnet.client.state_file import DeviceState, state_from_json
from carnet.client.state_sealing import state_to_json
from carnet.core.instant import Instant, parse_instant


def run_vector(vector: dict[str, Any]) -> dict[str, Any]:
    """What `expect` should say."""
    given = vector["input"]
    return {"outcome": "ok", "value": _history(given["history"]) if "history" in given else _one(given)}


def _one(given: dict[str, Any]) -> dict[str, Any]:
    facts: ClockFacts = state_from_json({"clock": given["remembered"]}).clock
    if "keys" in given:
        facts = believed(facts, given["keys"])
    return {**_seen(facts, given), "after": _json(_observed(facts, given))}


def _history(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    facts = ClockFacts()
    left: list[ClockFacts] = []
    values: list[dict[str, Any]] = []
    for look in looks:
        if "restored" in look:
            facts = left[look["restored"]]
        value = _seen(facts, look)
        values.append(value)
        if value["is_due"] or "signed" in look:
            facts = _observed(facts, look)
        left.append(facts)
    return values


def _clocks(look: dict[str, Any]) -> tuple[Uptime | None, Instant]:
    boot = look["boot"]
    return None if boot is None else Uptime(boot=boot, seconds=look["uptime_seconds"]), parse_instant(look["wall"])


def _seen(facts: ClockFacts, look: dict[str, Any]) -> dict[str, Any]:
    uptime, wall = _clocks(look)
    trusted = trusted_now(facts, uptime)
    return {
        "trusted_at": trusted,
        "suspect_at": suspect_at(facts, trusted, wall),
        "is_suspect": is_suspect(facts, trusted, wall),
        "is_due": is_checkpoint_due(facts, uptime, wall),
    }


def _observed(facts: ClockFacts, look: dict[str, Any]) -> ClockFacts:
    uptime, wall = _clocks(look)
    signed = look.get("signed")
    if signed is None:
        return observe(facts, uptime, wall)
    return observe(facts, uptime, wall, Instant(signed["at"]), signed["by"])


def _json(facts: ClockFacts) -> dict[str, Any]:
    clock: dict[str, Any] = state_to_json(DeviceState(clock=facts))["clock"]
    return clock

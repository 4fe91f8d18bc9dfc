"""
What `check_vectors.py` knows of the clock: written from `specs/clock.md`, importing nothing of Carnet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

LATEST: Final = 253_402_300_799
EMPTY: Final = {
    "trusted_at": None,
    "boot": None,
    "uptime_seconds": 0,
    "behind_since": None,
    "signed_by": None,
    "falls": 0,
}


def clock(vector: dict[str, Any]) -> str:
    """Compares every value of a vector of the clock (clock.md §9); says "another …" where one differs."""
    given, expected = vector["input"], vector["expect"]["value"]
    if "history" in given:
        known: dict[str, Any] = EMPTY
        left: list[dict[str, Any]] = []
        for number, look in enumerate(given["history"]):
            known = left[look["restored"]] if "restored" in look else known
            found = seen(known, look)
            assert found == expected[number], f"value at look {number}: {found}"
            if found["is_due"] or "signed" in look:
                known = observed(known, look)
            left.append(known)
        assert len(left) == len(expected), "number of looks"
        return "ok"
    known = {**EMPTY, **given["remembered"]}
    if "keys" in given and known["signed_by"] is not None and known["signed_by"] not in given["keys"]:
        known = {**EMPTY, "falls": known["falls"]}
    found = {**seen(known, given), "after": observed(known, given)}
    assert found == expected, f"value: {found}"
    return "ok"


def bound(known: dict[str, Any], look: dict[str, Any]) -> int | None:
    """The table of §3."""
    at: int | None = known["trusted_at"]
    if at is not None and look["boot"] is not None and look["boot"] == known["boot"]:
        at += max(look["uptime_seconds"] - known["uptime_seconds"], 0)
        return min(at, LATEST)
    return at


def wall(look: dict[str, Any]) -> int:
    """The wall clock in Unix seconds."""
    return int(datetime.fromisoformat(look["wall"]).timestamp())


def seen(known: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    """§3, §5 and §6, before anything is observed."""
    at = bound(known, look)
    if at is None:
        return {"trusted_at": None, "suspect_at": None, "is_suspect": False, "is_due": False}
    far = wall(look) < at - 86_400
    was_far = known["behind_since"] is not None
    ends = known["behind_since"] + 259_200 if far and was_far else None
    other_boot = look["boot"] is not None and look["boot"] != known["boot"]
    set_back = look["boot"] is not None and not other_boot and look["uptime_seconds"] < known["uptime_seconds"]
    due = at - known["trusted_at"] >= 3_600 or other_boot or set_back or far != was_far
    return {"trusted_at": at, "suspect_at": ends, "is_suspect": ends is not None and at >= ends, "is_due": due}


def observed(known: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    """§4, steps 2 to 6."""
    at, signer = bound(known, look), known["signed_by"]
    signed = look.get("signed")
    if signed is not None and (at is None or signed["at"] >= at):
        at, signer = signed["at"], signed["by"]
    if at is None:
        return known
    far, was_far = wall(look) < at - 86_400, known["behind_since"] is not None
    return {
        "trusted_at": at,
        "boot": look["boot"],
        "uptime_seconds": 0 if look["boot"] is None else look["uptime_seconds"],
        "behind_since": (known["behind_since"] if was_far else at) if far else None,
        "signed_by": signer,
        "falls": known["falls"] + (1 if far and not was_far else 0),
    }

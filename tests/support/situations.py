"""Any set of facts made true at once: what the precedence of states is tested with, exhaustively."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from carnet.core.decision import Evidence, Host, State
from carnet.core.instant import DAY
from carnet.core.model import Fault
from support.decisions import DEVICE, OTHER_DEVICE, at, grant, refusal

NOW = at(10 * DAY)

FACTS: dict[State, str] = {
    "wrong_product": "wrong_product",
    "wrong_device": "wrong_device",
    "wrong_domain": "wrong_domain",
    "revoked": "license_revoked",
    "suspended": "license_suspended",
    "not_activated": "deactivated",
    "not_started": "license_not_started",
    "clock_suspect": "clock_suspect",
    "expired": "license_expired",
    "needs_refresh": "needs_refresh",
    "edition_mismatch": "edition_mismatch",
    "grace": "offline_window_over",
    "expiring": "license_term_ending",
}
"""State -> code of the reason that `situation` causes, in the order of design.md §6."""


def situation(states: Collection[State]) -> tuple[Evidence, Host]:
    """Evidence and host for which exactly the facts of *states* (any of `FACTS`) hold at `NOW`, on one grant."""
    changes: dict[str, Any] = {}
    host: dict[str, Any] = {"product": "hustl", "domain": "app.example.com", "edition": "studio"}
    refusals = []
    if "wrong_product" in states:
        changes["product"] = "another"
    if "wrong_device" in states:
        changes["device"] = OTHER_DEVICE
    if "wrong_domain" in states:
        changes["domains"] = ("example.org",)
    if "suspended" in states:
        refusals.append(refusal("license_suspended", 9 * DAY))
    if "not_activated" in states:
        refusals.append(refusal("deactivated", 9 * DAY))
    if "not_started" in states:
        changes["license_starts_at"] = at(11 * DAY)
    if "clock_suspect" in states:
        changes["clock_strictness"] = "countdown"
    if "expired" in states:
        refusals.append(refusal("license_expired", 9 * DAY))
    if "needs_refresh" in states:
        changes["max_revocation_age_seconds"] = DAY
    if "edition_mismatch" in states:
        changes["edition"] = "lite"
    if "grace" in states:
        changes["offline_until"] = at(9 * DAY)
    if "expiring" in states:
        changes["license_expires_at"] = at(11 * DAY)
    return Evidence(
        grants=(grant(**changes),),
        refusals=tuple(refusals),
        device=DEVICE,
        clock_suspect="clock_suspect" in states,
        license_status="revoked" if "revoked" in states else None,
    ), Host(**host)


REFUSED_WITHOUT_GRANT: dict[State, str] = {
    "wrong_product": "wrong_product",
    "wrong_device": "wrong_device",
    "wrong_domain": "wrong_domain",
    "revoked": "license_revoked",
    "suspended": "license_suspended",
    "not_activated": "activation_not_found",
    "not_started": "license_not_started",
    "expired": "license_expired",
}
"""State -> code of the refusal that leads to it on a device that holds no grant."""


def situation_without_grant(states: Collection[State]) -> Evidence:
    """Evidence without a grant for which exactly the facts of *states* (`not_genuine` or the above) hold."""
    return Evidence(
        faults=(BAD_FAULT,) if "not_genuine" in states else (),
        refusals=tuple(refusal(code, DAY) for state, code in REFUSED_WITHOUT_GRANT.items() if state in states),
        device=DEVICE,
    )


BAD_FAULT = Fault(
    code="bad_signature", message="The signature does not fit.", fix="Copy the file again.", artifact="token"
)

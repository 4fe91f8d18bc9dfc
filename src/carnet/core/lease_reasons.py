"""
Why a floating lease is refused: codes with their sentences, beside `reasons.REASONS` (design.md §2 rule 8).

A device never keeps these as tombstones: they are about a seat for a while, not about the license.
"""

from __future__ import annotations

from carnet.core.decision import Reason
from carnet.core.instant import Instant
from carnet.core.reasons import REASONS, moment, reason, shown

LEASE_REASONS: dict[str, tuple[str, str]] = {
    "lease_limit_reached": (
        "All floating seats of this license are in use{leases}.",
        "Wait until one is given back or runs out, or get more seats from the vendor.",
    ),
    "lease_not_found": (
        "This lease ran out and its seat went to somebody else, or there never was such a lease.",
        "Claim a new one.",
    ),
    "lease_released": (
        "This lease was ended{at}{why}.",
        "Claim a new one, or ask the vendor.",
    ),
    "lease_token_refused": (
        "That lease token does not prove this lease.",
        "Send the license key, or the newest token of this lease, with the product and holder that it names.",
    ),
    "lease_cooling_down": (
        "The vendor took this holder's lease away{why}, and it gets no other one for now.",
        "Wait{until}, or ask the vendor.",
    ),
    "leases_not_offered": (
        "This license has no floating seats.",
        "Activate this device instead, or ask the vendor.",
    ),
    "holder_kind_refused": (
        "This license gives no floating seats to holders of this kind{kind}.",
        "Claim one for another kind of holder{allowed}.",
    ),
    "holder_denied": (
        "The vendor excluded this holder from the floating seats of this license.",
        "Ask the vendor.",
    ),
    "holder_not_registered": (
        "Floating seats of this license are for activated devices only.",
        "Activate this device first.",
    ),
    "borrowing_refused": (
        "This holder cannot borrow a floating seat of this license.",
        "Claim one without borrowing it.",
    ),
    "borrow_limit_reached": (
        "As many floating seats of this license are borrowed as may be{leases}.",
        "Wait until one is returned, or claim one without borrowing it.",
    ),
}
"""Code -> (what is so, what would change it). A `{name}` is a phrase that may be missing."""

_MOMENTS = {"at": " on {}", "until": " until {}"}


def lease_reason(code: str, **values: Instant | str | tuple[str, ...] | None) -> Reason:
    """
    The reason *code* of this table, or of the core's.

    Args:
        code: A code.
        **values: What the sentence may tell, by the names in the table: a moment, a text or texts, which may come from
            outside (SEC-39); None is left out.
    """
    if code in REASONS:
        return reason(code, **values)
    message, fix = LEASE_REASONS[code]
    phrases = dict.fromkeys(("leases", "at", "why", "until", "kind", "allowed"), "")
    for name, value in values.items():
        if isinstance(value, Instant):
            phrases[name] = _MOMENTS[name].format(moment(value))
        elif value:
            phrases[name] = f" ({shown(value if isinstance(value, str) else ', '.join(value))})"
    return Reason(code=code, message=message.format_map(phrases), fix=fix.format_map(phrases))

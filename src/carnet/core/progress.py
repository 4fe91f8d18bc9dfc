"""
What happens to a license under its conditions: the term that waits, the update window, the budgets used so far.

The part of a license that devices and renewals move, as one value, stored as one text and compared as a whole: whoever
changes it says what it was before, so that two changes at once cannot both count from the same beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carnet.core._base import Struct, replace
from carnet.core.conditions import UPDATES, Conditions
from carnet.core.instant import Instant
from carnet.core.model import Entitlement, LicenseType, Policy
from carnet.core.starts import PendingTerm, StartEvent, begin, begins_with, pending_from_json, pending_to_json
from carnet.core.tallies import Tally


class Progress(Struct):
    """
    Where a license stands.

    Attributes:
        pending: The term that has not begun; None: it has, or there is none to wait for.
        updates_until: First second after the update window; None where there is none.
        activations: New seats taken in the running period of the activation budget.
        moves: Seats that the key's owner took from other devices in the running year.
        rebinds: Seats that followed a device whose parts were changed, in the running year (`core.devices`).
    """

    pending: PendingTerm | None = None
    updates_until: Instant | None = None
    activations: Tally = Tally()
    moves: Tally = Tally()
    rebinds: Tally = Tally()


NOTHING = Progress()
"""Where most licenses stand, for ever."""


class Begun(Struct):
    """A term that has just begun, and where the license stands from then on."""

    starts_at: Instant
    expires_at: Instant
    progress: Progress


def begin_term(progress: Progress, event: StartEvent, now: Instant) -> Begun | None:
    """What *event* begins *now*; None if nothing waits for it."""
    if progress.pending is None or not begins_with(progress.pending, event):
        return None
    starts_at, expires_at = begin(progress.pending, now)
    return Begun(starts_at=starts_at, expires_at=expires_at, progress=replace(progress, pending=None))


def needs_care(conditions: Conditions, license_type: LicenseType, progress: Progress) -> bool:
    """
    Whether taking a seat asks for more than the license, its count and the device's own seat: facts of other seats and
    licenses, or a change of the progress. Most licenses do not, and take the shortest way (design.md §9).
    """
    return (
        progress.pending is not None
        or conditions.seat_scope == "user"
        or conditions.activation_budget is not None
        or (license_type == "trial" and conditions.trial_per_device)
    )


def with_updates(policy: Policy, updates_until: Instant | None) -> Policy:
    """
    *policy* with the entitlement ``updates`` that stands for the update window, in the place of one that it has.

    The entitlement is signed with its expiry, so an app that knows the day a version was released can tell offline
    whether the version is covered; after the window it is no longer granted, and the license itself goes on (R-01).
    """
    if updates_until is None:
        return policy
    others = tuple(each for each in policy.entitlements if each.key != UPDATES)
    return replace(policy, entitlements=(*others, Entitlement(key=UPDATES, expires_at=updates_until)))


def progress_to_json(progress: Progress) -> dict[str, Any]:
    """*progress* as plain JSON; what is as at the beginning is left out."""
    plain: dict[str, Any] = {}
    if progress.pending is not None:
        plain["pending"] = pending_to_json(progress.pending)
    if progress.updates_until is not None:
        plain["updates_until"] = int(progress.updates_until)
    for member in ("activations", "moves", "rebinds"):
        tally: Tally = getattr(progress, member)
        if tally.began_at is not None:
            plain[member] = [tally.count, int(tally.began_at)]
    return plain


def progress_from_json(value: Mapping[str, Any]) -> Progress:
    """What `progress_to_json` wrote."""
    pending = value.get("pending")
    until = value.get("updates_until")
    return Progress(
        pending=None if pending is None else pending_from_json(pending),
        updates_until=None if until is None else Instant(until),
        activations=_tally(value.get("activations")),
        moves=_tally(value.get("moves")),
        rebinds=_tally(value.get("rebinds")),
    )


def _tally(value: Any) -> Tally:
    return Tally() if value is None else Tally(count=value[0], began_at=Instant(value[1]))

"""
May this device have a seat, under everything the server applies? The seat rules with a policy's conditions around them
(R-03, R-28, users-ask 10, 12, 18, 19; specs/decision.md §7.3).

`seats` judges license, term, domain and limit; here come what only the server knows: the user a seat belongs to, trials
that a device had, budgets, seats given up in the same step. Pure: the caller reads all of it under one lock and writes
what is answered in the same transaction.
"""

from __future__ import annotations

from carnet.core._base import Struct, replace
from carnet.core.conditions import MOVES_PERIOD_SECONDS, Conditions
from carnet.core.decision import Reason, Refused
from carnet.core.instant import Instant
from carnet.core.model import LicenseType
from carnet.core.overage import SeatMark, seat_ceiling, seat_mark
from carnet.core.reasons import moment
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest, decide_activation
from carnet.core.tallies import Tally, count_one, free_again_at, has_room

ADMISSION_REASONS: dict[str, tuple[str, str]] = {
    "user_required": (
        "The seats of this license belong to users, and the request names none.",
        "Sign in, so that the app can say who uses it.",
    ),
    "trial_used": (
        "This device has had its trial of this product.",
        "Buy a license, or ask the vendor for more time.",
    ),
    "activation_budget_spent": (
        "This license was activated too often{until}.",
        "Use a device that is active already, or ask the vendor.",
    ),
    "move_quota_reached": (
        "This license was moved between devices as often as it may be{until}.",
        "Deactivate a device from the device itself, or ask the vendor.",
    ),
    "seat_not_held": (
        "The seat to be replaced is not held.",
        "List the seats of the license, and name one that is held.",
    ),
}
"""Code -> (what is so, what would change it), as in `reasons.REASONS`. Devices never keep these as tombstones."""


class Circumstances(Struct):
    """
    What the server knows beside the license and its seats, read under the same lock.

    Attributes:
        conditions: The license's, its own values applied.
        license_type: A `trial` is one per device.
        activations: How many new seats were taken in the running period.
        moves: How many seats the key's owner took from other devices in the running year.
        trial_license: The license of the trial that this device had of this product; None if it had none.
    """

    conditions: Conditions
    license_type: LicenseType
    activations: Tally = Tally()
    moves: Tally = Tally()
    trial_license: str | None = None


class SeatClaim(Struct):
    """
    Beside the request itself: who asks, and which seats are to be given up for it.

    Attributes:
        user: Who uses the device, opaque; compared exactly.
        user_seat: The seat that this user holds on another device, where seats belong to users.
        replaces: Seats to give up for this one in the same step (users-ask 19).
        by_vendor: The vendor asks; the owner's yearly quota of moves does not count it.
    """

    user: str | None = None
    user_seat: HeldSeat | None = None
    replaces: tuple[HeldSeat, ...] = ()
    by_vendor: bool = False


class Admitted(Struct):
    """
    The device may hold a seat.

    Attributes:
        existing: The seat it holds already; None: make a new one, in this transaction.
        frees: Seats to be given up in the same transaction.
        seats_used: How many are held afterwards.
        mark: What the vendor should be told about the seats now; None for nothing.
        activations: The tally of new seats afterwards.
        moves: The tally of moves afterwards.
        is_first_trial: The device has its one trial of the product from now on.
    """

    existing: HeldSeat | None
    frees: tuple[HeldSeat, ...]
    seats_used: int
    mark: SeatMark | None
    activations: Tally
    moves: Tally
    is_first_trial: bool


def decide_admission(
    license_: LicenseFacts,
    held: tuple[HeldSeat, ...],
    request: SeatRequest,
    *,
    claim: SeatClaim,
    around: Circumstances,
    now: Instant,
) -> Admitted | Refused:
    """
    Whether the device may hold a seat of the license, with every reason if not.

    Args:
        license_: As for `decide_activation`; its `seats_used` counts all held seats.
        held: As there: at least the asking device's own.
        request: What is asked for.
        claim: Who asks, and what is given up for it.
        around: What the server knows beside.
        now: The server's time.

    Returns:
        `Admitted`, or `Refused` with the reasons of `decide_activation` first. The same device gets the same seat,
        whatever the budgets say (users-ask 16 and 17): they are about new seats. A user's seat moves to the user's
        newest device without counting as a move: a reinstalled app is no other customer (R-28).
    """
    conditions, policy = around.conditions, license_.policy
    limit = policy.seat_limit
    used = len(held) if license_.seats_used is None else license_.seats_used
    existing = next((seat for seat in held if seat.device == request.device), None)
    frees = tuple(
        seat
        for seat in dict.fromkeys((*claim.replaces, *_own_seat(claim, conditions)))
        if existing is None or seat.activation_id != existing.activation_id
    )
    decided = decide_activation(_with_room(license_, used, len(frees), conditions), held, request, now)
    reasons: list[Reason] = []
    if existing is None:
        if conditions.seat_scope == "user" and claim.user is None:
            reasons.append(admission_reason("user_required"))
        if _had_trial(license_, around):
            reasons.append(admission_reason("trial_used"))
        if not has_room(around.activations, conditions.activation_budget, conditions.activation_budget_seconds, now):
            until = free_again_at(around.activations, conditions.activation_budget_seconds)
            reasons.append(admission_reason("activation_budget_spent", until))
    moves = 0 if claim.by_vendor else sum(seat in claim.replaces for seat in frees)
    if moves and not _has_moves(around.moves, conditions, now):
        until = None if conditions.moves_per_year == 0 else free_again_at(around.moves, MOVES_PERIOD_SECONDS)
        reasons.append(admission_reason("move_quota_reached", until))
    if isinstance(decided, Refused):
        return replace(decided, reasons=(*decided.reasons, *reasons))
    if reasons:
        return Refused(
            code=reasons[0].code,
            reasons=tuple(reasons),
            license_id=license_.id,
            activation_id=None if existing is None else existing.activation_id,
        )
    after = used - len(frees) + (existing is None)
    activations = around.activations
    if existing is None and conditions.activation_budget is not None:
        activations = count_one(activations, conditions.activation_budget_seconds, now)
    return Admitted(
        existing=existing,
        frees=frees,
        seats_used=after,
        mark=seat_mark(after, limit, conditions.near_limit_percent) if after > used else None,
        activations=activations,
        moves=count_one(around.moves, MOVES_PERIOD_SECONDS, now) if moves else around.moves,
        is_first_trial=around.license_type == "trial" and around.trial_license is None,
    )


def admission_reason(code: str, until: int | None = None) -> Reason:
    """The reason *code* of `ADMISSION_REASONS`; *until* is when it is over, in seconds since 1970."""
    message, fix = ADMISSION_REASONS[code]
    phrase = "" if until is None else f"; it may be again on {moment(Instant(until))}"
    return Reason(code=code, message=message.format(until=phrase), fix=fix)


def _with_room(license_: LicenseFacts, used: int, freed: int, conditions: Conditions) -> LicenseFacts:
    """
    *license_* as `seats` shall count it: with the seats above what was sold, and without those that are given up.

    A seat that takes the place of another needs no free one, also where the limit was lowered below what is held.
    """
    limit = license_.policy.seat_limit
    ceiling = seat_ceiling(limit, conditions.overage_percent)
    if freed:
        used = used - freed if ceiling is None else min(used - freed, ceiling - 1)
    if used != license_.seats_used:
        license_ = replace(license_, seats_used=used)
    return license_ if ceiling == limit else replace(license_, policy=replace(license_.policy, seat_limit=ceiling))


def _own_seat(claim: SeatClaim, conditions: Conditions) -> tuple[HeldSeat, ...]:
    is_users = conditions.seat_scope == "user" and claim.user is not None and claim.user_seat is not None
    return (claim.user_seat,) if is_users and claim.user_seat is not None else ()


def _had_trial(license_: LicenseFacts, around: Circumstances) -> bool:
    """A device that gave its seat of this very trial back may take it again while the trial runs."""
    is_trial = around.license_type == "trial" and around.conditions.trial_per_device
    return is_trial and around.trial_license not in (None, license_.id)


def _has_moves(moves: Tally, conditions: Conditions, now: Instant) -> bool:
    return has_room(moves, conditions.moves_per_year, MOVES_PERIOD_SECONDS, now)

"""
Seats: may this device have one? The only place where a seat limit is judged (R-20, R-22, R-23; specs/decision.md §7).

Pure: the caller reads the license and its held seats under a lock, asks, and writes in the same transaction (design.md
§2 rule 6). Nothing here counts what it was not given.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.decision import Reason, Refused, SeatHolder
from carnet.core.domains import covered_domain
from carnet.core.instant import Instant
from carnet.core.model import LicenseStatus, Policy
from carnet.core.reasons import reason
from carnet.core.terms import term_ends_at


class LicenseFacts(Struct):
    """
    The license as the seat rules need it, read under the lock.

    Attributes:
        policy: The license's policy with its overrides applied.
        starts_at: First second of the term; None if it has always been valid.
        expires_at: First second after the term; None if perpetual.
        seats_used: How many seats are held, from the counter under the lock, where the caller does not list them all;
            None: as many as it lists.
    """

    id: str
    product: str
    policy: Policy
    status: LicenseStatus = "active"
    starts_at: Instant | None = None
    expires_at: Instant | None = None
    seats_used: int | None = None


class HeldSeat(Struct):
    """A seat that is held now: an activation that was not deactivated. `device` is its fingerprint."""

    activation_id: str
    device: str
    device_name: str
    activated_at: Instant


class SeatRequest(Struct):
    """Which device asks, for which product, and under which host name where the license is for domains."""

    product: str
    device: str
    domain: str | None = None


class Granted(Struct):
    """The device may hold a seat. `existing` is the one it already holds; None: make a new one, in this transaction."""

    existing: HeldSeat | None = None


def decide_activation(
    facts: LicenseFacts,
    held: tuple[HeldSeat, ...],
    request: SeatRequest,
    now: Instant,
) -> Granted | Refused:
    """
    Whether the device may hold a seat of the license, with every reason if not.

    Args:
        facts: The license, as read under the lock.
        held: The seats of the license that are held, likewise: all of them, or, where `facts.seats_used` counts them,
            at least the asking device's own.
        request: What is asked for.
        now: The server's time.

    Returns:
        `Granted` with the seat the device already holds (same device, same seat, whatever the limit is now: users-ask
        10, 16 and 17), `Granted` for a new one, or `Refused` with the reasons in the order of design.md §6. `holders`
        are filled where the limit is the main reason.

    A license past its expiry takes no new device; one that holds a seat may come back while the term's grace lasts.
    Does not check the license key, the fingerprint's form or a device proof.
    """
    existing = next((seat for seat in held if seat.device == request.device), None)
    reasons = _reasons_against(facts, existing, request, now)
    limit = facts.policy.seat_limit
    used = len(held) if facts.seats_used is None else facts.seats_used
    if existing is None and limit is not None and used >= limit:
        reasons.append(reason("seat_limit_reached", seats=f"{used} of {limit}"))
    if not reasons:
        return Granted(existing=existing)
    return _refused(facts, reasons, existing, held)


def decide_refresh(
    facts: LicenseFacts,
    held: tuple[HeldSeat, ...],
    request: SeatRequest,
    now: Instant,
) -> Granted | Refused:
    """
    Whether the device may have fresh artifacts for the seat it holds. As `decide_activation`, but never a new seat.

    Returns:
        `Granted` with the existing seat, or `Refused`; ``activation_not_found`` where the device holds none.
    """
    existing = next((seat for seat in held if seat.device == request.device), None)
    reasons = _reasons_against(facts, existing, request, now)
    if existing is None:
        reasons.append(reason("activation_not_found"))
    if not reasons:
        return Granted(existing=existing)
    return _refused(facts, reasons, existing, held)


def _reasons_against(
    facts: LicenseFacts,
    existing: HeldSeat | None,
    request: SeatRequest,
    now: Instant,
) -> list[Reason]:
    """What speaks against it besides the seats, in the order of design.md §6."""
    policy = facts.policy
    reasons: list[Reason] = []
    if request.product != facts.product:  # SEC-05: exactly
        reasons.append(reason("wrong_product", product=request.product))
    if policy.domains and not covered_domain(policy.domains, request.domain):
        reasons.append(reason("wrong_domain", domain=request.domain, licensed=policy.domains))
    if facts.status == "revoked":
        reasons.append(reason("license_revoked"))
    if facts.status == "suspended":
        reasons.append(reason("license_suspended"))
    if facts.starts_at is not None and now < facts.starts_at:
        reasons.append(reason("license_not_started", start=facts.starts_at))
    if facts.expires_at is not None:
        end = facts.expires_at if existing is None else term_ends_at(policy, facts.expires_at)
        if now >= end:
            reasons.append(reason("license_expired", at=facts.expires_at))
    return reasons


def _refused(
    facts: LicenseFacts,
    reasons: list[Reason],
    existing: HeldSeat | None,
    held: tuple[HeldSeat, ...],
) -> Refused:
    code = reasons[0].code
    holders = held if code == "seat_limit_reached" else ()
    return Refused(
        code=code,
        reasons=tuple(reasons),
        license_id=facts.id,
        activation_id=None if existing is None else existing.activation_id,
        holders=tuple(
            SeatHolder(activation_id=seat.activation_id, device_name=seat.device_name, activated_at=seat.activated_at)
            for seat in holders
        ),
    )

"""
Whether an artifact may be issued by hand: as activation and refresh would answer, with every reason (R-22, R-82).

Pure. The seat rules are `core.seats`'; here is only what holds for artifacts that know no grace of the term.
"""

from __future__ import annotations

from carnet.core.decision import Reason, Refused
from carnet.core.instant import Instant
from carnet.core.reasons import reason
from carnet.core.seats import SeatRequest, decide_refresh
from carnet.server.domain.activations.requests import held_seats, license_facts
from carnet.server.ports import SeatFacts
from carnet.server.records import Activation, License


def refuse_unusable(license_: License, now: Instant, *, may_start_later: bool = False) -> Refused | None:
    """
    The refusal for a license that is revoked, suspended or outside of its term, to the second; None if it is usable.

    Args:
        license_: Under the lock.
        now: The server's time.
        may_start_later: Whether a license that has not started is fine, because the artifact says when it starts.
    """
    reasons: list[Reason] = []
    if license_.status == "revoked":
        reasons.append(reason("license_revoked"))
    if license_.status == "suspended":
        reasons.append(reason("license_suspended"))
    if license_.starts_at is not None and now < license_.starts_at and not may_start_later:
        reasons.append(reason("license_not_started", start=license_.starts_at))
    if license_.progress.pending is not None:
        # Its end is not known before its term begins: what was signed now would say that there is none.
        reasons.append(reason("license_not_started"))
    if license_.expires_at is not None and license_.expires_at <= now:
        reasons.append(reason("license_expired", at=license_.expires_at))
    if not reasons:
        return None
    return Refused(code=reasons[0].code, reasons=tuple(reasons), license_id=license_.id)


def seat_for(
    facts: SeatFacts, fingerprint: str, now: Instant, *, within_term: bool
) -> tuple[License, Activation] | Refused:
    """
    License and seat that an artifact for the device *fingerprint* is made from, or why there is none.

    A seat is taken by activating, never by making a file (R-20); what the seat's device could not refresh, the vendor
    cannot issue for it either.

    Args:
        facts: Under the lock; the license is there.
        fingerprint: The device.
        now: The server's time.
        within_term: Whether the license's term itself must still run: the artifact knows no grace after it.
    """
    license_, activation = facts.license, facts.activation
    assert license_ is not None  # noqa: S101 - found by its own look-up, and licenses are never deleted
    domain = None if activation is None else activation.domain
    request = SeatRequest(product=license_.product, device=fingerprint, domain=domain)
    decided = decide_refresh(license_facts(license_), held_seats(facts), request, now)
    if isinstance(decided, Refused):
        return decided
    ended = refuse_unusable(license_, now) if within_term else None
    assert activation is not None  # noqa: S101 - it was granted
    return (license_, activation) if ended is None else ended

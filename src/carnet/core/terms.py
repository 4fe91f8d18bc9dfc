"""
The issuing rules: from when until when an artifact holds. Used by the server; stated in specs/decision.md §8.

What a device then makes of an artifact is `rules.py`.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.errors import UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.model import BACKDATE_SECONDS, Policy


class OfflineWindow(Struct):
    """
    The times that the artifacts of one activation or refresh carry.

    Attributes:
        issued_at: ``iat``; always `BACKDATE_SECONDS` before the real moment, with which `rules` compares refusals.
        not_before: ``nbf``; ``issued_at``, or the license's start where that is later.
        machine_file_until: ``exp`` of the machine file: the end of the offline window.
        token_until: ``exp`` of the license token; never later than that of the machine file.
        renew_after: When the device should come again.
    """

    issued_at: Instant
    not_before: Instant
    machine_file_until: Instant
    token_until: Instant
    renew_after: Instant


def offline_window(
    policy: Policy,
    now: Instant,
    *,
    ttl_seconds: int | None = None,
    license_starts_at: Instant | None = None,
    license_expires_at: Instant | None = None,
) -> OfflineWindow:
    """
    Date the artifacts that are issued *now*.

    Nothing is valid past the license's expiry; after it, while the term's own grace lasts, past the end of that grace.

    Args:
        policy: A policy that passed `check_policy`.
        now: The server's time.
        ttl_seconds: The window that the device asks for, ≥ 1; None for the policy's. Capped by
            ``max_offline_ttl_seconds``.
        license_starts_at: The license's start, not after *now*; None if it has always been valid.
        license_expires_at: First second after the license's term; None if perpetual.

    Raises:
        UsageError: ``bad_ttl``: below 1. ``license_not_started``, ``license_expired``: nothing may be issued; callers
            refuse before they come here (`seats.decide_activation`).
    """
    if ttl_seconds is not None and ttl_seconds < 1:
        raise UsageError("bad_ttl", f"An offline window of {ttl_seconds} seconds is too short.", "Ask for at least 1.")
    if license_starts_at is not None and now < license_starts_at:
        raise UsageError("license_not_started", f"The license starts at {license_starts_at}.", "Issue nothing before.")
    cap = MAX_INSTANT
    if license_expires_at is not None:
        cap = license_expires_at if now < license_expires_at else term_ends_at(policy, license_expires_at)
    if now >= cap:
        raise UsageError("license_expired", f"The license and its grace ended at {Instant(cap)}.", "Renew the license.")
    ttl = min(ttl_seconds or policy.offline_ttl_seconds, policy.max_offline_ttl_seconds)
    issued_at = max(0, now - BACKDATE_SECONDS)  # SEC-04
    machine_file_until = Instant(min(_until(now, ttl), cap))
    return OfflineWindow(
        issued_at=Instant(issued_at),
        not_before=Instant(max(issued_at, license_starts_at or 0)),
        machine_file_until=machine_file_until,
        token_until=Instant(min(_until(now, min(policy.token_ttl_seconds, ttl)), cap)),
        renew_after=Instant(min(issued_at + policy.refresh_after_seconds, machine_file_until)),
    )


def _until(now: int, ttl: int) -> int:
    """
    The end of a window of *ttl* seconds that is dated back: counted from its dated beginning.

    A window of less than two minutes would be over, or nearly, when it is issued; it lasts from *now* for its *ttl*,
    for a minute at most. Windows only get longer by asking for more.
    """
    return now + max(ttl - BACKDATE_SECONDS, min(ttl, BACKDATE_SECONDS))


def term_ends_at(policy: Policy, license_expires_at: Instant) -> Instant:
    """When the license term's own grace is over; nothing runs past it."""
    return Instant(min(license_expires_at + max(0, policy.term_grace_seconds), MAX_INSTANT))

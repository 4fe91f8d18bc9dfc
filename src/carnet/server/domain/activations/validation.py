"""
What the server's own records say about a license and a device: the same `decide` as on the device (R-82), fed with
records in place of artifacts.
"""

from __future__ import annotations

from carnet.core.decision import Decision, Evidence, Host
from carnet.core.instant import Instant
from carnet.core.model import BACKDATE_SECONDS, Grant, Refusal
from carnet.core.rules import decide
from carnet.server.records import Activation, License


def judge(
    license_: License,
    activation: Activation | None,
    *,
    issuer: str,
    fingerprint: str | None,
    domain: str | None,
    app_version: str | None,
    now: Instant,
) -> Decision:
    """
    Decide by the records.

    Args:
        license_: Found by its key, of the product that was named.
        activation: The device's newest one, held or given back; None: it never had one.
        issuer: This installation's id.
        fingerprint: The device, or None if only the license is asked about.
        domain: Host name for domain licenses.
        app_version: For version ceilings.
        now: The server's time.

    A device without a seat is granted nothing where the policy requires activation, and is told whatever else stands
    against it (design.md §2 rule 8): that the license expired, for one. There is no offline window: this is the contact
    that the window is about.
    """
    host = Host(product=license_.product, domain=domain, app_version=app_version)
    held = activation is not None and activation.deactivated_at is None
    granted = fingerprint is None or held or not license_.effective.require_activation
    # Without a seat the record stands too, for all that it tells (rule 8); but what says so outranks it.
    absence = None if granted else _absence(license_, activation, fingerprint, now)
    issued_at = now if absence is None else Instant(max(0, absence.at - BACKDATE_SECONDS))
    evidence = Evidence(
        grants=(_record(license_, activation if held else None, issuer, issued_at),),
        refusals=() if absence is None else (absence,),
        device=fingerprint,
        revocation_checked_at=now,  # this is the check
        license_status=license_.status,
    )
    return decide(evidence, now, host)


def _absence(license_: License, activation: Activation | None, fingerprint: str | None, now: Instant) -> Refusal:
    """That the device has no seat: it gave it back, or never had one."""
    gone = None if activation is None else activation.deactivated_at
    return Refusal(
        id=(fingerprint or "") if activation is None else activation.id,
        code="not_activated" if gone is None else "deactivated",
        at=now if gone is None else gone,
        product=license_.product,
        license_id=license_.id,
        activation_id=None if activation is None else activation.id,
        device=fingerprint,
    )


def _record(license_: License, activation: Activation | None, issuer: str, issued_at: Instant) -> Grant:
    return Grant(
        kind="record",
        id=license_.id,
        issuer=issuer,
        product=license_.product,
        license_id=license_.id,
        issued_at=issued_at,
        not_before=issued_at,
        offline_until=None,
        policy=license_.effective,
        activation_id=None if activation is None else activation.id,
        device=None if activation is None else activation.fingerprint,
        customer=license_.customer,
        license_starts_at=license_.starts_at,
        license_expires_at=license_.expires_at,
        entitlements=license_.effective.entitlements,
    )

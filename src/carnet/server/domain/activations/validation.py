"""
What the server's own records say about a license and a device: the same `decide` as on the device (R-82), fed with
records in place of artifacts.
"""

from __future__ import annotations

from carnet.core.decision import Decision, Evidence, Host
from carnet.core.instant import Instant
from carnet.core.model import Grant, Refusal
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

    A device without a seat is granted nothing where the policy requires activation. There is no offline window: this is
    the contact that the window is about.
    """
    host = Host(product=license_.product, domain=domain, app_version=app_version)
    held = activation is not None and activation.deactivated_at is None
    grants: tuple[Grant, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    if fingerprint is None or held or not license_.effective.require_activation:
        grants = (_record(license_, activation if held else None, issuer, now),)
    elif activation is not None and activation.deactivated_at is not None:
        refusals = (
            Refusal(
                id=activation.id,
                code="deactivated",
                at=activation.deactivated_at,
                product=license_.product,
                license_id=license_.id,
                activation_id=activation.id,
                device=activation.fingerprint,
            ),
        )
    evidence = Evidence(grants=grants, refusals=refusals, device=fingerprint, license_status=license_.status)
    return decide(evidence, now, host)


def _record(license_: License, activation: Activation | None, issuer: str, now: Instant) -> Grant:
    return Grant(
        kind="record",
        id=license_.id,
        issuer=issuer,
        product=license_.product,
        license_id=license_.id,
        issued_at=now,  # the record is as fresh as it can be
        not_before=now,
        offline_until=None,
        policy=license_.effective,
        activation_id=None if activation is None else activation.id,
        device=None if activation is None else activation.fingerprint,
        customer=license_.customer,
        license_starts_at=license_.starts_at,
        license_expires_at=license_.expires_at,
        entitlements=license_.effective.entitlements,
    )

"""
How the vendor's objects look in JSON and as facts. Pure: a record in, a dictionary or text out. Never a secret.

The JSON is the admin API's, member for member (a test compares them), so that a script may start with the command and
go on with HTTP. It is written here once more because the API's own types need the web framework, which takes longer to
load than most commands take to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.cli.output import facts, when
from carnet.core.instant import Instant
from carnet.core.model import Entitlement, Policy

if TYPE_CHECKING:
    from carnet.server.domain.activations.commands import ActivationView
    from carnet.server.domain.licenses.commands import LicenseView
    from carnet.server.records import AuditEntry, Customer, Product, StoredPolicy


def text_of(instant: Instant | None) -> str | None:
    """RFC 3339, or None."""
    return None if instant is None else str(instant)


def product_json(product: Product) -> dict[str, Any]:
    """A product."""
    return {
        "id": product.id,
        "name": product.name,
        "created_at": str(product.created_at),
        "metadata": dict(product.metadata),
    }


def policy_json(stored: StoredPolicy) -> dict[str, Any]:
    """A policy: where it belongs, what it starts licenses as, and its rules."""
    return {
        "id": stored.id,
        "product": stored.product,
        "name": stored.policy.name,
        "license_type": stored.license_type,
        "duration_seconds": stored.duration_seconds,
        "rules": rules_json(stored.policy),
        "created_at": str(stored.created_at),
        "updated_at": str(stored.updated_at),
    }


def rules_json(policy: Policy) -> dict[str, Any]:
    """The rules of a policy; its name stands beside them."""
    from carnet.core.policies import policy_to_json

    return {member: value for member, value in policy_to_json(policy).items() if member != "name"}


def customer_json(customer: Customer) -> dict[str, Any]:
    """A customer."""
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "created_at": str(customer.created_at),
        "metadata": dict(customer.metadata),
    }


def entitlement_json(entitlement: Entitlement) -> dict[str, Any]:
    """An entitlement, as the decision's JSON has it."""
    return {
        "key": entitlement.key,
        "expires_at": text_of(entitlement.expires_at),
        "below_version": entitlement.below_version,
    }


def license_json(license: LicenseView) -> dict[str, Any]:  # noqa: A002 - the field's word
    """A license: everything but its key."""
    return {
        "id": license.id,
        "product": license.product,
        "policy": license.policy,
        "type": license.type,
        "status": license.status,
        "customer": license.customer,
        "created_at": str(license.created_at),
        "starts_at": text_of(license.starts_at),
        "expires_at": text_of(license.expires_at),
        "seats": {"limit": license.seats.limit, "used": license.seats.used},
        "entitlements": [entitlement_json(entitlement) for entitlement in license.entitlements],
        "key_last_four": license.key_last_four,
        "overrides": dict(license.overrides),
        "rules": rules_json(license.effective),
        "metadata": dict(license.metadata),
    }


def license_facts(license: LicenseView) -> str:  # noqa: A002
    """A license for people."""
    limit = "no limit" if license.seats.limit is None else license.seats.limit
    return facts(
        [
            ("License", license.id),
            ("Key", f"…{license.key_last_four}"),
            ("Product", license.product),
            ("Policy", license.policy),
            ("Type", license.type),
            ("Status", license.status),
            ("Customer", license.customer),
            ("Starts", None if license.starts_at is None else when(license.starts_at)),
            ("Ends", when(license.expires_at)),
            ("Seats", f"{license.seats.used} of {limit} held"),
            ("Features", ", ".join(entitlement.key for entitlement in license.entitlements) or None),
            ("Overrides", ", ".join(f"{k}={v}" for k, v in license.overrides.items()) or None),
        ]
    )


def activation_json(activation: ActivationView) -> dict[str, Any]:
    """A seat and the device that holds it."""
    return {
        "id": activation.id,
        "license_id": activation.license_id,
        "product": activation.product,
        "device": activation.device,
        "device_name": activation.device_name,
        "platform": activation.platform,
        "created_at": str(activation.created_at),
        "refreshed_at": str(activation.refreshed_at),
        "covered_until": str(activation.covered_until),
        "deactivated_at": text_of(activation.deactivated_at),
    }


def audit_json(entry: AuditEntry) -> dict[str, Any]:
    """One change."""
    return {
        "seq": entry.seq,
        "at": str(entry.at),
        "actor": {"kind": entry.actor.kind, "id": entry.actor.id},
        "action": entry.action,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "details": dict(entry.details),
    }

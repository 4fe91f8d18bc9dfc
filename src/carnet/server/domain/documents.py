"""
What the vendor sees, as plain JSON: a record or a service's answer in, a dictionary out. One piece for the admin API
and the `carnet` command, so that a script may start with one and go on with the other.

Belongs here: which members there are, and in which order. Not here: types for OpenAPI (`api.admin.models`, which a test
compares), and text for people. Never a secret, but where a function's name says so. Loads no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnet.core.conditions import conditions_to_json
from carnet.core.policies import entitlement_to_json, policy_to_json

if TYPE_CHECKING:
    from carnet.core.instant import Instant
    from carnet.core.model import Policy
    from carnet.server.domain.activations.commands import ActivationView
    from carnet.server.domain.artifacts.commands import IssuedArtifact
    from carnet.server.domain.enrolment.commands import EnrolmentView
    from carnet.server.domain.licenses.commands import CreatedLicense, LicenseView
    from carnet.server.domain.metering.commands import MeterView, UseResult
    from carnet.server.domain.reissue.checking import CheckedArtifact
    from carnet.server.ports import Delivery
    from carnet.server.ports.never_issued import Stranger
    from carnet.server.records import AuditEntry, CompatibilityKey, Customer, Event, Product, StoredPolicy


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
        "token_algorithm": stored.token_algorithm,
        "rules": rules_json(stored.policy),
        "conditions": conditions_to_json(stored.conditions),
        "created_at": str(stored.created_at),
        "updated_at": str(stored.updated_at),
    }


def rules_json(policy: Policy) -> dict[str, Any]:
    """The rules of a policy; its name stands beside them."""
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
        "entitlements": [entitlement_to_json(entitlement) for entitlement in license.entitlements],
        "key_last_four": license.key_last_four,
        "overrides": dict(license.overrides),
        "rules": rules_json(license.effective),
        "conditions": conditions_to_json(license.conditions),
        "own_conditions": dict(license.own_conditions),
        "starts_with": None if license.progress.pending is None else license.progress.pending.basis,
        "updates_until": text_of(license.progress.updates_until),
        "metadata": dict(license.metadata),
    }


def license_with_its_keys_json(created: CreatedLicense) -> dict[str, Any]:
    """A new license as a script wants it, key in clear; `signed_key` only where there is one."""
    view = created.license
    document: dict[str, Any] = {
        "id": view.id,
        "key": created.key,
        "product": view.product,
        "policy": view.policy,
        "expires_at": text_of(view.expires_at),
    }
    if created.signed_key is not None:
        document["signed_key"] = created.signed_key
    return document


def artifact_with_its_text_json(artifact: IssuedArtifact) -> dict[str, Any]:
    """A signed artifact, its text in clear: it may hold the license key."""
    return {
        "kind": artifact.kind,
        "id": artifact.id,
        "license_id": artifact.license_id,
        "product": artifact.product,
        "kid": artifact.kid,
        "device": artifact.device,
        "issued_at": str(artifact.issued_at),
        "expires_at": text_of(artifact.expires_at),
        "text": artifact.text,
    }


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
        "forks": activation.forks,
    }


def enrolment_json(enrolment: EnrolmentView) -> dict[str, Any]:
    """An enrolment token: everything but the token."""
    return {
        "id": enrolment.id,
        "license_id": enrolment.license_id,
        "name": enrolment.name,
        "last_four": enrolment.last_four,
        "max_uses": enrolment.max_uses,
        "used": enrolment.used,
        "networks": list(enrolment.networks),
        "group": enrolment.group,
        "created_at": str(enrolment.created_at),
        "expires_at": text_of(enrolment.expires_at),
        "revoked_at": text_of(enrolment.revoked_at),
    }


def meter_json(view: MeterView) -> dict[str, Any]:
    """A meter with its use in the running period."""
    return {
        "meter": view.meter,
        "period": view.period,
        "starts_at": str(view.starts_at),
        "ends_at": text_of(view.ends_at),
        "used": view.used,
        "limit": view.limit,
        "remaining": view.remaining,
        "is_over": view.is_over,
        "overage": view.overage,
    }


def usage_json(license_id: str, meters: tuple[MeterView, ...]) -> dict[str, Any]:
    """The meters of a license."""
    return {"license_id": license_id, "meters": [meter_json(view) for view in meters]}


def use_json(use: UseResult) -> dict[str, Any]:
    """A counted use, and the meter after it."""
    return {
        "license_id": use.license_id,
        "event_id": use.event_id,
        "amount": use.amount,
        "counted_now": use.counted_now,
        "counted_at": str(use.counted_at),
        "usage": meter_json(use.usage),
    }


def key_json(key: CompatibilityKey) -> dict[str, Any]:
    """A compatibility key's record; its public half is exported by itself."""
    return {
        "kid": key.kid,
        "product": key.product,
        "alg": key.alg,
        "state": key.state,
        "origin": key.origin,
        "signs_for": key.signs_for,
        "created_at": str(key.created_at),
        "replaced_at": text_of(key.replaced_at),
        "retired_at": text_of(key.retired_at),
    }


def event_json(event: Event) -> dict[str, Any]:
    """Something that happened, as it leaves."""
    return {
        "id": event.id,
        "seq": event.seq,
        "at": str(event.at),
        "kind": event.kind,
        "object_id": event.object_id,
        "product": event.product,
        "data": dict(event.payload),
    }


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """An event on its way to a destination."""
    return {
        "id": str(delivery.seq),
        "destination": delivery.destination,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "first_tried_at": text_of(delivery.first_tried_at),
        "due_at": str(delivery.due_at) if delivery.state == "waiting" else None,
        "ended_at": text_of(delivery.ended_at),
        "problem": delivery.problem,
        "event": event_json(delivery.event),
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


def stranger_json(stranger: Stranger) -> dict[str, Any]:
    """An artifact that was seen and never issued; what it says of itself may be a lie."""
    return {
        "jti": stranger.jti,
        "kind": stranger.kind,
        "kid": stranger.kid,
        "reason": stranger.reason,
        "proved": stranger.proved,
        "product": stranger.product,
        "license_id": stranger.license_id,
        "activation_id": stranger.activation_id,
        "issued_at": str(stranger.issued_at),
        "expires_at": str(stranger.expires_at),
        "first_seen_at": str(stranger.first_seen_at),
        "last_seen_at": str(stranger.last_seen_at),
        "times": stranger.times,
    }


def checked_json(checked: CheckedArtifact) -> dict[str, Any]:
    """What the register says of an artifact; `expires_at` null means never."""
    grant = checked.grant
    return {
        "verdict": checked.verdict,
        "differs": list(checked.differs),
        "kind": checked.kind,
        "jti": grant.id,
        "kid": grant.kid,
        "key_state": checked.key_state,
        "product": grant.product,
        "license_id": checked.license_id,
        "activation_id": grant.activation_id,
        "issued_at": str(grant.issued_at),
        "expires_at": text_of(checked.expires_at),
    }

"""How the services' results become the replies of the admin API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response

from carnet.core.model import Policy
from carnet.server.api import wire
from carnet.server.api.admin.models import (
    ActivationReply,
    ActorWire,
    AuditReply,
    CreatedLicenseReply,
    CustomerReply,
    LicenseReply,
    PolicyReply,
    ProductReply,
    RulesReply,
)
from carnet.server.domain.activations.commands import ActivationView
from carnet.server.domain.licenses.commands import CreatedLicense, LicenseView
from carnet.server.records import AuditEntry, Customer, Page, Product, StoredPolicy

_T = TypeVar("_T")


def product(value: Product) -> ProductReply:
    """A product for a reply."""
    return ProductReply(id=value.id, name=value.name, created_at=str(value.created_at), metadata=value.metadata)


def rules(value: Policy) -> RulesReply:
    """The rules of a policy for a reply; its name stands beside them."""
    members = {name: getattr(value, name) for name in RulesReply.__struct_fields__}
    members["essential"] = list(value.essential)
    members["domains"] = list(value.domains)
    members["entitlements"] = wire.entitlements(value.entitlements)
    return RulesReply(**members)


def policy(value: StoredPolicy) -> PolicyReply:
    """A policy for a reply."""
    return PolicyReply(
        id=value.id,
        product=value.product,
        name=value.policy.name,
        license_type=value.license_type,
        duration_seconds=value.duration_seconds,
        rules=rules(value.policy),
        created_at=str(value.created_at),
        updated_at=str(value.updated_at),
    )


def customer(value: Customer) -> CustomerReply:
    """A customer for a reply."""
    return CustomerReply(
        id=value.id,
        name=value.name,
        email=value.email,
        created_at=str(value.created_at),
        metadata=value.metadata,
    )


def _license_members(value: LicenseView) -> dict[str, Any]:
    return {
        "id": value.id,
        "product": value.product,
        "policy": value.policy,
        "type": value.type,
        "status": value.status,
        "customer": value.customer,
        "created_at": str(value.created_at),
        "starts_at": wire.text(value.starts_at),
        "expires_at": wire.text(value.expires_at),
        "seats": wire.SeatsWire(limit=value.seats.limit, used=value.seats.used),
        "entitlements": wire.entitlements(value.entitlements),
        "key_last_four": value.key_last_four,
        "overrides": value.overrides,
        "rules": rules(value.effective),
        "metadata": value.metadata,
    }


def license_(value: LicenseView) -> LicenseReply:
    """A license for a reply."""
    return LicenseReply(**_license_members(value))


def created_license(value: CreatedLicense) -> CreatedLicenseReply:
    """A new license with its key for a reply."""
    return CreatedLicenseReply(**_license_members(value.license), key=value.key)


def activation(value: ActivationView) -> ActivationReply:
    """An activation for a reply."""
    return ActivationReply(
        id=value.id,
        license_id=value.license_id,
        product=value.product,
        device=value.device,
        device_name=value.device_name,
        platform=value.platform,
        created_at=str(value.created_at),
        refreshed_at=str(value.refreshed_at),
        covered_until=str(value.covered_until),
        deactivated_at=wire.text(value.deactivated_at),
    )


def audit(value: AuditEntry) -> AuditReply:
    """An audit entry for a reply."""
    return AuditReply(
        seq=value.seq,
        at=str(value.at),
        actor=ActorWire(kind=value.actor.kind, id=value.actor.id),
        action=value.action,
        object_kind=value.object_kind,
        object_id=value.object_id,
        details=value.details,
    )


def page(
    request: Request[Any, Any, Any], found: Page[_T], view: Callable[[_T], Any], reply: Callable[..., Any]
) -> Response[Any]:
    """
    Some of a list, with what continues it: `next_cursor`, and the same as a `Link` header (RFC 8288).

    Args:
        request: Its other query parameters stay in the link.
        found: What the service gave.
        view: One item for a reply.
        reply: The reply's type.
    """
    items: Sequence[Any] = [view(item) for item in found.items]
    content = reply(items=items, has_more=found.next_after is not None, next_cursor=found.next_after)
    headers = {}
    if found.next_after is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query = urlencode([*kept, ("cursor", found.next_after)])
        headers["Link"] = f'<{request.scope["path"]}?{query}>; rel="next"'
    return Response(content, headers=headers)

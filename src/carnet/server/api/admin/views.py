"""
How the services' results become the replies of the admin API. Pure.

What stands in them is written once, in `domain.documents`; here it becomes the types that OpenAPI shows. A member that
the type wants and the document lacks, or that has another type, is a fault that no answer hides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response

from carnet.server.api.admin.artifact_models import ArtifactReply
from carnet.server.api.admin.key_models import AddedKeyReply, ExportedKeyReply, KeyReply
from carnet.server.api.admin.license_model_bodies import CreatedEnrolmentReply, EnrolmentReply, UsageReply, UseReply
from carnet.server.api.admin.models import (
    ActivationReply,
    AuditReply,
    CreatedLicenseReply,
    CustomerReply,
    IssuedLicenseWire,
    LicenseReply,
    PolicyReply,
    ProductReply,
)
from carnet.server.domain import documents
from carnet.server.domain.activations.commands import ActivationView
from carnet.server.domain.artifacts.commands import IssuedArtifact
from carnet.server.domain.enrolment.commands import CreatedEnrolment, EnrolmentView
from carnet.server.domain.keys.commands import AddedKey
from carnet.server.domain.keys.service import jwk_of, pem_of
from carnet.server.domain.licenses.commands import CreatedLicense, LicenseView
from carnet.server.domain.metering.commands import MeterView, UseResult
from carnet.server.records import AuditEntry, CompatibilityKey, Customer, Page, Product, StoredPolicy

_T = TypeVar("_T")


def product(value: Product) -> ProductReply:
    """A product for a reply."""
    return msgspec.convert(documents.product_json(value), ProductReply)


def policy(value: StoredPolicy) -> PolicyReply:
    """A policy for a reply."""
    return msgspec.convert(documents.policy_json(value), PolicyReply)


def customer(value: Customer) -> CustomerReply:
    """A customer for a reply."""
    return msgspec.convert(documents.customer_json(value), CustomerReply)


def license_(value: LicenseView) -> LicenseReply:
    """A license for a reply."""
    return msgspec.convert(documents.license_json(value), LicenseReply)


def created_license(value: CreatedLicense) -> CreatedLicenseReply:
    """A new license with its keys for a reply."""
    members = {**documents.license_json(value.license), "key": value.key, "signed_key": value.signed_key}
    return msgspec.convert(members, CreatedLicenseReply)


def issued_license(value: CreatedLicense) -> IssuedLicenseWire:
    """One of a batch of new licenses, with its keys."""
    return msgspec.convert({"signed_key": None, **documents.license_with_its_keys_json(value)}, IssuedLicenseWire)


def artifact(value: IssuedArtifact) -> ArtifactReply:
    """A signed artifact with its text for a reply."""
    return msgspec.convert(documents.artifact_with_its_text_json(value), ArtifactReply)


def activation(value: ActivationView) -> ActivationReply:
    """An activation for a reply."""
    return msgspec.convert(documents.activation_json(value), ActivationReply)


def enrolment(value: EnrolmentView) -> EnrolmentReply:
    """An enrolment token's record for a reply."""
    return msgspec.convert(documents.enrolment_json(value), EnrolmentReply)


def created_enrolment(value: CreatedEnrolment) -> CreatedEnrolmentReply:
    """A new enrolment token for a reply."""
    return msgspec.convert({**documents.enrolment_json(value.enrolment), "token": value.token}, CreatedEnrolmentReply)


def usage(license_id: str, meters: tuple[MeterView, ...]) -> UsageReply:
    """The meters of a license for a reply."""
    return msgspec.convert(documents.usage_json(license_id, meters), UsageReply)


def use(value: UseResult) -> UseReply:
    """A counted use for a reply."""
    return msgspec.convert(documents.use_json(value), UseReply)


def key(value: CompatibilityKey) -> KeyReply:
    """A compatibility key's record for a reply."""
    return msgspec.convert(documents.key_json(value), KeyReply)


def exported_key(value: CompatibilityKey) -> ExportedKeyReply:
    """A compatibility key's record and public half for a reply."""
    members = {**documents.key_json(value), "pem": pem_of(value), "jwk": jwk_of(value)}
    return msgspec.convert(members, ExportedKeyReply)


def added_key(value: AddedKey) -> AddedKeyReply:
    """A new compatibility key for a reply."""
    former = None if value.former is None else value.former.kid
    members = {**documents.key_json(value.key), "pem": pem_of(value.key), "jwk": jwk_of(value.key), "replaces": former}
    return msgspec.convert(members, AddedKeyReply)


def audit(value: AuditEntry) -> AuditReply:
    """An audit entry for a reply."""
    return msgspec.convert(documents.audit_json(value), AuditReply)


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

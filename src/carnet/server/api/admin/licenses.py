"""Licenses, their activations, and the audit (specs/http-api.md §8)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from carnet.core._base import replace
from carnet.core.model import LicenseStatus
from carnet.server.api import wire
from carnet.server.api.admin import views
from carnet.server.api.admin.models import (
    ActivationReply,
    ActivationsReply,
    AuditsReply,
    CreatedLicenseReply,
    CreatedLicensesReply,
    CreateLicenseRequest,
    CreateLicensesRequest,
    FindLicenseRequest,
    LicenseReply,
    LicensesReply,
    ReasonRequest,
    RenewLicenseRequest,
    RevealedKeyReply,
)
from carnet.server.api.admin.params import PAGE_SIZE, ActivationPath, Cursor, LicensePath, Limit
from carnet.server.api.auth import READS, actor_of
from carnet.server.api.preconditions import tagged
from carnet.server.api.reach import within
from carnet.server.domain.activations.service import ActivationService
from carnet.server.domain.artifacts.commands import SignedKeyOptions
from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.audit.service import AuditService
from carnet.server.domain.licenses.commands import CreateLicense, LicenseView, RenewLicense
from carnet.server.domain.licenses.service import LicenseService

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable")
_MAKE: Final = (
    *_WRITE,
    "bad_time",
    "bad_policy",
    "bad_grant",
    "bad_fingerprint",
    "placeholder_fingerprint",
    "product_not_found",
    "policy_not_found",
    "customer_not_found",
    "quota_exceeded",
)
_CHANGE: Final = (*_WRITE, "license_not_found")


@post(
    "/licenses",
    operation_id="createLicense",
    tags=_TAGS,
    response_description="The new license with its key.",
    opt={
        "problems": (
            *_MAKE,
            "weak_license_key",
            "bad_license_key",
            "license_key_not_canonical",
            "already_exists",
        )
    },
)
async def create_license(
    request: Request[Any, Any, Any], data: JSONBody[CreateLicenseRequest], licenses: NamedDependency[LicenseService]
) -> Response[CreatedLicenseReply]:
    """
    Create a license, with a fresh key or one of another system, and with a signed key where one is asked for.

    The key is shown here; later only `revealKey` shows it, and the audit says to whom.
    """
    command = replace(license_command(data), license_key=data.license_key)
    made = await licenses.create(command, actor_of(request))
    return Response(views.created_license(made), headers={"Location": f"/v1/admin/licenses/{made.license.id}"})


@post(
    "/licenses/batch",
    operation_id="createLicenses",
    tags=_TAGS,
    response_description="The new licenses with their keys.",
    opt={"problems": _MAKE},
)
async def create_licenses(
    request: Request[Any, Any, Any], data: JSONBody[CreateLicensesRequest], licenses: NamedDependency[LicenseService]
) -> Response[CreatedLicensesReply]:
    """Create several licenses of one kind, all of them or none, each with its keys."""
    command = license_command(data)
    made = [each async for lot in licenses.create_many(command, data.count, actor_of(request)) for each in lot]
    return Response(CreatedLicensesReply(items=[views.issued_license(each) for each in made]))


@get("/licenses", operation_id="listLicenses", tags=_TAGS, response_description="Licenses, newest first.")
async def list_licenses(
    request: Request[Any, Any, Any],
    *,
    licenses: NamedDependency[LicenseService],
    product: Annotated[
        str | None, QueryParameter(name="product", max_length=100, description="Of this product.")
    ] = None,
    customer: Annotated[
        str | None, QueryParameter(name="customer", max_length=64, description="Of this customer (id).")
    ] = None,
    status: Annotated[LicenseStatus | None, QueryParameter(name="status", description="Of this status.")] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[LicensesReply]:
    """List licenses."""
    found = await licenses.list(
        product=product, customer=customer, status=status, after=cursor, limit=limit, within=within(request)
    )
    return views.page(request, found, views.license_, LicensesReply)


@post(
    "/licenses/find",
    status_code=200,
    operation_id="findLicense",
    tags=_TAGS,
    response_description="The license.",
    opt={READS: True, "problems": ("unknown_member", "license_not_found")},
)
async def find_license(
    request: Request[Any, Any, Any], data: JSONBody[FindLicenseRequest], licenses: NamedDependency[LicenseService]
) -> Response[LicenseReply]:
    """Find a license by its key. A POST, because a key never stands in an address."""
    return Response(views.license_(await licenses.find(data.license_key, within=within(request))))


@get(
    "/licenses/{license_id:str}",
    operation_id="getLicense",
    tags=_TAGS,
    response_description="The license.",
    opt={"problems": ("license_not_found",)},
)
async def get_license(
    request: Request[Any, Any, Any], license_id: LicensePath, licenses: NamedDependency[LicenseService]
) -> Response[LicenseReply]:
    """Show a license."""
    return _shown(request, await licenses.get(license_id))


@post(
    "/licenses/{license_id:str}/renew",
    status_code=200,
    operation_id="renewLicense",
    tags=_TAGS,
    response_description="The license with its new end.",
    opt={"problems": (*_CHANGE, "bad_time", "conflict")},
)
async def renew_license(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[RenewLicenseRequest],
    licenses: NamedDependency[LicenseService],
) -> Response[LicenseReply]:
    """Give a license a later end."""
    command = RenewLicense(
        license_id=license_id,
        expires_at=wire.instant(data.expires_at),
        duration_seconds=data.duration_seconds,
        duration_months=data.duration_months,
        basis=data.basis,
    )
    return _shown(request, await licenses.renew(command, actor_of(request)))


@post(
    "/licenses/{license_id:str}/suspend",
    status_code=200,
    operation_id="suspendLicense",
    tags=_TAGS,
    response_description="The license as it is now.",
    opt={"problems": (*_CHANGE, "conflict")},
)
async def suspend_license(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    licenses: NamedDependency[LicenseService],
    data: JSONBody[ReasonRequest | None] = None,
) -> Response[LicenseReply]:
    """Stop a license until it is reinstated. Suspending twice changes nothing."""
    return _shown(request, await licenses.suspend(license_id, actor_of(request), reason=_why(data)))


@post(
    "/licenses/{license_id:str}/reinstate",
    status_code=200,
    operation_id="reinstateLicense",
    tags=_TAGS,
    response_description="The license as it is now.",
    opt={"problems": (*_CHANGE, "conflict")},
)
async def reinstate_license(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    licenses: NamedDependency[LicenseService],
    data: JSONBody[ReasonRequest | None] = None,
) -> Response[LicenseReply]:
    """Lift a suspension. Reinstating an active license changes nothing."""
    return _shown(request, await licenses.reinstate(license_id, actor_of(request), reason=_why(data)))


@post(
    "/licenses/{license_id:str}/revoke",
    status_code=200,
    operation_id="revokeLicense",
    tags=_TAGS,
    response_description="The license as it is now.",
    opt={"problems": _CHANGE},
)
async def revoke_license(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    licenses: NamedDependency[LicenseService],
    data: JSONBody[ReasonRequest | None] = None,
) -> Response[LicenseReply]:
    """Stop a license for good. Revoking twice changes nothing."""
    return _shown(request, await licenses.revoke(license_id, actor_of(request), reason=_why(data)))


@post(
    "/licenses/{license_id:str}/reveal-key",
    status_code=200,
    operation_id="revealKey",
    tags=_TAGS,
    response_description="The key in clear.",
    opt={"problems": ("license_not_found", "unavailable")},
)
async def reveal_key(
    request: Request[Any, Any, Any], license_id: LicensePath, licenses: NamedDependency[LicenseService]
) -> Response[RevealedKeyReply]:
    """Show a license key in clear, for re-issue. The audit records who asked."""
    key = await licenses.reveal_key(license_id, actor_of(request))
    return Response(RevealedKeyReply(license_id=license_id, key=key))


@get(
    "/activations",
    operation_id="listActivations",
    tags=_TAGS,
    response_description="Activations of the license, newest first.",
    opt={"problems": ("license_not_found",)},
)
async def list_activations(
    request: Request[Any, Any, Any],
    *,
    activations: NamedDependency[ActivationService],
    license_id: Annotated[str, QueryParameter(name="license_id", max_length=64, description="Of this license.")],
    include_deactivated: Annotated[
        bool, QueryParameter(name="include_deactivated", description="Also those that gave their seat back.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[ActivationsReply]:
    """List the activations of a license: who holds its seats."""
    found = await activations.list(license_id, include_deactivated=include_deactivated, after=cursor, limit=limit)
    return views.page(request, found, views.activation, ActivationsReply)


@get(
    "/activations/{activation_id:str}",
    operation_id="getActivation",
    tags=_TAGS,
    response_description="The activation.",
    opt={"problems": ("activation_not_found",)},
)
async def get_activation(
    activation_id: ActivationPath, activations: NamedDependency[ActivationService]
) -> Response[ActivationReply]:
    """Show an activation."""
    return Response(views.activation(await activations.get(activation_id)))


@post(
    "/activations/{activation_id:str}/deactivate",
    status_code=200,
    operation_id="deactivateByVendor",
    tags=_TAGS,
    response_description="The activation as it is now.",
    opt={"problems": (*_WRITE, "activation_not_found")},
)
async def deactivate_by_vendor(
    request: Request[Any, Any, Any],
    activation_id: ActivationPath,
    activations: NamedDependency[ActivationService],
    data: JSONBody[ReasonRequest | None] = None,
) -> Response[ActivationReply]:
    """
    Free a seat without its device.

    What the device holds keeps working offline until its `covered_until`.
    """
    freed = await activations.deactivate_by_vendor(activation_id, actor_of(request), reason=_why(data))
    return Response(views.activation(freed))


@get("/audit", operation_id="listAudit", tags=_TAGS, response_description="Changes, newest first.")
async def list_audit(
    request: Request[Any, Any, Any],
    *,
    audit: NamedDependency[AuditService],
    object_id: Annotated[
        str | None, QueryParameter(name="object_id", max_length=128, description="About this object.")
    ] = None,
    action: Annotated[
        str | None, QueryParameter(name="action", max_length=64, description="Of this action, `license.revoked`.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[AuditsReply]:
    """List who changed what, and when."""
    found = await audit.list(AuditFilter(object_id=object_id, action=action), after=cursor, limit=limit)
    return views.page(request, found, views.audit, AuditsReply)


def _shown(request: Request[Any, Any, Any], license_: LicenseView) -> Response[LicenseReply]:
    return tagged(request, views.license_(license_), license_.revision)


def _why(data: ReasonRequest | None) -> str | None:
    return None if data is None else data.reason


def license_command(data: CreateLicenseRequest | CreateLicensesRequest) -> CreateLicense:
    """What a license, or each of several, is to be: all that the bodies of one and of many have in common."""
    signed = data.signed
    return CreateLicense(
        product=data.product,
        policy=data.policy,
        customer=data.customer,
        type=data.type,
        starts_at=wire.instant(data.starts_at),
        expires_at=wire.instant(data.expires_at),
        duration_seconds=data.duration_seconds,
        duration_months=data.duration_months,
        overrides=None if data.overrides is None else data.overrides.given(),
        conditions=None if data.conditions is None else data.conditions.given(),
        metadata=data.metadata,
        signed=None if signed is None else SignedKeyOptions(device=signed.device, revocable=signed.revocable),
    )


LICENSE_HANDLERS: Final = (
    create_license,
    create_licenses,
    list_licenses,
    find_license,
    get_license,
    renew_license,
    suspend_license,
    reinstate_license,
    revoke_license,
    reveal_key,
    list_activations,
    get_activation,
    deactivate_by_vendor,
    list_audit,
)

"""License models: conversions, seats that replace others, enrolment tokens, meters (specs/http-api.md §7)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from carnet.core.decision import Refused
from carnet.server.api import wire
from carnet.server.api.admin import views
from carnet.server.api.admin.license_model_bodies import (
    ConvertLicenseRequest,
    CorrectUseRequest,
    CreatedEnrolmentReply,
    CreateEnrolmentRequest,
    EnrolmentReply,
    EnrolmentsReply,
    ReplaceSeatRequest,
    UsageReply,
    UseReply,
)
from carnet.server.api.admin.models import ActivationReply, LicenseReply
from carnet.server.api.admin.params import PAGE_SIZE, Cursor, EnrolmentPath, LicensePath, Limit
from carnet.server.api.auth import actor_of
from carnet.server.api.preconditions import tagged
from carnet.server.api.problems import refusal
from carnet.server.domain.activations.commands import DeviceClaim
from carnet.server.domain.activations.service import ActivationService
from carnet.server.domain.enrolment.commands import CreateEnrolment
from carnet.server.domain.enrolment.service import EnrolmentService
from carnet.server.domain.licenses.changing import LicenseChanging
from carnet.server.domain.licenses.commands import ConvertLicense
from carnet.server.domain.metering.commands import CorrectUse
from carnet.server.domain.metering.service import MeteringService

_TAGS: Final = ["Admin"]
_WRITE: Final = ("invalid_argument", "unknown_member", "unavailable", "license_not_found")


@post(
    "/licenses/{license_id:str}/convert",
    status_code=200,
    operation_id="convertLicense",
    tags=_TAGS,
    response_description="The license as it is now.",
    opt={"problems": (*_WRITE, "bad_time", "bad_policy", "policy_not_found", "conflict")},
)
async def convert_license(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[ConvertLicenseRequest],
    changes: NamedDependency[LicenseChanging],
) -> Response[LicenseReply]:
    """
    Change what a license is, in place: a trial that was bought, another policy, other limits.

    Seats that are held stay held, also where there are fewer now. Devices learn of it at their next contact.
    """
    command = ConvertLicense(
        license_id=license_id,
        policy=data.policy,
        type=data.type,
        expires_at=wire.instant(data.expires_at),
        duration_seconds=data.duration_seconds,
        duration_months=data.duration_months,
        overrides=data.overrides,
        conditions=None if data.conditions is None else data.conditions.given(),
        keeps_term=data.keeps_term,
    )
    converted = await changes.convert(command, actor_of(request))
    return tagged(request, views.license_(converted), converted.revision)


@post(
    "/licenses/{license_id:str}/replace-seat",
    status_code=200,
    operation_id="replaceSeat",
    tags=_TAGS,
    response_description="The seat of the device that was named.",
    opt={
        "problems": (
            *_WRITE,
            "bad_fingerprint",
            "placeholder_fingerprint",
            "license_suspended",
            "license_revoked",
            "license_expired",
            "license_not_started",
            "seat_limit_reached",
            "seat_not_held",
            "user_required",
            "trial_used",
            "activation_budget_spent",
        )
    },
)
async def replace_seat(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[ReplaceSeatRequest],
    activations: NamedDependency[ActivationService],
) -> Response[ActivationReply]:
    """
    Give a device the seats of others, in one step.

    Nothing is signed here: the device activates as usual and gets this seat.
    """
    outcome = await activations.replace_by_vendor(
        license_id,
        DeviceClaim(fingerprint=data.fingerprint, name=data.name or ""),
        actor_of(request),
        replaces=tuple(data.replaces or ()),
        replaces_all=data.replaces_all,
        user=data.user,
    )
    return refusal(outcome, None) if isinstance(outcome, Refused) else Response(views.activation(outcome))


@post(
    "/licenses/{license_id:str}/enrolments",
    operation_id="createEnrolment",
    tags=_TAGS,
    response_description="The new enrolment token.",
    opt={"problems": (*_WRITE, "bad_time")},
)
async def create_enrolment(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[CreateEnrolmentRequest],
    enrolments: NamedDependency[EnrolmentService],
) -> Response[CreatedEnrolmentReply]:
    """Make an enrolment token. It is shown here and never again."""
    command = CreateEnrolment(
        license_id=license_id,
        name=data.name,
        max_uses=data.max_uses,
        expires_at=wire.instant(data.expires_at),
        networks=tuple(data.networks or ()),
        group=data.group,
    )
    made = await enrolments.create(command, actor_of(request))
    return Response(views.created_enrolment(made))


@get(
    "/licenses/{license_id:str}/enrolments",
    operation_id="listEnrolments",
    tags=_TAGS,
    response_description="Enrolment tokens of the license, newest first.",
    opt={"problems": ("license_not_found",)},
)
async def list_enrolments(
    request: Request[Any, Any, Any],
    *,
    license_id: LicensePath,
    enrolments: NamedDependency[EnrolmentService],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[EnrolmentsReply]:
    """List the enrolment tokens of a license, with how many devices came with each."""
    found = await enrolments.list(license_id, after=cursor, limit=limit)
    return views.page(request, found, views.enrolment, EnrolmentsReply)


@post(
    "/enrolments/{enrolment_id:str}/revoke",
    status_code=200,
    operation_id="revokeEnrolment",
    tags=_TAGS,
    response_description="The enrolment token as it is now.",
    opt={"problems": ("enrolment_not_found", "unavailable")},
)
async def revoke_enrolment(
    request: Request[Any, Any, Any], enrolment_id: EnrolmentPath, enrolments: NamedDependency[EnrolmentService]
) -> Response[EnrolmentReply]:
    """
    Enrol nobody with a token any more.

    Devices that came with it keep their seats. Revoking twice changes nothing.
    """
    return Response(views.enrolment(await enrolments.revoke(enrolment_id, actor_of(request))))


@get(
    "/licenses/{license_id:str}/usage",
    operation_id="getUsage",
    tags=_TAGS,
    response_description="Every meter with its use.",
    opt={"problems": ("license_not_found",)},
)
async def get_usage(license_id: LicensePath, metering: NamedDependency[MeteringService]) -> Response[UsageReply]:
    """Show what a license used in the running period of each of its meters."""
    return Response(views.usage(license_id, await metering.read(license_id)))


@post(
    "/licenses/{license_id:str}/usage",
    status_code=200,
    operation_id="correctUsage",
    tags=_TAGS,
    response_description="The correction, and the meter after it.",
    opt={"problems": (*_WRITE, "meter_not_found", "usage_limit_reached", "idempotency_mismatch")},
)
async def correct_usage(
    request: Request[Any, Any, Any],
    license_id: LicensePath,
    data: JSONBody[CorrectUseRequest],
    metering: NamedDependency[MeteringService],
) -> Response[UseReply]:
    """
    Put a count right, once for the event id.

    A use never falls below 0, and one that is lowered is never refused.
    """
    command = CorrectUse(license_id=license_id, meter=data.meter, event_id=data.event_id, amount=data.amount)
    outcome = await metering.correct(command, actor_of(request))
    return refusal(outcome, None) if isinstance(outcome, Refused) else Response(views.use(outcome))


MODEL_HANDLERS: Final = (
    convert_license,
    replace_seat,
    create_enrolment,
    list_enrolments,
    revoke_enrolment,
    get_usage,
    correct_usage,
)

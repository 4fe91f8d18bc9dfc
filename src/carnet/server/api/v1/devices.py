"""What apps call: activate, validate, refresh, deactivate (specs/http-api.md §4)."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody

from carnet.core.admission import ADMISSION_REASONS
from carnet.core.decision import Refused
from carnet.formats.device_proof import MAX_DEVICE_PROOF
from carnet.server.api.context import CALLER_ADDRESS
from carnet.server.api.hot import HotCall, Outcome, Received
from carnet.server.api.openapi import reply
from carnet.server.api.problems import refusal
from carnet.server.api.v1.models import (
    ActivateReply,
    ActivateRequest,
    DeactivateReply,
    DeactivateRequest,
    RefreshRequest,
    ValidateReply,
    ValidateRequest,
    activate_reply,
    deactivate_reply,
    held_artifacts,
    list_versions,
    validate_reply,
)
from carnet.server.domain.activations.commands import (
    ActivateCommand,
    DeactivateCommand,
    DeviceProofInput,
    RefreshCommand,
    ValidateCommand,
)
from carnet.server.domain.activations.refusals import ENROLMENT_REASONS
from carnet.server.domain.activations.service import ActivationService

ProofHeader: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Carnet-Device-Proof",
        max_length=MAX_DEVICE_PROOF,
        description="A JWS by the device's key over method, path and body; needed once the activation has a registered "
        "public key (specs/answer.md §6).",
    ),
]

_TAGS: Final = ["Devices"]
_VALUES: Final = (
    "invalid_argument",
    "bad_fingerprint",
    "placeholder_fingerprint",
    "bad_base64",
    "bad_key",
    "unavailable",
)
_LICENSE: Final = ("license_not_found", "wrong_product", "license_suspended", "license_revoked", "license_expired")
_CONDITIONS: Final = (*ADMISSION_REASONS, *ENROLMENT_REASONS)
_SEAT: Final = ("activation_not_found", "device_proof_required", "device_proof_invalid", "license_key_required")


@post(
    "/v1/activate",
    operation_id="activate",
    tags=_TAGS,
    response_description="A new seat.",
    responses={200: reply(ActivateReply, "The seat that this device holds already.")},
    opt={"problems": (*_VALUES, *_LICENSE, "license_not_started", "wrong_domain", "seat_limit_reached", *_CONDITIONS)},
)
async def activate(
    data: JSONBody[ActivateRequest], activations: NamedDependency[ActivationService]
) -> Response[ActivateReply]:
    """
    Take a seat for a device.

    The same device on the same license always gets the same seat: 201 the first time, 200 from then on. An enrolment
    token takes the place of the license key. With `replaces` or `replaces_all`, it takes the seats of other devices in
    the same step, within the quota that the vendor set.
    """
    return _response(await _activate(data, activations))


async def _activate(data: ActivateRequest, activations: ActivationService) -> Outcome:
    answered = await activations.activate(_activate_command(data))
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof, roots=activations.newer_roots(data.root_version))
    return 201 if result.created else 200, activate_reply(result, answered.proof)


@post(
    "/v1/validate",
    status_code=200,
    operation_id="validate",
    tags=_TAGS,
    response_description="The decision, also when it is no.",
    opt={"problems": (*_VALUES, "license_not_found", "wrong_product", "quota_exceeded")},
)
async def validate(
    data: JSONBody[ValidateRequest], activations: NamedDependency[ActivationService]
) -> Response[ValidateReply]:
    """
    Ask what the server's own records say about a license, and about a device if one is named.

    Changes nothing and takes no seat. A license that is suspended, expired or unknown to the device is a decision (200,
    `valid` false); only a key that names no license of the product is refused.
    """
    return _response(await _validate(data, activations))


async def _validate(data: ValidateRequest, activations: ActivationService) -> Outcome:
    answered = await activations.validate(
        ValidateCommand(
            license_key=data.license_key,
            product=data.product,
            device=None if data.device is None else data.device.claim(),
            domain=data.domain,
            app_version=data.app_version,
            nonce=data.nonce,
        )
    )
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof)
    return 200, validate_reply(result, answered.proof)


@post(
    "/v1/refresh",
    status_code=200,
    operation_id="refresh",
    tags=_TAGS,
    response_description="The seat with fresh artifacts.",
    opt={"problems": (*_VALUES, *_LICENSE, *_SEAT, "wrong_domain")},
)
async def refresh(
    request: Request[Any, Any, Any],
    data: JSONBody[RefreshRequest],
    activations: NamedDependency[ActivationService],
    device_proof: ProofHeader = None,
) -> Response[ActivateReply]:
    """
    Get fresh artifacts for the seat that a device holds.

    Names the seat by `activation_id` or by `license_key`; never takes a new one.
    """
    return _response(await _refresh(data, await _received(request, device_proof), activations))


async def _refresh(data: RefreshRequest, received: Received, activations: ActivationService) -> Outcome:
    answered = await activations.refresh(_refresh_command(data, received))
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof, roots=activations.newer_roots(data.root_version))
    return 200, activate_reply(result, answered.proof)


@post(
    "/v1/deactivate",
    status_code=200,
    operation_id="deactivate",
    tags=_TAGS,
    response_description="The seat is free, since the moment named.",
    opt={"problems": (*_VALUES, "license_not_found", "wrong_product", *_SEAT)},
)
async def deactivate(
    request: Request[Any, Any, Any],
    data: JSONBody[DeactivateRequest],
    activations: NamedDependency[ActivationService],
    device_proof: ProofHeader = None,
) -> Response[DeactivateReply]:
    """
    Give a device's seat back.

    Repeating the call answers the same, with the time of the first.
    """
    return _response(await _deactivate(data, await _received(request, device_proof), activations))


async def _deactivate(data: DeactivateRequest, received: Received, activations: ActivationService) -> Outcome:
    answered = await activations.deactivate(_deactivate_command(data, received))
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof, roots=activations.newer_roots(data.root_version))
    return 200, deactivate_reply(result, answered.proof, activations.newer_roots(data.root_version))


def _activate_command(data: ActivateRequest) -> ActivateCommand:
    return ActivateCommand(
        license_key=data.license_key,
        product=data.product,
        device=data.device.claim(),
        nonce=data.nonce,
        root_version=data.root_version,
        user=data.user,
        domain=data.domain,
        app_version=data.app_version,
        ttl_seconds=data.ttl_seconds,
        replaces=tuple(data.replaces or ()),
        replaces_all=data.replaces_all,
        address=CALLER_ADDRESS.get() or None,
        held=held_artifacts(data.held),
        status_versions=list_versions(data.status_versions),
    )


def _refresh_command(data: RefreshRequest, received: Received) -> RefreshCommand:
    return RefreshCommand(
        product=data.product,
        device=data.device.claim(),
        activation_id=data.activation_id,
        license_key=data.license_key,
        nonce=data.nonce,
        root_version=data.root_version,
        domain=data.domain,
        app_version=data.app_version,
        ttl_seconds=data.ttl_seconds,
        held=held_artifacts(data.held),
        device_proof=_proof_input(received),
        status_versions=list_versions(data.status_versions),
        stamp=data.stamp,
    )


def _deactivate_command(data: DeactivateRequest, received: Received) -> DeactivateCommand:
    return DeactivateCommand(
        product=data.product,
        device=data.device.claim(),
        activation_id=data.activation_id,
        license_key=data.license_key,
        nonce=data.nonce,
        device_proof=_proof_input(received),
    )


def _response(outcome: Outcome) -> Response[Any]:
    """*outcome* as the framework wants it."""
    if isinstance(outcome, Response):
        return outcome
    status, body = outcome
    return Response(body, status_code=status)


async def _received(request: Request[Any, Any, Any], device_proof: str | None) -> Received:
    """The request with method, path and body exactly as they came (SEC-45)."""
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    return Received(
        method=request.method,
        path=path.partition(b"?")[0].decode("latin-1"),
        body=await request.body(),
        device_proof=device_proof,
    )


def _proof_input(received: Received) -> DeviceProofInput | None:
    if received.device_proof is None:
        return None
    return DeviceProofInput(proof=received.device_proof, method=received.method, path=received.path, body=received.body)


async def device_command(request: Request[Any, Any, Any]) -> ActivateCommand | RefreshCommand | DeactivateCommand:
    """What a request to activate, refresh or deactivate asks of the service."""
    data = await request.json()
    received = await _received(request, request.headers.get("carnet-device-proof"))
    if isinstance(data, ActivateRequest):
        return _activate_command(data)
    return _refresh_command(data, received) if isinstance(data, RefreshRequest) else _deactivate_command(data, received)


DEVICE_HANDLERS: Final = (activate, validate, refresh, deactivate)


def hot_device_calls(activations: ActivationService) -> tuple[HotCall, ...]:
    """The same calls for `HotApp.take_over`."""
    return (
        HotCall("/v1/validate", ValidateRequest, lambda data, _: _validate(data, activations)),
        HotCall("/v1/activate", ActivateRequest, lambda data, _: _activate(data, activations)),
        HotCall("/v1/refresh", RefreshRequest, lambda data, received: _refresh(data, received, activations)),
        HotCall("/v1/deactivate", DeactivateRequest, lambda data, received: _deactivate(data, received, activations)),
    )

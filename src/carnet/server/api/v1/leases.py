"""Floating leases, as their holders call them: claim, renew, release (specs/http-api.md §4.7)."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from litestar import Response, delete, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from carnet.core.decision import Refused
from carnet.server.api.hot import HotCall, Outcome, Received
from carnet.server.api.openapi import reply
from carnet.server.api.problems import refusal
from carnet.server.api.v1.lease_models import (
    ClaimRequest,
    LeaseReply,
    ReleaseReply,
    ReleaseRequest,
    RenewRequest,
    lease_reply,
    release_reply,
)
from carnet.server.domain.leases.commands import ClaimLease, ReleaseLease, RenewLease
from carnet.server.domain.leases.service import LeaseService

LeasePath: TypeAlias = Annotated[str, PathParameter(description="The lease's id.", max_length=64)]

_TAGS: Final = ["Leases"]
_VALUES: Final = ("invalid_argument", "unavailable")
_LICENSE: Final = (
    "license_not_found",
    "wrong_product",
    "license_suspended",
    "license_revoked",
    "license_expired",
    "license_not_started",
)
_HOLDER: Final = (
    "leases_not_offered",
    "holder_kind_refused",
    "holder_denied",
    "holder_not_registered",
    "borrowing_refused",
    "borrow_limit_reached",
    "lease_limit_reached",
)


@post(
    "/v1/leases",
    operation_id="claimLease",
    tags=_TAGS,
    response_description="A new lease.",
    responses={200: reply(LeaseReply, "The lease that this holder has already, with a new end.")},
    opt={"problems": (*_VALUES, *_LICENSE, *_HOLDER, "lease_cooling_down")},
)
async def claim_lease(data: JSONBody[ClaimRequest], leases: NamedDependency[LeaseService]) -> Response[LeaseReply]:
    """
    Take a floating seat for a while.

    The same holder always gets the lease it has: 201 the first time, 200 from then on. Where all seats are taken, the
    refusal names who has them.
    """
    return _response(await _claim(data, leases))


@put(
    "/v1/leases/{lease_id:str}",
    status_code=200,
    operation_id="renewLease",
    tags=_TAGS,
    response_description="The lease with a new end.",
    opt={
        "problems": (*_VALUES, *_LICENSE, *_HOLDER, "lease_not_found", "lease_released", "lease_token_refused"),
    },
)
async def renew_lease(
    lease_id: LeasePath, data: JSONBody[RenewRequest], leases: NamedDependency[LeaseService]
) -> Response[LeaseReply]:
    """
    Go on with a lease.

    Also after it ran out, as long as nobody else has its seat. One that the vendor ended says why.
    """
    return _response(await _renew(lease_id, data, leases))


@delete(
    "/v1/leases/{lease_id:str}",
    status_code=200,
    operation_id="releaseLease",
    tags=_TAGS,
    response_description="The seat is free, since the moment named.",
    opt={"problems": (*_VALUES, "license_not_found", "wrong_product", "lease_not_found", "lease_token_refused")},
)
async def release_lease(
    lease_id: LeasePath, data: JSONBody[ReleaseRequest], leases: NamedDependency[LeaseService]
) -> Response[ReleaseReply]:
    """
    Give a lease back, borrowed or not.

    Repeating the call answers the same, with the time of the first, until somebody else has the seat.
    """
    answered = await leases.release(
        ReleaseLease(
            lease_id=lease_id,
            product=data.product,
            holder=data.holder.holder(),
            license_key=data.license_key,
            token=data.token,
            nonce=data.nonce,
        )
    )
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof)
    return Response(release_reply(result, answered.proof))


def _response(outcome: Outcome) -> Response[Any]:
    return outcome if isinstance(outcome, Response) else Response(outcome[1], status_code=outcome[0])


async def _claim(data: ClaimRequest, leases: LeaseService) -> Outcome:
    answered = await leases.claim(
        ClaimLease(
            license_key=data.license_key,
            product=data.product,
            holder=data.holder.holder(),
            name=data.holder.name or "",
            ttl_seconds=data.ttl_seconds,
            borrow=data.borrow,
            nonce=data.nonce,
        )
    )
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof)
    return 201 if result.created else 200, lease_reply(result, answered.proof)


async def _renew(lease_id: str, data: RenewRequest, leases: LeaseService) -> Outcome:
    answered = await leases.renew(
        RenewLease(
            lease_id=lease_id,
            product=data.product,
            holder=data.holder.holder(),
            license_key=data.license_key,
            token=data.token,
            ttl_seconds=data.ttl_seconds,
            borrow=data.borrow,
            nonce=data.nonce,
        )
    )
    result = answered.result
    if isinstance(result, Refused):
        return refusal(result, answered.proof)
    return 200, lease_reply(result, answered.proof)


def hot_lease_calls(leases: LeaseService) -> tuple[HotCall, ...]:
    """Claim and renew, for the way around the framework's router; the same functions that the handlers call."""

    async def claiming(data: ClaimRequest, _: Received) -> Outcome:
        return await _claim(data, leases)

    async def renewing(data: RenewRequest, received: Received) -> Outcome:
        return await _renew(received.name, data, leases)

    return (
        HotCall("/v1/leases", ClaimRequest, claiming),
        HotCall("/v1/leases/{lease_id}", RenewRequest, renewing, method="PUT"),
    )


LEASE_HANDLERS: Final = (claim_lease, renew_lease, release_lease)

"""What apps call to count what they use (R-29; specs/http-api.md §4.6)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from carnet.core.decision import Refused
from carnet.core.metering import MAX_AMOUNT
from carnet.server.api.admin.license_model_bodies import UseReply
from carnet.server.api.openapi import reply
from carnet.server.api.problems import refusal
from carnet.server.api.v1.models import EXAMPLE_KEY, Domain, LicenseKey, Nonce, ProductSlug
from carnet.server.domain.documents import use_json
from carnet.server.domain.metering.commands import RecordUse
from carnet.server.domain.metering.service import MeteringService


class UseRequest(msgspec.Struct, kw_only=True):
    """A use of a license. `event_id` is the app's own name for it: sent again, it does not count again."""

    example: ClassVar[dict[str, Any]] = {
        "license_key": EXAMPLE_KEY,
        "product": "hustl",
        "meter": "exports",
        "event_id": "0193f2d4-7c1e-7d30-9e9b-0f5c3f7b2a10",
        "amount": 3,
        "nonce": "q83vEjRWeJCrze8SNFZ4kA",
    }

    license_key: LicenseKey
    product: ProductSlug
    meter: Annotated[str, Meta(min_length=1, max_length=100, examples=["exports"])]
    event_id: Annotated[str, Meta(min_length=1, max_length=128, description="Visible ASCII.")]
    amount: Annotated[int, Meta(ge=1, le=MAX_AMOUNT)] = 1
    domain: Domain | None = None
    nonce: Nonce | None = None


class UsedReply(UseReply, kw_only=True):
    """A counted use, and the meter after it. `proof` comes when there was a nonce: it says that the use counts."""

    proof: str | msgspec.UnsetType = msgspec.UNSET


@post(
    "/v1/usage",
    operation_id="recordUse",
    tags=["Devices"],
    response_description="The use counts.",
    responses={200: reply(UsedReply, "The use had counted before; it did not count again.")},
    opt={
        "problems": (
            "invalid_argument",
            "unavailable",
            "license_not_found",
            "wrong_product",
            "wrong_domain",
            "license_suspended",
            "license_revoked",
            "license_expired",
            "license_not_started",
            "meter_not_found",
            "usage_limit_reached",
            "idempotency_mismatch",
        )
    },
)
async def record_use(data: JSONBody[UseRequest], metering: NamedDependency[MeteringService]) -> Response[UsedReply]:
    """
    Count a use of a license on one of its meters.

    It counts once for its `event_id`, however often it is sent: 201 the first time, 200 from then on. A use that does
    not fit counts nothing, and the same id may be sent again in the next period.
    """
    answered = await metering.use(
        RecordUse(
            license_key=data.license_key,
            product=data.product,
            meter=data.meter,
            event_id=data.event_id,
            amount=data.amount,
            domain=data.domain,
            nonce=data.nonce,
        )
    )
    outcome = answered.result
    if isinstance(outcome, Refused):
        return refusal(outcome, answered.proof)
    counted = msgspec.convert(use_json(outcome), UsedReply)
    if answered.proof is not None:
        counted.proof = answered.proof
    return Response(counted, status_code=201 if outcome.counted_now else 200)


USAGE_HANDLERS: Final = (record_use,)

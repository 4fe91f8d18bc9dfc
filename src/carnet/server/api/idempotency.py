"""
`Idempotency-Key` at the edge: the same request again gets the same outcome, made anew from the records (REL-02).

A Litestar `before_request` hook: after the guards, before the handler. Calls that change nothing, or show a secret on
purpose (`revealKey`), do not look at the header.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from litestar import Request, Response

from carnet.core.decision import Refused
from carnet.server.api.admin import views
from carnet.server.api.admin.bulk import BulkChangeReply
from carnet.server.api.admin.models import CreatedLicensesReply
from carnet.server.api.auth import actor_of
from carnet.server.api.preconditions import expect, tagged
from carnet.server.api.v1.devices import device_command
from carnet.server.api.v1.models import activate_reply, deactivate_reply
from carnet.server.domain.activations.commands import DeactivateCommand
from carnet.server.domain.idempotency.service import key_not_shown_again
from carnet.server.domain.licenses.commands import CreatedLicense
from carnet.server.installation import Installation
from carnet.server.ports import Once, Remembered
from carnet.server.records import ApiKey

HEADER: Final = "idempotency-key"
REPLAYED: Final = {"Idempotency-Replayed": "true"}

_ONCE: Final = "carnet_once"
_Request: TypeAlias = Request[Any, Any, Any]
_Remake: TypeAlias = Callable[["EdgeIdempotency", _Request, Remembered], Awaitable[Response[Any] | None]]


class EdgeIdempotency:
    """The memory of one application. *installation* is where answers are made of."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._service = installation.idempotency

    async def before(self, request: _Request) -> Response[Any] | None:
        """
        The answer to a request that was answered before; None lets the handler answer, under its `If-Match`.

        Raises:
            CarnetError: ``invalid_argument``, ``request_in_flight``, ``idempotency_mismatch``, ``conflict``.
        """
        expect(request)
        if request.scope["method"] != "POST":
            return None
        key = request.headers.get(HEADER)
        remake = REMADE.get(str(request.route_handler.operation_id))
        if key is None or remake is None:
            return None
        once = self._service.request(
            key=key,
            caller=await _caller(request),
            operation=str(request.route_handler.operation_id),
            path=request.scope["path"],
            body=await request.body(),
        )
        request.scope[_ONCE] = once  # type: ignore[typeddict-unknown-key]
        remembered = await self._service.begin(once)
        if remembered is None:
            return None
        answer = await remake(self, request, remembered)
        if answer is not None:
            answer.headers.update(REPLAYED)
        return answer

    def ended(self, scope: Any) -> None:
        """The request is answered."""
        once: Once | None = scope.get(_ONCE)
        if once is not None:
            self._service.end(once)

    # ── one answer each ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _product(self, _: _Request, remembered: Remembered) -> Response[Any] | None:
        found = await self._installation.products.get(remembered.ids["product"])
        return Response(views.product(found), headers={"Location": f"/v1/admin/products/{found.id}"})

    async def _policy(self, request: _Request, _: Remembered) -> Response[Any] | None:
        data = await request.json()
        found = await self._installation.policies.get(data.product, data.name)
        return Response(views.policy(found))

    async def _customer(self, _: _Request, remembered: Remembered) -> Response[Any] | None:
        found = await self._installation.customers.get(remembered.ids["customer"])
        return Response(views.customer(found), headers={"Location": f"/v1/admin/customers/{found.id}"})

    async def _new_license(self, request: _Request, remembered: Remembered) -> Response[Any] | None:
        made = await self._shown_again(request, remembered.ids["license"], remembered)
        return Response(
            views.created_license(made), headers={"Location": f"/v1/admin/licenses/{remembered.ids['license']}"}
        )

    async def _new_licenses(self, request: _Request, remembered: Remembered) -> Response[Any] | None:
        ids = remembered.ids["licenses"].split(",")
        made = [await self._shown_again(request, license_id, remembered) for license_id in ids]
        return Response(CreatedLicensesReply(items=[views.issued_license(each) for each in made]))

    async def _shown_again(self, request: _Request, license_id: str, remembered: Remembered) -> CreatedLicense:
        """A license that was made, with its key: for a while, recorded, and never together with a signed one."""
        data = await request.json()
        if data.signed is not None or not self._service.shows_keys(remembered):
            raise key_not_shown_again(license_id)
        licenses = self._installation.licenses
        key = await licenses.reveal_key(license_id, actor_of(request))
        return CreatedLicense(license=await licenses.get(license_id), key=key)

    async def _license(self, request: _Request, _: Remembered) -> Response[Any] | None:
        found = await self._installation.licenses.get(request.path_params["license_id"])
        return tagged(request, views.license_(found), found.revision)

    async def _bulk_change(self, _: _Request, remembered: Remembered) -> Response[Any] | None:
        chosen, changed = int(remembered.ids["chosen"]), int(remembered.ids["changed"])
        return Response(
            BulkChangeReply(
                done=True,
                chosen=chosen,
                changed=changed,
                unchanged=chosen - changed,
                refused=[],
                refused_total=0,
                missing=[],
            )
        )

    async def _activation(self, request: _Request, _: Remembered) -> Response[Any] | None:
        found = await self._installation.activations.get(request.path_params["activation_id"])
        return Response(views.activation(found))

    async def _seat(self, request: _Request, remembered: Remembered) -> Response[Any] | None:
        command = await device_command(request)
        repeats = self._installation.repeats
        if isinstance(command, DeactivateCommand):
            freed = await repeats.freed(command, remembered)
            if freed is None or isinstance(freed.result, Refused):
                return None
            roots = self._installation.activations.newer_roots((await request.json()).root_version)
            return Response(deactivate_reply(freed.result, freed.proof, roots))
        seat = await repeats.seat(command, remembered)
        if seat is None or isinstance(seat.result, Refused):
            return None
        status = 201 if seat.result.created else 200
        return Response(activate_reply(seat.result, seat.proof), status_code=status)


REMADE: Final[Mapping[str, _Remake]] = {
    "activate": EdgeIdempotency._seat,  # noqa: SLF001 - the table of its methods
    "refresh": EdgeIdempotency._seat,  # noqa: SLF001
    "deactivate": EdgeIdempotency._seat,  # noqa: SLF001
    "createProduct": EdgeIdempotency._product,  # noqa: SLF001
    "createPolicy": EdgeIdempotency._policy,  # noqa: SLF001
    "createCustomer": EdgeIdempotency._customer,  # noqa: SLF001
    "createLicense": EdgeIdempotency._new_license,  # noqa: SLF001
    "createLicenses": EdgeIdempotency._new_licenses,  # noqa: SLF001
    "renewLicense": EdgeIdempotency._license,  # noqa: SLF001
    "suspendLicense": EdgeIdempotency._license,  # noqa: SLF001
    "reinstateLicense": EdgeIdempotency._license,  # noqa: SLF001
    "revokeLicense": EdgeIdempotency._license,  # noqa: SLF001
    "bulkChange": EdgeIdempotency._bulk_change,  # noqa: SLF001
    "deactivateByVendor": EdgeIdempotency._activation,  # noqa: SLF001
}
"""The operations that take an Idempotency-Key, and how each answer is made again."""


async def _caller(request: _Request) -> str:
    """Who asks: an admin token's record, or whoever holds a license key or names an activation."""
    record: ApiKey | None = request.scope.get("auth")
    if record is not None:
        return f"apikey {record.id}"
    data = await request.json()
    key, activation_id = getattr(data, "license_key", None), getattr(data, "activation_id", None)
    return f"device {activation_id or ''} {key or ''}"

"""The outbox over HTTP: what happened, what could not be delivered (specs/http-api.md §7; REL-09)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from carnet.server.api.admin import views
from carnet.server.api.admin.params import PAGE_SIZE, Cursor, Limit
from carnet.server.api.auth import actor_of
from carnet.server.api.wire import Time
from carnet.server.domain import documents
from carnet.server.domain.outbox.service import Outbox
from carnet.server.ports import Delivery, EventFilter
from carnet.server.records import Event

_TAGS: Final = ["Admin"]

DeliveryPath: TypeAlias = Annotated[str, PathParameter(description="The delivery's id.", max_length=18)]


class EventReply(msgspec.Struct, kw_only=True):
    """Something that happened. `id` is the same wherever it is delivered; `seq` orders the events of one object."""

    id: str
    seq: int
    at: Time
    kind: str
    object_id: str
    product: str | None
    data: Mapping[str, Any]


class EventsReply(msgspec.Struct, kw_only=True):
    """Events, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[EventReply]
    has_more: bool
    next_cursor: str | None


class DeliveryReply(msgspec.Struct, kw_only=True):
    """An event on its way to a destination; `dead` was given up after three days, or at once where that is no use."""

    id: str
    destination: str
    state: Literal["waiting", "delivered", "dead"]
    attempts: int
    first_tried_at: Time | None
    due_at: Time | None
    ended_at: Time | None
    problem: str | None
    event: EventReply


class DeliveriesReply(msgspec.Struct, kw_only=True):
    """Deliveries, newest first. `next_cursor` is null exactly when `has_more` is false."""

    items: list[DeliveryReply]
    has_more: bool
    next_cursor: str | None


def _event(value: Event) -> EventReply:
    return msgspec.convert(documents.event_json(value), EventReply)


def _delivery(value: Delivery) -> DeliveryReply:
    return msgspec.convert(documents.delivery_json(value), DeliveryReply)


@get("/events", operation_id="listEvents", tags=_TAGS, response_description="Events, newest first.")
async def list_events(
    request: Request[Any, Any, Any],
    *,
    outbox: NamedDependency[Outbox],
    object_id: Annotated[
        str | None, QueryParameter(name="object_id", max_length=128, description="About this object.")
    ] = None,
    kind: Annotated[
        str | None, QueryParameter(name="kind", max_length=64, description="Of this kind, `license.expiring`.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[EventsReply]:
    """List what happened, as it is told to those outside."""
    found = await outbox.events(EventFilter(object_id=object_id, kind=kind), after=cursor, limit=limit)
    return views.page(request, found, _event, EventsReply)


@get("/deliveries", operation_id="listDeliveries", tags=_TAGS, response_description="Deliveries, newest first.")
async def list_deliveries(
    request: Request[Any, Any, Any],
    *,
    outbox: NamedDependency[Outbox],
    in_state: Annotated[
        Literal["waiting", "delivered", "dead"],
        QueryParameter(name="state", description="`dead`: given up, and waiting for a person."),
    ] = "dead",
    destination: Annotated[
        str | None, QueryParameter(name="destination", max_length=100, description="To this destination.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response[DeliveriesReply]:
    """List events that wait for a destination, or that were given up."""
    found = await outbox.deliveries(in_state, destination=destination, after=cursor, limit=limit)
    return views.page(request, found, _delivery, DeliveriesReply)


@post(
    "/deliveries/{delivery_id:str}/retry",
    status_code=200,
    operation_id="retryDelivery",
    tags=_TAGS,
    response_description="The delivery, waiting again.",
    opt={"problems": ("delivery_not_found", "unavailable")},
)
async def retry_delivery(
    request: Request[Any, Any, Any], delivery_id: DeliveryPath, outbox: NamedDependency[Outbox]
) -> Response[DeliveryReply]:
    """Try a delivery again that was given up; it goes before what waits behind it."""
    return Response(_delivery(await outbox.retry(delivery_id, actor_of(request))))


EVENT_HANDLERS: Final = (list_events, list_deliveries, retry_delivery)

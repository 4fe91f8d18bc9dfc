"""
The outbox as the vendor and the jobs use it: what happened, where it goes, what could not be delivered.
"""

from __future__ import annotations

from typing import Final

from carnet.core.errors import UsageError
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_page
from carnet.server.domain.outbox.holding import hold_down
from carnet.server.domain.pages import after_number, number_of, page_of
from carnet.server.ports import (
    Clock,
    Delivery,
    DeliveryState,
    EventFilter,
    OutboxState,
    OutboxStore,
    StoredDestination,
)
from carnet.server.ports.destinations import Destination
from carnet.server.records import Actor, Event, Page

HAND_OUT: Final = 500
"""Events in one transaction."""


class Outbox:
    """
    The outbox.

    Args:
        store: Where it is.
        clock: The time.
    """

    def __init__(self, store: OutboxStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def events(
        self, which: EventFilter | None = None, *, after: str | None = None, limit: int = 50
    ) -> Page[Event]:
        """
        Events, newest first, at most *limit* (1 to 500) older than the number *after*, given as text.

        Raises:
            UsageError: ``invalid_argument``.
        """
        before, most = after_number(after), check_page(limit) + 1
        found = await self._store.events(which or EventFilter(), before=before, limit=most)
        return page_of(found, limit, lambda each: str(each.seq))

    async def events_after(self, number: int, which: EventFilter | None = None, *, limit: int = 500) -> list[Event]:
        """Events, oldest first, above a number: for those who follow them."""
        return list(await self._store.events_after(which or EventFilter(), after=number, limit=limit))

    async def deliveries(
        self,
        state: DeliveryState,
        *,
        destination: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Delivery]:
        """
        Deliveries in one state, newest first, at most *limit* (1 to 500) older than the number *after*, as text.

        Raises:
            UsageError: ``invalid_argument``.
        """
        before, most = after_number(after), check_page(limit) + 1
        found = await self._store.deliveries(state, destination=destination, before=before, limit=most)
        return page_of(found, limit, lambda each: str(each.seq))

    async def retry(self, delivery_id: str, actor: Actor) -> Delivery:
        """
        Let a delivery that was given up be tried again, as if it were new; it goes before all that waits in its lane.

        Args:
            delivery_id: Its number, as text.
            actor: Who asks, for the audit.

        Raises:
            UsageError: ``delivery_not_found``: there is none of exactly that number, or it was not given up.
        """
        seq, now = number_of(delivery_id), self._clock.now()
        audit = entry(now, actor, "delivery.retried", delivery_id)
        found = None if seq is None else await self._store.retry_delivery(seq, at=now, entry=audit)
        if found is None:
            raise UsageError(
                "delivery_not_found",
                "There is no such delivery that was given up.",
                "List them: carnet events deliveries --state dead",
            )
        return found

    async def state(self) -> OutboxState:
        """How the outbox is: its age, what waits, what was given up."""
        return await self._store.outbox_state()

    async def destinations(self) -> tuple[StoredDestination, ...]:
        """Where events go."""
        return await self._store.destinations()

    async def begin(self, destination: Destination) -> None:
        """Let events go to *destination* from now on; nothing where they do."""
        await self._store.add_destination(
            StoredDestination(name=destination.name, lanes=destination.lanes, since=self._clock.now())
        )

    async def stop(self, name: str, actor: Actor) -> None:
        """
        Let no event go to a destination any more, and drop what waits for it.

        Raises:
            UsageError: ``destination_not_found``.
        """
        if not await self._store.remove_destination(name, entry(self._clock.now(), actor, "destination.stopped", name)):
            raise UsageError(
                "destination_not_found",
                "No events go to a destination of that name.",
                "List them: carnet events destinations",
            )

    async def hand_out(self) -> bool:
        """Give every destination its deliveries of the oldest events that have none; whether there were as many."""
        handed = await self._store.hand_out(at=self._clock.now(), limit=HAND_OUT, judge=hold_down)
        return handed == HAND_OUT

"""
The outbox (REL-09): events as they were written, the destinations they go to, and how far each got.

An event is written in the transaction of what it tells of. *Handing out* gives every destination a delivery of it, in
the order of the events' numbers; *claiming* gives a sender the deliveries that may go now: within a lane the one with
the lowest number first, and nothing behind one that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import AuditEntry, Event

DeliveryState: TypeAlias = Literal["waiting", "delivered", "dead"]
Lanes: TypeAlias = Literal["object", "all"]
"""What keeps its order: the events of each object, or all of them."""

Watched: TypeAlias = Literal["seats", "leases"]
"""What of a license has a limit that is watched: its seats, its floating seats."""


class EventFilter(Struct):
    """Which events: about one object, of one kind, of one product; everything when all are None."""

    object_id: str | None = None
    kind: str | None = None
    product: str | None = None


class LimitMark(Struct):
    """
    What the vendor was told of a license's limit (users-ask 60). Levels are `core.overage`'s.

    Attributes:
        license_id: Whose.
        what: Seats or floating seats.
        level: Where it stands, as far as is known.
        told_level: The level that was told last; 0: nothing was told.
        told_used: How many were held then.
        told_at: When.
    """

    license_id: str
    what: Watched
    level: int = 0
    told_level: int = 0
    told_used: int = 0
    told_at: Instant = Instant(0)


class HandOut(Struct):
    """What is made of some events: which numbers are held down, and told to nobody; and the marks as they are now."""

    held_down: frozenset[int] = frozenset()
    marks: tuple[LimitMark, ...] = ()


class StoredDestination(Struct):
    """Where events go. Those from before `since` do not."""

    name: str
    lanes: Lanes
    since: Instant


class Delivery(Struct):
    """
    An event on its way to a destination.

    Attributes:
        seq: Its number.
        destination: Where to.
        state: `dead` was given up; it waits for a person.
        attempts: How often it was tried.
        first_tried_at: Since when.
        due_at: Not before.
        ended_at: When it was delivered or given up.
        problem: What went wrong last.
        event: The event itself.
    """

    seq: int
    destination: str
    state: DeliveryState
    attempts: int
    first_tried_at: Instant | None
    due_at: Instant
    ended_at: Instant | None
    problem: str | None
    event: Event
    lane: str = ""


class DeliveryEnd(Struct):
    """
    How one attempt ended.

    Attributes:
        seq: Of which delivery.
        state: `waiting`: it is tried again.
        at: When.
        due_at: Not again before.
        was_tried: Whether this was an attempt; False gives it back as it was.
        problem: What went wrong.
    """

    seq: int
    state: DeliveryState
    at: Instant
    due_at: Instant
    was_tried: bool = True
    problem: str | None = None


class OutboxState(Struct):
    """
    How the outbox is.

    Attributes:
        oldest_at: When the oldest event was written that was not handed out or that some destination waits for.
        waiting: Deliveries that wait, by destination.
        dead: Deliveries that were given up, by destination.
    """

    oldest_at: Instant | None
    waiting: Mapping[str, int]
    dead: Mapping[str, int]


class OutboxStore(Protocol):
    """Events, destinations, deliveries."""

    async def events(self, which: EventFilter, *, before: int | None, limit: int) -> tuple[Event, ...]:
        """Events, newest first, below the number *before*."""
        ...

    async def events_after(self, which: EventFilter, *, after: int, limit: int) -> tuple[Event, ...]:
        """Events, oldest first, above the number *after*."""
        ...

    async def waiting_events(self, *, after: int | None, limit: int) -> tuple[Event, ...]:
        """Events that were not handed out, oldest first."""
        ...

    async def add_destination(self, destination: StoredDestination) -> None:
        """Let events go to a destination from now on; nothing where they do."""
        ...

    async def remove_destination(self, name: str, entry: AuditEntry) -> bool:
        """Let no event go there any more, and drop what waits; False if there is no such destination."""
        ...

    async def destinations(self) -> tuple[StoredDestination, ...]:
        """Every destination, by name."""
        ...

    async def hand_out(
        self,
        *,
        at: Instant,
        limit: int,
        judge: Callable[[tuple[Event, ...], Mapping[str, LimitMark]], HandOut],
    ) -> int:
        """
        Give every destination a delivery of the oldest *limit* events that have none yet.

        Args:
            at: Now.
            limit: How many events at most, in one transaction.
            judge: Given the events and what was told of their licenses' seats: which of them are told to nobody.

        Returns:
            How many events were handed out or held down.
        """
        ...

    async def claim_deliveries(
        self, destination: str, *, claim: str, at: Instant, until: Instant, most: int
    ) -> tuple[Delivery, ...]:
        """
        Take deliveries that may go now, in the order of their numbers: of each lane what it begins with.

        Args:
            destination: Where to.
            claim: Who takes them: a fresh id.
            at: Now.
            until: When others may take them again.
            most: How many at most.
        """
        ...

    async def end_deliveries(self, claim: str, ends: tuple[DeliveryEnd, ...]) -> int:
        """Write how attempts ended; those that *claim* does not have any more are left. How many were written."""
        ...

    async def deliveries(
        self, state: DeliveryState, *, destination: str | None, before: int | None, limit: int
    ) -> tuple[Delivery, ...]:
        """Deliveries in a state, newest first, below the number *before*."""
        ...

    async def retry_delivery(self, seq: int, *, at: Instant, entry: AuditEntry) -> Delivery | None:
        """Let a delivery that was given up wait again, with all its attempts; None if there is none that is dead."""
        ...

    async def outbox_state(self) -> OutboxState:
        """How the outbox is."""
        ...

    async def forget_events(self, *, before: Instant, limit: int) -> int:
        """Forget events from before that everybody got, with their deliveries; how many."""
        ...

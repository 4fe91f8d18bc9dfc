"""
Where events go: an own log, later webhooks and mail. What delivers to one implements this and knows nothing of retries.
"""

from __future__ import annotations

from typing import Protocol

from carnet.core._base import Struct
from carnet.server.ports.outbox import Lanes
from carnet.server.records import Event


class Sent(Struct):
    """
    How far a destination took some events.

    Attributes:
        count: So many, from the first on, are there for good.
        problem: Why the one behind them is not; None when all are.
        is_final: Trying again would not help: it is given up at once.
    """

    count: int
    problem: str | None = None
    is_final: bool = False


class Destination(Protocol):
    """
    A receiver of events.

    Attributes:
        name: As deliveries name it, for good.
        lanes: What it must get in order: the events of each object, or all of them, one after the other.
        at_once: Lanes that are delivered at the same time.
    """

    name: str
    lanes: Lanes
    at_once: int

    async def deliver(self, events: tuple[Event, ...]) -> Sent:
        """
        Deliver *events* of one lane, in their order, the first one first. They may have been delivered before: the id
        tells. Anything raised counts as a problem with the first.
        """
        ...

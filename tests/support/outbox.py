"""Receivers for tests of the outbox: what they got, and faults of their own."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from carnet.core.instant import Instant
from carnet.server.domain.bulk.commands import BulkAction, ChangeLicenses
from carnet.server.domain.outbox.sending import Sender
from carnet.server.installation import Installation
from carnet.server.ports.destinations import Sent
from carnet.server.records import OPERATOR, Event
from support.installations import HeldClock, licensed


class Receiver:
    """
    Takes events, and fails as *fault* says.

    Args:
        name: Its name.
        lanes: What it must get in order.
        fault: Given the number of the call, says how many of the events it takes; None: all, -1: it raises.
    """

    def __init__(
        self,
        name: str = "test",
        *,
        lanes: Literal["object", "all"] = "object",
        fault: Callable[[int], int | None] = lambda _: None,
    ) -> None:
        self.name = name
        self.lanes: Literal["object", "all"] = lanes
        self.at_once = 8
        self.got: list[Event] = []
        self.calls = 0
        self._fault = fault

    async def deliver(self, events: tuple[Event, ...]) -> Sent:
        self.calls += 1
        takes = self._fault(self.calls)
        if takes is not None and takes < 0:
            self.got += events[: -takes - 1]  # it took some, and nobody was told
            raise ConnectionResetError
        taken = events if takes is None else events[:takes]
        self.got += taken
        return Sent(count=len(taken), problem=None if len(taken) == len(events) else "It answered 503.")


def faulty(seed: int, share: float = 0.3) -> Callable[[int], int | None]:
    """Faults at random: some events taken, or none, or a connection that breaks behind some of them."""
    chance = random.Random(seed)  # noqa: S311 - which calls fail

    def fault(_: int) -> int | None:
        if chance.random() >= share:
            return None
        return chance.choice((0, 0, 1, 2, -1, -2, -3))

    return fault


def in_order(got: list[Event]) -> list[str]:
    """What is wrong with the order in which events came first, by object."""
    wrong, last, seen = [], defaultdict[str, int](int), set[str]()
    for event in got:
        if event.id in seen:
            continue
        seen.add(event.id)
        seq = event.seq or 0
        if seq < last[event.object_id]:
            wrong.append(f"{event.object_id}: {seq} after {last[event.object_id]}")
        last[event.object_id] = seq
    return wrong


async def facts(installation: Installation, licenses: int, changes: int) -> list[str]:
    """Real changes, each of which writes an event: so many licenses, suspended and reinstated in turn."""
    made = tuple([(await licensed(installation)).license.id for _ in range(licenses)])
    for number in range(changes):
        action: BulkAction = "reinstate" if number % 2 else "suspend"
        await installation.bulk.change(ChangeLicenses(action=action, ids=made), OPERATOR)
    return list(made)


async def drain(installation: Installation, sender: Sender, receiver: Receiver, clock: HeldClock) -> None:
    """Hand out and deliver until nothing waits; the clock goes from one attempt to the next."""
    while await installation.outbox.hand_out():
        pass
    while True:
        if await sender.send(receiver, lambda _: None):
            continue
        waiting = await installation.store.deliveries("waiting", destination=receiver.name, before=None, limit=500)
        if not waiting:
            return
        clock.at = min((each.due_at for each in waiting if each.due_at > clock.at), default=Instant(clock.at + 1))

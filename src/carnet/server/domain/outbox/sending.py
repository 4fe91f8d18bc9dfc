"""
Delivering to one destination: claim what may go, deliver it lane by lane, write how it ended (REL-09).

At least once: what was delivered and not written down, because the process died in between, is delivered again, with
the same id. Of one lane nothing passes by what waits, except what was given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from carnet.core.instant import Instant
from carnet.server.domain.ids import Ids
from carnet.server.domain.outbox.backoff import next_attempt
from carnet.server.ports import Clock, Delivery, DeliveryEnd, OutboxStore, Random
from carnet.server.ports.destinations import Destination, Sent

CLAIM_SECONDS: Final = 60
"""After this long others may deliver what a sender that died had claimed; no attempt takes longer."""

BATCH: Final = 100
"""Deliveries that are claimed at once."""

_MAX_PROBLEM: Final = 500


class Sender:
    """
    Delivers.

    Args:
        store: The outbox.
        clock: The time.
        ids: For claims.
        random: For the jitter of waits.
        claim_seconds: How long others leave a claim alone; an attempt is broken off after it.
    """

    def __init__(
        self, store: OutboxStore, clock: Clock, ids: Ids, random: Random, *, claim_seconds: int = CLAIM_SECONDS
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._random = random
        self._claim_seconds = claim_seconds

    async def send(self, destination: Destination, failed: Callable[[Exception], None]) -> bool:
        """
        Deliver one batch.

        Args:
            destination: Where to.
            failed: Told what the destination raised, which it should not.

        Returns:
            Whether anything was delivered or given up: then there may be more to deliver now.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``: what was delivered and not written is repeated.
        """
        now = self._clock.now()
        claim = self._ids.new(now)
        until = Instant(now + self._claim_seconds)
        found = await self._store.claim_deliveries(destination.name, claim=claim, at=now, until=until, most=BATCH)
        lanes: dict[str, list[Delivery]] = {}
        for each in found:
            lanes.setdefault(each.lane, []).append(each)
        turn = asyncio.Semaphore(destination.at_once)

        async def send_lane(lane: list[Delivery]) -> bool:
            async with turn:
                sent = await self._deliver(destination, lane, failed)
                ends = self._ends(lane, sent)
                await self._store.end_deliveries(claim, ends)
                return any(end.state != "waiting" for end in ends)

        moved = await asyncio.gather(*map(send_lane, lanes.values()))
        return any(moved)

    async def _deliver(
        self, destination: Destination, lane: list[Delivery], failed: Callable[[Exception], None]
    ) -> Sent:
        try:
            async with asyncio.timeout(self._claim_seconds):
                return await destination.deliver(tuple(each.event for each in lane))
        except TimeoutError:
            return Sent(count=0, problem=f"No answer within {self._claim_seconds} seconds.")
        except Exception as error:  # noqa: BLE001 - one destination's fault must not stop the others
            failed(error)
            return Sent(count=0, problem=f"The delivery failed by itself ({type(error).__name__}).")

    def _ends(self, lane: list[Delivery], sent: Sent) -> tuple[DeliveryEnd, ...]:
        now = self._clock.now()
        ends = [DeliveryEnd(seq=each.seq, state="delivered", at=now, due_at=now) for each in lane[: sent.count]]
        rest = lane[sent.count :]
        if rest and sent.problem is not None:
            ends.append(self._failed(rest.pop(0), sent, now))
        ends += [DeliveryEnd(seq=each.seq, state="waiting", at=now, due_at=now, was_tried=False) for each in rest]
        return tuple(ends)

    def _failed(self, delivery: Delivery, sent: Sent, now: Instant) -> DeliveryEnd:
        chance = int.from_bytes(self._random(4), "big") / 2**32
        began = delivery.first_tried_at or now
        again = None if sent.is_final else next_attempt(delivery.attempts + 1, began, now, chance)
        return DeliveryEnd(
            seq=delivery.seq,
            state="dead" if again is None else "waiting",
            at=now,
            due_at=again or now,
            problem=(sent.problem or "")[:_MAX_PROBLEM],
        )

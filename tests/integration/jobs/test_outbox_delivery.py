"""
REL-09 on both databases: every event is delivered at least once with one id, in the order of its object, through faults
of the receiver, lapsed claims and several senders; what cannot be delivered is given up and shown.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.server.domain.ids import Ids
from carnet.server.domain.outbox.backoff import GIVE_UP_SECONDS
from carnet.server.domain.outbox.sending import BATCH, CLAIM_SECONDS, Sender
from carnet.server.installation import Installation
from carnet.server.ports import DeliveryEnd, EventFilter
from carnet.server.ports.destinations import Sent
from carnet.server.records import OPERATOR, Event
from support.campaigns import LONG
from support.installations import Device, HeldClock, licensed, opened, query
from support.outbox import Receiver, drain, facts, faulty, in_order

_T = TypeVar("_T")

EVENTS = 100_000 if LONG else 1_000


def run(folder: Path, story: Callable[[Installation, HeldClock], Awaitable[_T]]) -> _T:
    async def go() -> _T:
        clock = HeldClock()
        async with opened(folder, clock) as installation:
            return await story(installation, clock)

    return asyncio.run(go())


def sender(installation: Installation, clock: HeldClock) -> Sender:
    return Sender(installation.store, clock, Ids(os.urandom), os.urandom)


def test_rel_09_a_thousand_events_through_a_faulty_receiver_none_lost_each_object_in_order(
    tmp_path: Path, record_property: Any
) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        receiver = Receiver(fault=faulty(9))
        await installation.outbox.begin(receiver)
        licenses = 40
        await facts(installation, licenses, EVENTS // licenses - 1)
        await drain(installation, sender(installation, clock), receiver, clock)
        stored = [row[0] for row in query(tmp_path, "SELECT id FROM events")]
        assert len(stored) == EVENTS
        assert {event.id for event in receiver.got} == set(stored)
        assert in_order(receiver.got) == []
        repeats = Counter(event.id for event in receiver.got)
        assert max(repeats.values()) > 1  # at least once: it lost answers, and was told again
        assert query(tmp_path, "SELECT DISTINCT state FROM deliveries") == [("delivered",)]
        assert query(tmp_path, "SELECT count(*) FROM events WHERE delivered_at IS NULL") == [(0,)]
        record_property("deliveries", len(receiver.got))

    run(tmp_path, story)


def test_rel_09_tooth_check_a_sender_that_passes_by_what_waits_is_found(tmp_path: Path) -> None:
    """Without the condition on heads, a delivery that backs off is overtaken by those behind it."""

    async def story(installation: Installation, clock: HeldClock) -> list[str]:
        receiver = Receiver(fault=faulty(3, 0.6))
        await installation.outbox.begin(receiver)
        await facts(installation, 4, 12)
        while await installation.outbox.hand_out():
            pass
        rows = query(tmp_path, "SELECT seq FROM deliveries ORDER BY seq")
        order = [row[0] for row in rows]
        found = {
            each.seq: each
            for each in await installation.store.deliveries("waiting", destination=None, before=None, limit=500)
        }
        waiting = list(order)
        while waiting:
            late = []
            for seq in waiting:
                sent = await _tried(receiver, found[seq].event)
                if sent.count == 0:
                    late.append(seq)
            waiting = late
        return in_order(receiver.got)

    assert run(tmp_path, story) != []


async def _tried(receiver: Receiver, event: Event) -> Sent:
    try:
        return await receiver.deliver((event,))
    except ConnectionResetError:
        return Sent(count=0, problem="reset")


def test_rel_09_several_senders_at_once_deliver_each_event_once_and_keep_the_order(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        receiver = Receiver()
        await installation.outbox.begin(receiver)
        await facts(installation, 30, 9)
        await asyncio.gather(*(installation.outbox.hand_out() for _ in range(4)))
        senders = [sender(installation, clock) for _ in range(6)]

        async def work(own: Sender) -> None:
            while await own.send(receiver, lambda _: None):
                pass

        while (await installation.outbox.state()).waiting["test"]:
            await asyncio.gather(*map(work, senders))
        assert len(receiver.got) == len({event.id for event in receiver.got}) == 300
        assert in_order(receiver.got) == []

    run(tmp_path, story)


def test_rel_09_a_claim_is_left_alone_until_it_lapses_and_then_means_nothing(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        store, receiver = installation.store, Receiver()
        await installation.outbox.begin(receiver)
        await facts(installation, 1, 2)
        await installation.outbox.hand_out()
        until = Instant(clock.at + CLAIM_SECONDS)

        async def claim(name: str, at: int) -> list[int]:
            found = await store.claim_deliveries("test", claim=name, at=Instant(at), until=until, most=10)
            return [each.seq for each in found]

        first = await claim("dead", clock.at)
        assert len(first) == 3
        assert await claim("next", until - 1) == []
        assert await claim("next", until) == first
        end = [DeliveryEnd(seq=seq, state="delivered", at=until, due_at=until) for seq in first]
        assert await store.end_deliveries("dead", tuple(end)) == 0  # it woke up too late
        assert await store.end_deliveries("next", tuple(end)) == 3
        assert await claim("next", until + CLAIM_SECONDS) == []

    run(tmp_path, story)


def test_rel_09_what_is_given_up_is_shown_and_may_be_tried_again(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        broken = Receiver(fault=lambda _: 0)
        own = sender(installation, clock)
        await installation.outbox.begin(broken)
        (license_id,) = await facts(installation, 1, 1)
        await drain(installation, own, broken, clock)
        dead = (await installation.outbox.deliveries("dead")).items
        assert [each.event.kind for each in dead] == ["license.suspended", "license.created"]
        assert [each.problem for each in dead] == ["It answered 503."] * 2
        assert dead[1].ended_at is not None
        assert dead[1].first_tried_at is not None
        assert dead[1].ended_at - dead[1].first_tried_at == GIVE_UP_SECONDS == 3 * DAY
        # Nothing behind the first was tried before that was given up.
        assert dead[0].first_tried_at == dead[1].ended_at
        assert (await installation.outbox.state()).dead == {"test": 2}

        well = Receiver()
        again = await installation.outbox.retry(str(dead[0].seq), OPERATOR)
        assert (again.state, again.attempts) == ("waiting", 0)
        await drain(installation, own, well, clock)
        assert [(event.kind, event.id) for event in well.got] == [("license.suspended", dead[0].event.id)]
        for unknown in (str(dead[0].seq), "999999"):
            with pytest.raises(UsageError) as caught:
                await installation.outbox.retry(unknown, OPERATOR)
            assert caught.value.code == "delivery_not_found"
        with pytest.raises(UsageError):
            await installation.outbox.retry("x", OPERATOR)
        actions = {entry.action for entry in (await installation.audit.list()).items}
        assert "delivery.retried" in actions
        assert (await installation.outbox.events(EventFilter(object_id=license_id))).items[0].seq == dead[0].event.seq

    run(tmp_path, story)


def test_rel_09_events_go_to_each_destination_from_its_beginning_and_to_none_that_was_stopped(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        early, late = Receiver("early"), Receiver("late", lanes="all")
        own = sender(installation, clock)
        await installation.outbox.begin(early)
        await facts(installation, 2, 1)
        await drain(installation, own, early, clock)
        await installation.outbox.begin(late)
        await installation.outbox.begin(late)  # it is there already
        await facts(installation, 1, 0)
        await drain(installation, own, early, clock)
        await drain(installation, own, late, clock)
        assert (len(early.got), len(late.got)) == (5, 1)
        assert late.got[0].id == early.got[-1].id  # one id, wherever it goes
        await facts(installation, 1, 0)
        await installation.outbox.hand_out()
        await installation.outbox.stop("late", OPERATOR)
        await drain(installation, own, late, clock)
        await drain(installation, own, early, clock)
        assert (len(early.got), len(late.got)) == (6, 1)
        with pytest.raises(UsageError) as caught:
            await installation.outbox.stop("late", OPERATOR)
        assert caught.value.code == "destination_not_found"

    run(tmp_path, story)


def test_rel_09_a_destination_for_everything_gets_all_events_in_one_order(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        receiver = Receiver(lanes="all", fault=faulty(5, 0.4))
        await installation.outbox.begin(receiver)
        await facts(installation, 10, 2 * BATCH // 10)
        await drain(installation, sender(installation, clock), receiver, clock)
        first: list[int] = []
        for event in receiver.got:
            if event.seq not in first:
                first.append(event.seq or 0)
        assert first == sorted(first)
        assert len(first) == 10 * (2 * BATCH // 10 + 1)

    run(tmp_path, story)


def test_users_ask_60_a_seat_that_comes_and_goes_at_the_limit_is_told_once_a_day(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        receiver = Receiver()
        await installation.outbox.begin(receiver)
        own = sender(installation, clock)
        sold = await licensed(installation, overrides={"seat_limit": 2})

        async def take(name: str) -> str:
            answered = await installation.activations.activate(Device(name).activate(sold.key))
            return str(answered.result.activation.id)  # type: ignore[union-attr]

        async def told() -> list[str]:
            await drain(installation, own, receiver, clock)
            kinds = [event.kind for event in receiver.got if "_limit" in event.kind]
            receiver.got.clear()
            return kinds

        await take("one")
        for number in range(20):
            seat = await take(f"again {number}")
            await installation.activations.deactivate_by_vendor(seat, OPERATOR)
            clock.advance(60)
        assert await told() == ["license.seats_at_limit"]
        assert query(tmp_path, "SELECT count(*) FROM events WHERE kind LIKE '%limit%'") == [(1,)]
        clock.advance(DAY)
        await take("tomorrow")
        assert await told() == ["license.seats_at_limit"]

    run(tmp_path, story)


def test_old_events_are_forgotten_once_everybody_got_them(tmp_path: Path) -> None:
    async def story(installation: Installation, clock: HeldClock) -> None:
        broken = Receiver(fault=lambda call: None if call == 1 else 0)
        own = sender(installation, clock)
        await installation.outbox.begin(broken)
        await facts(installation, 1, 0)
        await drain(installation, own, broken, clock)
        await facts(installation, 1, 0)
        await drain(installation, own, broken, clock)  # given up: kept, until somebody has looked at it
        await installation.upkeep.forget_events()
        assert query(tmp_path, "SELECT count(*) FROM events") == [(2,)]
        clock.advance(100 * DAY)
        assert not await installation.upkeep.forget_events()
        assert query(tmp_path, "SELECT e.kind, d.state FROM events e JOIN deliveries d ON d.event_seq = e.seq") == [
            ("license.created", "dead")
        ]

    run(tmp_path, story)

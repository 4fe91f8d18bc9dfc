"""Seats under conditions, on both databases: overage, budgets, moves, quotas, events (users-ask 3.2, R-29, REL-09)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carnet.core._base import replace
from carnet.core.conditions import Conditions
from carnet.core.errors import StateError, UsageError
from carnet.core.instant import DAY
from carnet.core.model import Policy
from carnet.server.domain.activations.commands import ActivationResult, ActivationView
from carnet.server.ports import EventFilter, NextIndex, SeatChanges, SeatFacts, SeatQuery
from carnet.server.records import OPERATOR
from support.installations import PRODUCT, Device, query
from support.license_models import Market, at_market, decided, refused, seated


class Lying:
    """A storage of which only `change_seat` is left."""

    def __init__(self, change_seat: Callable[..., Any]) -> None:
        self.change_seat = change_seat


def test_users_ask_23_overage_up_to_a_share_is_exact_and_told(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=10, conditions={"overage_percent": 20, "near_limit_percent": 80})
        for number in range(12):
            result = seated(await market.activate(sold.key, number))
            assert (result.license.seats.limit, result.license.seats.used) == (10, number + 1)
        assert refused(await market.activate(sold.key, "one too many")) == ["seat_limit_reached"]
        told = [
            (each.kind, each.payload["used"]) for each in await market.events() if each.kind.startswith("license.seats")
        ]
        assert told == [
            ("license.seats_near_limit", 8),
            ("license.seats_at_limit", 10),
            ("license.seats_over_limit", 11),
            ("license.seats_over_limit", 12),
        ]

    at_market(tmp_path, story)


def test_users_ask_23_allow_and_report_refuses_nobody(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1, conditions={"overage_percent": None})
        for number in range(5):
            seated(await market.activate(sold.key, number))
        assert len(await market.events("license.seats_over_limit")) == 4

    at_market(tmp_path, story)


def test_users_ask_10_overage_that_is_taken_away_takes_no_held_seat(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy(seat_limit=2, conditions={"overage_percent": 100})
        sold = await market.license(plan)
        own = await market.license(plan, overrides={"seat_limit": 1})
        for number in range(4):
            seated(await market.activate(sold.key, number))
        for number in range(2):
            seated(await market.activate(own.key, number))
        await market.change_policy(plan, conditions=Conditions())
        for number in range(4):
            seated(await market.activate(sold.key, number))
            seated(await market.refresh(sold.key, number))
        assert refused(await market.activate(sold.key, "five")) == ["seat_limit_reached"]
        assert refused(await market.activate(own.key, "three")) == ["seat_limit_reached"]
        for number in range(2):
            await market.leave(sold.key, number)
            assert refused(await market.activate(sold.key, "five")) == ["seat_limit_reached"]
        await market.leave(sold.key, 2)
        seated(await market.activate(sold.key, "five"))
        # a license with an own limit follows the policy's overage, and the other way round
        await market.change_policy(plan, conditions=Conditions(overage_percent=200))
        seated(await market.activate(own.key, "three"))
        assert refused(await market.activate(own.key, "four")) == ["seat_limit_reached"]

    at_market(tmp_path, story)


def test_r_05_a_license_has_own_conditions(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy(seat_limit=1)
        sold = await market.license(plan, conditions={"overage_percent": 100})
        assert sold.license.own_conditions == {"overage_percent": 100}
        seated(await market.activate(sold.key, 1))
        seated(await market.activate(sold.key, 2))
        await market.change_policy(plan, seat_limit=2)
        seated(await market.activate(sold.key, 3))
        seated(await market.activate(sold.key, 4))
        assert refused(await market.activate(sold.key, 5)) == ["seat_limit_reached"]
        view = await market.convert(sold, conditions={}, keeps_term=True)
        assert (view.conditions.overage_percent, view.seats.used) == (0, 4)
        assert refused(await market.activate(sold.key, 5)) == ["seat_limit_reached"]
        with pytest.raises(UsageError) as caught:
            await market.convert(sold, conditions={"anchor_day": 32})
        assert caught.value.code == "bad_policy"

    at_market(tmp_path, story)


def test_users_ask_18_the_activation_budget(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=None, conditions={"activation_budget": 2, "activation_budget_seconds": DAY})
        seated(await market.activate(sold.key, 1))
        market.clock.advance(DAY - 1)
        seated(await market.activate(sold.key, 2))
        seated(await market.activate(sold.key, 1))  # it has its seat (users-ask 17)
        assert refused(await market.activate(sold.key, 3)) == ["activation_budget_spent"]
        await market.leave(sold.key, 1)
        assert refused(await market.activate(sold.key, 1)) == [
            "activation_budget_spent"
        ]  # coming and going is spending
        market.clock.advance(1)
        seated(await market.activate(sold.key, 3))

    at_market(tmp_path, story)


def test_users_ask_18_a_conversion_gives_no_new_budget(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        conditions = {"activation_budget": 1, "moves_per_year": 1}
        sold = await market.sold(seat_limit=2, conditions=conditions)
        other = await market.policy("timed", duration_seconds=DAY, seat_limit=5, conditions=conditions)
        first = seated(await market.activate(sold.key, 1))
        await market.convert(sold, policy=other)
        assert refused(await market.activate(sold.key, 2)) == ["activation_budget_spent"]
        assert refused(await market.activate(sold.key, 2, replaces=(first.activation.id,))) == [
            "activation_budget_spent"
        ]

    at_market(tmp_path, story)


def test_users_ask_19_and_12_an_owner_swaps_one_device_or_all_within_the_quota(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=2, conditions={"moves_per_year": 2})
        first = seated(await market.activate(sold.key, 1))
        second = seated(await market.activate(sold.key, 2))
        full = await market.activate(sold.key, 3)
        assert refused(full) == ["seat_limit_reached"]
        third = seated(await market.activate(sold.key, 3, replaces=(first.activation.id,)))
        assert third.license.seats.used == 2
        assert not decided(await market.validate(sold.key, 1))
        again = seated(await market.activate(sold.key, 3, replaces=(first.activation.id,)))  # a retry
        assert (again.created, again.activation.id) == (False, third.activation.id)
        fourth = seated(await market.activate(sold.key, 4, replaces_all=True))
        assert fourth.license.seats.used == 1
        assert refused(await market.activate(sold.key, 5, replaces_all=True)) == ["move_quota_reached"]
        assert refused(await market.activate(sold.key, 5, replaces=(second.activation.id,))) == ["seat_not_held"]
        market.clock.advance(365 * DAY - 1)
        assert refused(await market.activate(sold.key, 5, replaces_all=True)) == ["move_quota_reached"]
        market.clock.advance(1)
        seated(await market.activate(sold.key, 5, replaces_all=True))
        told = {each.object_id for each in await market.events("activation.replaced")}
        gone = {first.activation.id, second.activation.id, third.activation.id, fourth.activation.id}
        assert told == gone

    at_market(tmp_path, story)


def test_a_refused_replacement_takes_no_seat_from_anybody(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1)
        other = await market.sold(seat_limit=1)
        held = seated(await market.activate(sold.key, 1))
        foreign = seated(await market.activate(other.key, 2))
        assert refused(await market.activate(sold.key, 3, replaces=(foreign.activation.id,))) == [
            "seat_limit_reached",
            "seat_not_held",
        ]
        both = (held.activation.id, foreign.activation.id)
        assert refused(await market.activate(sold.key, 3, replaces=both)) == ["seat_not_held"]
        await market.installation.licenses.suspend(sold.license.id, OPERATOR)
        assert refused(await market.activate(sold.key, 3, replaces=(held.activation.id,))) == ["license_suspended"]
        assert decided(await market.validate(other.key, 2))
        assert (await market.view(sold)).seats.used == (await market.view(other)).seats.used == 1
        with pytest.raises(UsageError) as caught:
            await market.activate(sold.key, 3, replaces=("x",) * 2)
        assert caught.value.code == "invalid_argument"

    at_market(tmp_path, story)


def test_users_ask_19_the_vendor_swaps_without_a_quota_and_the_device_finds_its_seat(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1, domains=("example.com",), conditions={"moves_per_year": 0})
        old = seated(await market.activate(sold.key, 1, domain="example.com"))
        activations = market.installation.activations
        claim = Device(2).claim(with_key=False)
        moved = await activations.replace_by_vendor(sold.license.id, claim, OPERATOR, replaces=(old.activation.id,))
        assert isinstance(moved, ActivationView)
        again = await activations.replace_by_vendor(sold.license.id, claim, OPERATOR, replaces_all=True)
        assert isinstance(again, ActivationView)
        assert again.id == moved.id
        found = seated(await market.activate(sold.key, 2, domain="example.com"))
        assert (found.created, found.activation.id) == (False, moved.id)
        full = await activations.replace_by_vendor(sold.license.id, Device(3).claim(with_key=False), OPERATOR)
        assert refused(full) == ["seat_limit_reached"]
        with pytest.raises(UsageError) as caught:
            await activations.replace_by_vendor("nobody", claim, OPERATOR)
        assert caught.value.code == "license_not_found"

    at_market(tmp_path, story)


def test_r_29_the_quota_of_licenses_is_exact_also_when_many_are_made_at_once(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy(conditions={"license_quota": 5})
        made = await asyncio.gather(*(market.license(plan) for _ in range(9)), return_exceptions=True)
        refused_ones = [each for each in made if isinstance(each, UsageError)]
        assert [each.code for each in refused_ones] == ["quota_exceeded"] * 4
        sold = next(each for each in made if not isinstance(each, BaseException))
        await market.installation.licenses.revoke(sold.license.id, OPERATOR)
        await market.license(plan)
        with pytest.raises(UsageError) as caught:
            await market.license(plan)
        assert caught.value.code == "quota_exceeded"

    at_market(tmp_path, story)


def test_r_29_the_quota_of_validations_begins_anew_with_the_month(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(conditions={"validation_quota": 3})
        for _ in range(2):
            assert decided(await market.validate(sold.key))
        await market.installation.statistics.flush()  # what was written counts like what was not
        assert decided(await market.validate(sold.key))
        assert refused(await market.validate(sold.key)) == ["quota_exceeded"]
        market.clock.advance(10 * DAY)  # 1 October
        assert decided(await market.validate(sold.key))

    at_market(tmp_path, story)


def test_rel_09_events_are_written_with_what_they_tell_of(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold("timed", duration_seconds=DAY, seat_limit=1)
        seated(await market.activate(sold.key, 1))
        assert refused(await market.activate(sold.key, 2)) == ["seat_limit_reached"]  # writes nothing
        seated(await market.refresh(sold.key, 1))  # happens too often to be told
        await market.leave(sold.key, 1)
        await market.renew(sold)
        licenses = market.installation.licenses
        await licenses.suspend(sold.license.id, OPERATOR)
        await licenses.suspend(sold.license.id, OPERATOR)
        await licenses.reinstate(sold.license.id, OPERATOR)
        await licenses.revoke(sold.license.id, OPERATOR)
        events = await market.events()
        assert [each.kind for each in events] == [
            "license.created",
            "activation.created",
            "license.seats_at_limit",
            "activation.deactivated",
            "license.renewed",
            "license.suspended",
            "license.reinstated",
            "license.revoked",
        ]
        assert len({each.id for each in events}) == len(events)
        assert {each.product for each in events} == {PRODUCT}
        assert {each.delivered_at for each in events} == {None}
        assert sold.key not in "".join(str(each) for each in events)
        newest = await market.installation._storage.events(EventFilter(object_id=sold.license.id), before=None, limit=2)
        assert [each.kind for each in newest] == ["license.revoked", "license.reinstated"]

    at_market(tmp_path, story)


def test_rel_01_many_users_at_once_never_hold_more_seats_than_there_are(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=3, conditions={"seat_scope": "user", "activation_budget": 20})
        asked = [
            market.activate(sold.key, f"{user}-{device}", user=f"user-{user}")
            for user in range(8)
            for device in range(3)
        ]
        outcomes = await asyncio.gather(*asked)
        users = {each.activation.id for each in outcomes if isinstance(each, ActivationResult)}
        assert len(users) <= 20
        held = await market.installation.activations.list(sold.license.id)
        assert len(held.items) == (await market.view(sold)).seats.used == 3

    at_market(tmp_path, story)
    held = "SELECT account, count(*) FROM activations WHERE deactivated_at IS NULL GROUP BY account"
    assert sorted(count for _, count in query(tmp_path, held)) == [1, 1, 1]


def test_r_03_two_trials_at_once_give_a_device_one(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        plan = await market.policy("trial", duration_seconds=DAY)
        for number in range(8):
            keys = [(await market.license(plan)).key for _ in range(4)]
            outcomes = await asyncio.gather(*(market.activate(key, f"device {number}") for key in keys))
            assert sum(isinstance(each, ActivationResult) for each in outcomes) == 1

    at_market(tmp_path, story)
    assert query(tmp_path, "SELECT count(*) FROM trials") == [(8,)]


def test_conditions_that_contradict_the_type_are_refused(tmp_path: Path) -> None:
    async def story(market: Market) -> None:
        for kind, given in (
            ("perpetual", {"conditions": {"duration_months": 1}}),
            ("timed", {"duration_seconds": 5, "conditions": {"duration_months": 1}}),
            ("timed", {"duration_seconds": 5, "conditions": {"updates_months": 1}}),
        ):
            with pytest.raises(UsageError) as caught:
                await market.policy(kind, **given)  # type: ignore[arg-type]
            assert caught.value.code == "invalid_argument"
        plan = await market.policy()
        sold = await market.license(plan, conditions={"anchor_day": 5})
        stored = await market.installation.policies.get(PRODUCT, plan)
        assert stored.policy == Policy(name=plan)
        assert sold.license.conditions == Conditions(anchor_day=5)

    at_market(tmp_path, story)


@pytest.mark.parametrize("conditions", [{"seat_scope": "user"}, {"activation_budget": 9}])
def test_rel_01_the_database_refuses_a_decision_that_takes_a_seat_where_none_is_free(
    tmp_path: Path, conditions: dict[str, object]
) -> None:
    async def story(market: Market) -> None:
        sold = await market.sold(seat_limit=1, conditions=conditions)
        seated(await market.activate(sold.key, 1, user="ada"))
        storage = market.installation._storage
        before = query(tmp_path, "SELECT count(*) FROM audit")

        def lie(facts: SeatFacts) -> SeatFacts:
            assert facts.license is not None
            unlimited = replace(facts.license, effective=replace(facts.license.effective, seat_limit=None))
            return replace(facts, license=unlimited, holders=())

        change = storage.change_seat
        asked = market.installation.activations

        async def lying(of: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[object]]) -> object:
            return await change(of, lambda facts, next_index: decide(lie(facts), next_index))

        asked._storage = Lying(lying)  # type: ignore[assignment]
        with pytest.raises(StateError) as caught:
            await market.activate(sold.key, 2, user="bob")
        assert caught.value.code == "seat_guard"
        asked._storage = storage
        assert (await market.view(sold)).seats.used == 1
        assert query(tmp_path, "SELECT count(*) FROM audit") == before

    at_market(tmp_path, story)

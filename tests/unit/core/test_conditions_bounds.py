"""
Conditions of a policy: the numbers as people were told them, written out and not as the code names them (R-05, R-29).
"""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.conditions import (
    MAX_METERS,
    MAX_TERM_MONTHS,
    MAX_TERM_SECONDS,
    MOVES_PERIOD_SECONDS,
    Conditions,
    check_conditions,
    conditions_from_json,
    conditions_to_json,
    override_conditions,
)
from carnet.core.errors import UsageError
from carnet.core.metering import Meter

A_DAY = 86_400
A_HUNDRED_YEARS = 36_600 * A_DAY


def refusal(**members: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_conditions(Conditions(**members))
    assert caught.value.code == "bad_policy"
    return caught.value


def test_what_is_not_named_is_as_the_reference_says() -> None:
    assert conditions_to_json(Conditions()) == {
        "start_basis": "issue",
        "duration_months": None,
        "renewal_basis": "expiry",
        "anchor_day": None,
        "updates_seconds": None,
        "updates_months": None,
        "updates_below_version": None,
        "trial_per_device": True,
        "overage_percent": 0,
        "near_limit_percent": 90,
        "activation_budget": None,
        "activation_budget_seconds": 30 * A_DAY,
        "moves_per_year": 3,
        "seat_scope": "device",
        "meters": [],
        "license_quota": None,
        "validation_quota": None,
    }


def test_the_bounds_have_the_values_that_are_documented() -> None:
    assert (MAX_TERM_SECONDS, MAX_TERM_MONTHS, MAX_METERS) == (A_HUNDRED_YEARS, 1200, 100)
    assert MOVES_PERIOD_SECONDS == 365 * A_DAY


@pytest.mark.parametrize(
    ("member", "least", "most", "nullable"),
    [
        ("duration_months", 1, 1200, True),
        ("anchor_day", 1, 31, True),
        ("updates_seconds", 1, A_HUNDRED_YEARS, True),
        ("updates_months", 1, 1200, True),
        ("overage_percent", 0, 1000, True),
        ("near_limit_percent", 1, 100, True),
        ("activation_budget", 1, 10**9, True),
        ("activation_budget_seconds", 1, A_HUNDRED_YEARS, False),
        ("moves_per_year", 0, 10**9, True),
        ("license_quota", 0, 10**9, True),
        ("validation_quota", 0, 9_007_199_254_740_992, True),
    ],
)
def test_each_number_has_its_bounds_and_tells_them(member: str, least: int, most: int, nullable: bool) -> None:  # noqa: FBT001
    given: dict[str, Any]
    for right in (least, least + 1, most - 1, most):
        given = {member: right}
        check_conditions(Conditions(**given))
    for wrong in (least - 1, most + 1):
        told = refusal(**{member: wrong})
        assert told.message == f"{member} is {wrong}."
        assert told.fix == f"It must be a whole number from {least} to {most}{' or null' if nullable else ''}."


@pytest.mark.parametrize(
    ("member", "choices"),
    [
        ("start_basis", "issue, first_activation, first_use"),
        ("renewal_basis", "expiry, now, anchor_day"),
        ("seat_scope", "device, user"),
    ],
)
def test_choices_are_told(member: str, choices: str) -> None:
    for choice in choices.split(", "):
        given: dict[str, Any] = {member: choice}
        check_conditions(Conditions(**given))
    assert refusal(**{member: []}).fix == f"It must be one of {choices}."


@pytest.mark.parametrize(("length", "fits"), [(254, True), (255, True), (256, False)])
def test_a_version_ceiling_is_at_most_255_characters(length: int, fits: bool) -> None:  # noqa: FBT001
    version = "3.0.0-" + "b" * (length - 6)
    if fits:
        check_conditions(Conditions(updates_below_version=version))
    else:
        assert refusal(updates_below_version=version).message.startswith("updates_below_version is ")


@pytest.mark.parametrize(
    ("length", "told"), [(97, "'" + "x" * 97 + "'"), (98, "'" + "x" * 98 + "'"), (99, "'" + "x" * 99 + "…")]
)
def test_a_long_value_is_told_in_short(length: int, told: str) -> None:
    assert refusal(seat_scope="x" * length).message == f"seat_scope is {told}."


def test_an_update_window_has_one_length_whichever_is_named() -> None:
    assert Conditions(updates_seconds=5).updates.seconds == 5
    assert Conditions(updates_months=6).updates.months == 6
    told = refusal(updates_seconds=5, updates_months=6)
    assert told.message == "updates_months is 6."
    seconds, months = Conditions(updates_seconds=5), Conditions(updates_months=6)
    assert override_conditions(seconds, {"updates_months": None}) == seconds
    assert override_conditions(months, {"updates_seconds": None}) == months
    assert override_conditions(seconds, {"updates_months": 6}) == months
    assert override_conditions(months, {"updates_seconds": 5}) == seconds
    assert override_conditions(seconds, {"updates_seconds": None}) == Conditions()
    assert override_conditions(months, {"updates_months": None}) == Conditions()


def test_meters_are_told_apart_by_name_only() -> None:
    meters = (
        Meter(name="a", period="day", limit=0),
        Meter(name="b", overage="report"),
        Meter(name="c", period="total"),
    )
    conditions = Conditions(meters=meters)
    check_conditions(conditions)
    assert [conditions.meter(name) for name in ("a", "b", "c", "d", "")] == [*meters, None, None]
    assert conditions_from_json(conditions_to_json(conditions)) == conditions
    assert override_conditions(Conditions(), {"meters": list(meters)}) == conditions
    assert refusal(meters=(*meters, Meter(name="b"))).message.startswith("meters.name is ")


def meters_named(count: int) -> tuple[Meter, ...]:
    return tuple(Meter(name=f"m{number}") for number in range(count))


def test_a_policy_has_at_most_100_meters() -> None:
    check_conditions(Conditions(meters=meters_named(99)))
    check_conditions(Conditions(meters=meters_named(100)))
    assert refusal(meters=meters_named(101)).fix == "It must be a list of at most 100 meters."


@pytest.mark.parametrize(
    ("meter", "member"),
    [
        ({"name": "a", "period": "week"}, "meters.period"),
        ({"name": "a", "period": None}, "meters.period"),
        ({"name": "a", "overage": "bill"}, "meters.overage"),
        ({"name": "a", "overage": None}, "meters.overage"),
        ({"name": "a", "limit": -1}, "meters.limit"),
        ({"name": "a", "limit": 2**53 + 1}, "meters.limit"),
        ({"name": "a", "limit": 1.0}, "meters.limit"),
        ({"name": "a", "limit": False}, "meters.limit"),
        ({"name": "A"}, "meters.name"),
        ({"name": 5}, "meters.name"),
        ({"name": []}, "meters.name"),
        ({"name": "a" * 101}, "meters.name"),
        ({"period": "day"}, "meters"),
        ({"name": "a", "used": 5}, "meters"),
        (None, "meters"),
    ],
)
def test_a_wrong_meter_is_refused_by_its_members_name(meter: object, member: str) -> None:
    with pytest.raises(UsageError) as caught:
        conditions_from_json({"meters": [{"name": "right"}, meter]})
    assert caught.value.message.startswith(f"{member} is ")


@pytest.mark.parametrize("limit", [0, 1, 2**53 - 1, 2**53, None])
def test_a_meter_holds_from_nothing_to_2_to_the_53(limit: int | None) -> None:
    assert conditions_from_json({"meters": [{"name": "a" * 100, "limit": limit}]}).meters[0].limit == limit

"""Conditions: their bounds, a license's own values, their JSON form (R-05)."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.conditions import (
    MAX_METERS,
    MAX_TERM_MONTHS,
    MAX_TERM_SECONDS,
    Conditions,
    check_conditions,
    conditions_from_json,
    conditions_to_json,
    override_conditions,
)
from carnet.core.errors import UsageError
from carnet.core.metering import Meter

BOUNDS = [
    ("duration_months", 1, MAX_TERM_MONTHS, True),
    ("anchor_day", 1, 31, True),
    ("updates_seconds", 1, MAX_TERM_SECONDS, True),
    ("updates_months", 1, MAX_TERM_MONTHS, True),
    ("overage_percent", 0, 1000, True),
    ("near_limit_percent", 1, 100, True),
    ("activation_budget", 1, 1_000_000_000, True),
    ("activation_budget_seconds", 1, MAX_TERM_SECONDS, False),
    ("moves_per_year", 0, 1_000_000_000, True),
    ("license_quota", 0, 1_000_000_000, True),
    ("validation_quota", 0, 2**53, True),
]


def refused(**members: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_conditions(Conditions(**members))
    assert caught.value.code == "bad_policy"
    return caught.value


def test_the_defaults_hold_together() -> None:
    check_conditions(Conditions())
    assert Conditions().updates.is_endless


@pytest.mark.parametrize(("member", "least", "most", "nullable"), BOUNDS)
def test_numbers_are_bounded(member: str, least: int, most: int, nullable: bool) -> None:  # noqa: FBT001
    for value in (least, most):
        check_conditions(Conditions(**{member: value}))  # type: ignore[arg-type]
    for wrong in (least - 1, most + 1, "1", 1.0, True):
        assert member in refused(**{member: wrong}).message
    if nullable:
        check_conditions(Conditions(**{member: None}))  # type: ignore[arg-type]
    else:
        refused(**{member: None})


@pytest.mark.parametrize("member", ["start_basis", "renewal_basis", "seat_scope"])
@pytest.mark.parametrize("wrong", ["", "never", None, 1])
def test_choices_are_closed(member: str, wrong: object) -> None:
    assert member in refused(**{member: wrong}).message


@pytest.mark.parametrize("wrong", [None, 1, "yes"])
def test_one_trial_per_device_is_true_or_false(wrong: object) -> None:
    refused(trial_per_device=wrong)


@pytest.mark.parametrize("version", ["", "latest", "1.2.3.4", "9" * 256, 3])
def test_a_release_ceiling_is_a_version(version: object) -> None:
    refused(updates_below_version=version)
    check_conditions(Conditions(updates_below_version="3.0.0"))


def test_a_window_has_one_length() -> None:
    refused(updates_seconds=5, updates_months=1)


@pytest.mark.parametrize(
    "meters",
    [
        (Meter(name=""),),
        (Meter(name="Upper"),),
        (Meter(name="a"), Meter(name="a")),
        (Meter(name="a", limit=-1),),
        (Meter(name="a", limit=2**53 + 1),),
        (Meter(name="a", limit=True),),
        (Meter(name="a", period="week"),),  # type: ignore[arg-type]
        (Meter(name="a", overage="bill"),),  # type: ignore[arg-type]
        tuple(Meter(name=f"m{number}") for number in range(MAX_METERS + 1)),
        [Meter(name="a")],
        ("a",),
    ],
)
def test_meters_are_bounded(meters: Any) -> None:
    assert "meters" in refused(meters=meters).message


def test_meters_at_their_bounds() -> None:
    check_conditions(Conditions(meters=tuple(Meter(name=f"m{number}", limit=0) for number in range(MAX_METERS))))
    check_conditions(Conditions(meters=(Meter(name="a", limit=2**53),)))
    assert Conditions(meters=(Meter(name="a"), Meter(name="b"))).meter("b") == Meter(name="b")
    assert Conditions().meter("b") is None


def test_json_goes_both_ways() -> None:
    conditions = Conditions(
        start_basis="first_use",
        renewal_basis="anchor_day",
        anchor_day=31,
        updates_months=12,
        updates_below_version="3.0.0",
        overage_percent=None,
        seat_scope="user",
        meters=(Meter(name="exports", period="day", limit=5, overage="report"),),
    )
    assert conditions_from_json(conditions_to_json(conditions)) == conditions
    assert conditions_from_json({}) == Conditions()
    assert conditions_from_json({"meters": ["exports"]}).meters == (Meter(name="exports"),)


@pytest.mark.parametrize(
    "value",
    [
        {"unknown": 1},
        {"meters": 5},
        {"meters": [5]},
        {"meters": [{}]},
        {"meters": [{"name": "a", "more": 1}]},
        {"anchor_day": 32},
    ],
)
def test_other_json_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        conditions_from_json(value)
    assert caught.value.code == "bad_policy"


def test_r_05_own_values_take_the_place_of_inherited_ones() -> None:
    inherited = Conditions(updates_seconds=5, overage_percent=20)
    assert override_conditions(inherited, {"overage_percent": 0}) == Conditions(updates_seconds=5)
    months = override_conditions(inherited, {"updates_months": 1})
    assert (months.updates_seconds, months.updates_months) == (None, 1)
    back = override_conditions(months, {"updates_seconds": 7})
    assert (back.updates_seconds, back.updates_months) == (7, None)
    with pytest.raises(UsageError):
        override_conditions(inherited, {"updates_months": 1, "updates_seconds": 1})

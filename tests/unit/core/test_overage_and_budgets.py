"""More seats than were sold, what is told about it, and budgets (users-ask 10, 12, 18, 23, 60)."""

from __future__ import annotations

import pytest

from carnet.core.instant import DAY, Instant
from carnet.core.overage import MAX_OVERAGE_PERCENT, seat_ceiling, seat_mark
from carnet.core.tallies import Tally, count_one, counted, free_again_at, has_room

NOW = Instant(1_800_000_000)


@pytest.mark.parametrize(
    ("limit", "percent", "ceiling"),
    [
        (10, 0, 10),
        (10, 20, 12),
        (10, 9, 10),  # less than a seat is none
        (10, 10, 11),
        (1, 99, 1),
        (1, 100, 2),
        (3, 50, 4),
        (10, MAX_OVERAGE_PERCENT, 110),
        (10, None, None),
        (None, 0, None),
        (None, 20, None),
    ],
)
def test_users_ask_23_the_ceiling_is_what_was_sold_and_the_overage(
    limit: int | None, percent: int | None, ceiling: int | None
) -> None:
    assert seat_ceiling(limit, percent) == ceiling


def test_users_ask_60_marks_are_told_once_on_the_way_up_and_each_seat_above() -> None:
    told = [seat_mark(used, 10, 80) for used in range(1, 14)]
    assert told == [None] * 7 + ["near_limit", None, "at_limit", "over_limit", "over_limit", "over_limit"]


@pytest.mark.parametrize(("limit", "percent", "near"), [(10, 81, 9), (10, 80, 8), (3, 1, 1), (2, 50, 1), (7, 90, None)])
def test_near_is_the_first_whole_seat_that_reaches_the_share(limit: int, percent: int, near: int | None) -> None:
    found = [used for used in range(1, limit + 1) if seat_mark(used, limit, percent) == "near_limit"]
    assert found == ([] if near is None else [near])


def test_without_a_limit_or_a_share_nothing_is_near() -> None:
    assert [seat_mark(used, None, 80) for used in (1, 1000)] == [None, None]
    assert [seat_mark(used, 3, None) for used in (1, 2, 3, 4)] == [None, None, "at_limit", "over_limit"]


@pytest.mark.parametrize(("seconds", "count"), [(-1, 2), (0, 0), (1, 0)])
def test_users_ask_18_a_period_is_over_once_it_lasted_its_whole_length(seconds: int, count: int) -> None:
    tally = Tally(count=2, began_at=NOW)
    assert counted(tally, DAY, Instant(NOW + DAY + seconds)) == count
    assert has_room(tally, 2, DAY, Instant(NOW + DAY + seconds)) is (count == 0)


def test_a_period_begins_with_the_first_thing_counted() -> None:
    first = count_one(Tally(), DAY, NOW)
    assert first == Tally(count=1, began_at=NOW)
    second = count_one(first, DAY, Instant(NOW + DAY - 1))
    assert second == Tally(count=2, began_at=NOW)
    third = count_one(second, DAY, Instant(NOW + DAY))
    assert third == Tally(count=1, began_at=Instant(NOW + DAY))
    assert free_again_at(second, DAY) == NOW + DAY
    assert free_again_at(Tally(), DAY) is None


def test_a_budget_of_nothing_is_nothing_and_none_is_no_budget() -> None:
    assert not has_room(Tally(), 0, DAY, NOW)
    assert has_room(Tally(count=10**9, began_at=NOW), None, DAY, NOW)
    assert has_room(Tally(count=1, began_at=NOW), 2, DAY, NOW)

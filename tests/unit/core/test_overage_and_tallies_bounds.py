"""Ceilings, marks and budgets against their definitions (users-ask 10, 12, 18, 23, 60)."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from carnet.core.instant import Instant
from carnet.core.overage import MAX_OVERAGE_PERCENT, seat_ceiling, seat_mark
from carnet.core.tallies import Tally, count_one, counted, free_again_at, has_room

NOW = Instant(1_800_000_000)


def test_at_most_eleven_times_what_was_sold() -> None:
    assert MAX_OVERAGE_PERCENT == 1000
    assert seat_ceiling(10**9, 1000) == 11 * 10**9


@given(st.integers(1, 10**9), st.integers(0, 1000))
def test_users_ask_23_the_ceiling_is_the_largest_number_within_the_share(limit: int, percent: int) -> None:
    ceiling = seat_ceiling(limit, percent)
    share = limit * (1 + Fraction(percent, 100))
    assert ceiling is not None
    assert ceiling <= share < ceiling + 1


@given(st.integers(1, 400), st.integers(1, 100))
def test_users_ask_60_near_is_told_at_the_first_number_within_the_share(limit: int, percent: int) -> None:
    told = [used for used in range(limit + 2) if seat_mark(used, limit, percent) == "near_limit"]
    near = next(used for used in range(limit + 1) if Fraction(used, limit) >= Fraction(percent, 100))
    assert told == ([] if near == limit else [near])
    marks = [seat_mark(used, limit, percent) for used in (limit, limit + 1, limit + 2)]
    assert marks == ["at_limit", "over_limit", "over_limit"]


@given(st.integers(1, 20), st.integers(0, 5), st.lists(st.integers(0, 12), max_size=30))
def test_users_ask_18_any_times_against_a_list_of_them(period: int, budget: int, pauses: list[int]) -> None:
    tally, now = Tally(), NOW
    running: list[int] = []
    for pause in pauses:
        now = Instant(now + pause)
        if running and now - running[0] >= period:
            running = []
        assert counted(tally, period, now) == len(running)
        assert has_room(tally, budget, period, now) is (len(running) < budget)
        assert has_room(tally, None, period, now)
        if len(running) < budget:
            running.append(now)
            tally = count_one(tally, period, now)
            assert tally == Tally(count=len(running), began_at=Instant(running[0]))
            assert free_again_at(tally, period) == running[0] + period


def test_where_nothing_was_counted_nothing_runs() -> None:
    assert (Tally().count, Tally().began_at) == (0, None)
    assert free_again_at(Tally(), 5) is None
    assert counted(Tally(count=7), 5, NOW) == 0
    assert has_room(Tally(), 1, 5, NOW)
    assert not has_room(Tally(), 0, 5, NOW)

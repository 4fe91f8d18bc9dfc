"""Meters at their edges, and against a count of a few lines (R-29, users-ask 63)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.instant import Instant, parse_instant
from carnet.core.metering import MAX_AMOUNT, MAX_USED, Counted, Meter, MeterPeriod, NotCounted, count_use, period_of

LAST = 9_007_199_254_740_992
"""2 ** 53, where whole numbers of JSON end."""


def test_the_bounds_have_the_values_that_are_documented() -> None:
    assert MAX_AMOUNT == 1_000_000_000_000
    assert MAX_USED == LAST
    assert Meter(name="exports") == Meter(name="exports", period="month", limit=None, overage="refuse")
    assert Counted(used=5) == Counted(used=5, is_over=False, crossed=False)


@pytest.mark.parametrize(
    ("used", "amount", "outcome"),
    [
        (9, 1, Counted(used=10)),
        (10, 1, Counted(used=11, is_over=True, crossed=True)),  # from exactly the limit
        (9, 5, Counted(used=14, is_over=True, crossed=True)),
        (11, 1, Counted(used=12, is_over=True)),
        (12, -1, Counted(used=11, is_over=True)),
        (12, -2, Counted(used=10)),
    ],
)
def test_the_event_that_goes_over_the_limit_is_told(used: int, amount: int, outcome: Counted) -> None:
    assert count_use(Meter(name="exports", limit=10, overage="report"), used, amount) == outcome


@pytest.mark.parametrize(("amount", "counted"), [(-1, True), (0, True), (1, False)])
def test_users_ask_63_only_what_adds_is_refused(amount: int, counted: bool) -> None:  # noqa: FBT001
    over = count_use(Meter(name="exports", limit=10), 20, amount)
    full = count_use(Meter(name="exports"), LAST + 5, amount)
    assert isinstance(over, Counted) is isinstance(full, Counted) is counted


@pytest.mark.parametrize(("used", "fits"), [(LAST - 6, True), (LAST - 5, True), (LAST - 4, False)])
def test_a_meter_stops_at_2_to_the_53(used: int, fits: bool) -> None:  # noqa: FBT001
    for meter in (Meter(name="exports"), Meter(name="exports", limit=10, overage="report")):
        outcome = count_use(meter, used, 5)
        assert outcome.used == (used + 5 if fits else used)
        assert isinstance(outcome, Counted) is fits


@given(
    st.one_of(st.none(), st.integers(0, 12)),
    st.sampled_from(["refuse", "report"]),
    st.lists(st.integers(-6, 6), max_size=20),
)
def test_r_29_any_events_against_a_count_of_a_few_lines(limit: int | None, overage: Any, amounts: list[int]) -> None:
    meter, used = Meter(name="exports", limit=limit, overage=overage), 0
    for amount in amounts:
        outcome = count_use(meter, used, amount)
        after = max(0, used + amount)
        over = limit is not None and after > limit
        if over and amount > 0 and overage == "refuse":
            assert outcome == NotCounted(used=used)
            continue
        was_over = limit is not None and used > limit
        assert outcome == Counted(used=after, is_over=over, crossed=over and not was_over)
        used = after


BEGAN = parse_instant("2024-02-29T12:00:00Z")


@pytest.mark.parametrize("kind", ["day", "month", "license_year"])
@given(seconds=st.integers(0, 60 * 366 * 86_400))
def test_r_29_periods_meet_and_leave_no_second_out(kind: MeterPeriod, seconds: int) -> None:
    at = Instant(BEGAN + seconds)
    found = period_of(kind, at, BEGAN)
    assert found.ends_at is not None
    assert found.starts_at <= at < found.ends_at
    lasts = (found.ends_at - found.starts_at) // 86_400
    assert lasts in {"day": {1}, "month": {28, 29, 30, 31}, "license_year": {365, 366}}[kind]
    assert period_of(kind, found.starts_at, BEGAN) == found
    assert period_of(kind, Instant(found.ends_at - 1), BEGAN) == found
    assert period_of(kind, found.ends_at, BEGAN).starts_at == found.ends_at


@pytest.mark.parametrize("before", [1, 86_400, 366 * 86_400, 5_000 * 86_400])
def test_a_time_before_the_license_belongs_to_its_first_year(before: int) -> None:
    assert period_of("license_year", Instant(BEGAN - before), BEGAN) == period_of("license_year", BEGAN, BEGAN)
    assert period_of("license_year", BEGAN, BEGAN).starts_at == BEGAN

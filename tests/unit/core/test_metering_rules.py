"""Meters: periods, limits, corrections (R-29, users-ask 63)."""

from __future__ import annotations

import pytest

from carnet.core.instant import Instant, parse_instant
from carnet.core.metering import MAX_USED, Counted, Meter, MeterPeriod, NotCounted, count_use, period_of


@pytest.mark.parametrize(
    ("kind", "at", "starts", "ends"),
    [
        ("day", "2027-03-10T23:59:59Z", "2027-03-10T00:00:00Z", "2027-03-11T00:00:00Z"),
        ("day", "2027-03-11T00:00:00Z", "2027-03-11T00:00:00Z", "2027-03-12T00:00:00Z"),
        ("month", "2027-01-31T23:59:59Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("month", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("month", "2027-12-31T23:59:59Z", "2027-12-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        # the license began on 29 February 2024 at noon
        ("license_year", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z", "2025-02-28T12:00:00Z"),
        ("license_year", "2025-02-28T11:59:59Z", "2024-02-29T12:00:00Z", "2025-02-28T12:00:00Z"),
        ("license_year", "2025-02-28T12:00:00Z", "2025-02-28T12:00:00Z", "2026-02-28T12:00:00Z"),
        ("license_year", "2028-02-29T11:59:59Z", "2027-02-28T12:00:00Z", "2028-02-29T12:00:00Z"),
        ("license_year", "2028-02-29T12:00:00Z", "2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z"),
        ("license_year", "2020-01-01T00:00:00Z", "2024-02-29T12:00:00Z", "2025-02-28T12:00:00Z"),
        ("total", "2027-01-31T23:59:59Z", "1970-01-01T00:00:00Z", None),
    ],
)
def test_r_29_periods(kind: MeterPeriod, at: str, starts: str, ends: str | None) -> None:
    found = period_of(kind, parse_instant(at), parse_instant("2024-02-29T12:00:00Z"))
    assert str(found.starts_at) == starts
    assert (None if found.ends_at is None else str(found.ends_at)) == ends


@pytest.mark.parametrize(("amount", "fits"), [(1, True), (4, True), (5, True), (6, False)])
def test_r_29_a_limit_is_exact(amount: int, fits: bool) -> None:  # noqa: FBT001
    outcome = count_use(Meter(name="exports", limit=10), 5, amount)
    assert outcome == (Counted(used=5 + amount) if fits else NotCounted(used=5))


def test_r_29_a_meter_that_reports_counts_on_and_tells_the_crossing_once() -> None:
    meter = Meter(name="exports", limit=10, overage="report")
    assert count_use(meter, 9, 1) == Counted(used=10)
    assert count_use(meter, 9, 2) == Counted(used=11, is_over=True, crossed=True)
    assert count_use(meter, 11, 2) == Counted(used=13, is_over=True)


@pytest.mark.parametrize("overage", ["refuse", "report"])
def test_users_ask_63_corrections_never_go_below_nothing_and_are_never_refused(overage: str) -> None:
    meter = Meter(name="exports", limit=10, overage=overage)  # type: ignore[arg-type]
    assert count_use(meter, 20, -5) == Counted(used=15, is_over=True)
    assert count_use(meter, 3, -5) == Counted(used=0)


def test_a_meter_of_nothing_counts_nothing() -> None:
    assert count_use(Meter(name="exports", limit=0), 0, 1) == NotCounted(used=0)
    assert count_use(Meter(name="exports"), 10**12, 10**12) == Counted(used=2 * 10**12)


def test_a_meter_stops_where_numbers_of_json_end() -> None:
    meter = Meter(name="exports", overage="report")
    assert count_use(meter, MAX_USED - 1, 1) == Counted(used=MAX_USED)
    assert count_use(meter, MAX_USED, 1) == NotCounted(used=MAX_USED)


def test_one_second_before_and_after_a_day() -> None:
    midnight = parse_instant("2027-03-11T00:00:00Z")
    found = [period_of("day", Instant(midnight + second), midnight).starts_at for second in (-1, 0, 1)]
    assert found == [midnight - 86400, midnight, midnight]

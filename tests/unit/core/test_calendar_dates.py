"""REL-15: leap days, month ends, `:60`, 2038, 2106, the year 9999, and days that end everywhere."""

from __future__ import annotations

import pytest

from carnet.core.dates import Civil, add_months, civil, days_in_month, months_between, parse_end, seconds_of
from carnet.core.errors import MalformedError
from carnet.core.instant import DAY, MAX_INSTANT, Instant, parse_instant


def at(text: str) -> Instant:
    return parse_instant(text)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2027-01-31T09:30:00Z", 1, "2027-02-28T09:30:00Z"),
        ("2028-01-31T09:30:00Z", 1, "2028-02-29T09:30:00Z"),  # a leap year
        ("2028-02-29T00:00:00Z", 12, "2029-02-28T00:00:00Z"),
        ("2028-02-29T00:00:00Z", 48, "2032-02-29T00:00:00Z"),
        ("2096-02-29T00:00:00Z", 48, "2100-02-28T00:00:00Z"),  # 2100 is none
        ("2000-02-29T00:00:00Z", -1200, "1900-02-28T00:00:00Z"),  # nor was 1900
        ("2027-08-31T23:59:59Z", 1, "2027-09-30T23:59:59Z"),
        ("2027-12-31T23:59:59Z", 2, "2028-02-29T23:59:59Z"),
        ("2027-03-31T00:00:00Z", -1, "2027-02-28T00:00:00Z"),
        ("2027-11-15T12:00:00Z", 14, "2029-01-15T12:00:00Z"),
        ("2037-12-19T03:14:07Z", 1, "2038-01-19T03:14:07Z"),  # the last second of a signed 32-bit clock
        ("2106-01-07T06:28:15Z", 1, "2106-02-07T06:28:15Z"),  # of an unsigned one
        ("9999-11-30T23:59:59Z", 1, "9999-12-30T23:59:59Z"),
        ("2027-05-10T00:00:00Z", 0, "2027-05-10T00:00:00Z"),
    ],
)
def test_rel_15_months_keep_the_day_or_end_with_the_month(start: str, months: int, end: str) -> None:
    expected = end if end >= "1970" else None
    moved = add_months(at(start), months)
    if expected is None:
        assert civil(moved) == Civil(year=1900, month=2, day=28)
    else:
        assert str(Instant(moved)) == end


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        (31, ["02-28", "03-31", "04-30", "05-31"]),
        (30, ["02-28", "03-30", "04-30", "05-30"]),
        (29, ["02-28", "03-29", "04-29", "05-29"]),
        (1, ["02-01", "03-01", "04-01", "05-01"]),
    ],
)
def test_rel_15_an_anchor_day_comes_back_after_a_short_month(day: int, ends: list[str]) -> None:
    seconds = int(at("2027-01-31T00:00:00Z"))
    found = []
    for _ in range(4):
        seconds = add_months(seconds, 1, day=day)
        found.append(str(Instant(seconds))[5:10])
    assert found == ends


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2027-05-01", "2027-05-02T12:00:00Z"),  # midnight at UTC-12
        ("2028-02-28", "2028-02-29T12:00:00Z"),
        ("2028-02-29", "2028-03-01T12:00:00Z"),
        ("2027-12-31", "2028-01-01T12:00:00Z"),
        ("9999-12-30", "9999-12-31T12:00:00Z"),
        ("2038-01-18", "2038-01-19T12:00:00Z"),
        ("2027-05-01T12:00:00Z", "2027-05-01T12:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2027-06-30T23:59:60Z", "2027-07-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31", "9999-12-31T23:59:59Z"),  # it ends in the year 10000, which nothing can say
        ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_rel_15_an_end_as_people_write_it(text: str, end: str) -> None:
    assert str(parse_end(text)) == end


@pytest.mark.parametrize(("hours", "is_over"), [(35, False), (36, True)])
def test_rel_15_a_day_is_valid_until_it_has_ended_everywhere(hours: int, is_over: bool) -> None:  # noqa: FBT001
    day = at("2027-05-01T00:00:00Z")
    for second in (-1, 0, 1) if is_over else (0, 3599):
        now = day + hours * 3600 + second
        assert (now >= parse_end("2027-05-01")) is (is_over and second >= 0)


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-29",
        "2027-13-01",
        "2027-00-10",
        "2027-04-31",
        "1969-12-31",
        "2027-05-01T12:00:60Z",  # a leap second ends a day
        "2027-05-01T23:58:60Z",
        "2027-05-01T24:00:00Z",
        "2027-05-01 12:00:00Z",
        "2027-05-01T12:00:00+02:00",
        "20270501",
        "2027-5-1",
        "27-05-01",
        "",
        "T23:59:60Z",
        "tomorrow",
        "\u0662\u0660\u0662\u0667-05-01",  # digits of another script
    ],
)
def test_rel_15_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_end(text)
    assert caught.value.code == "bad_time"


@pytest.mark.parametrize(("year", "days"), [(1900, 28), (2000, 29), (2024, 29), (2027, 28), (2100, 28), (9996, 29)])
def test_rel_15_leap_years(year: int, days: int) -> None:
    assert days_in_month(year, 2) == days
    assert seconds_of(Civil(year=year, month=3, day=1)) - seconds_of(Civil(year=year, month=2, day=1)) == days * DAY


def test_months_between_counts_whole_months_only() -> None:
    start = at("2027-01-31T10:00:00Z")
    end = at("2027-02-28T10:00:00Z")
    assert [months_between(start, end + second) for second in (-1, 0, 1)] == [0, 1, 1]
    assert months_between(end, start) == -1


def test_nothing_breaks_beyond_the_year_9999() -> None:
    later = add_months(MAX_INSTANT, 1)
    assert civil(later) == Civil(year=10000, month=1, day=31, second=DAY - 1)
    assert seconds_of(civil(later)) == later

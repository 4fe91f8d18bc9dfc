"""Calendar arithmetic against the standard library's, over all the years that both know (REL-15)."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from carnet.core.dates import Civil, add_months, civil, days_in_month, months_between, parse_end, seconds_of
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.renewals import renewed_end
from carnet.core.starts import Term, end_of

INSTANTS = st.integers(0, MAX_INSTANT)
MONTHS = st.integers(-1200, 1200)
DAYS = st.one_of(st.none(), st.integers(1, 31))


def by_the_standard_library(at: int, months: int, day: int | None) -> datetime | None:
    moment = datetime.fromtimestamp(at, UTC)
    index = moment.year * 12 + moment.month - 1 + months
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9999:
        return None
    last = calendar.monthrange(year, month)[1]
    return moment.replace(year=year, month=month, day=min(day or moment.day, last))


@given(INSTANTS)
@example(MAX_INSTANT)
@example(0)
def test_rel_15_dates_agree_with_datetime(at: int) -> None:
    moment = datetime.fromtimestamp(at, UTC)
    date = civil(at)
    assert (date.year, date.month, date.day) == (moment.year, moment.month, moment.day)
    assert date.second == moment.hour * 3600 + moment.minute * 60 + moment.second
    assert seconds_of(date) == at
    assert days_in_month(date.year, date.month) == calendar.monthrange(date.year, date.month)[1]


@given(INSTANTS, MONTHS, DAYS)
def test_rel_15_months_agree_with_datetime_and_calendar(at: int, months: int, day: int | None) -> None:
    expected = by_the_standard_library(at, months, day)
    moved = add_months(at, months, day=day)
    if expected is not None:
        assert moved == int(expected.timestamp())
    assert civil(moved).second == civil(at).second
    assert civil(moved).month == (civil(at).month - 1 + months) % 12 + 1  # months never spill over


@given(INSTANTS, INSTANTS, DAYS)
def test_months_between_is_the_inverse_of_adding_them(one: int, other: int, day: int | None) -> None:
    months = months_between(one, other, day=day)
    assert add_months(one, months, day=day) <= other < add_months(one, months + 1, day=day)


@given(st.dates(min_value=datetime(1970, 1, 1, tzinfo=UTC).date()))
def test_rel_15_a_date_alone_ends_at_utc_minus_12(date: object) -> None:
    assert hasattr(date, "isoformat")
    if date.isoformat() == "9999-12-31":
        return
    midnight = datetime.fromisoformat(f"{date.isoformat()}T00:00:00-12:00") + timedelta(days=1)
    assert parse_end(date.isoformat()) == int(midnight.timestamp())


@given(st.integers(1, 9999), st.integers(1, 12))
def test_every_month_has_its_days_and_no_more(year: int, month: int) -> None:
    first = seconds_of(Civil(year=year, month=month, day=1))
    days = days_in_month(year, month)
    assert civil(first + days * DAY) == Civil(year=year + month // 12, month=month % 12 + 1, day=1)


TERMS = st.one_of(
    st.integers(1, 100 * 366 * DAY).map(lambda seconds: Term(seconds=seconds)),
    st.integers(1, 1200).map(lambda months: Term(months=months)),
)


@given(TERMS, INSTANTS)
def test_a_term_ends_after_it_begins_and_later_terms_end_later(term: Term, start: int) -> None:
    end = end_of(term, start)
    after = end_of(term, start + 1)
    assert end is not None
    assert after is not None
    assert start < end <= after


@given(TERMS, INSTANTS, INSTANTS, DAYS)
def test_users_ask_64_an_anchored_renewal_is_the_first_end_of_its_cycle_ahead(
    term: Term, old_end: int, now: int, day: int | None
) -> None:
    end = renewed_end(term, "anchor_day", old_end=Instant(old_end), now=Instant(now), anchor_day=day)
    assert end > max(old_end, now)
    ends = [  # by brute force around the answer: the cycles that lie ahead of both
        candidate for cycle in range(1, 40) if (candidate := _cycle(term, old_end, cycle, day)) > now
    ]
    if ends and _cycle(term, old_end, 39, day) > now:
        assert end == ends[0]
    else:
        assert end <= now + (term.seconds or 31 * DAY * ((term.months or 0) + 1))


def _cycle(term: Term, old_end: int, cycle: int, day: int | None) -> int:
    if term.months is not None:
        return add_months(old_end, cycle * term.months, day=day if day is not None else civil(old_end).day)
    assert term.seconds is not None
    return old_end + cycle * term.seconds

"""Instants against `datetime`, for every second there is."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from carnet.core.errors import MalformedError
from carnet.core.instant import MAX_INSTANT, Instant, parse_instant

SECONDS = st.integers(0, MAX_INSTANT)


@given(SECONDS)
def test_printing_agrees_with_datetime_and_parses_back(seconds: int) -> None:
    text = str(Instant(seconds))
    assert text == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    assert parse_instant(text) == seconds
    assert Instant(seconds).datetime() == datetime.fromtimestamp(seconds, UTC)


FIELDS = st.tuples(
    st.integers(0, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 61),
)


@given(FIELDS)
def test_parsing_accepts_exactly_the_dates_that_exist(fields: tuple[int, int, int, int, int, int]) -> None:
    year, month, day, hour, minute, second = fields
    text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    try:
        expected: int | None = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        expected = None
    try:
        parsed: int | None = parse_instant(text)
    except MalformedError:
        parsed = None
    assert parsed == (expected if expected is not None and expected >= 0 else None)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_in_its_one_spelling_or_refused(text: str) -> None:
    try:
        parsed = parse_instant(text)
    except MalformedError:
        return
    assert str(parsed) == text

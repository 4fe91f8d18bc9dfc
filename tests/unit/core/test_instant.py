"""Instants: RFC 3339, whole seconds, one spelling."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from carnet.core.errors import MalformedError
from carnet.core.instant import DAY, MAX_INSTANT, Instant, parse_instant

REL_15 = [
    ("1970-01-01T00:00:00Z", 0),
    ("1999-12-31T23:59:59Z", 946684799),
    ("2000-02-29T12:00:00Z", 951825600),
    ("2024-02-29T23:59:59Z", 1709251199),
    ("2038-01-19T03:14:07Z", 2**31 - 1),
    ("2038-01-19T03:14:08Z", 2**31),
    ("2100-03-01T00:00:00Z", 4107542400),
    ("2106-02-07T06:28:16Z", 2**32),
    ("9999-12-31T23:59:59Z", MAX_INSTANT),
]


@pytest.mark.parametrize(("text", "seconds"), REL_15)
def test_rel_15_dates_that_others_get_wrong(text: str, seconds: int) -> None:
    assert parse_instant(text) == seconds
    assert str(Instant(seconds)) == text
    assert repr(Instant(seconds)) == f"Instant({text})"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T09:30:00",
        "2026-11-22T09:30:00z",
        "2026-11-22t09:30:00Z",
        "2026-11-22 09:30:00Z",
        "2026-11-22T09:30:00+00:00",
        "2026-11-22T09:30:00.0Z",
        "2026-11-22T09:30:60Z",
        "2026-11-22T09:60:00Z",
        "2026-11-22T24:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "-026-11-22T09:30:00Z",
        "+026-11-22T09:30:00Z",
        " 026-11-22T09:30:00Z",
        "2026-1 -22T09:30:00Z",
        "2026-11-22T09:30:0 Z",
        "٢٠٢٦-11-22T09:30:00Z",
        "2026-11-22T09:30:00Z ",
        " 2026-11-22T09:30:00Z",
        "2026-11-22T09:30:00Z\n",
        "2026_11-22T09:30:00Z",
        "12026-11-22T09:30:00Z",
    ],
)
def test_another_spelling_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_instant(text)
    assert caught.value.code == "bad_time"
    assert caught.value.message.endswith(".")
    assert "2026-11-22T09:30:00Z" in caught.value.fix


def test_a_long_text_is_not_repeated_in_the_message() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_instant("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_every_day_of_four_centuries_prints_as_datetime_does() -> None:
    day = datetime(1970, 1, 1, tzinfo=UTC)
    for number in range(146097):
        assert str(Instant(number * DAY))[:10] == day.strftime("%Y-%m-%d")
        day += timedelta(days=1)


def test_an_instant_is_an_int_that_survives_pickling() -> None:
    instant = Instant(1790000000)
    assert instant == 1790000000
    assert instant + DAY == 1790086400
    assert instant.datetime() == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    copy = pickle.loads(pickle.dumps(instant))  # noqa: S301 - our own bytes
    assert type(copy) is Instant
    assert copy == instant
    assert {instant: 1}[Instant(1790000000)] == 1

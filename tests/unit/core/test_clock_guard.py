"""SEC-31: when a clock may be signed with, to the second; docs/decisions/0056."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.clock_guard import (
    MAX_BEHIND_SECONDS,
    MAX_JUMP_SECONDS,
    MAX_UNSEEN_SECONDS,
    ClockFacts,
    expected_time,
    judge_clock,
)
from carnet.core.instant import DAY, MAX_INSTANT, Instant

NOW = Instant(1_800_000_000)
instants = st.integers(0, MAX_INSTANT).map(Instant)


def _code(**facts: Instant) -> str | None:
    doubt = judge_clock(ClockFacts(now=NOW, **facts))
    return None if doubt is None else doubt.code


@pytest.mark.parametrize(("beyond", "code"), [(-1, None), (0, None), (1, "clock_behind")])
def test_sec_31_five_minutes_behind_its_last_signature_is_the_most(beyond: int, code: str | None) -> None:
    assert MAX_BEHIND_SECONDS == 300
    assert _code(signed_at=Instant(NOW + 300 + beyond)) == code


@pytest.mark.parametrize(("beyond", "code"), [(-1, None), (0, None), (1, "clock_jumped")])
def test_sec_31_an_hour_ahead_of_the_time_that_passed_is_the_most(beyond: int, code: str | None) -> None:
    assert MAX_JUMP_SECONDS == 3600
    assert _code(expected=Instant(NOW - 3600 - beyond)) == code


@pytest.mark.parametrize(("beyond", "code"), [(-1, None), (0, None), (1, "clock_jumped")])
def test_sec_31_after_thirty_days_off_a_clock_is_confirmed(beyond: int, code: str | None) -> None:
    assert MAX_UNSEEN_SECONDS == 30 * DAY
    assert _code(seen_at=Instant(NOW - 30 * DAY - beyond)) == code


def test_sec_31_the_time_that_passed_is_better_than_a_reading_of_an_earlier_boot() -> None:
    assert _code(seen_at=Instant(NOW - 60 * DAY), expected=NOW) is None
    assert _code(seen_at=NOW, expected=Instant(NOW - DAY)) == "clock_jumped"


def test_sec_31_a_clock_that_is_set_back_behind_no_signature_is_not_judged() -> None:
    assert _code(signed_at=NOW, expected=Instant(NOW + 10 * DAY)) is None
    assert _code() is None


def test_sec_31_a_doubt_says_what_is_wrong_and_what_to_do() -> None:
    doubt = judge_clock(ClockFacts(now=NOW, signed_at=Instant(NOW + DAY)))
    assert doubt is not None
    error = doubt.error()
    assert error.code == doubt.code
    assert str(NOW) in error.message
    assert str(Instant(NOW + DAY)) in error.message
    assert "carnet db confirm-clock" in error.fix


@given(instants, instants, instants)
def test_sec_31_time_that_passes_as_expected_never_brings_a_doubt(seen: Instant, signed: Instant, at: Instant) -> None:
    signed, at = min(signed, at), max(seen, at)
    expected = expected_time(seen, at - seen)
    assert judge_clock(ClockFacts(now=at, signed_at=min(signed, at), expected=expected)) is None


@given(instants, st.floats(-1e12, 1e12))
def test_the_expected_time_is_never_before_what_was_seen_nor_after_the_last_instant(at: Instant, passed: float) -> None:
    assert at <= expected_time(at, passed) <= MAX_INSTANT

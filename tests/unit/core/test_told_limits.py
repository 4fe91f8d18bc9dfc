"""What is told of limits and ends: levels, the hold-down, reminders; to the seat and to the second (users-ask 60)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.endings import LEADS, is_reminded
from carnet.core.instant import DAY, Instant
from carnet.core.overage import HOLD_DOWN_SECONDS, LEVELS, is_worth_telling, limit_level, seat_mark

NEWS, KNOWN = "news", "known"
NEAR, AT, OVER = LEVELS["near_limit"], LEVELS["at_limit"], LEVELS["over_limit"]


@pytest.mark.parametrize(
    ("used", "limit", "near", "level"),
    [
        (0, 10, 80, 0),
        (7, 10, 80, 0),
        (8, 10, 80, NEAR),
        (9, 10, 80, NEAR),
        (10, 10, 80, AT),
        (11, 10, 80, OVER),
        (9, 10, None, 0),
        (10, 10, None, AT),
        (10**6, None, 80, 0),
        (1, 3, 34, 0),
        (2, 3, 34, NEAR),  # 34 % of 3 is 1.02: two seats are the first number that reaches it
        (1, 1, 80, AT),
    ],
)
def test_users_ask_60_levels_to_the_seat(used: int, limit: int | None, near: int | None, level: int) -> None:
    assert limit_level(used, limit, near) == level


@given(used=st.integers(1, 300), limit=st.integers(1, 200), near=st.none() | st.integers(1, 100))
def test_a_seat_that_reaches_a_mark_reaches_the_level_of_that_name(used: int, limit: int, near: int | None) -> None:
    mark = seat_mark(used, limit, near)
    level = limit_level(used, limit, near)
    if mark is not None:
        assert LEVELS[mark] == level
    elif level:  # past the mark, still at the level: told before
        assert limit_level(used - 1, limit, near) == level


@pytest.mark.parametrize(
    ("reached", "since", "told", "expected"),
    [
        ((NEAR, 8), 0, (0, 0), NEWS),
        ((NEAR, 8), 0, (NEAR, 8), KNOWN),
        ((NEAR, 8), HOLD_DOWN_SECONDS - 1, (NEAR, 8), KNOWN),
        ((NEAR, 8), HOLD_DOWN_SECONDS, (NEAR, 8), NEWS),
        ((NEAR, 8), -1, (NEAR, 8), NEWS),  # the clock went back
        ((AT, 10), 1, (NEAR, 8), NEWS),
        ((NEAR, 8), 1, (AT, 10), KNOWN),
        ((OVER, 11), 1, (AT, 10), NEWS),
        ((OVER, 11), 1, (OVER, 11), KNOWN),
        ((OVER, 12), 1, (OVER, 11), NEWS),
        ((AT, 10), 1, (OVER, 12), KNOWN),
        ((AT, 11), 1, (AT, 10), KNOWN),
    ],
)
def test_users_ask_60_the_same_is_told_once_a_day_and_what_is_worse_at_once(
    reached: tuple[int, int], since: int, told: tuple[int, int], expected: str
) -> None:
    at = 1_790_000_000
    found = is_worth_telling(*reached, at + since, told_level=told[0], told_used=told[1], told_at=at)
    assert found is (expected == NEWS)


@pytest.mark.parametrize("lead", LEADS)
def test_a_reminder_is_for_terms_at_least_twice_as_long(lead: int) -> None:
    begins = Instant(1_790_000_000)
    if lead == 0:
        assert is_reminded(lead, begins, Instant(begins + 1))
        return
    assert not is_reminded(lead, begins, Instant(begins + 2 * lead - 1))
    assert is_reminded(lead, begins, Instant(begins + 2 * lead))
    assert lead % DAY == 0

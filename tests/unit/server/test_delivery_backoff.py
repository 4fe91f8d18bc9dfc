"""When a failed delivery is tried again (REL-09): doubling, with jitter, up to three days from the first attempt."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from carnet.core.instant import DAY, Instant
from carnet.server.domain.outbox.backoff import FIRST_SECONDS, GIVE_UP_SECONDS, MOST_SECONDS, next_attempt

FIRST = Instant(1_790_000_000)


def attempts(chance: float) -> list[Instant]:
    """Every attempt of a delivery that always fails, the first included."""
    made = [FIRST]
    while (again := next_attempt(len(made), FIRST, made[-1], chance)) is not None:
        made.append(again)
    return made


@given(chance=st.floats(0, 1, exclude_max=True))
def test_rel_09_attempts_go_on_for_three_days_and_end_there(chance: float) -> None:
    made = attempts(chance)
    assert made[-1] - made[0] == GIVE_UP_SECONDS == 3 * DAY
    waits = [later - earlier for earlier, later in pairwise(made)]
    assert all(1 <= wait <= MOST_SECONDS for wait in waits)
    assert waits[0] <= FIRST_SECONDS
    assert 12 < len(made) < 45


def test_rel_09_the_wait_doubles_and_is_at_most_halved_by_chance() -> None:
    for number in range(1, 30):
        longest = next_attempt(number, FIRST, FIRST, 0.0)
        shortest = next_attempt(number, FIRST, FIRST, 0.999999)
        assert longest is not None
        assert shortest is not None
        assert longest - FIRST == min(FIRST_SECONDS * 2 ** (number - 1), MOST_SECONDS)
        assert (longest - FIRST) // 2 <= shortest - FIRST <= longest - FIRST


def test_rel_09_the_last_attempt_is_at_the_end_to_the_second() -> None:
    end = FIRST + GIVE_UP_SECONDS
    assert next_attempt(50, FIRST, Instant(end - 1), 0.0) == end
    assert next_attempt(50, FIRST, Instant(end), 0.0) is None
    assert next_attempt(50, FIRST, Instant(end + 1), 0.0) is None
    assert next_attempt(10**9, FIRST, FIRST, 0.0) == FIRST + MOST_SECONDS

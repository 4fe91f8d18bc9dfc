"""When the SDK comes by itself: the rules, for every policy, clock and chance (R-34, REL-17)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.client.schedule import (
    FREE_STARTS,
    LEAST_SECONDS,
    LONGEST_RETRY_SECONDS,
    MAX_BUSY_SECONDS,
    Attempts,
    begun,
    check_due_at,
    due_at,
    may_ask,
    next_change,
    retry_seconds,
    seen_as,
)
from carnet.core._base import replace
from carnet.core.decision import Decision
from carnet.core.instant import DAY, HOUR, MINUTE, Instant
from carnet.core.model import StatusRef
from carnet.core.policies import MAX_TTL_SECONDS
from carnet.core.rules import decide
from support.campaigns import LONG
from support.decisions import HOST, evidence, grant

NOW = 1_900_000_000
chances = st.floats(0, 1)
seconds = st.integers(1, MAX_TTL_SECONDS)


@given(cadence=seconds, window=seconds, chance=chances)
def test_r_34_a_refresh_is_due_at_the_cadence_and_well_before_the_end(cadence: int, window: int, chance: float) -> None:
    due = due_at(NOW, cadence, NOW + window, chance) - NOW
    assert due <= window * 3 / 4, "a quarter of the window is left for trouble"
    assert due >= min(cadence, window * 2 // 3), "never more often than the policy's cadence"
    assert due <= max(cadence, LEAST_SECONDS) * 11 // 10


@given(cadence=seconds, chance=chances)
def test_without_an_end_it_is_due_at_the_cadence(cadence: int, chance: float) -> None:
    due = due_at(NOW, cadence, None, chance) - NOW
    assert max(cadence, LEAST_SECONDS) <= due <= max(cadence, LEAST_SECONDS) + HOUR


@given(age=seconds, checked=st.none() | st.integers(-DAY, 400 * DAY), chance=chances)
def test_sec_28_lists_are_due_at_half_of_the_age_and_never_after_it(
    age: int, checked: int | None, chance: float
) -> None:
    held = grant(license_status_ref=StatusRef(uri="https://x/v1/status/0", index=1), max_revocation_age_seconds=age)
    known = evidence(held, revocation_checked_at=None if checked is None else Instant(held.issued_at + checked))
    due = check_due_at(known, held, chance)
    assert due is not None
    half = max(age // 2, LEAST_SECONDS)
    assert half <= due - (held.issued_at + max(checked or 0, 0)) <= half + min(half // 10, HOUR)


def test_lists_are_due_where_the_policy_minds_and_the_license_is_listed() -> None:
    ref = StatusRef(uri="https://x/v1/status/0", index=1)
    for held in (grant(license_status_ref=ref), grant(max_revocation_age_seconds=DAY), grant()):
        assert check_due_at(evidence(held), held, 0.0) is None
    both = grant(license_status_ref=ref, max_revocation_age_seconds=DAY)
    assert check_due_at(evidence(both), both, 0.0) == both.issued_at + DAY // 2
    assert check_due_at(evidence(both), both, 1.0) == both.issued_at + DAY // 2 + HOUR
    brief = grant(license_status_ref=ref, max_revocation_age_seconds=60)
    assert check_due_at(evidence(brief), brief, 0.0) == brief.issued_at + LEAST_SECONDS


def test_a_day_s_cadence_spreads_over_an_hour_and_an_app_that_starts_does_not_wait() -> None:
    assert due_at(NOW, DAY, NOW + 30 * DAY, 0.0) == NOW + DAY
    assert due_at(NOW, DAY, NOW + 30 * DAY, 1.0) == NOW + DAY + HOUR
    assert due_at(NOW, 10 * HOUR, None, 0.5) == NOW + 10 * HOUR + HOUR // 2


@given(failures=st.integers(1, 100), chance=chances, asked=st.integers(0, 10**9), full=st.booleans())
def test_rel_17_pauses_grow_and_are_bounded_whatever_a_header_says(
    *, failures: int, chance: float, asked: int, full: bool
) -> None:
    pause = retry_seconds(failures, chance, retry_after_seconds=asked, is_full=full)
    assert MINUTE // 2 <= pause <= 2 * LONGEST_RETRY_SECONDS
    assert pause >= min(asked, HOUR), "never sooner than the server asks, for an hour"
    if not asked:
        assert pause <= (90 if full else 22.5) * MINUTE
        assert retry_seconds(failures + 1, chance, is_full=full) >= pause


def test_rel_17_those_who_were_told_the_same_do_not_come_back_together() -> None:
    chance = random.Random(1)  # noqa: S311
    pauses = [retry_seconds(5, chance.random(), retry_after_seconds=120) for _ in range(1000)]
    assert max(pauses) - min(pauses) > 10 * MINUTE


known = st.builds(
    Attempts,
    failures=st.integers(0, 64),
    attempted_at=st.integers(NOW - 10 * HOUR, NOW + 10 * HOUR),
    next_at=st.integers(NOW - 10 * HOUR, NOW + 10 * HOUR),
    busy_until=st.integers(NOW - HOUR, NOW + HOUR),
    holder=st.just("x"),
    network=st.sampled_from(["", "home", "none"]),
)


@given(memory=known, network=st.sampled_from(["", "home", "hotel"]), start=st.booleans(), nudged=st.booleans())
def test_nothing_that_is_remembered_keeps_an_app_from_asking_for_long(
    *, memory: Attempts, network: str, start: bool, nudged: bool
) -> None:
    later = max(memory.attempted_at, NOW) + 4 * LONGEST_RETRY_SECONDS + MAX_BUSY_SECONDS
    assert may_ask(memory, later, network, is_start=start, is_nudged=nudged) == "ask"


@given(memory=known)
def test_a_claim_is_believed_for_a_moment_only(memory: Attempts) -> None:
    assert (may_ask(memory, NOW, "", is_start=False) == "busy") == (NOW < memory.busy_until <= NOW + MAX_BUSY_SECONDS)


@pytest.mark.parametrize(
    ("failures", "after", "start", "network", "answer"),
    [
        (1, 0, True, "home", "ask"),
        (FREE_STARTS - 1, 0, True, "home", "ask"),
        (FREE_STARTS, 0, True, "home", "later"),
        (1, 0, False, "home", "later"),
        (1, 599, False, "home", "later"),
        (1, 600, False, "home", "ask"),
        (1, 59, False, "hotel", "later"),
        (1, 60, False, "hotel", "ask"),
        (9, 60, True, "hotel", "ask"),
        (9, 60, True, "", "later"),
        (9, -1, False, "home", "ask"),
    ],
)
def test_who_may_ask_after_a_failure(*, failures: int, after: int, start: bool, network: str, answer: str) -> None:
    memory = Attempts(failures=failures, attempted_at=NOW, next_at=NOW + 600, network="home")
    assert may_ask(memory, NOW + after, network, is_start=start) == answer
    if network == "hotel":
        assert may_ask(memory, NOW + after, "home", is_start=start, is_nudged=True) == answer


def test_rel_17_an_app_started_a_hundred_times_an_hour_asks_a_dozen_times() -> None:
    chance = random.Random(7)  # noqa: S311
    memory, asked = None, 0
    for start in range(100):
        now = NOW + start * 36
        if may_ask(memory, now, "home", is_start=True) == "ask":
            asked += 1
            wait = retry_seconds((memory.failures if memory else 0) + 1, chance.random())
            memory = begun(memory, now, "home", holder="x", busy_seconds=5, wait_seconds=wait)
            memory = replace(memory, busy_until=0)
    assert FREE_STARTS < asked <= 12


def test_the_next_change_is_found_to_the_second() -> None:
    trip = grant()

    def judge(at: Instant) -> Decision:
        return decide(evidence(trip), at, HOST)

    seen: list[tuple[str, int | None]] = []
    first = now = int(trip.issued_at)
    while (change := next_change(judge, now, now + DAY)) is not None or now < first + 40 * DAY:
        if change is None:
            now += DAY
            continue
        assert seen_as(judge(Instant(change - 1))) != seen_as(judge(Instant(change)))
        seen.append((judge(Instant(change)).state, judge(Instant(change)).days_left))
        now = change
    states = [state for state, _ in seen]
    assert list(dict.fromkeys(states)) == ["active", "expiring", "grace", "expired"]
    assert len(seen) == 30 + 7, "one a day while days are counted"


def test_what_a_contact_changes_alone_is_not_a_change() -> None:
    trip = grant()
    decision = decide(evidence(trip), trip.issued_at, HOST)
    other = replace(decision, checked_at=Instant(1), renew_after=Instant(2), offline_until=Instant(3))
    assert seen_as(decision) == seen_as(other)
    assert seen_as(decision) != seen_as(replace(decision, days_left=3))
    assert next_change(lambda _: decision, NOW, NOW) is None


@settings(max_examples=2000 if LONG else 25)
@given(seed=st.integers(0, 2**32), hours=st.integers(1, 6))
def test_rel_17_a_herd_spreads_over_ten_minutes_after_any_outage(*, seed: int, hours: int) -> None:
    """300 apps whose refresh fell due in one second when the outage began; `make bench` has 10,000 and a histogram."""
    chance = random.Random(seed)  # noqa: S311
    back = []
    for _ in range(300):
        now, memory = 0, None
        while now < hours * HOUR:
            assert may_ask(memory, now, "", is_start=False) == "ask"
            wait = retry_seconds((memory.failures if memory else 0) + 1, chance.random())
            memory = begun(memory, now, "", holder="", busy_seconds=0, wait_seconds=wait)
            now = memory.next_at
        back.append(now)
    back.sort()
    assert back[285] - back[15] >= 10 * MINUTE
    assert max(sum(at <= other < at + MINUTE for other in back) for at in back) < 60, "no minute has a fifth of them"

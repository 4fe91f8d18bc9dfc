"""The manners of notices, whatever the decision and whatever was shown before (docs/decisions/0070)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.attention import (
    GAP,
    REMEMBERED,
    Occasion,
    QuietHours,
    Shown,
    badge_for,
    deadline,
    due_at,
    is_modal,
    may_show,
    pause_seconds,
    remember,
    snooze_choices,
    urgency,
)
from carnet.core.decision import Decision
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, MINUTE, Instant
from carnet.core.rules import decide
from support.arbitrary import EVIDENCE, HOSTS
from support.decisions import HOST, at, evidence, grant

LIFE = [
    decide(evidence(grant(grace_access=access, license_expires_at=term)), at(hours * 3600 + 1800), HOST)
    for access in ("full", "limited")
    for term in (None, at(20 * DAY), at(25 * DAY), at(200 * DAY))
    for hours in range(-24, 45 * 24, 5)
]
"""A plain device's whole life, which is what people see; most of what is arbitrary has no access at all."""
DECISIONS = st.sampled_from(LIFE)
NOTICED = st.sampled_from([decision for decision in LIFE if decision.notice is not None])
ANY = st.builds(decide, EVIDENCE, st.builds(at, st.integers(-3 * DAY, 40 * DAY)), HOSTS)
MINUTES = st.integers(0, 1439)
QUIET = st.one_of(st.none(), st.builds(QuietHours, from_minute=MINUTES, until_minute=MINUTES))
OFFSETS = st.one_of(st.integers(-14 * 60, 14 * 60).map(lambda minutes: minutes * 60), st.integers(-90_000, 90_000))
NIGHTS = st.tuples(QUIET, OFFSETS)
BY_ITSELF: st.SearchStrategy[Occasion] = st.sampled_from(["start", "running"])
OCCASIONS: st.SearchStrategy[Occasion] = st.sampled_from(["start", "running", "asked"])
MEMORIES = st.lists(
    st.builds(
        lambda code, how_urgent, shown, pause, snooze: Shown(
            code=code,
            urgency=how_urgent,
            shown_at=at(shown),
            not_before=at(shown + pause),
            snoozed_until=None if snooze is None else at(shown + snooze),
        ),
        st.sampled_from(["offline_window_ending", "license_term_ending", "offline_grace", "license_revoked", "x"]),
        st.integers(0, 8),
        st.integers(-40 * DAY, 45 * DAY),
        st.integers(0, 40 * DAY),
        st.one_of(st.none(), st.integers(0, 40 * DAY)),
    ),
    max_size=4,
).map(tuple)


def later(decision: Decision, seconds: int) -> Decision:
    """The same decision, had it been made *seconds* later."""
    return replace(decision, checked_at=Instant(decision.checked_at + seconds))


@given(st.one_of(DECISIONS, ANY), MEMORIES, OCCASIONS, QUIET)
def test_nothing_is_shown_while_all_is_well(
    decision: Decision, memory: tuple[Shown, ...], occasion: Occasion, quiet: QuietHours | None
) -> None:
    shown = may_show(decision, memory, occasion=occasion, quiet=quiet)
    if decision.state == "active":
        assert not shown
        assert urgency(decision) == -1
        assert badge_for(decision).tone == "good"
    if decision.notice is not None and occasion == "asked":
        assert shown
    if occasion == "start" and decision.access == "none":
        assert shown


@given(NOTICED, st.integers(0, 40 * DAY), st.integers(0, 40 * DAY), BY_ITSELF, NIGHTS)
def test_a_snoozed_notice_keeps_still_until_its_time(
    decision: Decision, snooze: int, passed: int, occasion: Occasion, night: tuple[QuietHours | None, int]
) -> None:
    assume(decision.access != "none")
    quiet, offset = night
    until = Instant(decision.checked_at + snooze)
    memory = remember((), decision, snoozed_until=until)
    again = later(decision, passed)
    if passed < snooze:
        assert not may_show(again, memory, occasion=occasion, quiet=quiet, utc_offset_seconds=offset)
    due = due_at(again, memory, quiet=quiet, utc_offset_seconds=offset)
    assert due is not None
    assert due >= min(until, due)
    assert due >= again.checked_at


@given(NOTICED, NOTICED, st.integers(0, 40 * DAY), BY_ITSELF)
def test_a_matter_that_gets_worse_is_told_whatever_was_snoozed(
    before: Decision, after: Decision, snooze: int, occasion: Occasion
) -> None:
    before, after = sorted((before, after), key=lambda decision: decision.checked_at)
    assume(urgency(after) > urgency(before))
    memory = remember((), before, snoozed_until=Instant(before.checked_at + snooze))
    assert may_show(after, memory, occasion=occasion)


@given(NOTICED, MEMORIES, st.lists(st.integers(0, 2 * DAY), max_size=40), NIGHTS, BY_ITSELF)
def test_a_notice_never_comes_more_often_than_stated(
    decision: Decision,
    memory: tuple[Shown, ...],
    steps: list[int],
    night: tuple[QuietHours | None, int],
    occasion: Occasion,
) -> None:
    """An app that looks again and again, at any rhythm: at least a day between two, an hour without access."""
    assume(not (occasion == "start" and decision.access == "none"))
    quiet, offset = night
    least = HOUR if decision.access == "none" else DAY
    times = []
    for step in steps:
        decision = later(decision, step)
        if may_show(decision, memory, occasion=occasion, quiet=quiet, utc_offset_seconds=offset):
            times.append(decision.checked_at)
            memory = remember(memory, decision)
    assert all(second - first >= least for first, second in pairwise(times))


@given(NOTICED, MEMORIES, QUIET, OFFSETS, BY_ITSELF)
def test_at_night_nothing_comes_that_can_wait_for_the_morning(
    decision: Decision, memory: tuple[Shown, ...], quiet: QuietHours | None, offset: int, occasion: Occasion
) -> None:
    is_quiet = quiet is not None and quiet.minutes_left(decision.checked_at, offset) > 0
    shown = may_show(decision, memory, occasion=occasion, quiet=quiet, utc_offset_seconds=offset)
    loud = may_show(decision, memory, occasion=occasion)
    end = deadline(decision)
    can_wait = decision.access != "none" and (end is None or end - decision.checked_at > DAY)
    assert shown == (loud and not (is_quiet and can_wait))


@given(MINUTES, MINUTES, st.integers(DAY, MAX_INSTANT - DAY), OFFSETS)
def test_quiet_hours_are_those_of_the_clock_on_the_wall_across_midnight_too(
    start: int, end: int, now: int, offset: int
) -> None:
    quiet = QuietHours(from_minute=start, until_minute=end)
    minute = (now + offset) % DAY // MINUTE
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    left = quiet.minutes_left(Instant(now), offset)
    assert (left > 0) == inside
    if inside:
        wakes = Instant(now - (now + offset) % MINUTE + left * MINUTE)
        assert (wakes + offset) % DAY // MINUTE == end
        assert quiet.minutes_left(wakes, offset) == 0


@given(DECISIONS, MEMORIES, QUIET, OFFSETS)
def test_whoever_waits_until_it_is_due_sees_it_then_and_not_a_second_before(
    decision: Decision, memory: tuple[Shown, ...], quiet: QuietHours | None, offset: int
) -> None:
    memory = tuple(shown for shown in memory if shown.shown_at <= decision.checked_at)
    due = due_at(decision, memory, quiet=quiet, utc_offset_seconds=offset)
    if due is None:
        assert decision.notice is None
        return
    assert due >= decision.checked_at
    wait = due - decision.checked_at
    at_due = later(decision, wait)
    assert may_show(at_due, memory, occasion="running", quiet=quiet, utc_offset_seconds=offset)
    if wait:
        just_before = later(decision, wait - 1)
        assert not may_show(just_before, memory, occasion="running", quiet=quiet, utc_offset_seconds=offset)


@given(st.one_of(DECISIONS, ANY))
def test_only_an_app_that_may_not_run_can_be_stood_in_the_way_of(decision: Decision) -> None:
    assert is_modal(decision) == (not decision)
    if not decision:
        assert snooze_choices(decision) == ()
        assert deadline(decision) is None
        assert badge_for(decision).days_left is None
    elif decision.notice is not None and decision.notice.code in {"offline_window_ending", "license_term_ending"}:
        choices = snooze_choices(decision)
        end = deadline(decision)
        assert end is not None
        assert choices
        assert list(choices) == sorted(choices)
        assert choices[-1] <= max(DAY, end - decision.checked_at - DAY)


@given(MEMORIES, st.lists(DECISIONS, max_size=30))
def test_what_is_remembered_stays_small_and_one_of_each(memory: tuple[Shown, ...], decisions: list[Decision]) -> None:
    for decision in decisions:
        memory = remember(memory, decision)
        assert len(memory) <= REMEMBERED
    if decisions:
        kept = [shown.code for shown in remember((), decisions[-1])]
        assert kept == ([] if decisions[-1].notice is None else [decisions[-1].notice.code])


@given(NOTICED, st.integers(2 * DAY, 20_000 * DAY))
def test_a_clock_that_ran_years_ahead_does_not_silence_what_comes_after(decision: Decision, ahead: int) -> None:
    memory = remember((), later(decision, ahead), snoozed_until=Instant(decision.checked_at + 2 * ahead))
    assert may_show(decision, memory, occasion="running")


@given(DECISIONS)
def test_the_pause_is_at_least_a_day_while_the_app_may_run(decision: Decision) -> None:
    assert pause_seconds(decision) >= (DAY if decision else GAP)

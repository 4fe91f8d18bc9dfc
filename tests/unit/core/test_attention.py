"""When notices come: the music producer's tour, boundaries, and what the badge says (R-32, R-41)."""

from __future__ import annotations

import pytest

from carnet.core._base import replace
from carnet.core.attention import (
    Badge,
    QuietHours,
    Shown,
    badge_for,
    days_to_tell,
    deadline,
    due_at,
    may_show,
    quiet_hours,
    remember,
    snooze_choices,
)
from carnet.core.decision import Decision
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.core.rules import decide
from support.decisions import HOST, at, evidence, grant, refusal

NIGHT = QuietHours(from_minute=22 * 60, until_minute=8 * 60)


def judged(seconds: int, **changes: object) -> Decision:
    return decide(evidence(grant(**changes)), at(seconds), HOST)


def seen_days(days: int, **changes: object) -> list[int]:
    """On which days somebody who starts the app every six hours sees a notice."""
    memory: tuple[Shown, ...] = ()
    seen = []
    for start in range(days * 4):
        decision = judged(start * 6 * HOUR, **changes)
        if decision and may_show(decision, memory, occasion="start"):
            memory = remember(memory, decision)
            seen.append(start // 4)
    return seen


def test_users_ask_57_thirty_days_without_a_network_are_four_warnings_not_ten() -> None:
    """Alex's tour (LicenseSeat seed): the first on day 20, the next not before day 25, where he connects."""
    assert seen_days(30) == [20, 25, 27, 28, 29]


def test_a_year_offline_warns_from_day_300_and_ever_sooner() -> None:
    window = {"offline_until": at(365 * DAY), "offline_ttl_seconds": 365 * DAY}
    assert seen_days(365, **window) == [300, 332, 348, 357, 361, 363, 364]


def test_in_grace_it_comes_once_a_day() -> None:
    assert seen_days(37)[-7:] == [30, 31, 32, 33, 34, 35, 36]


def test_a_day_is_a_day_to_the_second() -> None:
    decision = judged(31 * DAY)
    memory = remember((), decision)
    for passed, expected in ((DAY - 1, False), (DAY, True), (DAY + 1, True)):
        assert may_show(judged(31 * DAY + passed), memory, occasion="running") is expected


def test_without_access_every_start_explains_and_a_running_app_hears_it_hourly() -> None:
    decision = judged(40 * DAY)
    memory = remember((), decision, snoozed_until=at(90 * DAY))
    assert memory[0].snoozed_until is None
    assert may_show(decision, memory, occasion="start", quiet=NIGHT, is_busy=True)
    for passed, expected in ((HOUR - 1, False), (HOUR, True)):
        assert may_show(judged(40 * DAY + passed), memory, occasion="running") is expected


def test_an_app_on_a_stage_is_left_alone_unless_somebody_asks() -> None:
    decision = judged(29 * DAY + 23 * HOUR)
    assert not may_show(decision, (), occasion="start", is_busy=True)
    assert may_show(decision, (), occasion="asked", is_busy=True)
    assert may_show(judged(40 * DAY), (), occasion="running", is_busy=True), "it does not run anyway"


def test_another_notice_waits_an_hour_and_a_worse_one_does_not() -> None:
    term = {"license_expires_at": at(35 * DAY), "license_starts_at": None}
    window = judged(25 * DAY)
    memory = remember((), window)
    assert window.notice is not None
    other = replace(window, notice=replace(window.notice, code="license_term_ending"), license_expires_at=at(35 * DAY))
    for passed, expected in ((HOUR - 1, False), (HOUR, True)):
        moved = replace(other, checked_at=at(25 * DAY + passed))
        assert may_show(moved, memory, occasion="running") is expected
    assert may_show(judged(30 * DAY, **term), memory, occasion="running")


def test_an_end_that_came_nearer_is_told_of_on_its_last_day() -> None:
    far = judged(300 * DAY, offline_until=at(365 * DAY), offline_ttl_seconds=365 * DAY)
    memory = remember((), far)
    assert memory[0].not_before == at(300 * DAY + 65 * DAY // 2)
    near = judged(303 * DAY, offline_until=at(305 * DAY), offline_ttl_seconds=365 * DAY)
    assert due_at(near, memory) == at(304 * DAY)


@pytest.mark.parametrize(
    ("hour", "offset_hours", "minutes"),
    [(21, 0, 0), (22, 0, 600), (23, 0, 540), (0, 0, 480), (7, 0, 60), (8, 0, 0), (20, 2, 600), (23, -2, 0), (3, 5, 0)],
)
def test_quiet_hours_by_local_time(hour: int, offset_hours: int, minutes: int) -> None:
    assert NIGHT.minutes_left(Instant(20_000 * DAY + hour * HOUR), offset_hours * HOUR) == minutes


def test_a_night_ends_on_the_minute_and_the_last_day_has_none() -> None:
    quiet = judged(25 * DAY + 23 * HOUR + 59)
    assert due_at(quiet, (), quiet=NIGHT) == at(26 * DAY + 8 * HOUR)
    last = judged(29 * DAY)
    assert due_at(last, (), quiet=NIGHT) == last.checked_at
    before = judged(29 * DAY - 1)
    assert due_at(before, (), quiet=NIGHT) == at(29 * DAY)
    assert due_at(judged(25 * DAY), (), quiet=QuietHours(from_minute=7, until_minute=7)) == at(25 * DAY)


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [("22:00-07:30", 1320, 450), (" 00:00 - 23:59 ", 0, 1439), ("12:05-12:05", 725, 725)],
)
def test_quiet_hours_are_read_as_people_write_them(text: str, first: int, end: int) -> None:
    assert quiet_hours(text) == QuietHours(from_minute=first, until_minute=end)


@pytest.mark.parametrize(
    "text", ["", "22-7", "24:00-07:00", "22:60-07:00", "22:00", "a:b-c:d", "٢٢:00-07:00", "22:0-07:00"]
)
def test_other_quiet_hours_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        quiet_hours(text)
    assert refused.value.code == "bad_quiet_hours"


def test_what_can_be_put_off_and_for_how_long() -> None:
    assert snooze_choices(judged(20 * DAY)) == (DAY, 3 * DAY, 7 * DAY)
    assert snooze_choices(judged(26 * DAY)) == (DAY, 3 * DAY)
    assert snooze_choices(judged(29 * DAY + HOUR)) == (DAY,)
    assert snooze_choices(judged(30 * DAY)) == ()
    assert snooze_choices(judged(0)) == ()


def test_each_matter_has_its_own_deadline_and_its_own_days() -> None:
    assert deadline(judged(0)) is None
    assert deadline(judged(20 * DAY)) == at(30 * DAY)
    assert deadline(judged(30 * DAY)) == at(37 * DAY)
    assert deadline(judged(37 * DAY)) is None
    term = judged(20 * DAY, license_expires_at=at(25 * DAY))
    assert term.notice is not None
    assert (term.notice.code, deadline(term), days_to_tell(term)) == ("license_term_ending", at(25 * DAY), 5)
    assert days_to_tell(judged(20 * DAY + 1)) == 10
    assert days_to_tell(judged(37 * DAY)) == 0


@pytest.mark.parametrize(
    ("decision", "badge"),
    [
        (judged(0), Badge(tone="good", kind="licensed_offline", days_left=30)),
        (judged(0, offline_until=None), Badge(tone="good", kind="licensed", days_left=None)),
        (judged(0, license_expires_at=at(30 * DAY)), Badge(tone="good", kind="licensed", days_left=30)),
        (judged(27 * DAY), Badge(tone="warning", kind="ending_offline", days_left=3)),
        (judged(18 * DAY, license_expires_at=at(20 * DAY)), Badge(tone="warning", kind="ending", days_left=2)),
        (judged(30 * DAY), Badge(tone="grace", kind="grace", days_left=7)),
        (judged(37 * DAY), Badge(tone="error", kind="stopped", days_left=None)),
        (decide(evidence(), at(0), HOST), Badge(tone="info", kind="inactive", days_left=None)),
        (
            decide(evidence(grant(), refusals=(refusal("license_revoked", DAY),)), at(2 * DAY), HOST),
            Badge(tone="error", kind="stopped", days_left=None),
        ),
        (
            judged(9 * DAY, max_revocation_age_seconds=DAY),
            Badge(tone="warning", kind="limited", days_left=21),
        ),
    ],
)
def test_the_badge_always_says_how_things_stand_and_the_days_left(decision: Decision, badge: Badge) -> None:
    assert badge_for(decision) == badge

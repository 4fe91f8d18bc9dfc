"""The guard of a server's clock by itself (SEC-31): what it remembers, what it forgets, whom it believes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from carnet.core.clock_guard import MAX_BEHIND_SECONDS, MAX_JUMP_SECONDS, MAX_UNSEEN_SECONDS, ClockDoubt
from carnet.core.errors import StateError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.server.domain.clock.guard import ClockGuard, ClockSeen, GuardedKeys
from carnet.server.machine_clock import SystemRunning
from carnet.server.ports import ClockMarks

NOW = Instant(1_800_000_000)


class Machine:
    """A clock that is set, and one that only runs on."""

    def __init__(self, boot: str = "boot-1") -> None:
        self.at = NOW
        self.ran = 100.0
        self.boot = boot

    def now(self) -> Instant:
        return Instant(self.at)

    def seconds(self) -> float:
        return self.ran

    def pass_time(self, seconds: int) -> None:
        self.at = Instant(self.at + seconds)
        self.ran += seconds

    def set_clock(self, seconds: int) -> None:
        self.at = Instant(self.at + seconds)


def guarded(machine: Machine, *, signed_at: int = NOW - DAY) -> ClockGuard:
    return ClockGuard(machine, machine, signed_at=Instant(signed_at))


def code(guard: ClockGuard) -> str | None:
    doubt = guard.doubt()
    return None if doubt is None else doubt.code


def seen(**changes: Any) -> ClockSeen:
    values: dict[str, Any] = {"at": NOW, "signed_at": NOW, "boot": "boot-1", "running_seconds": 100, **changes}
    return ClockSeen(**values)


@pytest.mark.parametrize(("second", "doubted"), [(-1, True), (0, False), (1, False)])
def test_sec_31_a_signature_from_before_a_restart_is_remembered(second: int, doubted: bool) -> None:  # noqa: FBT001
    machine = Machine()
    guard = guarded(machine)
    guard.recall(seen(at=NOW - HOUR, signed_at=NOW + MAX_BEHIND_SECONDS - second))
    assert code(guard) == ("clock_behind" if doubted else None)


@pytest.mark.parametrize(
    ("boot", "kept", "ahead", "expected"),
    [
        ("boot-1", "boot-1", MAX_JUMP_SECONDS, None),
        ("boot-1", "boot-1", MAX_JUMP_SECONDS + 1, "clock_jumped"),
        ("boot-2", "boot-1", MAX_JUMP_SECONDS + 1, None),  # it was off for a while: who knows for how long
        ("boot-2", "boot-1", MAX_UNSEEN_SECONDS, None),
        ("boot-2", "boot-1", MAX_UNSEEN_SECONDS + 1, "clock_jumped"),
        ("", "", MAX_JUMP_SECONDS + 1, None),  # nothing tells boots apart: it may be another one
        ("", "", MAX_UNSEEN_SECONDS + 1, "clock_jumped"),
    ],
)
def test_sec_31_what_was_kept_is_compared_within_one_boot_only(
    boot: str, kept: str, ahead: int, expected: str | None
) -> None:
    machine = Machine(boot)
    machine.set_clock(ahead)
    guard = guarded(machine)
    guard.recall(seen(boot=kept))
    assert code(guard) == expected


def test_a_guard_without_a_running_clock_recalls_nothing_and_keeps_nothing() -> None:
    machine = Machine()
    guard = ClockGuard(machine, None, signed_at=NOW)
    guard.recall(seen(signed_at=NOW + 10 * DAY))
    assert code(guard) is None
    machine.set_clock(10 * DAY)
    assert code(guard) is None
    assert guard.seen() is None


@pytest.mark.parametrize(("away", "believed"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_sec_31_a_confirmation_is_about_clocks_that_show_the_same(away: int, believed: bool) -> None:  # noqa: FBT001
    machine = Machine()
    guard = guarded(machine)
    assert code(guard) is None
    machine.set_clock(2 * DAY)
    assert code(guard) == "clock_jumped"
    at = Instant(machine.at + away)
    guard.learn(ClockMarks(confirmed_at=at, signed_until=at))
    assert (code(guard) is None) == believed
    machine.pass_time(60)
    assert code(guard) == (None if believed else "clock_jumped")


def test_sec_31_a_confirmation_is_taken_once_and_a_later_jump_is_doubted_again() -> None:
    machine = Machine()
    guard = guarded(machine)
    assert code(guard) is None
    machine.set_clock(2 * DAY)
    marks = ClockMarks(confirmed_at=machine.at, signed_until=machine.at)
    guard.learn(marks)
    assert code(guard) is None
    machine.set_clock(-240)  # back near the confirmed time, and then ahead
    machine.set_clock(2 * HOUR)
    guard.learn(marks)
    assert code(guard) == "clock_jumped"


def test_sec_31_what_a_wrong_clock_signed_is_disowned_and_nothing_else() -> None:
    machine = Machine()
    guard = guarded(machine)
    wrong = Instant(NOW + 10 * DAY)
    guard.learn(ClockMarks(signed_at=wrong))
    assert code(guard) == "clock_behind"
    guard.learn(ClockMarks(signed_at=wrong, confirmed_at=NOW, signed_until=wrong))
    assert code(guard) is None
    guard.learn(ClockMarks(signed_at=Instant(wrong + 1), confirmed_at=NOW, signed_until=wrong))
    assert code(guard) == "clock_behind"  # later than what was disowned: another signature


def test_sec_31_a_confirmation_takes_nothing_back_that_was_signed_before_it() -> None:
    machine = Machine()
    guard = guarded(machine, signed_at=NOW)
    at = Instant(NOW - 10 * DAY)  # of a colleague whose clock is wrong
    guard.learn(ClockMarks(confirmed_at=at, signed_until=Instant(at + DAY)))
    machine.set_clock(-MAX_BEHIND_SECONDS - 1)
    assert code(guard) == "clock_behind"


def test_sec_31_after_a_confirmation_the_confirmed_time_is_the_last_known_one() -> None:
    machine = Machine()
    guard = guarded(machine)
    guard.learn(ClockMarks(confirmed_at=NOW, signed_until=NOW))
    machine.set_clock(-MAX_BEHIND_SECONDS)
    assert code(guard) is None
    machine.set_clock(-1)
    assert code(guard) == "clock_behind"


def test_sec_31_a_signature_counts_from_when_it_was_asked_for() -> None:
    machine = Machine()
    guard = guarded(machine)
    guard.check()
    machine.set_clock(-MAX_BEHIND_SECONDS - 1)
    with pytest.raises(StateError, match="clock says"):
        guard.check()
    assert guard.seen() is None  # a clock in doubt is nothing to go on from


def test_sec_31_a_second_that_was_found_right_is_judged_again_when_more_is_known() -> None:
    machine = Machine()
    guard = guarded(machine)
    guard.check()
    guard.learn(ClockMarks(signed_at=Instant(NOW + DAY)))
    with pytest.raises(StateError):
        guard.check()


def test_sec_31_a_doubt_is_not_forgotten_for_the_second_it_began_in() -> None:
    machine = Machine()
    guard = guarded(machine)
    guard.check()
    machine.set_clock(2 * DAY)
    assert code(guard) == "clock_jumped"
    machine.set_clock(-2 * DAY)
    machine.ran -= 2 * DAY  # as if the machine's running clock were another's: nothing is taken from the cache
    assert code(guard) is None
    guard.check()


def test_sec_31_a_wrong_reading_is_nothing_to_measure_from() -> None:
    machine = Machine()
    guard = guarded(machine)
    assert code(guard) is None
    machine.set_clock(2 * DAY)
    for _ in range(3):
        assert code(guard) == "clock_jumped"
        machine.pass_time(10)
    machine.set_clock(-2 * DAY)
    assert code(guard) is None
    kept = guard.seen()
    assert kept is not None
    assert (kept.at, kept.running_seconds, kept.boot) == (machine.at, int(machine.ran), "boot-1")


def test_sec_31_changes_are_told_once_each_and_an_old_doubt_to_who_comes_late() -> None:
    machine = Machine()
    guard = guarded(machine)
    told: list[ClockDoubt | None] = []
    machine.set_clock(-2 * DAY)
    assert code(guard) == "clock_behind"
    guard.on_change(told.append)
    for _ in range(3):
        machine.pass_time(1)
        guard.doubt()
    machine.set_clock(2 * DAY)
    guard.doubt()
    guard.doubt()
    assert [each and each.code for each in told] == ["clock_behind", None]


def test_sec_31_nobody_gets_a_signer_while_the_clock_is_in_doubt() -> None:
    class Keys:
        def signer(self, role: Any) -> Any:
            return role

        def earlier(self, kid: str) -> None:
            """Nobody asks."""

    machine = Machine()
    keys = GuardedKeys(Keys(), guarded(machine))
    assert keys.signer("token") == "token"  # type: ignore[comparison-overlap]
    machine.set_clock(-2 * DAY)
    with pytest.raises(StateError):
        keys.signer("token")


def test_sec_31_what_was_signed_after_a_confirmation_counts_although_a_wrong_clock_had_gone_further() -> None:
    machine = Machine()
    guard = guarded(machine)
    marks = ClockMarks(confirmed_at=NOW, signed_until=Instant(NOW + 10 * DAY))
    guard.learn(marks)
    machine.pass_time(HOUR)
    guard.check()
    guard.learn(marks)  # as every few seconds
    machine.set_clock(-HOUR // 2)
    assert code(guard) == "clock_behind"


def test_sec_31_the_time_that_a_machine_slept_counts_as_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_sleep = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    monkeypatch.setattr(time, "clock_gettime", lambda which: 500.0 if which == with_sleep else 1.0)
    assert SystemRunning().seconds() == 500.0

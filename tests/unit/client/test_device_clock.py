"""What time it is at least, scene by scene (SEC-29, R-36): nobody honest is denied, and a cheat gains little."""

from __future__ import annotations

import ctypes
import sys
import types
from typing import Self

import pytest

from carnet.client import clock as clock_module
from carnet.client.clock import (
    CHECKPOINT_SECONDS,
    SUSPECT_AFTER_SECONDS,
    TOLERATED_BACKWARD_SECONDS,
    ClockFacts,
    SystemClock,
    Uptime,
    believed,
    is_checkpoint_due,
    is_suspect,
    observe,
    suspect_at,
    trusted_now,
)
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant

T = Instant(1_900_000_000)


def up(seconds: int, boot: str = "first") -> Uptime:
    return Uptime(boot=boot, seconds=seconds)


def contact(at: int = T, uptime: Uptime | None = None, facts: ClockFacts | None = None) -> ClockFacts:
    """The facts after a signed answer, with a right wall clock."""
    return observe(facts or ClockFacts(), uptime or up(100), Instant(at), Instant(at))


def test_before_any_signed_time_nothing_is_known() -> None:
    assert trusted_now(ClockFacts(), up(9 * DAY)) is None
    assert observe(ClockFacts(), up(5), T) == ClockFacts()
    assert not is_checkpoint_due(ClockFacts(), up(5), T)
    assert not is_suspect(ClockFacts(), None, Instant(0))


@pytest.mark.parametrize("ran", [0, 1, DAY, 400 * DAY])
def test_running_time_of_this_boot_counts_sleep_and_all(ran: int) -> None:
    assert trusted_now(contact(uptime=up(100)), up(100 + ran)) == T + ran


def test_a_wall_clock_that_is_set_back_changes_nothing_of_the_bound() -> None:
    facts = contact(uptime=up(100))
    back = observe(facts, up(100 + HOUR), Instant(0))
    assert back.trusted_at == T + HOUR


def test_sec_29_a_clock_set_ahead_and_back_leaves_no_damage() -> None:
    facts = contact(uptime=up(100))
    ahead = observe(facts, up(200), Instant(T + 3650 * DAY))
    assert ahead.trusted_at == T + 100
    assert trusted_now(ahead, up(300)) == T + 200
    assert ahead.behind_since is None


def test_another_boot_counts_from_where_it_is_first_written_down() -> None:
    facts = contact(uptime=up(100))
    assert trusted_now(facts, up(7 * DAY, "second")) == T
    seen = observe(facts, up(7 * DAY, "second"), T)
    assert seen.trusted_at == T
    assert trusted_now(seen, up(8 * DAY, "second")) == T + DAY


def test_a_state_that_moves_to_a_host_that_was_up_for_a_year_denies_nobody() -> None:
    facts = contact(uptime=up(100, "host-a"))
    assert trusted_now(facts, up(365 * DAY, "host-b")) == T


def test_rel_22_a_boot_id_or_running_clock_that_is_missing_blocks_nothing() -> None:
    assert trusted_now(contact(uptime=up(100)), None) == T
    without = observe(ClockFacts(), None, T, T)
    assert without == ClockFacts(trusted_at=T)
    assert trusted_now(without, up(5)) == T
    assert trusted_now(observe(without, up(5), T), up(65)) == T + 60


def test_a_restored_snapshot_with_a_smaller_running_clock_proves_nothing_and_harms_nothing() -> None:
    facts = contact(uptime=up(5000))
    assert trusted_now(facts, up(100)) == T


def test_an_older_signed_time_never_lowers_the_bound_and_a_newer_one_lifts_it() -> None:
    facts = contact(uptime=up(100))
    assert observe(facts, up(160), T, Instant(T - DAY)).trusted_at == T + 60
    assert observe(facts, up(160), T, Instant(T + DAY)).trusted_at == T + DAY


def test_observing_often_and_observing_once_come_to_the_same() -> None:
    often = contact(uptime=up(0))
    for second in range(1, 2001, 7):
        often = observe(often, up(second), T)
    once = observe(contact(uptime=up(0)), up(1996), T)
    assert often.trusted_at == once.trusted_at == T + 1996


def test_the_bound_ends_where_instants_end() -> None:
    assert trusted_now(contact(at=MAX_INSTANT), up(2**62)) == MAX_INSTANT


@pytest.mark.parametrize(("ran", "due"), [(CHECKPOINT_SECONDS - 1, False), (CHECKPOINT_SECONDS, True)])
def test_running_time_is_written_down_every_hour(ran: int, *, due: bool) -> None:
    assert is_checkpoint_due(contact(uptime=up(0)), up(ran), Instant(T + ran)) is due


def test_each_boot_is_written_down_once() -> None:
    facts = contact(uptime=up(0))
    assert is_checkpoint_due(facts, up(9, "second"), T)
    assert not is_checkpoint_due(observe(facts, up(9, "second"), T), up(10, "second"), T)
    assert not is_checkpoint_due(facts, None, T)


def test_a_boot_by_boot_cheat_gains_what_was_not_written_down_and_no_more() -> None:
    """Ten days of running, the wall clock always set back, one check an hour, a reboot every second day."""
    facts, ran = contact(uptime=up(0, "boot-0")), 0
    lost = 0
    for boot in range(5):
        name = f"boot-{boot}"
        for hour in range(48):
            uptime = up(hour * HOUR + (0 if boot == 0 else 60), name)
            if is_checkpoint_due(facts, uptime, Instant(0)):
                facts = observe(facts, uptime, Instant(0))
            ran = boot * 48 * HOUR + hour * HOUR
        now = trusted_now(facts, up(48 * HOUR, name))
        assert now is not None
        lost = (boot + 1) * 48 * HOUR - (now - T)
    assert ran == 10 * DAY - HOUR
    assert lost <= 5 * CHECKPOINT_SECONDS + 5 * 60


@pytest.mark.parametrize(
    ("wall", "behind"), [(T - TOLERATED_BACKWARD_SECONDS, False), (T - TOLERATED_BACKWARD_SECONDS - 1, True)]
)
def test_sec_29_a_clock_that_is_behind_by_up_to_a_day_is_ignored(wall: int, *, behind: bool) -> None:
    facts = contact(uptime=up(0))
    assert is_checkpoint_due(facts, up(0), Instant(wall)) is behind
    assert (observe(facts, up(0), Instant(wall)).behind_since == T) is behind


def test_sec_29_a_clock_that_stays_far_behind_is_suspect_after_72_hours_and_not_before() -> None:
    dead = Instant(0)
    facts = observe(contact(uptime=up(0)), up(0), dead)
    for ran, suspect in ((0, False), (SUSPECT_AFTER_SECONDS - 1, False), (SUSPECT_AFTER_SECONDS, True)):
        assert is_suspect(facts, trusted_now(facts, up(ran)), dead) is suspect
    later = observe(facts, up(SUSPECT_AFTER_SECONDS), dead)
    assert later.behind_since == T, "the countdown goes on from where it began"
    assert not is_suspect(later, trusted_now(later, up(SUSPECT_AFTER_SECONDS)), Instant(T + 9 * DAY))


def test_sec_29_a_clock_that_is_right_again_ends_the_countdown() -> None:
    facts = observe(contact(uptime=up(0)), up(0), Instant(0))
    right = Instant(T + HOUR)
    assert is_checkpoint_due(facts, up(HOUR), right)
    assert observe(facts, up(HOUR), right).behind_since is None


def test_sec_31_a_bound_whose_key_the_vendor_dropped_is_forgotten_and_learned_anew() -> None:
    far = observe(ClockFacts(), up(100), T, Instant(T + 3650 * DAY), "old")
    assert believed(far, ["old", "new"]) == far
    forgotten = believed(far, ["new"])
    assert trusted_now(forgotten, up(200)) is None
    right = observe(forgotten, up(200), T, T, "new")
    assert (right.trusted_at, right.signed_by) == (T, "new")
    assert observe(far, up(200), T, T, "new").signed_by == "old", "without the vendor's root nothing lowers a bound"


def test_a_running_clock_that_went_back_is_written_down_and_counts_again() -> None:
    facts = contact(uptime=up(5000))
    assert is_checkpoint_due(facts, up(4999), T)
    again = observe(facts, up(100), T)
    assert trusted_now(again, up(160)) == T + 60


def test_sec_29_each_fall_is_counted_once() -> None:
    facts = contact(uptime=up(0))
    for number in (1, 2, 3):
        for hour in (1, 2):
            facts = observe(facts, up(number * DAY + hour * HOUR), Instant(0))
            assert facts.falls == number
        facts = observe(facts, up(number * DAY + 3 * HOUR), Instant(T + 9 * DAY))


def test_sec_29_the_end_of_the_countdown_is_known_from_its_start() -> None:
    facts = contact(uptime=up(0))
    assert suspect_at(facts, T, Instant(0)) is None, "seen for the first time"
    seen = observe(facts, up(0), Instant(0))
    assert suspect_at(seen, T, Instant(0)) == T + SUSPECT_AFTER_SECONDS
    assert suspect_at(seen, T, Instant(T)) is None, "right again"


# ── the real clocks ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
def test_the_real_clock_of_this_machine_runs() -> None:
    clock = SystemClock()
    first, second = clock.uptime(), clock.uptime()
    assert first is not None
    assert second is not None
    assert first.boot == second.boot
    assert 0 <= first.seconds <= second.seconds
    assert clock.now() > 1_600_000_000


@pytest.mark.parametrize("system", ["darwin", "win32", "freebsd14"])
def test_rel_22_a_system_that_cannot_be_asked_has_no_running_clock(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert SystemClock().uptime() is None


def test_a_mac_names_its_boot_session(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def sysctlbyname(name: bytes, buffer: ctypes.Array[ctypes.c_char], *_: object) -> int:
            assert name == b"kern.bootsessionuuid"
            buffer.value = b"2D7C8F7E-0000-4B9F-8B5E-7E6D5C4B3A29"
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    uptime = clock_module._macos_uptime()
    assert uptime is not None
    assert uptime.boot == "2D7C8F7E-0000-4B9F-8B5E-7E6D5C4B3A29"
    monkeypatch.setattr(Library, "sysctlbyname", lambda *_: -1)
    assert clock_module._macos_uptime() is None


def test_windows_counts_its_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    class Key:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    registry = types.SimpleNamespace(
        HKEY_LOCAL_MACHINE=0, OpenKey=lambda *_: Key(), QueryValueEx=lambda _key, name: ({"BootId": 41}[name], 4)
    )

    def ticks() -> int:
        return 90_061_500

    kernel = types.SimpleNamespace(kernel32=types.SimpleNamespace(GetTickCount64=ticks))
    monkeypatch.setitem(sys.modules, "winreg", registry)
    monkeypatch.setattr(ctypes, "windll", kernel, raising=False)
    assert clock_module._windows_uptime() == Uptime(boot="windows-41", seconds=90_061)


@pytest.mark.parametrize(
    ("shown", "said"), [(-9.5, 0), (0.9, 0), (1.0, 1), (2.0**31 + 0.5, 2**31), (1e30, MAX_INSTANT)]
)
def test_a_wall_clock_beyond_what_can_be_said_is_the_nearest_that_can(
    shown: float, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: shown)
    assert SystemClock().now() == said

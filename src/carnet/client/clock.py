"""
What time it is at least: a lower bound that no one can set back by moving the wall clock (SEC-29, R-36).

The rules are the tables of specs/clock.md; the functions here are its sections:

    trusted_now         §3  the bound now
    observe             §4  what is remembered after looking
    is_checkpoint_due   §5  when that is written down
    is_suspect          §6  a wall clock that stays far behind
    believed            §7  a bound whose signer the vendor has dropped

The wall clock is never remembered, so a clock that was ahead for a while leaves no damage. Running time counts while
the machine sleeps. Another boot counts only from where it was seen, because state may meet hosts that have been up
for a year: a container that moves, machines cloned from one image. What a clock that stays behind can gain is in
specs/clock.md §8 (docs/decisions/0023, 0068). Pure but for `SystemClock`, the only reader of the real clocks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Container

from carnet.core._base import Struct
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant

CHECKPOINT_SECONDS = HOUR
"""Running time that may stand unrecorded before `check()` or `start()` writes it down."""

TOLERATED_BACKWARD_SECONDS = DAY
"""SEC-29: a wall clock that is behind by less is ignored: time zones set wrong, a slow battery."""

SUSPECT_AFTER_SECONDS = 3 * DAY
"""SEC-29: where the policy asks (`clock_strictness`), a clock that stays behind gets a countdown of 72 hours."""


class Uptime(Struct):
    """How long this boot has been running, sleep included; *boot* tells boots apart."""

    boot: str
    seconds: int


class ClockFacts(Struct):
    """
    What the state file remembers of time.

    Attributes:
        trusted_at: When boot *boot* had run for *uptime_seconds*, it was at least this late. None before any contact.
        boot, uptime_seconds: The running clock then; None and 0 where there was none.
        behind_since: Trusted time when the wall clock was first seen far behind, or None while it is not.
        signed_by: Id of the key whose signature the bound rests on; None where an earlier version did not note it.
        falls: How many times the wall clock was seen to have fallen far behind.
    """

    trusted_at: Instant | None = None
    boot: str | None = None
    uptime_seconds: int = 0
    behind_since: Instant | None = None
    signed_by: str | None = None
    falls: int = 0


def trusted_now(facts: ClockFacts, uptime: Uptime | None) -> Instant | None:
    """The proven lower bound of the present time, or None before the first signed time."""
    if facts.trusted_at is None or uptime is None or uptime.boot != facts.boot:
        return facts.trusted_at
    gained = uptime.seconds - facts.uptime_seconds  # negative after a snapshot was restored: nothing is proven
    return Instant(min(facts.trusted_at + max(gained, 0), MAX_INSTANT))


def observe(
    facts: ClockFacts,
    uptime: Uptime | None,
    wall: Instant,
    signed_at: Instant | None = None,
    signed_by: str | None = None,
) -> ClockFacts:
    """
    *facts* brought up to date: running time added, and *signed_at*, a time that the vendor has just signed, taken in.

    Args:
        facts: What was remembered.
        uptime: The running clock, read after *facts* and after *signed_at* came: one that was read before would make
            the bound later than the truth by the time in between.
        wall: The wall clock, for what is said of it; it never moves the bound.
        signed_at: A signed time. One that is older than the bound changes nothing; one that is newer lifts it.
        signed_by: The id of the key that signed it.
    """
    trusted, signer = trusted_now(facts, uptime), facts.signed_by
    if signed_at is not None and (trusted is None or signed_at >= trusted):
        trusted, signer = signed_at, signed_by
    if trusted is None:
        return facts
    behind = is_far_behind(trusted, wall)
    return ClockFacts(
        trusted_at=trusted,
        boot=None if uptime is None else uptime.boot,
        uptime_seconds=0 if uptime is None else uptime.seconds,
        behind_since=(facts.behind_since or trusted) if behind else None,
        signed_by=signer,
        falls=facts.falls + (behind and facts.behind_since is None),
    )


def is_far_behind(trusted: Instant | None, wall: Instant) -> bool:
    """Whether the wall clock is behind the bound by more than is ignored."""
    return trusted is not None and wall < trusted - TOLERATED_BACKWARD_SECONDS


def suspect_at(facts: ClockFacts, trusted: Instant | None, wall: Instant) -> Instant | None:
    """When the wall clock, which is far behind now and was before, will have been so for 72 hours; else None."""
    if facts.behind_since is None or not is_far_behind(trusted, wall):
        return None
    return Instant(min(facts.behind_since + SUSPECT_AFTER_SECONDS, MAX_INSTANT))


def is_suspect(facts: ClockFacts, trusted: Instant | None, wall: Instant) -> bool:
    """Whether the wall clock has been far behind for 72 hours of trusted time. The policy decides if it matters."""
    at = suspect_at(facts, trusted, wall)
    return at is not None and trusted is not None and trusted >= at


def is_checkpoint_due(facts: ClockFacts, uptime: Uptime | None, wall: Instant) -> bool:
    """
    Whether running time, or a clock that fell behind or came back, should be written down.

    At most once in `CHECKPOINT_SECONDS` of running time, once for each boot, once for each time that the running clock
    of a boot went back (a virtual machine was set back), and once for each time that the wall clock falls far behind
    or returns.
    """
    trusted = trusted_now(facts, uptime)
    if trusted is None or facts.trusted_at is None:
        return False
    if trusted - facts.trusted_at >= CHECKPOINT_SECONDS:
        return True
    if uptime is not None and (uptime.boot != facts.boot or uptime.seconds < facts.uptime_seconds):
        return True
    return is_far_behind(trusted, wall) != (facts.behind_since is not None)


def believed(facts: ClockFacts, keys: Container[str]) -> ClockFacts:
    """
    *facts*, or none of them where the key that their bound rests on is not trusted any more (SEC-31).

    A vendor whose server once signed a time far ahead drops the key that did from the root file; whoever follows the
    new root forgets that time with it. Nobody else can bring this about: it takes the root keys.

    Args:
        facts: What was remembered.
        keys: The ids of the keys that the newest trusted root names, in any role.
    """
    return facts if facts.signed_by is None or facts.signed_by in keys else ClockFacts(falls=facts.falls)


class SystemClock:
    """The real clocks of this device. Linux, macOS and Windows count sleep; elsewhere there is no running clock."""

    def now(self) -> Instant:
        """The wall clock, kept within what an `Instant` can say."""
        return Instant(min(max(int(time.time()), 0), MAX_INSTANT))

    def uptime(self) -> Uptime | None:
        """Boot id and running seconds from the kernel; None where one of them is missing (REL-22)."""
        try:
            return _uptime_readers.get(sys.platform, _no_uptime)()
        except (OSError, AttributeError, ImportError, ValueError):
            return None


def _no_uptime() -> Uptime | None:
    return None


def _linux_uptime() -> Uptime | None:
    from carnet.client.fingerprint.values import read_text

    boot = read_text("/proc/sys/kernel/random/boot_id").strip()
    return Uptime(boot=boot, seconds=int(time.clock_gettime(time.CLOCK_BOOTTIME))) if boot else None


def _macos_uptime() -> Uptime | None:
    import ctypes

    # Both monotonic clocks go on while a Mac sleeps. The plain one is made of the wall clock and kern.boottime, which
    # setting the clock moves; the raw one is the hardware's. kern.bootsessionuuid is new with every boot.
    library = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
    buffer = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(buffer))
    if library.sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return None
    return Uptime(boot=buffer.value.decode("ascii"), seconds=int(time.clock_gettime(time.CLOCK_MONOTONIC_RAW)))


def _windows_uptime() -> Uptime | None:
    import ctypes
    import winreg

    path = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined,unused-ignore]
        boot = winreg.QueryValueEx(key, "BootId")[0]  # type: ignore[attr-defined,unused-ignore]
    ticks = ctypes.windll.kernel32.GetTickCount64  # type: ignore[attr-defined,unused-ignore]
    ticks.restype = ctypes.c_uint64  # milliseconds since boot, sleep included
    return Uptime(boot=f"windows-{boot}", seconds=int(ticks() // 1000))


_uptime_readers = {"linux": _linux_uptime, "darwin": _macos_uptime, "win32": _windows_uptime}

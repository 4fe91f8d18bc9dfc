"""
What time it is at least: a lower bound that no one can set back by moving the wall clock (SEC-29, R-36).

Rules, in one table (specs/state.md §6):

    remembered                                  the bound now
    a bound, in this boot                       that bound and the running time since
    a bound, in another boot, or in none        that bound; this boot counts from when it is first written down
    nothing                                     none

The wall clock is never remembered, so a clock that was ahead for a while leaves no damage. Running time counts while
the machine sleeps. Another boot counts only from where it was seen, because state may meet hosts that have been up
for a year: a container that moves, machines cloned from one image. So what a clock that stays behind can gain is the
time the machine is off or has not yet started the app, plus `CHECKPOINT_SECONDS` for each time it is switched off
(docs/decisions/0023). Pure but for `SystemClock`, the only reader of the real clocks.
"""

from __future__ import annotations

import sys
import time

from carnet.core._base import Struct
from carnet.core.instant import DAY, HOUR, MAX_INSTANT, Instant

CHECKPOINT_SECONDS = 6 * HOUR
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
        behind_since: Trusted time when the wall clock was first seen far behind, or None while it is not.
    """

    trusted_at: Instant | None = None
    boot: str | None = None
    uptime_seconds: int = 0
    behind_since: Instant | None = None


def trusted_now(facts: ClockFacts, uptime: Uptime | None) -> Instant | None:
    """The proven lower bound of the present time, or None before the first signed time."""
    if facts.trusted_at is None or uptime is None or uptime.boot != facts.boot:
        return facts.trusted_at
    gained = uptime.seconds - facts.uptime_seconds  # negative after a snapshot was restored: nothing is proven
    return Instant(min(facts.trusted_at + max(gained, 0), MAX_INSTANT))


def observe(facts: ClockFacts, uptime: Uptime | None, wall: Instant, signed_at: Instant | None = None) -> ClockFacts:
    """
    *facts* brought up to date: running time added, and *signed_at*, a time that the vendor has just signed, taken in.

    A signed time that is older than the bound changes nothing; one that is newer lifts it.
    """
    trusted = trusted_now(facts, uptime)
    if signed_at is not None and (trusted is None or signed_at > trusted):
        trusted = signed_at
    if trusted is None:
        return facts
    behind = wall < trusted - TOLERATED_BACKWARD_SECONDS
    return ClockFacts(
        trusted_at=trusted,
        boot=None if uptime is None else uptime.boot,
        uptime_seconds=0 if uptime is None else uptime.seconds,
        behind_since=(facts.behind_since or trusted) if behind else None,
    )


def is_suspect(facts: ClockFacts, trusted: Instant | None, wall: Instant) -> bool:
    """Whether the wall clock has been far behind for 72 hours of trusted time. The policy decides if it matters."""
    return (
        facts.behind_since is not None
        and trusted is not None
        and wall < trusted - TOLERATED_BACKWARD_SECONDS
        and trusted >= facts.behind_since + SUSPECT_AFTER_SECONDS
    )


def is_checkpoint_due(facts: ClockFacts, uptime: Uptime | None, wall: Instant) -> bool:
    """
    Whether running time, or a clock that fell behind or came back, should be written down.

    At most once in `CHECKPOINT_SECONDS` of running time, once for each boot, and once for each time that the wall
    clock falls far behind or returns.
    """
    trusted = trusted_now(facts, uptime)
    if trusted is None or facts.trusted_at is None:
        return False
    if trusted - facts.trusted_at >= CHECKPOINT_SECONDS:
        return True
    if uptime is not None and uptime.boot != facts.boot:
        return True
    return (wall < trusted - TOLERATED_BACKWARD_SECONDS) != (facts.behind_since is not None)


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

    # CLOCK_MONOTONIC goes on while a Mac sleeps; kern.bootsessionuuid is new with every boot.
    library = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
    buffer = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(buffer))
    if library.sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return None
    return Uptime(boot=buffer.value.decode("ascii"), seconds=int(time.clock_gettime(time.CLOCK_MONOTONIC)))


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

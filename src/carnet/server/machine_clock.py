"""
This machine's clocks: the one that people and NTP set, the one that only runs on, and the file that remembers both
across restarts (SEC-31).
"""

from __future__ import annotations

import sys
import time
from functools import cached_property
from pathlib import Path
from typing import Final

from carnet.core.errors import CarnetError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.domain.clock.guard import ClockSeen
from carnet.server.files import Files
from carnet.server.signing.file_store import read_file

_FORMAT: Final = "carnet-clock/1"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """`ports.Clock` of this machine."""

    def now(self) -> Instant:
        """The present second."""
        return Instant(int(time.time()))


class SystemRunning:
    """`domain.clock.guard.Running` of this machine. Only on Linux are boots told apart."""

    @cached_property
    def boot(self) -> str:
        """Linux: the kernel's boot id, in containers the host's; empty elsewhere."""
        try:
            return _BOOT_ID.read_text(encoding="ascii").strip() if sys.platform == "linux" else ""
        except (OSError, ValueError):
            return ""

    def seconds(self) -> float:
        """For how long this boot has run; on Linux and macOS with the time it slept."""
        clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
        if clock is None:
            clock = getattr(time, "CLOCK_MONOTONIC", None)  # macOS: goes on while it sleeps
        return time.monotonic() if clock is None else time.clock_gettime(clock)


def read_seen(path: Path) -> ClockSeen | None:
    """What was kept; None where there is nothing, or nothing that can be read: it is a help, not a witness."""
    try:
        content = parse_object(read_file(path), max_bytes=MAX_PUBLIC_BODY, what="The clock's file")
    except CarnetError:
        return None
    times = [content.get(name) for name in ("at", "signed_at", "running_seconds")]
    boot = content.get("boot")
    if content.get("format") != _FORMAT or not isinstance(boot, str):
        return None
    at, signed_at, running = (each if isinstance(each, int) and 0 <= each <= MAX_INSTANT else None for each in times)
    if at is None or signed_at is None or running is None:
        return None
    return ClockSeen(at=Instant(at), signed_at=Instant(signed_at), boot=boot, running_seconds=running)


def write_seen(path: Path, seen: ClockSeen, files: Files | None = None) -> None:
    """
    Keep what was *seen*.

    Raises:
        StateError: ``data_not_writable``.
    """
    content = {
        "format": _FORMAT,
        "at": int(seen.at),
        "signed_at": int(seen.signed_at),
        "boot": seen.boot,
        "running_seconds": seen.running_seconds,
    }
    (files or Files()).write(path, dump_json(content) + b"\n")

"""
The event log: every event as one line of JSON, appended to a file that other programs may follow (REL-09).

All events go in one order. A line is on the disk before its delivery is written down, so a line may come twice, with
the same `id`, and none is missing. A line that was cut off by a crash is taken back first: it was never acknowledged.
The file may be moved away at any time (logrotate): the next line begins a new one.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from carnet.formats.strict_json import dump_json
from carnet.server.domain.documents import event_json
from carnet.server.ports.destinations import Sent
from carnet.server.ports.outbox import Lanes
from carnet.server.records import Event

EVENT_LOG: Final = "log"
"""The destination's name."""

_TAIL_BYTES: Final = 65536


class EventLog:
    """
    `ports.destinations.Destination`: a file.

    Args:
        path: In an existing directory; made readable by its owner only.
    """

    name = EVENT_LOG
    lanes: Lanes = "all"
    at_once = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    async def deliver(self, events: tuple[Event, ...]) -> Sent:
        """Append *events*, all of them or none that counts."""
        lines = b"".join(dump_json(event_json(event)) + b"\n" for event in events)
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            return Sent(count=0, problem=f"The event log cannot be written ({error.strerror}).")
        return Sent(count=len(events))

    def _append(self, lines: bytes) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            whole = _end_of_last_line(file)
            if whole != os.fstat(file).st_size:
                os.ftruncate(file, whole)
            left = memoryview(lines)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)


def _end_of_last_line(file: int) -> int:
    """Where the last whole line ends; a line is never longer than what is looked at."""
    size = os.fstat(file).st_size
    start = max(0, size - _TAIL_BYTES)
    os.lseek(file, start, os.SEEK_SET)
    tail = os.read(file, size - start)
    if tail.endswith(b"\n") or not tail:
        return size
    return start + tail.rfind(b"\n") + 1

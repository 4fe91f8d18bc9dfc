"""
The device's own log of contacts: what was asked, how it ended, when (R-43). Local, bounded, without secrets.

One JSON object a line in ``log.jsonl`` beside the state. Nothing depends on it: a log that cannot be written is let go.
"""

from __future__ import annotations

import os
from contextlib import suppress

from carnet.core.instant import Instant
from carnet.formats.strict_json import dump_json

FILE = "log.jsonl"
MAX_BYTES = 64 * 1024
_KEPT_BYTES = 32 * 1024


def note(
    directory: str, at: Instant, event: str, outcome: str, code: str | None = None, *, why: str | None = None
) -> None:
    """
    Add one line.

    Args:
        directory: The product's state directory; without it there is nothing to log.
        at: The wall clock.
        event: ``activate``, ``refresh``, ``deactivate``; ``status_lists``; ``root``; ``clock``.
        outcome: ``granted``, ``refused``, ``problem``; ``skipped`` where it was too early to ask. Of status lists,
            ``kept``; of roots, ``followed``; of the clock, ``behind`` or ``right``.
        code: The reason's or problem's code.
        why: What is behind it, where there is something: which check an answer did not pass. For whoever looks for the
            proxy that changes answers; it is not shown to users.
    """
    members = {"at": str(at), "event": event, "outcome": outcome, "code": code}
    line = dump_json(members if why is None else {**members, "why": why}) + b"\n"
    path = os.path.join(directory, FILE)
    with suppress(OSError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            os.write(handle, line)
            size = os.fstat(handle).st_size
        finally:
            os.close(handle)
        if size > MAX_BYTES:
            _shorten(path)


def _shorten(path: str) -> None:
    """Keep the newest half, from a whole line on. Two processes at once may lose lines; a log bears that."""
    with open(path, "rb") as file:
        file.seek(-_KEPT_BYTES, os.SEEK_END)
        kept = file.read()
    kept = kept[kept.find(b"\n") + 1 :]
    draft = f"{path}.{os.urandom(4).hex()}.draft"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, kept)
    finally:
        os.close(handle)
    os.replace(draft, path)

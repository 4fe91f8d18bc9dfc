"""
What people were already told and what they put off, remembered across starts: ``notices.json`` beside the state.

A small file of its own: it holds no secret and grants nothing, so it is neither sealed nor kept twice (decision 0070).
Damage, a full disk or another user's file cost nothing but a notice more; nothing here ever raises for them. Without a
state directory (nothing was activated yet) there is nothing that could be put off, and nothing is written.
"""

from __future__ import annotations

import os
from contextlib import suppress

from carnet.core.attention import REMEMBERED, Shown, is_from_another_clock
from carnet.core.errors import CarnetError, MalformedError
from carnet.core.instant import Instant, parse_instant
from carnet.formats.strict_json import dump_json, parse_object

FILE = "notices.json"
MAX_BYTES = 8 * 1024

_MEMBERS = {"code", "urgency", "shown_at", "not_before", "snoozed_until"}
_MAX_CODE = 64
_VERSION = 1


class Reminders:
    """The memory of one product on one device. Making one touches nothing."""

    def __init__(self, directory: str) -> None:
        """
        Args:
            directory: The product's state directory.
        """
        self._directory = directory
        self._own: tuple[Shown, ...] = ()

    def load(self, now: Instant) -> tuple[Shown, ...]:
        """
        What is remembered: the file's, and this process's own where that is newer or could not be written.

        Another process that shows the same in the same moment may be overlooked; then a notice is seen twice.

        Args:
            now: What was shown later than a day after it was written under a clock that ran ahead, and is forgotten.
        """
        return _newest(now, *self._own, *_read(os.path.join(self._directory, FILE)))

    def save(self, memory: tuple[Shown, ...], now: Instant) -> None:
        """Keep *memory*, with what other processes wrote meanwhile, in one step that leaves no half file."""
        self._own = _newest(now, *memory, *self.load(now))
        data = dump_json({"v": _VERSION, "shown": [_members(shown) for shown in self._own]}) + b"\n"
        path = os.path.join(self._directory, FILE)
        draft = f"{path}.{os.urandom(8).hex()}.draft"  # one that a crash leaves behind goes with the next state write
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(draft, flags, 0o600)
            try:
                os.write(handle, data)
            finally:
                os.close(handle)
            os.replace(draft, path)
        except OSError:
            with suppress(OSError):
                os.unlink(draft)


def _newest(now: Instant, *shown: Shown) -> tuple[Shown, ...]:
    """One of each code, that which was shown last; of one moment the first given, which is the more recent act."""
    kept: dict[str, Shown] = {}
    for each in shown:
        if is_from_another_clock(each, now):
            continue
        known = kept.get(each.code)
        if known is None or each.shown_at > known.shown_at:
            kept[each.code] = each
    return tuple(sorted(kept.values(), key=lambda each: (-each.shown_at, each.code))[:REMEMBERED])


def _members(shown: Shown) -> dict[str, object]:
    return {
        "code": shown.code,
        "urgency": shown.urgency,
        "shown_at": str(shown.shown_at),
        "not_before": str(shown.not_before),
        "snoozed_until": None if shown.snoozed_until is None else str(shown.snoozed_until),
    }


def _read(path: str) -> tuple[Shown, ...]:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            data = os.read(handle, MAX_BYTES + 1)
        finally:
            os.close(handle)
        members = parse_object(data, max_bytes=MAX_BYTES, what="The memory of notices")
        listed = members.get("shown")
        if members.get("v") != _VERSION or type(listed) is not list:
            return ()
        return tuple(_shown(each) for each in listed[:REMEMBERED])
    except (OSError, CarnetError):
        return ()


def _shown(members: object) -> Shown:
    if not isinstance(members, dict) or set(members) != _MEMBERS:
        raise MalformedError("not_an_object", "A remembered notice has other members.")
    code, urgency, snoozed = members["code"], members["urgency"], members["snoozed_until"]
    texts = [members["shown_at"], members["not_before"], *([] if snoozed is None else [snoozed]), code]
    if type(urgency) is not int or any(type(text) is not str for text in texts) or len(code) > _MAX_CODE:
        raise MalformedError("not_an_object", "A remembered notice has members of other types.")
    return Shown(
        code=code,
        urgency=urgency,
        shown_at=parse_instant(members["shown_at"]),
        not_before=parse_instant(members["not_before"]),
        snoozed_until=_optional(snoozed),
    )


def _optional(text: str | None) -> Instant | None:
    return None if text is None else parse_instant(text)

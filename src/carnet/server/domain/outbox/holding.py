"""
Which events are held down: a seat limit that was told already is not told again because a seat came and went
(users-ask 60). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from carnet.core._base import replace
from carnet.core.overage import is_worth_telling
from carnet.server.domain.events import SEAT_LEVELS
from carnet.server.ports import HandOut, LimitMark
from carnet.server.records import Event


def hold_down(events: tuple[Event, ...], marks: Mapping[str, LimitMark]) -> HandOut:
    """
    Which of *events* are told, and what is known as told afterwards.

    Args:
        events: In the order of their numbers.
        marks: What was told of licenses' seats before, by license.
    """
    known = dict(marks)
    changed: dict[str, LimitMark] = {}
    held_down: set[int] = set()
    for event in events:
        level = SEAT_LEVELS.get(event.kind)
        if level is None or event.seq is None:
            continue
        mark = known.get(event.object_id) or LimitMark(license_id=event.object_id, what="seats")
        used = int(event.payload.get("used", 0))
        told = {"told_level": mark.told_level, "told_used": mark.told_used, "told_at": int(mark.told_at)}
        if is_worth_telling(level, used, int(event.at), **told):
            mark = replace(mark, told_level=level, told_used=used, told_at=event.at)
        else:
            held_down.add(event.seq)
        known[event.object_id] = changed[event.object_id] = replace(mark, level=level)
    return HandOut(held_down=frozenset(held_down), marks=tuple(changed.values()))

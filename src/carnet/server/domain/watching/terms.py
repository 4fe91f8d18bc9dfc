"""
Licenses whose term ends, told some days before and when it has (R-62): each end once, also across restarts.

The job's memory says up to which end each reminder was looked at, and moves in the transaction that writes the events.
A renewed license has a new end and is reminded of anew; what ended before the first look is not told.
"""

from __future__ import annotations

from typing import Any, Final

from carnet.core.endings import LEADS, is_reminded
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.ports import Clock, JobStore
from carnet.server.records import Event, License

TERMS_JOB: Final = "terms"
"""The job whose memory it is."""

_LOT: Final = 200
_MAX_STATE: Final = 4096


class TermWatch:
    """
    Tells of ends.

    Args:
        store: Licenses by their end, and the job's memory.
        clock: The time, as far as it is to be believed: where it is in doubt, nothing is told.
        ids: For events.
    """

    def __init__(self, store: JobStore, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def look(self) -> bool:
        """Look at some ends; whether there are more to look at now."""
        now = self._clock.now()
        memory = await self._store.job_memory(TERMS_JOB)
        seen = _read(memory)
        if not seen:
            first = {str(lead): [int(now) + lead + 1, ""] for lead in LEADS}
            await self._store.move_job(TERMS_JOB, was=memory, state=_write(first))
            return False
        for lead in LEADS:
            until = Instant(min(now + lead, MAX_INSTANT))
            ends_at, id_ = seen.get(str(lead), [int(until) + 1, ""])
            if ends_at > until:
                continue
            found = await self._store.licenses_ending(after=(Instant(ends_at), id_), until=until, limit=_LOT)
            is_all = len(found) < _LOT
            last = [int(until) + 1, ""] if is_all else [int(found[-1].expires_at or 0), found[-1].id]
            told = tuple(filter(None, (self._event(each, lead, now) for each in found)))
            state = _write({**seen, str(lead): last})
            return await self._store.move_job(TERMS_JOB, was=memory, state=state, events=told)
        return False

    def _event(self, license_: License, lead: int, now: Instant) -> Event | None:
        ends_at = license_.expires_at
        if ends_at is None or license_.status != "active":
            return None
        if not is_reminded(lead, license_.starts_at or license_.created_at, ends_at):
            return None
        if license_.type == "trial":
            kind = "trial.ended" if lead == 0 else "trial.ending"
        else:
            kind = "license.expired" if lead == 0 else "license.expiring"
        days = lead // DAY or None
        told: dict[str, Any] = {"expires_at": ends_at, "days": days, "customer": license_.customer}
        return event(self._ids, now, kind, license_.id, license_.product, **told)


def _read(memory: str) -> dict[str, Any]:
    return parse_object(memory.encode(), max_bytes=_MAX_STATE, what="A job's memory") if memory else {}


def _write(seen: dict[str, Any]) -> str:
    return dump_json(seen).decode()

"""
Floating seats that run out, told once when they do (users-ask 60).

Claims are counted nowhere (docs/decisions/0043), so pools are looked at once a minute: a peak between two looks is not
told. A pool that stays at its limit is not told again; one that comes back to it within a day is not either.
"""

from __future__ import annotations

from typing import Final

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.core.overage import LEVELS, is_worth_telling, limit_level
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.ports import Clock, JobStore, LimitMark, PoolLevel
from carnet.server.records import Event

POOLS_JOB: Final = "pools"
"""The job whose memory it is: the license that was looked at last."""

_LOT: Final = 200
_KINDS: Final = {LEVELS["near_limit"]: "license.floating_near_limit", LEVELS["at_limit"]: "license.floating_at_limit"}


class PoolWatch:
    """
    Tells of pools.

    Args:
        store: Pools, and the job's memory.
        clock: The time.
        ids: For events.
    """

    def __init__(self, store: JobStore, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def look(self) -> bool:
        """Look at some pools, behind the one that was looked at last; whether there are more."""
        now = self._clock.now()
        memory = await self._store.job_memory(POOLS_JOB)
        found = await self._store.pool_levels(at=now, after=memory, limit=_LOT)
        is_all = len(found) < _LOT
        judged = [judge_pool(each, now) for each in found]
        told = tuple(self._event(pool, now) for pool, (_, is_told) in zip(found, judged, strict=True) if is_told)
        marks = tuple(
            mark for pool, (mark, _) in zip(found, judged, strict=True) if mark is not None and mark != pool.mark
        )
        state = "" if is_all else found[-1].license.id
        if state == memory and not marks:
            return False
        return await self._store.move_job(POOLS_JOB, was=memory, state=state, events=told, marks=marks) and not is_all

    def _event(self, pool: PoolLevel, now: Instant) -> Event:
        kind = _KINDS[_level(pool)]
        return event(self._ids, now, kind, pool.license.id, pool.license.product, limit=pool.limit, used=pool.held)


def judge_pool(pool: PoolLevel, now: Instant) -> tuple[LimitMark | None, bool]:
    """What is known of a pool from now on, None for one that was never near its limit; and whether to tell it."""
    level = _level(pool)
    mark = pool.mark
    if mark is None:
        if not level:
            return None, False
        mark = LimitMark(license_id=pool.license.id, what="leases")
    told = {"told_level": mark.told_level, "told_used": mark.told_used, "told_at": int(mark.told_at)}
    is_told = level > mark.level and is_worth_telling(level, pool.held, int(now), **told)
    if is_told:
        mark = replace(mark, told_level=level, told_used=pool.held, told_at=now)
    return replace(mark, level=level), is_told


def _level(pool: PoolLevel) -> int:
    """Over a limit that was lowered is at it: nobody may take a seat."""
    near = pool.license.conditions.near_limit_percent
    return min(limit_level(pool.held, pool.limit, near), LEVELS["at_limit"])

"""
Leases in two round trips: a read, and one statement that gives, keeps or frees a slot if what was read still holds.

As seats (`seats`): the facts are read without a lock, the domain decides, and one statement applies everything and
commits, or writes nothing. Nothing is counted here, and no counter guarded: a slot is a row (docs/decisions/0043).

**Why no slot is given twice.** The statement looks for a free row with `FOR UPDATE SKIP LOCKED`: a row that another one
is taking is passed by, and a row that was taken since the statement began is looked at in its newest version once it is
locked (READ COMMITTED), found held, and passed by too. Two that take at the same moment therefore take two rows, and
wait for nobody. Where no row is free and the limit allows more, rows are made first, many at a time, so that the next
ones to come find theirs; of two that make the same row the table's key lets one.

**Why the decision still holds.** The statement asks for the license and the policy of the revisions that were read, for
the same terms, and for a pool that was settled under them. The pool's row is held shared (`FOR KEY SHARE`) until the
commit, against who settles it: that takes `FOR UPDATE`, waits for every lease that is being given, and reads after it.
A lease that goes on or is given back has to have the token id that was read: every change of a lease gives it another
one or frees it. A second lease of one holder the unique key refuses; then its first one is read, and goes on.

**When it does not hold**, nothing was written; it is read and decided again, and after `_TRIES` under the pool's lock.
Under it from the beginning: pools that are new or not in order, reserved seats (a holder of a group has two areas to
look in), borrowing (a count), forced ends, and claims that begin a term.

That no slot is free is read in one statement, at one moment, and writes nothing: a full pool is refused without a lock.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from carnet.core._base import Struct
from carnet.core.lease_slots import GENERAL, Area
from carnet.core.leases import Lease, PoolFacts, Wanted
from carnet.server.ports import MAX_HOLDERS
from carnet.server.ports.leases import ANY_SLOT, LeaseChanges, LeaseFacts, LeaseQuery, LeaseRule
from carnet.server.records import AuditEntry
from carnet.server.storage import lease_statements as sql
from carnet.server.storage import lease_steps, rows
from carnet.server.storage.postgres.errors import (
    DRIVER_ERRORS,
    UNIQUE_VIOLATION,
    is_conflict,
    sqlstate_of,
    storage_error,
)
from carnet.server.storage.postgres.named import numbered
from carnet.server.storage.postgres.pool import HotPool
from carnet.server.storage.rows import leases as lease_rows

_T = TypeVar("_T")

_GROWING: Final[WeakKeyDictionary[HotPool, dict[str, asyncio.Future[None]]]] = WeakKeyDictionary()
"""Pools of licenses that grow now, by the license."""

_TRIES: Final = 4
"""Attempts without the pool's lock. Losing one means that others of the same pool, or the vendor, were faster."""

SPARE_SLOTS: Final = 255
"""How many slots a pool grows by at most at a time."""

_IN_FORCE: Final = """EXISTS (
    SELECT 1 FROM licenses l JOIN policies p ON p.id = l.policy_id
    LEFT JOIN lease_terms o ON o.subject_id = l.id
    LEFT JOIN lease_terms t ON t.subject_id = l.policy_id
    WHERE l.id = :license AND l.revision = :revision AND p.revision = :policy_revision
      AND coalesce(o.mark, t.mark) = :in_force
)"""

_POOL: Final = f"""
pool AS MATERIALIZED (
    SELECT license_id FROM lease_pools
    WHERE license_id = :license AND mark = :in_force AND is_settled = 1 AND {_IN_FORCE}
    FOR KEY SHARE
)"""  # noqa: S608 - our own text

# The pool first, then the slot: the sub-select is asked before the first row of `leases` is looked at.
_TAKE_ANY: Final = f"""{_POOL}, slot AS MATERIALIZED (
    SELECT license_id, slot FROM leases
    WHERE license_id = (SELECT license_id FROM pool) AND area = '{GENERAL}' AND {sql.IS_FREE}
    ORDER BY deadline LIMIT 1 FOR UPDATE SKIP LOCKED
), changed AS (
    UPDATE leases s SET {sql.HELD}, slot_limit = :limit FROM slot
    WHERE s.license_id = slot.license_id AND s.slot = slot.slot AND {sql.IS_FREE}
    RETURNING s.slot
)"""  # noqa: S608 - as above

_TAKE_OWN: Final = f"""{_POOL}, changed AS (
    UPDATE leases SET {sql.HELD}, slot_limit = :limit
    WHERE license_id = (SELECT license_id FROM pool) AND holder_kind = :kind AND holder_id = :holder AND jti = :was
      AND {sql.IS_FREE}
    RETURNING slot
)"""  # noqa: S608 - as above

_KEEP: Final = f"""
changed AS (
    UPDATE leases SET {sql.HELD}
    WHERE id = :id AND license_id = :license AND jti = :was AND released_at IS NULL AND {_IN_FORCE}
    RETURNING slot
)"""  # noqa: S608 - as above

# A suspended license takes its seats back, too: nothing of it is asked.
_FREE: Final = f"""
changed AS (
    UPDATE leases SET {sql.FREED} WHERE id = :id AND license_id = :license AND jti = :was AND released_at IS NULL
    RETURNING slot
)"""  # noqa: S608 - as above

_GROW: Final = f"""WITH {_POOL}
INSERT INTO leases (license_id, slot, area, slot_limit, name, is_borrowed, ttl_seconds, claimed_at, renewed_at,
    deadline, expires_at, covered_until, mark, jti, kid)
SELECT pool.license_id, slot, '{GENERAL}', :limit, '', 0, 0, 0, 0, 0, 0, 0, 0, '', ''
FROM pool, generate_series(:first, :last) AS slot ON CONFLICT DO NOTHING
"""  # noqa: S608 - as above

_AUDIT: Final = """, audited AS (
    INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, details)
    SELECT :at, :actor_kind, :actor_id, :action, :object_kind, :object_id, :details FROM changed
)"""


def _whole(parts: str, *, is_audited: bool) -> str:
    return f"WITH {parts}{_AUDIT if is_audited else ''} SELECT slot FROM changed"  # noqa: S608 - as above


STATEMENTS: Final = {
    (name, is_audited): _whole(parts, is_audited=is_audited)
    for name, parts in {"any": _TAKE_ANY, "own": _TAKE_OWN, "keep": _KEEP, "free": _FREE}.items()
    for is_audited in (False, True)
}
"""What happens, and whether the audit is told."""


class LockNeededError(Exception):
    """What is asked has to be done under the pool's lock; nothing was written."""


class _Place(Struct):
    """A license's pool, and what `lease_statements.FACTS_AND_PLACE` says beside the facts."""

    pool: PoolFacts
    mark: int
    is_waiting: bool
    settled_mark: int | None
    is_settled: bool
    revision: int
    policy_revision: int
    area: str | None
    last_slot: int
    has_free: bool

    @property
    def is_simple(self) -> bool:
        """Whether the pool is in order, and the license's term has begun."""
        return not self.is_waiting and self.is_settled and self.settled_mark == self.mark


async def change(pool: HotPool, query: LeaseQuery, rule: LeaseRule[_T], service_now: int) -> _T:
    """
    `ports.LeaseStore.change_lease`: see the module.

    Raises:
        LockNeededError: It is for `lease_steps`; nothing was written.
    """
    if query.with_borrowed or query.holder is None:
        raise LockNeededError
    for _ in range(_TRIES):
        facts, place = await _read(pool, query, service_now)
        step = rule.judge(facts)
        if isinstance(step, Wanted):
            if place is None or not place.is_simple:
                raise LockNeededError
            way = _way(step, place, query)
            if way is None:
                return await _refused(pool, query, rule, facts)
            if way == "grow":
                await _grown(pool, step, place)
                way = "any"
            changes = rule.grant(facts, step, ANY_SLOT)
        else:
            way, changes = None, step
        if _writes_nothing(changes):
            return changes.outcome
        if place is None or not _is_plain(changes, way):
            raise LockNeededError
        if await _apply(pool, changes, way, place, query):
            return changes.outcome
    raise LockNeededError


async def _read(pool: HotPool, query: LeaseQuery, service_now: int) -> tuple[LeaseFacts, _Place | None]:
    text = sql.FACTS_AND_PLACE[lease_steps.way_to_license(query), query.lease_id is not None]
    values = {**lease_steps.query_values(query), "service": service_now, "now": int(query.at)}
    statement, names = numbered(text)
    (row,) = await pool.read(statement, *(values[name] for name in names))
    facts = lease_steps.facts_from(row, service_now)
    if facts.pool is None:
        return facts, None
    mark, is_settled, revision, policy_revision, area, last_slot, has_free = row[sql.FIRST_PLACE :]
    return facts, _Place(
        pool=facts.pool,
        mark=facts.mark,
        is_waiting=facts.waiting is not None,
        settled_mark=mark,
        is_settled=bool(is_settled),
        revision=revision,
        policy_revision=policy_revision,
        area=area,
        last_slot=-1 if last_slot is None else last_slot,
        has_free=has_free,
    )


def _way(wanted: Wanted, place: _Place, query: LeaseQuery) -> str | None:
    """
    How a slot is found; None: there is none.

    Raises:
        LockNeededError: It is not for here.
    """
    own = place.pool.lease
    if own is not None and place.area in [area.name for area in wanted.areas]:
        if own.deadline <= place.pool.service_now and own.covered_until <= query.at:
            return "own"
        raise LockNeededError
    if own is not None or len(wanted.areas) > 1:
        raise LockNeededError
    if place.has_free:
        return "any"
    (general,) = wanted.areas
    return None if general.end is not None and _next_slot(place, general) >= general.end else "grow"


def _next_slot(place: _Place, general: Area) -> int:
    return max(place.last_slot + 1, general.first)


async def _grown(pool: HotPool, wanted: Wanted, place: _Place) -> None:
    """Let the pool grow; of many who find it too small at once in this process, one makes the slots for all of them."""
    under_way = _GROWING.setdefault(pool, {})
    license_id = place.pool.license.id
    task = under_way.get(license_id)
    if task is None:
        task = under_way[license_id] = asyncio.ensure_future(_grow(pool, wanted, place))
        task.add_done_callback(lambda done: _has_grown(under_way, license_id, done))
    await asyncio.shield(task)


def _has_grown(under_way: dict[str, asyncio.Future[None]], license_id: str, done: asyncio.Future[None]) -> None:
    under_way.pop(license_id, None)
    if not done.cancelled():
        done.exception()  # whoever still waits is told; where nobody does, nothing is to be said


async def _grow(pool: HotPool, wanted: Wanted, place: _Place) -> None:
    """Make free slots behind the last one; some, or none, where others do the same."""
    (general,) = wanted.areas
    first = _next_slot(place, general)
    last = lease_steps.last_spare(first, SPARE_SLOTS, general.end)
    values = {**_guard_values(place), "first": first, "last": last, "limit": general.end}
    statement, names = numbered(_GROW)
    try:
        await pool.write(statement, *(values[each] for each in names))
    except DRIVER_ERRORS as error:
        if not is_conflict(error):
            raise storage_error(error, was_sent=True) from error


async def _refused(pool: HotPool, query: LeaseQuery, rule: LeaseRule[_T], facts: LeaseFacts) -> _T:
    """No slot was free at the moment of the read; who holds them is a second one."""
    assert facts.pool is not None  # noqa: S101 - only a license's pool has areas
    values = {
        "license": facts.pool.license.id,
        "service": facts.pool.service_now,
        "now": int(query.at),
        "most": MAX_HOLDERS,
    }
    statement, names = numbered(sql.HOLDERS)
    found = await pool.read(statement, *(values[name] for name in names))
    return rule.refuse(facts, tuple(lease_rows.lease_from(each) for each in found)).outcome


def _is_plain(changes: LeaseChanges[Any], way: str | None) -> bool:
    """Whether one statement writes all of it: one slot, and at most one line of the audit."""
    wanted = [each for each in (changes.take, changes.keep, changes.free) if each is not None]
    if len(wanted) != 1 or len(changes.audit) > 1 or changes.events:
        return False
    return changes.ending is None and changes.begins is None and (changes.take is None or way is not None)


async def _apply(pool: HotPool, changes: LeaseChanges[Any], way: str | None, place: _Place, query: LeaseQuery) -> bool:
    """Whether the statement changed what it is to change; if not, it wrote nothing."""
    name = way or ("keep" if changes.keep is not None else "free")
    lease = changes.take or changes.keep or changes.free
    assert lease is not None  # noqa: S101 - asked before
    before = place.pool.lease
    values = {
        **lease_steps.lease_values(lease, changes.mark, place.pool, query.at),
        **_audit_values(changes.audit),
        "was": None if before is None else before.jti,
        "released": _released(lease),
        **_guard_values(place),
    }
    statement, names = numbered(STATEMENTS[name, bool(changes.audit)])
    try:
        return bool(await pool.write(statement, *(values[each] for each in names)))
    except DRIVER_ERRORS as error:
        if sqlstate_of(error) == UNIQUE_VIOLATION or is_conflict(error):
            return False  # undone as a whole: the same holder was faster
        raise storage_error(error, was_sent=True) from error


def _guard_values(place: _Place) -> dict[str, Any]:
    return {
        "license": place.pool.license.id,
        "revision": place.revision,
        "policy_revision": place.policy_revision,
        "in_force": place.mark,
    }


def _audit_values(entries: tuple[AuditEntry, ...]) -> dict[str, Any]:
    return rows.audit_values(entries[0]) if entries else {}


def _released(lease: Lease) -> int | None:
    return None if lease.released_at is None else int(lease.released_at)


def _writes_nothing(changes: LeaseChanges[Any]) -> bool:
    written = (changes.take, changes.keep, changes.free, changes.ending, changes.begins)
    return not (changes.audit or changes.events) and all(each is None for each in written)

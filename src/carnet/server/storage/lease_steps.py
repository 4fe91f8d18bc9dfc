"""
What happens to leases, written once: generators that yield a statement and are sent its rows (style.md §2 principle 2).

A driver runs them, in a transaction where they change something: SQLite holds its write lock from the beginning
(design.md §2 rule 6); PostgreSQL, where `postgres.lease_guards` does not serve, locks the pool's row first and reads
after it, so that what is read is what is there.
A free slot is found by index, the one that lapsed longest first; a new one has the number after its area's highest: a
claim costs the same in a pool of ten and of ten thousand. Every statement that gives a slot asks once more whether it
is free, and the table's own keys stand behind it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from carnet.core.instant import Instant
from carnet.core.lease_slots import GENERAL, Area, areas, settle
from carnet.core.leases import Lease, LeaseEnding, PoolFacts, Wanted
from carnet.core.progress import Begun, Progress, progress_from_json, progress_to_json
from carnet.server.ports import MAX_HOLDERS
from carnet.server.ports.leases import LeaseChanges, LeaseFacts, LeaseQuery, LeaseRenewal, LeaseRenewed, LeaseRule
from carnet.server.storage import lease_statements as sql
from carnet.server.storage import rows
from carnet.server.storage.errors import seat_guard
from carnet.server.storage.rows import leases as lease_rows
from carnet.server.storage.rows.models import EVENT_COLUMNS
from carnet.server.storage.rows.values import read_json, write_json

_T = TypeVar("_T")


class Statement(NamedTuple):
    """One statement of `lease_statements`, or of a driver, with its named values."""

    sql: str
    values: Mapping[str, Any]


Steps: TypeAlias = "Generator[Statement, Sequence[Any], _T]"

ENDINGS_KEPT_SECONDS = 400 * 86400
"""How long the holder of a lease that was taken away can still learn why; longer than any lease or cool-down."""

_NO_END = 2**62
_LEAST_SPARE = 15


class OvertakenError(Exception):
    """Another transaction changed the license meanwhile; to be undone and done again."""


def renew(renewal: LeaseRenewal, service_now: int) -> Steps[LeaseRenewed | None]:
    """`ports.LeaseStore.renew_lease`: one statement."""
    lookups = renewal.lookups or (b"",)
    found = yield Statement(
        sql.RENEW,
        {
            "service": service_now,
            "now": int(renewal.at),
            "jti": renewal.jti,
            "kid": renewal.kid,
            "lease": renewal.lease_id,
            "kind": renewal.holder.kind,
            "holder": renewal.holder.id,
            "asked": renewal.asked_seconds or 0,
            "typed": lookups[0],
            "canonical": lookups[-1],
            "license": renewal.license_id,
            "product": renewal.product,
        },
    )
    if not found:
        return None
    license_id, ttl_seconds, expires_at = found[0]
    return LeaseRenewed(license_id=license_id, ttl_seconds=ttl_seconds, expires_at=Instant(expires_at))


def way_to_license(query: LeaseQuery) -> str:
    """How the license of *query* is found: a key of `lease_statements.LICENSES`."""
    if query.lookups:
        return "key"
    return "lease" if query.license_id is None else "id"


def query_values(query: LeaseQuery) -> dict[str, Any]:
    """The values that finding a license and a lease needs."""
    lookups = query.lookups or (b"",)
    return {
        "product": query.product,
        "typed": lookups[0],
        "canonical": lookups[-1],
        "license": query.license_id,
        "lease": query.lease_id,
        "kind": None if query.holder is None else query.holder.kind,
        "holder": None if query.holder is None else query.holder.id,
    }


def find(query: LeaseQuery, service_now: int) -> Steps[LeaseFacts]:
    """`ports.LeaseStore.find_lease`: one statement, and one more where borrowed leases are counted."""
    (row,) = yield Statement(sql.FACTS[way_to_license(query), query.lease_id is not None], query_values(query))
    borrowed = 0
    if query.with_borrowed and row[1] is not None:
        ((borrowed,),) = yield Statement(
            sql.BORROWED, {"license": row[1], "service": service_now, "now": int(query.at)}
        )
    return facts_from(row, service_now, borrowed=borrowed)


def facts_from(row: Sequence[Any], service_now: int, *, borrowed: int = 0) -> LeaseFacts:
    """The facts that a row of `lease_statements.FACTS` holds."""
    known = bool(row[0])
    if row[1] is None:
        return LeaseFacts(product_known=known)
    lease_at, ending_at = sql.FIRST_LEASE, sql.FIRST_ENDING
    waiting, terms, mark, is_registered = row[lease_at - 4 : lease_at]
    pool = PoolFacts(
        license=lease_rows.license_facts_from(row[1:]),
        terms=None if terms is None else lease_rows.lease_terms_of(terms),
        service_now=service_now,
        lease=None if row[lease_at] is None else lease_rows.lease_from(row[lease_at:]),
        ending=None if row[ending_at] is None else lease_rows.ending_from(row[ending_at:]),
        is_registered=bool(is_registered),
        borrowed=borrowed,
    )
    progress = None if waiting is None else progress_from_json(read_json(waiting))
    return LeaseFacts(product_known=known, pool=pool, mark=mark or 0, waiting=progress)


def change(query: LeaseQuery, rule: LeaseRule[_T], service_now: int, *, spare: int = 0) -> Steps[_T]:
    """
    `ports.LeaseStore.change_lease`, inside a transaction that holds the pool's lock.

    Args:
        query: As there.
        rule: As there.
        service_now: The service clock.
        spare: How many free slots a pool that grows gets beside the one that is taken; fewer while it is small.

    Raises:
        OvertakenError: The license's term was begun, or changed, by another; only where no lock of all writers is held.
    """
    facts = yield from find(query, service_now)
    step = rule.judge(facts)
    if isinstance(step, LeaseChanges):
        changes = step
    else:
        changes = yield from _find_slot(query, rule, facts, step)
    if facts.pool is not None:
        yield from _write(changes, facts, query.at, spare)
    return changes.outcome


# ── finding a slot ───────────────────────────────────────────────────────────────────────────────────────────────────


def _find_slot(query: LeaseQuery, rule: LeaseRule[_T], facts: LeaseFacts, wanted: Wanted) -> Steps[LeaseChanges[_T]]:
    pool = facts.pool
    assert pool is not None  # noqa: S101 - only a license's pool has areas
    clock = {"license": pool.license.id, "service": pool.service_now, "now": int(query.at)}
    found = yield Statement(sql.POOL, clock)
    mark, is_settled = found[0] if found else (0, 0)
    slot = None
    if mark != facts.mark:
        yield from _settle(facts.mark, pool, clock)
        slot = yield from _free_slot(query, wanted, pool, clock)
    else:
        slot = yield from _free_slot(query, wanted, pool, clock)
        if slot is not None and not is_settled:
            # Somebody sits where they may not: they come first (users-ask 10).
            yield from _settle(facts.mark, pool, clock)
            slot = yield from _free_slot(query, wanted, pool, clock)
    if slot is not None:
        return rule.grant(facts, wanted, slot)
    holders = yield Statement(sql.HOLDERS, {**clock, "most": MAX_HOLDERS})
    return rule.refuse(facts, tuple(lease_rows.lease_from(each) for each in holders))


def _free_slot(query: LeaseQuery, wanted: Wanted, pool: PoolFacts, clock: Mapping[str, Any]) -> Steps[int | None]:
    holder = query.holder
    if pool.lease is not None and holder is not None:
        # Its own slot of last time, if that is free: a late renewal goes on, and pools stay small.
        own = yield Statement(sql.OWN_SLOT, {**clock, "kind": holder.kind, "holder": holder.id})
        if own and own[0][1] in [area.name for area in wanted.areas]:
            return int(own[0][0])
    for area in wanted.areas:
        free = yield Statement(sql.FREE_SLOT, {**clock, "area": area.name})
        slot = int(free[0][0]) if free else (yield from _new_slot(area, clock))
        if slot is not None:
            return slot
    return None


def _new_slot(area: Area, clock: Mapping[str, Any]) -> Steps[int | None]:
    end = _NO_END if area.end is None else area.end
    last = yield Statement(sql.LAST_SLOT, {**clock, "first": area.first, "end": end})
    number = int(last[0][0]) + 1 if last else area.first
    return number if number < end else None


def _settle(mark: int, pool: PoolFacts, clock: Mapping[str, Any]) -> Steps[None]:
    terms = pool.terms
    assert terms is not None  # noqa: S101 - without terms nothing is wanted
    found = yield Statement(sql.SLOTS, clock)
    now = Instant(clock["now"])
    settled = settle(terms, tuple(lease_rows.slot_from(row, pool.service_now, now) for row in found))
    for move in settled.moves:
        values = {
            **clock,
            "old": move.old,
            "slot": move.old if move.number is None else move.number,
            "area": move.area,
            "limit": terms.limit,
        }
        if move.number is None:
            yield Statement(sql.DROP_SLOT, values)
        else:
            yield Statement(sql.MAKE_SLOT if move.old is None else sql.MOVE_SLOT, values)
    yield Statement(sql.SET_POOL, {"license": pool.license.id, "mark": mark, "settled": int(settled.is_settled)})


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(changes: LeaseChanges[Any], facts: LeaseFacts, now: Instant, spare: int) -> Steps[None]:
    pool = facts.pool
    assert pool is not None  # noqa: S101 - only a license's leases change
    if changes.begins is not None and facts.waiting is not None:
        yield from _begin(changes.begins, facts.waiting, pool)
    if changes.take is not None:
        yield from _take(changes.take, changes.mark, pool, now, spare)
    if changes.keep is not None:
        kept = yield Statement(sql.KEEP, lease_values(changes.keep, changes.mark, pool, now))
        if not kept:
            raise seat_guard("goes on with a lease that is not held")
    if changes.free is not None:
        lease = changes.free
        values = {"released": lease.released_at, **lease_values(lease, changes.mark, pool, now)}
        freed = yield Statement(sql.FREE, values)
        if not freed:
            raise seat_guard("frees a slot that is not held")
    if changes.ending is not None:
        yield from _end(changes.ending)
    for entry in changes.audit:
        yield Statement(sql.AUDIT, rows.audit_values(entry))
    for event in changes.events:
        columns = zip(EVENT_COLUMNS, rows.event_values(event), strict=True)
        yield Statement(sql.EVENT, {f"event_{name}": value for name, value in columns})


def _begin(begun: Begun, waiting: Progress, pool: PoolFacts) -> Steps[None]:
    values = {
        "license": pool.license.id,
        "was": write_json(progress_to_json(waiting)),
        "progress": write_json(progress_to_json(begun.progress)),
        "starts": int(begun.starts_at),
        "ends": int(begun.expires_at),
    }
    if not (yield Statement(sql.BEGIN_TERM, values)):
        raise OvertakenError


def _take(lease: Lease, mark: int, pool: PoolFacts, now: Instant, spare: int) -> Steps[None]:
    every = () if pool.terms is None else areas(pool.terms)
    area = next((each.name for each in every if each.holds(lease.slot)), None)
    values = {**lease_values(lease, mark, pool, now), "area": area}
    if pool.lease is not None:  # the slot that it had before, if that is another
        yield Statement(sql.FORGET_HOLDER, values)
    taken = yield Statement(sql.TAKE_FREE, values)
    if not taken:
        yield Statement(sql.TAKE_NEW, values)  # a slot that is held refuses: it has its row already
        last = last_spare(lease.slot, spare, values["limit"])
        if spare and area == GENERAL and last > lease.slot:
            spared = {"license": lease.license_id, "area": area, "limit": values["limit"]}
            yield Statement(sql.MAKE_SPARE, {**spared, "first": lease.slot + 1, "last": last})


def last_spare(slot: int, spare: int, limit: int | None) -> int:
    """The last of the slots that are made together with *slot*: *spare* more, fewer in a small pool."""
    last = slot + min(spare, max(_LEAST_SPARE, slot))
    return last if limit is None else min(last, limit - 1)


def lease_values(lease: Lease, mark: int, pool: PoolFacts, now: Instant) -> dict[str, Any]:
    """The values of the statements that give, keep and free a slot."""
    return {
        "license": lease.license_id,
        "slot": lease.slot,
        "limit": None if pool.terms is None else pool.terms.limit,
        "id": lease.id,
        "kind": lease.holder.kind,
        "holder": lease.holder.id,
        "name": lease.name,
        "borrowed": int(lease.is_borrowed),
        "asked": lease.asked_seconds,
        "ttl": lease.ttl_seconds,
        "claimed": int(lease.claimed_at),
        "renewed": int(lease.renewed_at),
        "deadline": lease.deadline,
        "expires": int(lease.expires_at),
        "covered": int(lease.covered_until),
        "mark": mark,
        "jti": lease.jti,
        "kid": lease.kid,
        "service": pool.service_now,
        "now": int(now),
    }


def _end(ending: LeaseEnding) -> Steps[None]:
    yield Statement(sql.FORGET_ENDINGS, {"cutoff": int(ending.at) - ENDINGS_KEPT_SECONDS})
    yield Statement(
        sql.END,
        {
            "lease": ending.lease_id,
            "license": ending.license_id,
            "kind": ending.holder.kind,
            "holder": ending.holder.id,
            "at": int(ending.at),
            "reason": ending.reason,
            "blocked": int(ending.blocked_until),
        },
    )

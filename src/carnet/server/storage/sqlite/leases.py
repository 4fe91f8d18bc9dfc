"""
Leases as SQLite statements straight on the driver (design.md §9).

`renew` is one UPDATE of one row, found by its id. `change` runs inside the writer's transaction: the write lock is held
before anything is read (design.md §2 rule 6). A free slot is found by index, the one that lapsed longest first; a new
one gets the number after the area's highest; so a claim costs the same in a pool of ten and of ten thousand. Every
statement that gives a slot asks once more whether it is free, and the table's own keys stand behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar

from carnet.core.instant import Instant
from carnet.core.lease_slots import Area, areas, settle
from carnet.core.leases import Lease, LeaseEnding, PoolFacts, Wanted
from carnet.server.ports import MAX_HOLDERS
from carnet.server.ports.leases import LeaseChanges, LeaseFacts, LeaseQuery, LeaseRenewal, LeaseRenewed, LeaseRule
from carnet.server.records import AuditEntry
from carnet.server.storage import rows
from carnet.server.storage.errors import seat_guard
from carnet.server.storage.rows import leases as lease_rows

_T = TypeVar("_T")

ENDINGS_KEPT_SECONDS = 400 * 86400
"""How long the holder of a lease that was taken away can still learn why; longer than any lease or cool-down."""

_LEASE = ", ".join(f"s.{column}" for column in lease_rows.LEASE_COLUMNS)
_OWN = ", ".join(lease_rows.LEASE_COLUMNS)
_ENDING = "e.lease_id, e.license_id, e.holder_kind, e.holder_id, e.at, e.reason, e.blocked_until"
_IS_LIVE = "id IS NOT NULL AND released_at IS NULL AND (deadline > :service OR covered_until > :now)"
_IS_FREE = "deadline <= :service AND covered_until <= :now"

_BY_KEY = (
    "coalesce((SELECT id FROM licenses WHERE key_lookup = :typed),"
    " (SELECT id FROM licenses WHERE key_lookup = :canonical))"
)
_BY_ID = "(SELECT id FROM licenses WHERE id = :license)"
_BY_LEASE = (
    "coalesce((SELECT license_id FROM leases WHERE id = :lease),"
    " (SELECT license_id FROM lease_endings WHERE lease_id = :lease))"
)
_OF_HOLDER = "s.license_id = l.id AND s.holder_kind = :kind AND s.holder_id = :holder"
_OF_ID = "s.license_id = l.id AND s.id = :lease"
_LAST_ENDING = (
    "(SELECT lease_id FROM lease_endings WHERE license_id = l.id AND holder_kind = :kind AND holder_id = :holder"
    " ORDER BY at DESC LIMIT 1)"
)


def _facts_statement(license_: str, lease: str, ending: str) -> str:
    return (
        f"SELECT EXISTS (SELECT 1 FROM products WHERE id = :product), {', '.join(lease_rows.LICENSE_FACTS)},"  # noqa: S608 - built from our own column names only
        " coalesce(o.terms, t.terms), coalesce(o.mark, t.mark),"
        " EXISTS (SELECT 1 FROM activations a WHERE a.license_id = l.id AND a.fingerprint = :holder"
        f" AND a.deactivated_at IS NULL), {_LEASE}, {_ENDING}"
        " FROM (SELECT 1)"
        f" LEFT JOIN licenses l ON l.id = {license_}"
        " LEFT JOIN policies p ON p.id = l.policy_id"
        " LEFT JOIN lease_terms o ON o.subject_id = l.id"
        " LEFT JOIN lease_terms t ON t.subject_id = l.policy_id"
        f" LEFT JOIN leases s ON {lease}"
        f" LEFT JOIN lease_endings e ON e.lease_id = {ending}"
    )


_BORROWED = f"SELECT count(*) FROM leases WHERE license_id = :license AND is_borrowed = 1 AND {_IS_LIVE}"  # noqa: S608 - as above
_HOLDERS = f"SELECT {_OWN} FROM leases WHERE license_id = :license AND {_IS_LIVE} ORDER BY claimed_at, id LIMIT :most"  # noqa: S608 - as above

# One row, by its id; everything else is a condition. What is not as it was when the rule was asked last gives no row.
_RENEW = """
UPDATE leases SET deadline = :service + ttl_seconds, expires_at = :now + ttl_seconds,
    covered_until = max(covered_until, :now + ttl_seconds), renewed_at = :now, jti = :jti, kid = :kid
WHERE id = :lease AND holder_kind = :kind AND holder_id = :holder AND asked_seconds IS :asked
  AND released_at IS NULL AND is_borrowed = 0 AND deadline > :service
  AND EXISTS (
    SELECT 1 FROM licenses l
    LEFT JOIN lease_terms o ON o.subject_id = l.id
    LEFT JOIN lease_terms t ON t.subject_id = l.policy_id
    WHERE l.id = leases.license_id AND (l.key_lookup IN (:typed, :canonical) OR l.id = :license)
      AND l.product_id = :product AND l.status = 'active' AND (l.starts_at IS NULL OR l.starts_at <= :now)
      AND (l.expires_at IS NULL OR :now + leases.ttl_seconds <= l.expires_at)
      AND coalesce(o.mark, t.mark) = leases.mark
  )
RETURNING license_id, ttl_seconds, expires_at
"""

_POOL = "SELECT mark, is_settled FROM lease_pools WHERE license_id = ?"
_SET_POOL = (
    "INSERT INTO lease_pools (license_id, mark, is_settled) VALUES (?, ?, ?)"
    " ON CONFLICT (license_id) DO UPDATE SET mark = excluded.mark, is_settled = excluded.is_settled"
)
_SLOTS = (
    "SELECT slot, area, id, holder_kind, holder_id, deadline, covered_until, released_at FROM leases"
    " WHERE license_id = ?"
)
_DROP_SLOT = "DELETE FROM leases WHERE license_id = :license AND slot = :slot"
_MAKE_SLOT = (
    "INSERT INTO leases (license_id, slot, area, slot_limit, name, is_borrowed, ttl_seconds, claimed_at, renewed_at,"
    " deadline, expires_at, covered_until, mark, jti, kid)"
    " VALUES (:license, :slot, :area, :limit, '', 0, 0, 0, 0, 0, 0, 0, 0, '', '')"
)
_MOVE_SLOT = (
    "UPDATE leases SET slot = :slot, area = :area, slot_limit = CASE WHEN :area IS NULL THEN slot_limit ELSE :limit END"
    " WHERE license_id = :license AND slot = :old"
)
_FREE_SLOT = (
    f"SELECT slot FROM leases WHERE license_id = :license AND area = :area AND {_IS_FREE} ORDER BY deadline LIMIT 1"  # noqa: S608 - as above
)
_OWN_SLOT = f"SELECT slot, area FROM leases WHERE license_id = :license AND holder_kind = :kind AND holder_id = :holder AND {_IS_FREE}"  # noqa: E501, S608 - as above
_LAST_SLOT = (
    "SELECT slot FROM leases WHERE license_id = :license AND slot >= :first AND slot < :end ORDER BY slot DESC LIMIT 1"
)
_FORGET_HOLDER = (
    "UPDATE leases SET id = NULL, holder_kind = NULL, holder_id = NULL"  # noqa: S608 - as above
    f" WHERE license_id = :license AND holder_kind = :kind AND holder_id = :holder AND slot <> :slot AND {_IS_FREE}"
)
_HELD = (
    "id = :id, holder_kind = :kind, holder_id = :holder, name = :name, is_borrowed = :borrowed, asked_seconds = :asked,"
    " ttl_seconds = :ttl, claimed_at = :claimed, renewed_at = :renewed, deadline = :deadline, expires_at = :expires,"
    " covered_until = :covered, released_at = NULL, mark = :mark, jti = :jti, kid = :kid"
)
_TAKE_FREE = (
    f"UPDATE leases SET {_HELD}, slot_limit = :limit WHERE license_id = :license AND slot = :slot AND {_IS_FREE}"  # noqa: S608 - as above
)
_TAKE_NEW = (
    "INSERT INTO leases (license_id, slot, area, slot_limit, id, holder_kind, holder_id, name, is_borrowed,"
    " asked_seconds, ttl_seconds, claimed_at, renewed_at, deadline, expires_at, covered_until, released_at, mark, jti,"
    " kid) VALUES (:license, :slot, :area, :limit, :id, :kind, :holder, :name, :borrowed, :asked, :ttl, :claimed,"
    " :renewed, :deadline, :expires, :covered, NULL, :mark, :jti, :kid)"
)
_KEEP = f"UPDATE leases SET {_HELD} WHERE license_id = :license AND slot = :slot AND id = :id AND released_at IS NULL"  # noqa: S608 - as above
_FREE = (
    "UPDATE leases SET released_at = :released, deadline = min(deadline, :service), covered_until = 0, is_borrowed = 0"
    " WHERE license_id = :license AND slot = :slot AND id = :id AND released_at IS NULL"
)
_END = "INSERT INTO lease_endings VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGET_ENDINGS = "DELETE FROM lease_endings WHERE at < ?"
_INSERT_AUDIT = (
    "INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, details)"
    " VALUES (:at, :actor_kind, :actor_id, :action, :object_kind, :object_id, :details)"
)

_PLACES = {
    (True, False): (_BY_KEY, _OF_HOLDER, _LAST_ENDING),
    (True, True): (_BY_KEY, _OF_ID, ":lease AND e.license_id = l.id"),
    (False, False): (_BY_ID, _OF_HOLDER, _LAST_ENDING),
    (False, True): (_BY_ID, _OF_ID, ":lease AND e.license_id = l.id"),
}
_FIND = {shape: _facts_statement(*places) for shape, places in _PLACES.items()}
_FIND_BY_LEASE = _facts_statement(_BY_LEASE, _OF_ID, ":lease")

_FIRST_LEASE = 1 + len(lease_rows.LICENSE_FACTS) + 3
_FIRST_ENDING = _FIRST_LEASE + lease_rows.LEASE_WIDTH


def renew(connection: sqlite3.Connection, renewal: LeaseRenewal, service_now: int) -> LeaseRenewed | None:
    """`ports.LeaseStore.renew_lease`, inside a transaction."""
    lookups = renewal.lookups or (b"",)
    row = connection.execute(
        _RENEW,
        {
            "service": service_now,
            "now": int(renewal.at),
            "jti": renewal.jti,
            "kid": renewal.kid,
            "lease": renewal.lease_id,
            "kind": renewal.holder.kind,
            "holder": renewal.holder.id,
            "asked": renewal.asked_seconds,
            "typed": lookups[0],
            "canonical": lookups[-1],
            "license": renewal.license_id,
            "product": renewal.product,
        },
    ).fetchone()
    return None if row is None else LeaseRenewed(license_id=row[0], ttl_seconds=row[1], expires_at=Instant(row[2]))


def find(connection: sqlite3.Connection, query: LeaseQuery, service_now: int) -> LeaseFacts:
    """The facts of `ports.LeaseStore.find_lease`, in one SELECT (and one more where borrowed leases are counted)."""
    by_lease = not query.lookups and query.license_id is None
    statement = _FIND_BY_LEASE if by_lease else _FIND[bool(query.lookups), query.lease_id is not None]
    lookups = query.lookups or (b"",)
    values = {
        "product": query.product,
        "typed": lookups[0],
        "canonical": lookups[-1],
        "license": query.license_id,
        "lease": query.lease_id,
        "kind": None if query.holder is None else query.holder.kind,
        "holder": None if query.holder is None else query.holder.id,
    }
    row: Sequence[Any] = connection.execute(statement, values).fetchone()
    if row[1] is None:
        return LeaseFacts(product_known=bool(row[0]))
    borrowed = 0
    if query.with_borrowed:
        at = {"license": row[1], "service": service_now, "now": int(query.at)}
        borrowed = connection.execute(_BORROWED, at).fetchone()[0]
    terms = row[_FIRST_LEASE - 3]
    pool = PoolFacts(
        license=lease_rows.license_facts_from(row[1:]),
        terms=None if terms is None else lease_rows.lease_terms_of(terms),
        service_now=service_now,
        lease=None if row[_FIRST_LEASE] is None else lease_rows.lease_from(row[_FIRST_LEASE:]),
        ending=None if row[_FIRST_ENDING] is None else lease_rows.ending_from(row[_FIRST_ENDING:]),
        is_registered=bool(row[_FIRST_LEASE - 1]),
        borrowed=borrowed,
    )
    return LeaseFacts(product_known=bool(row[0]), pool=pool, mark=row[_FIRST_LEASE - 2] or 0)


def change(connection: sqlite3.Connection, query: LeaseQuery, rule: LeaseRule[_T], service_now: int) -> _T:
    """`ports.LeaseStore.change_lease`, inside a transaction that holds the write lock."""
    facts = find(connection, query, service_now)
    step = rule.judge(facts)
    changes = step if isinstance(step, LeaseChanges) else _find_slot(connection, query, rule, facts, step)
    if facts.pool is not None:
        _write(connection, changes, facts.pool, query.at)
    return changes.outcome


def _find_slot(
    connection: sqlite3.Connection, query: LeaseQuery, rule: LeaseRule[_T], facts: LeaseFacts, wanted: Wanted
) -> LeaseChanges[_T]:
    pool = facts.pool
    assert pool is not None  # noqa: S101 - only a license's pool has areas
    clock = {"license": pool.license.id, "service": pool.service_now, "now": int(query.at)}
    settled = connection.execute(_POOL, (pool.license.id,)).fetchone()
    slot = None
    if settled is None or settled[0] != facts.mark:
        _settle(connection, facts, pool, clock)
        slot = _free_slot(connection, query, wanted, clock)
    else:
        slot = _free_slot(connection, query, wanted, clock)
        if slot is not None and not settled[1]:
            # Somebody sits where they may not: they come first (users-ask 10).
            _settle(connection, facts, pool, clock)
            slot = _free_slot(connection, query, wanted, clock)
    if slot is not None:
        return rule.grant(facts, wanted, slot)
    found = connection.execute(_HOLDERS, {**clock, "most": MAX_HOLDERS})
    return rule.refuse(facts, tuple(lease_rows.lease_from(each) for each in found))


def _free_slot(connection: sqlite3.Connection, query: LeaseQuery, wanted: Wanted, clock: dict[str, Any]) -> int | None:
    holder = query.holder
    assert holder is not None  # noqa: S101 - only a holder wants a slot
    names = [area.name for area in wanted.areas]
    # Its own slot of last time, if that is free: a late renewal goes on, and pools stay small.
    own = connection.execute(_OWN_SLOT, {**clock, "kind": holder.kind, "holder": holder.id}).fetchone()
    if own is not None and own[1] in names:
        return int(own[0])
    for area in wanted.areas:
        row = connection.execute(_FREE_SLOT, {**clock, "area": area.name}).fetchone()
        slot = _new_slot(connection, area, clock) if row is None else int(row[0])
        if slot is not None:
            return slot
    return None


def _new_slot(connection: sqlite3.Connection, area: Area, clock: dict[str, Any]) -> int | None:
    end = 2**62 if area.end is None else area.end
    row = connection.execute(_LAST_SLOT, {**clock, "first": area.first, "end": end}).fetchone()
    number = area.first if row is None else int(row[0]) + 1
    return number if number < end else None


def _settle(connection: sqlite3.Connection, facts: LeaseFacts, pool: PoolFacts, clock: dict[str, Any]) -> None:
    terms = pool.terms
    assert terms is not None  # noqa: S101 - without terms nothing is wanted
    found = connection.execute(_SLOTS, (pool.license.id,)).fetchall()
    slots = tuple(lease_rows.slot_from(row, pool.service_now, Instant(clock["now"])) for row in found)
    settled = settle(terms, slots)
    for move in settled.moves:
        values = {
            "license": pool.license.id,
            "old": move.old,
            "slot": move.old if move.number is None else move.number,
            "area": move.area,
            "limit": terms.limit,
        }
        if move.number is None:
            connection.execute(_DROP_SLOT, values)
        else:
            connection.execute(_MAKE_SLOT if move.old is None else _MOVE_SLOT, values)
    connection.execute(_SET_POOL, (pool.license.id, facts.mark, int(settled.is_settled)))


def _write(connection: sqlite3.Connection, changes: LeaseChanges[Any], pool: PoolFacts, now: Instant) -> None:
    if changes.take is not None:
        _take(connection, changes.take, changes.mark, pool, now)
    if changes.keep is not None:
        values = _values(changes.keep, changes.mark, pool)
        if connection.execute(_KEEP, values).rowcount != 1:
            raise seat_guard("goes on with a lease that is not held")
    if changes.free is not None:
        lease = changes.free
        values = {
            "license": lease.license_id,
            "slot": lease.slot,
            "id": lease.id,
            "released": lease.released_at,
            "service": pool.service_now,
        }
        if connection.execute(_FREE, values).rowcount != 1:
            raise seat_guard("frees a slot that is not held")
    if changes.ending is not None:
        _end(connection, changes.ending)
    for entry in changes.audit:
        _audit(connection, entry)


def _take(connection: sqlite3.Connection, lease: Lease, mark: int, pool: PoolFacts, now: Instant) -> None:
    values = {**_values(lease, mark, pool), "service": pool.service_now, "now": int(now)}
    try:
        connection.execute(_FORGET_HOLDER, values)
        if connection.execute(_TAKE_FREE, values).rowcount != 1:
            area = next((each for each in _areas_of(pool) if each.holds(lease.slot)), None)
            connection.execute(_TAKE_NEW, {**values, "area": None if area is None else area.name})
    except sqlite3.IntegrityError as error:
        raise seat_guard("takes a slot that is not free") from error


def _areas_of(pool: PoolFacts) -> tuple[Area, ...]:
    return () if pool.terms is None else areas(pool.terms)


def _values(lease: Lease, mark: int, pool: PoolFacts) -> dict[str, Any]:
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
    }


def _end(connection: sqlite3.Connection, ending: LeaseEnding) -> None:
    connection.execute(_FORGET_ENDINGS, (int(ending.at) - ENDINGS_KEPT_SECONDS,))
    connection.execute(_END, lease_rows.ending_values(ending))


def _audit(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    connection.execute(_INSERT_AUDIT, rows.audit_values(entry))

"""
The statements of leases, once for both databases: named parameters, and nothing that only one of them understands.

`{locked}` is where PostgreSQL locks the row that was found, passing by those that a renewal under way holds; SQLite's
write lock is held already.
"""

from __future__ import annotations

from typing import Final

from carnet.server.storage.rows import leases as lease_rows
from carnet.server.storage.rows.models import EVENT_COLUMNS

_LEASE = ", ".join(f"s.{column}" for column in lease_rows.LEASE_COLUMNS)
_OWN = ", ".join(lease_rows.LEASE_COLUMNS)
_ENDING = "e.lease_id, e.license_id, e.holder_kind, e.holder_id, e.at, e.reason, e.blocked_until"
_IS_LIVE = "id IS NOT NULL AND released_at IS NULL AND (deadline > :service OR covered_until > :now)"
IS_FREE: Final = "deadline <= :service AND covered_until <= :now"

# The typed text first, then its canonical form: imported keys work verbatim.
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
_THIS_ENDING = ":lease AND e.license_id = l.id"

FIRST_LEASE: Final = 1 + len(lease_rows.LICENSE_FACTS) + 4
"""Where the lease begins in a row of facts; before it: product known, license, progress, terms, mark, registered."""

FIRST_ENDING: Final = FIRST_LEASE + lease_rows.LEASE_WIDTH
FIRST_PLACE: Final = FIRST_ENDING + lease_rows.ENDING_WIDTH

# Of the pool: what its slots were settled under, whether any general one is free, the last one; of the license: what
# tells whether the vendor changed it.
_PLACE = (
    f", q.mark, q.is_settled, l.revision, p.revision, s.area, (SELECT max(slot) FROM leases WHERE license_id = l.id),"  # noqa: S608 - built from our own column names only
    f" EXISTS (SELECT 1 FROM leases WHERE license_id = l.id AND area = '' AND {IS_FREE})"
)


def _facts(license_: str, lease: str, ending: str, *, with_place: bool = False) -> str:
    pool = " LEFT JOIN lease_pools q ON q.license_id = l.id" if with_place else ""
    return (
        f"SELECT EXISTS (SELECT 1 FROM products WHERE id = :product), {', '.join(lease_rows.LICENSE_FACTS)},"  # noqa: S608 - built from our own column names only
        " CASE WHEN l.progress LIKE '%pending%' THEN l.progress END,"
        " coalesce(o.terms, t.terms), coalesce(o.mark, t.mark),"
        " EXISTS (SELECT 1 FROM activations a WHERE a.license_id = l.id AND a.fingerprint = :holder"
        f" AND a.deactivated_at IS NULL), {_LEASE}, {_ENDING}{_PLACE if with_place else ''}"
        " FROM (SELECT 1) AS one"
        f" LEFT JOIN licenses l ON l.id = {license_}"
        " LEFT JOIN policies p ON p.id = l.policy_id"
        " LEFT JOIN lease_terms o ON o.subject_id = l.id"
        " LEFT JOIN lease_terms t ON t.subject_id = l.policy_id"
        f" LEFT JOIN leases s ON {lease}"
        f" LEFT JOIN lease_endings e ON e.lease_id = {ending}{pool}"
    )


LICENSES: Final = {"key": _BY_KEY, "id": _BY_ID, "lease": _BY_LEASE}
"""How a license is found: by its key, by its id, by a lease of it."""

_WAYS = {
    ("key", False): (_BY_KEY, _OF_HOLDER, _LAST_ENDING),
    ("key", True): (_BY_KEY, _OF_ID, _THIS_ENDING),
    ("id", False): (_BY_ID, _OF_HOLDER, _LAST_ENDING),
    ("id", True): (_BY_ID, _OF_ID, _THIS_ENDING),
    ("lease", True): (_BY_LEASE, _OF_ID, ":lease"),
}
FACTS: Final = {way: _facts(*parts) for way, parts in _WAYS.items()}
"""By how the license is found, and whether a lease is named."""

FACTS_AND_PLACE: Final = {way: _facts(*parts, with_place=True) for way, parts in _WAYS.items()}
"""The same, and what else a statement has to know that gives a slot by itself."""

BORROWED: Final = f"SELECT count(*) FROM leases WHERE license_id = :license AND is_borrowed = 1 AND {_IS_LIVE}"  # noqa: S608 - as above
HOLDERS: Final = (
    f"SELECT {_OWN} FROM leases WHERE license_id = :license AND {_IS_LIVE} ORDER BY claimed_at, id LIMIT :most"  # noqa: S608 - as above
)

# One row, by its id; everything else is a condition. What is not as it was when the rule was asked last gives no row.
RENEW: Final = """
UPDATE leases SET deadline = :service + ttl_seconds, expires_at = :now + ttl_seconds,
    covered_until = CASE WHEN covered_until > :now + ttl_seconds THEN covered_until ELSE :now + ttl_seconds END,
    renewed_at = :now, jti = :jti, kid = :kid
WHERE id = :lease AND holder_kind = :kind AND holder_id = :holder AND coalesce(asked_seconds, 0) = :asked
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

POOL: Final = "SELECT mark, is_settled FROM lease_pools WHERE license_id = :license"
SET_POOL: Final = (
    "INSERT INTO lease_pools (license_id, mark, is_settled) VALUES (:license, :mark, :settled)"
    " ON CONFLICT (license_id) DO UPDATE SET mark = excluded.mark, is_settled = excluded.is_settled"
)
SLOTS: Final = (
    "SELECT slot, area, id, holder_kind, holder_id, deadline, covered_until, released_at FROM leases"
    " WHERE license_id = :license"
)
DROP_SLOT: Final = f"DELETE FROM leases WHERE license_id = :license AND slot = :slot AND {IS_FREE}"  # noqa: S608 - as above
MAKE_SLOT: Final = (
    "INSERT INTO leases (license_id, slot, area, slot_limit, name, is_borrowed, ttl_seconds, claimed_at, renewed_at,"
    " deadline, expires_at, covered_until, mark, jti, kid)"
    " VALUES (:license, :slot, :area, :limit, '', 0, 0, 0, 0, 0, 0, 0, 0, '', '')"
)
MOVE_SLOT: Final = (
    "UPDATE leases SET slot = :slot, area = :area, slot_limit = CASE WHEN :area IS NULL THEN slot_limit ELSE :limit END"
    " WHERE license_id = :license AND slot = :old"
)
FREE_SLOT: Final = (
    f"SELECT slot FROM leases WHERE license_id = :license AND area = :area AND {IS_FREE}"  # noqa: S608 - as above
    " ORDER BY deadline LIMIT 1{locked}"
)
OWN_SLOT: Final = (
    "SELECT slot, area FROM leases WHERE license_id = :license AND holder_kind = :kind AND holder_id = :holder"  # noqa: S608 - as above
    f" AND {IS_FREE}{{locked}}"
)
LAST_SLOT: Final = (
    "SELECT slot FROM leases WHERE license_id = :license AND slot >= :first AND slot < :end ORDER BY slot DESC LIMIT 1"
)
FORGET_HOLDER: Final = (
    "UPDATE leases SET id = NULL, holder_kind = NULL, holder_id = NULL"  # noqa: S608 - as above
    f" WHERE license_id = :license AND holder_kind = :kind AND holder_id = :holder AND slot <> :slot AND {IS_FREE}"
)
HELD: Final = (
    "id = :id, holder_kind = :kind, holder_id = :holder, name = :name, is_borrowed = :borrowed,"
    " asked_seconds = :asked, ttl_seconds = :ttl, claimed_at = :claimed, renewed_at = :renewed, deadline = :deadline,"
    " expires_at = :expires, covered_until = :covered, released_at = NULL, mark = :mark, jti = :jti, kid = :kid"
)
TAKE_FREE: Final = (
    f"UPDATE leases SET {HELD}, slot_limit = :limit WHERE license_id = :license AND slot = :slot AND {IS_FREE}"  # noqa: S608 - as above
    " RETURNING slot"
)
TAKE_NEW: Final = (
    "INSERT INTO leases (license_id, slot, area, slot_limit, id, holder_kind, holder_id, name, is_borrowed,"
    " asked_seconds, ttl_seconds, claimed_at, renewed_at, deadline, expires_at, covered_until, released_at, mark, jti,"
    " kid) VALUES (:license, :slot, :area, :limit, :id, :kind, :holder, :name, :borrowed, :asked, :ttl, :claimed,"
    " :renewed, :deadline, :expires, :covered, NULL, :mark, :jti, :kid)"
)
# Free slots beside one that was new, so that the next ones to come find theirs without waiting for the pool.
MAKE_SPARE: Final = (
    "WITH RECURSIVE numbers (slot) AS (SELECT CAST(:first AS BIGINT) UNION ALL SELECT slot + 1 FROM numbers"
    " WHERE slot < :last)"
    " INSERT INTO leases (license_id, slot, area, slot_limit, name, is_borrowed, ttl_seconds, claimed_at, renewed_at,"
    " deadline, expires_at, covered_until, mark, jti, kid)"
    " SELECT :license, slot, :area, :limit, '', 0, 0, 0, 0, 0, 0, 0, 0, '', '' FROM numbers WHERE true"
    " ON CONFLICT DO NOTHING"
)
KEEP: Final = (
    f"UPDATE leases SET {HELD} WHERE license_id = :license AND slot = :slot AND id = :id AND released_at IS NULL"  # noqa: S608 - as above
    " RETURNING slot"
)
# A slot that is given back is free whatever was signed for it, and by either clock.
FREED: Final = (
    "released_at = :released, covered_until = 0, is_borrowed = 0,"
    " deadline = CASE WHEN deadline > :service THEN :service ELSE deadline END"
)
FREE: Final = (
    f"UPDATE leases SET {FREED}"  # noqa: S608 - as above
    " WHERE license_id = :license AND slot = :slot AND id = :id AND released_at IS NULL RETURNING slot"
)
END: Final = (
    "INSERT INTO lease_endings (lease_id, license_id, holder_kind, holder_id, at, reason, blocked_until)"
    " VALUES (:lease, :license, :kind, :holder, :at, :reason, :blocked)"
)
# Whoever else began it, or changed it, in the meantime: then this gives no row.
BEGIN_TERM: Final = (
    "UPDATE licenses SET progress = :progress, starts_at = :starts, expires_at = :ends"
    " WHERE id = :license AND progress = :was RETURNING id"
)
EVENT: Final = (
    f"INSERT INTO events ({', '.join(EVENT_COLUMNS)})"  # noqa: S608 - as above
    f" VALUES ({', '.join(f':event_{name}' for name in EVENT_COLUMNS)})"
)
FORGET_ENDINGS: Final = "DELETE FROM lease_endings WHERE at < :cutoff"
AUDIT: Final = (
    "INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, details)"
    " VALUES (:at, :actor_kind, :actor_id, :action, :object_kind, :object_id, :details)"
)

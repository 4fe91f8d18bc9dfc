"""
The text of the hot statements, made from the tables' own columns.

A change of a seat is one statement: a guard (`seat`), what the guard alone decides about (the license's counter, the
activation), and what is written if and only if the guard gave a row. `seats` says why that is exact. Each text is made
once for each shape, so that the driver prepares it once on each connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final, Literal, TypeAlias

import sqlalchemy as sa

from carnet.server.ports import MAX_HOLDERS
from carnet.server.storage import rows
from carnet.server.storage.tables import activations, audit, events, issuances, licenses, seen_proofs
from carnet.server.storage.tables.traffic import remembered_requests

Kind: TypeAlias = Literal["take", "update", "free"]
"""What happens to a seat."""

Rest: TypeAlias = Literal["register", "audit", "events", "proof", "memory"]
"""What is written beside it."""

_TYPES: Final = {sa.Text: "text", sa.BigInteger: "bigint", sa.LargeBinary: "bytea", sa.SmallInteger: "smallint"}


def columns(table: sa.Table, prefix: str = "") -> str:
    """The columns of *table*, in its order, after *prefix*."""
    return ", ".join(f"{prefix}{column.name}" for column in table.c)


def _typed(first: int, chosen: Iterable[sa.Column[object]]) -> str:
    """Parameters from number *first* on, cast to the types of the *chosen* columns."""
    return ", ".join(f"${number}::{_TYPES[type(column.type)]}" for number, column in enumerate(chosen, first))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_POLICY: Final = ", ".join(f"p.{name}" for name in rows.POLICY_COLUMNS)

_FACTS = f"""
SELECT EXISTS (SELECT 1 FROM products WHERE id = $1),
       EXISTS (SELECT 1 FROM seen_proofs WHERE jti = $2),
       {columns(licenses, "l.")}, {_POLICY}, {columns(activations, "a.")}, l.product_id{{holders}}
FROM (SELECT 1) AS one
LEFT JOIN licenses l ON l.id = {{license}}
LEFT JOIN policies p ON p.id = l.policy_id
LEFT JOIN {{activation}}
"""  # noqa: S608 - built from our own column names only

# Rows beside the one of the facts, only where no seat is free.
_HOLDERS = f"""
LEFT JOIN LATERAL (
    SELECT {columns(activations)} FROM activations
    WHERE license_id = l.id AND deactivated_at IS NULL AND l.seat_limit IS NOT NULL AND l.seats_used >= l.seat_limit
    ORDER BY id LIMIT {MAX_HOLDERS}
) h ON true
ORDER BY h.id
"""  # noqa: S608 - as above


_SOURCE: Final = ", (SELECT issuer FROM installation WHERE id = 1), (SELECT ran_ms FROM service_clock WHERE id = 1)"


@cache
def find(*, by_key: bool, with_holders: bool, with_source: bool = False) -> str:
    """
    The statement that reads the facts of a seat.

    Args:
        by_key: Whether the license is found by its key.
        with_holders: Rows of holders beside the facts, where no seat is free.
        with_source: Which installation the database is of and how far its service clock is, as the last columns; not
            together with holders.

    Parameters: product, proof id, then typed and canonical look-up hash and fingerprint (*by_key*) or activation id.
    """
    if by_key:
        # The typed text first, then its canonical form: imported keys work verbatim.
        license_ = (
            "coalesce((SELECT id FROM licenses WHERE key_lookup = $3), (SELECT id FROM licenses WHERE key_lookup = $4))"
        )
        activation = (
            f"LATERAL (SELECT {columns(activations)} FROM activations WHERE license_id = l.id AND fingerprint = $5"  # noqa: S608 - as above
            " ORDER BY deactivated_at IS NULL DESC, id DESC LIMIT 1) a ON true"
        )
    else:
        license_ = "(SELECT license_id FROM activations WHERE id = $3)"
        activation = "activations a ON a.id = $3"
    holders = f", {columns(activations, 'h.')}" if with_holders else _SOURCE if with_source else ""
    text = _FACTS.format(license=license_, activation=activation, holders=holders)
    return text + _HOLDERS if with_holders else text


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# Guards' parameters: $1 license id, $2 its revision, and but for `free` $3 its policy's revision.

# $4 and $5 status list number and position, and the activation from $6.
_TAKE: Final = f"""
seat AS (
    UPDATE licenses l SET seats_used = l.seats_used + 1 FROM policies p
    WHERE l.id = $1 AND l.revision = $2 AND p.id = l.policy_id AND p.revision = $3
      AND (l.seat_limit IS NULL OR l.seats_used < l.seat_limit)
    RETURNING l.id
), place AS (
    INSERT INTO status_indices (sequence, position, subject, subject_id)
    SELECT $4::bigint, $5::bigint, 'activation', $6::text FROM seat
), activation AS (
    INSERT INTO activations ({columns(activations)}) SELECT {_typed(6, activations.c)} FROM seat
)"""  # noqa: S608 - as above

# $4 activation id, $5 the device key and $15 the stamp that the decision was made on, the others what changes. Of two
# refreshes at once the second is decided anew: each stamp has one after it.
_UPDATE: Final = """
seat AS (
    UPDATE activations a SET device_name = $6, platform = $7, public_key = $8, components = $9, user_id = $10,
        domain = $11, app_version = $12, refreshed_at = $13, covered_until = greatest(a.covered_until, $14),
        stamp = $16, stamp_shown = $17, forks = $18
    FROM licenses l JOIN policies p ON p.id = l.policy_id
    WHERE a.id = $4 AND a.license_id = l.id AND l.id = $1 AND l.revision = $2 AND p.revision = $3
      AND a.deactivated_at IS NULL AND a.public_key IS NOT DISTINCT FROM $5 AND a.stamp IS NOT DISTINCT FROM $15
    RETURNING a.id
)"""

# The license's row is locked first, as `take` does, so that the two never wait for each other. $3 activation id, $4 the
# device key that the decision was made on, $5 when.
_FREE: Final = """
locked AS (
    SELECT id FROM licenses WHERE id = $1 AND revision = $2 FOR NO KEY UPDATE
), freed AS (
    UPDATE activations a SET deactivated_at = $5 FROM locked
    WHERE a.id = $3 AND a.license_id = locked.id AND a.deactivated_at IS NULL
      AND a.public_key IS NOT DISTINCT FROM $4
    RETURNING a.license_id
), seat AS (
    UPDATE licenses l SET seats_used = l.seats_used - 1,
        seats_over = CASE WHEN l.seat_limit IS NULL THEN 0 ELSE greatest(0, l.seats_used - 1 - l.seat_limit) END
    FROM freed WHERE l.id = freed.license_id
    RETURNING l.id
)"""

_GUARDS: Final[dict[Kind, tuple[str, int]]] = {
    "take": (_TAKE, 5 + len(activations.c)),
    "update": (_UPDATE, 18),
    "free": (_FREE, 5),
}
"""A guard, and how many parameters it has."""

_RESTS: Final[dict[Rest, sa.Table]] = {
    "register": issuances,
    "audit": audit,
    "events": events,
    "proof": seen_proofs,
    "memory": remembered_requests,
}


@cache
def change(kind: Kind, rest: tuple[tuple[Rest, int], ...]) -> str:
    """
    The statement that changes a seat with all that belongs to it; it gives the number of seats changed, 1 or 0.

    Args:
        kind: What happens to the seat.
        rest: What else is written, and how many rows of it: all columns of its table but `seq`. As
            single values: for arrays the driver would have to look up types on every new connection.
    """
    guard, used = _GUARDS[kind]
    parts, number = [guard], used + 1
    for name, count in rest:
        table = _RESTS[name]
        written = tuple(column for column in table.c if column.name != "seq")  # the database numbers
        names = ", ".join(column.name for column in written)
        tuples = []
        for _ in range(count):
            tuples.append(f"({_typed(number, written)})")
            number += len(written)
        parts.append(
            f"{name}_rows AS (INSERT INTO {table.name} ({names})"  # noqa: S608 - as above
            f" SELECT given.* FROM seat, (VALUES {', '.join(tuples)}) AS given ({names}))"
        )
    return f"WITH {', '.join(parts)} SELECT count(*) FROM seat"  # noqa: S608 - as above

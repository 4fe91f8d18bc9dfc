"""
What devices wait for, as SQLite statements straight on the driver: find a seat, change a seat (design.md §9).

`find` is one SELECT. `change` runs inside the writer's transaction: the write lock is held before anything is read
(design.md §2 rule 6), the domain decides on what was read, and the seat is counted up by one guarded UPDATE that the
database refuses when no seat is free, whatever the decision said.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Table

from carnet.server.ports import (
    MAX_HOLDERS,
    IndexPlace,
    NextIndex,
    ProofUse,
    SeatChanges,
    SeatFacts,
    SeatQuery,
    needs_care,
)
from carnet.server.records import Activation, AuditEntry, Issuance, License
from carnet.server.storage import rows
from carnet.server.storage.errors import seat_guard
from carnet.server.storage.tables import activations, events, issuances, licenses

_T = TypeVar("_T")

_LICENSE_COLUMNS = ", ".join(f"l.{column.name}" for column in licenses.c)
_POLICY_COLUMNS = ", ".join(f"p.{name}" for name in rows.POLICY_COLUMNS)
_ACTIVATION_COLUMNS = ", ".join(f"a.{column.name}" for column in activations.c)

_FACTS = f"""
SELECT EXISTS (SELECT 1 FROM products WHERE id = :product),
       EXISTS (SELECT 1 FROM seen_proofs WHERE jti = :proof),
       {_LICENSE_COLUMNS}, {_POLICY_COLUMNS}, {_ACTIVATION_COLUMNS}, l.product_id
FROM (SELECT 1)
LEFT JOIN licenses l ON l.id = {{license}}
LEFT JOIN policies p ON p.id = l.policy_id
LEFT JOIN activations a ON a.id = {{activation}}
"""  # noqa: S608 - built from our own column names only

# The typed text first, then its canonical form: imported keys work verbatim.
FIND_BY_KEY = _FACTS.format(
    license="coalesce((SELECT id FROM licenses WHERE key_lookup = :typed),"
    " (SELECT id FROM licenses WHERE key_lookup = :canonical))",
    activation="(SELECT id FROM activations WHERE license_id = l.id AND fingerprint = :fingerprint"
    " ORDER BY deactivated_at IS NULL DESC, id DESC LIMIT 1)",
)
FIND_BY_ACTIVATION = _FACTS.format(
    license="(SELECT license_id FROM activations WHERE id = :activation)", activation=":activation"
)

_HOLDERS = f"""
SELECT {_ACTIVATION_COLUMNS}, :product FROM activations a
WHERE a.license_id = :license AND a.deactivated_at IS NULL ORDER BY a.id LIMIT :most
"""  # noqa: S608 - built from our own column names only

_TAKE_INDEX = "INSERT INTO status_indices (sequence, position, subject, subject_id) VALUES (?, ?, 'activation', ?)"
_LAST_SEQUENCE = "SELECT seq FROM sqlite_sequence WHERE name = 'status_indices'"
_TAKE_SEAT = (
    "UPDATE licenses SET seats_used = seats_used + 1 WHERE id = ? AND (seat_limit IS NULL OR seats_used < seat_limit)"
)
_FREE_SEAT = (
    "UPDATE licenses SET seats_used = seats_used - 1, seats_over = CASE WHEN seat_limit IS NULL THEN 0"
    " ELSE max(0, seats_used - 1 - seat_limit) END WHERE id = ?"
)
_DEACTIVATE = "UPDATE activations SET deactivated_at = ? WHERE id = ? AND deactivated_at IS NULL"
_UPDATE = (
    "UPDATE activations SET device_name = ?, platform = ?, public_key = ?, components = ?, user_id = ?, domain = ?,"
    " app_version = ?, refreshed_at = ?, covered_until = max(covered_until, ?), stamp = ?, stamp_shown = ?, forks = ?"
    " WHERE id = ? AND deactivated_at IS NULL"
)


def _insert(table: Table) -> str:
    """Columns are named: a later version may have added some while this one serves (REL-12)."""
    written = [name for name in table.c.keys() if name != "seq"]  # noqa: SIM118 - the keys of a table are its columns' names
    return f"INSERT INTO {table.name} ({', '.join(written)}) VALUES ({', '.join('?' * len(written))})"  # noqa: S608 - as above


_INSERT_ACTIVATION = _insert(activations)
_INSERT_ISSUANCE = _insert(issuances)
_INSERT_AUDIT = (
    "INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, details)"
    " VALUES (:at, :actor_kind, :actor_id, :action, :object_kind, :object_id, :details)"
)
_INSERT_EVENT = _insert(events)
_USE_PROOF = "INSERT INTO seen_proofs (jti, expires_at) VALUES (?, ?)"
_FORGET_PROOFS = "DELETE FROM seen_proofs WHERE expires_at <= ?"


class CareNeededError(Exception):
    """What is asked about needs `storage.core.seats`; nothing was decided or written."""


def find(connection: sqlite3.Connection, query: SeatQuery) -> SeatFacts:
    """The facts of `ports.Storage.find_seat`, in one SELECT (and one more for holders, where no seat is free)."""
    if query.activation_id is None:
        lookups = query.lookups or (b"",)
        row = connection.execute(
            FIND_BY_KEY,
            {
                "product": query.product,
                "proof": query.proof_id,
                "typed": lookups[0],
                "canonical": lookups[-1],
                "fingerprint": query.fingerprint,
            },
        ).fetchone()
    else:
        row = connection.execute(
            FIND_BY_ACTIVATION,
            {"product": query.product, "proof": query.proof_id, "activation": query.activation_id},
        ).fetchone()
    return _facts(connection, query, row)


def change(
    connection: sqlite3.Connection,
    query: SeatQuery,
    decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]],
    place: IndexPlace,
) -> _T:
    """`ports.Storage.change_seat`, inside a transaction that holds the write lock."""
    sequences: dict[int, int] = {}

    def next_index() -> int:
        row = connection.execute(_LAST_SEQUENCE).fetchone()
        sequence = (0 if row is None else row[0]) + len(sequences) + 1
        position = place(sequence - 1)
        sequences[position] = sequence
        return position

    facts = find(connection, query)
    if needs_care(query, facts):
        raise CareNeededError
    changes = decide(facts, next_index)
    if changes.take is not None:
        _take(connection, changes.take, sequences)
    if changes.update is not None:
        _update(connection, changes.update)
    if changes.free is not None:
        _free(connection, changes.free)
    for issuance in changes.issuances:
        _register(connection, issuance)
    for entry in changes.audit:
        _audit(connection, entry)
    if changes.proof_use is not None:
        _use_proof(connection, changes.proof_use)
    if changes.events:
        connection.executemany(_INSERT_EVENT, [rows.event_values(event) for event in changes.events])
    return changes.outcome


def _facts(connection: sqlite3.Connection, query: SeatQuery, row: tuple[Any, ...]) -> SeatFacts:
    middle = 2 + rows.LICENSE_WIDTH + len(rows.POLICY_COLUMNS)
    found = None if row[2] is None else rows.license_from(row[2:middle])
    holders: tuple[Activation, ...] = ()
    if query.with_holders and found is not None and _is_full(found):
        values = {"license": found.id, "product": found.product, "most": MAX_HOLDERS}
        holders = tuple(rows.activation_from(each) for each in connection.execute(_HOLDERS, values))
    return SeatFacts(
        product_known=bool(row[0]),
        license=found,
        activation=None if row[middle] is None else rows.activation_from(row[middle:]),
        holders=holders,
        proof_seen=bool(row[1]),
    )


def _is_full(license_: License) -> bool:
    return license_.seat_limit is not None and license_.seats_used >= license_.seat_limit


def _take(connection: sqlite3.Connection, activation: Activation, sequences: dict[int, int]) -> None:
    if connection.execute(_TAKE_SEAT, (activation.license_id,)).rowcount != 1:
        raise seat_guard("takes a seat where none is free")
    connection.execute(_TAKE_INDEX, (sequences[activation.status_index], activation.status_index, activation.id))
    try:
        connection.execute(_INSERT_ACTIVATION, rows.activation_values(activation))
    except sqlite3.IntegrityError as error:
        raise seat_guard("gives a device a second seat") from error


def _update(connection: sqlite3.Connection, activation: Activation) -> None:
    values = rows.activation_values(activation)
    # device_name … app_version, refreshed_at, covered_until, stamp … forks: columns 4 to 10, 12, 13 and 19 to 21.
    if connection.execute(_UPDATE, (*values[3:10], *values[11:13], *values[18:21], activation.id)).rowcount != 1:
        raise seat_guard("changes an activation that holds no seat")


def _free(connection: sqlite3.Connection, activation: Activation) -> None:
    if connection.execute(_DEACTIVATE, (activation.deactivated_at, activation.id)).rowcount != 1:
        raise seat_guard("frees a seat that is not held")
    connection.execute(_FREE_SEAT, (activation.license_id,))


def _register(connection: sqlite3.Connection, issuance: Issuance) -> None:
    connection.execute(_INSERT_ISSUANCE, rows.issuance_values(issuance))


def _audit(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    connection.execute(_INSERT_AUDIT, rows.audit_values(entry))


def _use_proof(connection: sqlite3.Connection, use: ProofUse) -> None:
    connection.execute(_FORGET_PROOFS, (int(use.at),))
    try:
        connection.execute(_USE_PROOF, (use.id, int(use.until)))
    except sqlite3.IntegrityError as error:
        raise seat_guard("accepts a device proof twice") from error

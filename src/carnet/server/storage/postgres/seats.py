"""
What devices wait for, as PostgreSQL statements straight on the driver: find a seat, change a seat (design.md §9).

`find` is one SELECT. `change` is two statements and no lock that outlives a round trip: the first reads the facts, the
domain decides on them, the second applies everything and commits. The second begins with a guard, and all else in it
takes its rows from the guard's result, so that it writes everything or nothing.

**Why a count can never be exceeded.** A seat is taken by

    UPDATE licenses SET seats_used = seats_used + 1
    WHERE id = … AND revision = … AND (seat_limit IS NULL OR seats_used < seat_limit)

Two of these for one license cannot run at once: the second waits for the row. When the first has committed, PostgreSQL
(READ COMMITTED, "EvalPlanQual") does not trust the snapshot of the waiting statement: it takes the row's newest
version, evaluates the WHERE on that version again, and computes `seats_used + 1` from it. So every increment has seen
all increments before it, and the limit that is in force; the one for which no seat is left finds no row, and then
nothing of its statement is written. Nothing is ever counted in `activations`: a count is taken from the snapshot, which
is older than the lock, and that is the statement that sells 29 to 36 seats of 5 (measurements.md, first finding).

**Why the decision still holds.** It was made on a license and a policy of known revisions, and the guard asks for the
same two. A vendor's change of status, term or limit raises the revision; one that commits before the guard's statement
begins is seen by it, one that comes while a seat is being taken is seen by the re-check. What the device itself may
have changed meanwhile (its seat, its key) is in the guard of `update` and `free`; that a device takes a second seat the
partial unique index refuses, and that a proof works twice the key of `seen_proofs`: both undo the whole statement.

**When the guard does not hold**, nothing was written, and it is read and decided again. After `_TRIES` a transaction
locks the license's row, and the device's seat, before it reads: what it decides then holds, so that there is an end
however many others come. A guard that fails under the lock is a decision that contradicts what it was shown:
``seat_guard``.

Locks are always taken license first, then activation, and a seat's guard never waits for a second license, so that two
changes of seats never wait for each other. Updating an activation locks that row alone; the foreign keys' locks on its
license do not conflict with the ones taken here.

The number of seats used in an answer is that of the moment of the decision: others may have taken seats since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from carnet.core._base import Struct
from carnet.server.ports import NextIndex, SeatChanges, SeatFacts, SeatQuery
from carnet.server.records import Activation, AuditEntry, Issuance
from carnet.server.storage import rows
from carnet.server.storage.errors import StorageError, seat_guard
from carnet.server.storage.postgres import statements
from carnet.server.storage.postgres.connection import Connection
from carnet.server.storage.postgres.errors import (
    DRIVER_ERRORS,
    UNIQUE_VIOLATION,
    is_conflict,
    sqlstate_of,
    storage_error,
)
from carnet.server.storage.postgres.numbers import NEXT_BLOCKS, OutOfNumbersError, StatusNumbers
from carnet.server.storage.postgres.pool import HotPool
from carnet.server.storage.postgres.statements import Kind
from carnet.server.storage.tables import activations

_T = TypeVar("_T")

_TRIES: Final = 3
"""Attempts without a lock. Losing one means that another request for the same license, or the vendor, was faster."""

_LOCKED_TRIES: Final = 5
"""Attempts under the lock; only a proof that is used twice at once, or a deadlock with others' work, needs a second."""

_NUMBERS_READY: Final = 4
_LICENSE_AT: Final = 2
_ACTIVATION_AT: Final = _LICENSE_AT + rows.LICENSE_WIDTH + len(rows.POLICY_COLUMNS)
_HOLDERS_AT: Final = _ACTIVATION_AT + rows.ACTIVATION_WIDTH + 1

WRITTEN: Final = frozenset(("outcome", "take", "update", "free", "issuances", "audit", "proof_use"))
"""What this module writes of `SeatChanges`; a test compares it with the class, so that nothing is ever dropped."""


async def find(pool: HotPool, query: SeatQuery) -> SeatFacts:
    """The facts of `ports.Storage.find_seat`, in one statement."""
    sql, values = _question(query)
    return _facts(await pool.read(sql, *values))


async def change(
    pool: HotPool,
    numbers: StatusNumbers,
    query: SeatQuery,
    decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]],
    place: Callable[[int], int],
) -> _T:
    """`ports.Storage.change_seat`: see the module."""
    for _ in range(_TRIES):
        await _have_numbers(pool, numbers)
        facts = await find(pool, query)
        attempt = _Attempt(numbers, place)
        try:
            changes = decide(facts, attempt.next_index)
        except OutOfNumbersError:
            continue
        if _writes_nothing(changes):
            return changes.outcome
        sql, values = attempt.in_one_statement(changes, facts)
        if sql is None:
            break
        try:
            written = await pool.write(sql, *values)
        except DRIVER_ERRORS as error:
            if sqlstate_of(error) != UNIQUE_VIOLATION and not is_conflict(error):
                raise storage_error(error, was_sent=True) from error
            continue  # undone as a whole: the same device, or the same proof, was faster
        if written[0][0] == 1:
            return changes.outcome
    return await _change_under_lock(pool, numbers, query, decide, place)


async def _change_under_lock(
    pool: HotPool,
    numbers: StatusNumbers,
    query: SeatQuery,
    decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]],
    place: Callable[[int], int],
) -> _T:
    for _ in range(_LOCKED_TRIES):
        await _have_numbers(pool, numbers)
        try:
            async with pool.connection() as connection, connection.transaction():
                await _lock(connection, query)
                sql, values = _question(query)
                facts = _facts(await connection.fetch(sql, *values))
                attempt = _Attempt(numbers, place)
                changes = decide(facts, attempt.next_index)
                await attempt.one_by_one(connection, changes, facts)
        except OutOfNumbersError:
            continue
        except DRIVER_ERRORS as error:
            if _is_retryable(error):
                continue
            raise storage_error(error, was_sent=True) from error
        else:
            return changes.outcome
    raise StorageError("storage_busy", "Too many others change this license at once.", "Try again in a moment.")


def _is_retryable(error: BaseException) -> bool:
    proof_used = sqlstate_of(error) == UNIQUE_VIOLATION and getattr(error, "table_name", "") == "seen_proofs"
    return proof_used or is_conflict(error)


async def _have_numbers(pool: HotPool, numbers: StatusNumbers) -> None:
    async def fetch(blocks: int) -> list[int]:
        return [row[0] for row in await pool.read(NEXT_BLOCKS, blocks)]

    await numbers.ensure(_NUMBERS_READY, fetch)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _question(query: SeatQuery) -> tuple[str, tuple[Any, ...]]:
    by_key = query.activation_id is None
    sql = statements.find(by_key=by_key, with_holders=query.with_holders)
    if not by_key:
        return sql, (query.product, query.proof_id, query.activation_id)
    lookups = query.lookups or (b"",)
    return sql, (query.product, query.proof_id, lookups[0], lookups[-1], query.fingerprint)


def _facts(found: list[Any]) -> SeatFacts:
    row = found[0]
    is_known = row[_LICENSE_AT] is not None
    holders: tuple[Activation, ...] = ()
    if len(row) > _HOLDERS_AT and row[_HOLDERS_AT] is not None:
        product = row[_HOLDERS_AT - 1]
        holders = tuple(rows.activation_from((*each[_HOLDERS_AT:], product)) for each in found)
    return SeatFacts(
        product_known=row[0],
        license=rows.license_from(row[_LICENSE_AT:_ACTIVATION_AT]) if is_known else None,
        activation=None if row[_ACTIVATION_AT] is None else rows.activation_from(row[_ACTIVATION_AT:_HOLDERS_AT]),
        holders=holders,
        proof_seen=row[1],
    )


async def _lock(connection: Connection, query: SeatQuery) -> None:
    """Lock the license that is asked about, then the device's seat: the order that everybody keeps."""
    if query.activation_id is None:
        lookups = query.lookups or (b"",)
        license_id = await connection.fetchval(statements.LOCK_BY_KEY, lookups[0], lookups[-1])
    else:
        license_id = await connection.fetchval(statements.LOCK_BY_ACTIVATION, query.activation_id)
    if license_id is not None:
        await connection.execute(
            statements.LOCK_ACTIVATION, license_id, query.fingerprint or "", query.activation_id or ""
        )


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Revisions(Struct):
    """What the guard asks for; None under the license's lock, where nothing need be asked."""

    license: int | None
    policy: int | None


_UNASKED: Final = _Revisions(license=None, policy=None)


class _Attempt:
    """One decision and how it is written."""

    def __init__(self, numbers: StatusNumbers, place: Callable[[int], int]) -> None:
        self._numbers = numbers
        self._place = place
        self._sequences: dict[int, int] = {}

    def next_index(self) -> int:
        """`ports.NextIndex`: a number that nobody else has."""
        sequence = self._numbers.draw()
        position = self._place(sequence - 1)
        self._sequences[position] = sequence
        return position

    def in_one_statement(self, changes: SeatChanges[Any], facts: SeatFacts) -> tuple[str | None, list[Any]]:
        """The guarded statement of *changes*; None if it takes more than one."""
        seats = [each for each in (changes.take, changes.update, changes.free) if each is not None]
        if len(seats) != 1 or facts.license is None or seats[0].license_id != facts.license.id:
            return None, []
        revisions = _Revisions(license=facts.license.revision, policy=facts.license.policy_revision)
        if changes.take is not None:
            kind: Kind = "take"
            values = self._take(changes.take, revisions)
        elif facts.activation is None or seats[0].id != facts.activation.id:
            return None, []  # another's seat: what the decision knew of it is not in these facts
        elif changes.update is not None:
            kind, values = "update", _update(changes.update, facts.activation.public_key, revisions)
        else:
            kind, values = "free", _free(seats[0], facts.activation.public_key, revisions)
        sql = statements.change(
            kind,
            issuances_=bool(changes.issuances),
            audit_=bool(changes.audit),
            proof=changes.proof_use is not None,
        )
        return sql, values + _rest(changes)

    async def one_by_one(self, connection: Connection, changes: SeatChanges[Any], facts: SeatFacts) -> None:
        """
        Write *changes* in the transaction that holds the license's lock.

        Raises:
            StateError: ``seat_guard``.
        """
        known = {each.id: each.public_key for each in (*facts.holders, facts.activation) if each is not None}
        if changes.free is not None:
            values = _free(changes.free, known.get(changes.free.id), _UNASKED)
            await _guarded(connection, "free", values, "frees a seat that is not held")
        if changes.take is not None:
            values = self._take(changes.take, _UNASKED)
            await _guarded(connection, "take", values, "takes a seat where none is free")
        if changes.update is not None:
            values = _update(changes.update, known.get(changes.update.id), _UNASKED)
            await _guarded(connection, "update", values, "changes an activation that holds no seat")
        values = _rest(changes)
        if values:
            sql = statements.change(
                None,
                issuances_=bool(changes.issuances),
                audit_=bool(changes.audit),
                proof=changes.proof_use is not None,
            )
            await connection.fetch(sql, *values)

    def _take(self, activation: Activation, revisions: _Revisions) -> list[Any]:
        position = activation.status_index
        return [
            activation.license_id,
            revisions.license,
            revisions.policy,
            self._sequences[position],
            position,
            *rows.activation_values(activation),
        ]


def _update(activation: Activation, public_key: bytes | None, revisions: _Revisions) -> list[Any]:
    values = rows.activation_values(activation)
    return [
        activation.license_id,
        revisions.license,
        revisions.policy,
        activation.id,
        public_key,
        *values[_UPDATED_FROM:_UPDATED_TO],
        activation.refreshed_at,
        activation.covered_until,
    ]


_UPDATED_FROM: Final = activations.c.keys().index("device_name")
_UPDATED_TO: Final = activations.c.keys().index("app_version") + 1


def _free(activation: Activation, public_key: bytes | None, revisions: _Revisions) -> list[Any]:
    return [activation.license_id, revisions.license, activation.id, public_key, activation.deactivated_at]


async def _guarded(connection: Connection, kind: Kind, values: list[Any], what: str) -> None:
    sql = statements.change(kind, issuances_=False, audit_=False, proof=False)
    try:
        written = await connection.fetchval(sql, *values)
    except DRIVER_ERRORS as error:
        if sqlstate_of(error) == UNIQUE_VIOLATION and getattr(error, "table_name", "") == activations.name:
            raise seat_guard("gives a device a second seat") from error
        raise
    if written != 1:
        raise seat_guard(what)


def _rest(changes: SeatChanges[Any]) -> list[Any]:
    """What follows the guard's values, in the order of `statements.change`."""
    values: list[Any] = []
    if changes.issuances:
        values += _columns_of(changes.issuances)
    if changes.audit:
        values += _audit_columns_of(changes.audit)
    if changes.proof_use is not None:
        values += [changes.proof_use.id, changes.proof_use.until]
    return values


def _columns_of(issuances: tuple[Issuance, ...]) -> list[list[Any]]:
    return [list(column) for column in zip(*(rows.issuance_values(each) for each in issuances), strict=True)]


def _audit_columns_of(entries: tuple[AuditEntry, ...]) -> list[list[Any]]:
    by_name = [rows.audit_values(each) for each in entries]
    return [[each[column.name] for each in by_name] for column in statements.AUDIT_COLUMNS]


def _writes_nothing(changes: SeatChanges[Any]) -> bool:
    return (
        changes.take is None
        and changes.update is None
        and changes.free is None
        and not changes.issuances
        and not changes.audit
        and changes.proof_use is None
    )

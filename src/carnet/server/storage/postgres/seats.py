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

**When the guard does not hold**, nothing was written, and it is read and decided again. After `_TRIES`, and whenever a
license needs care, `storage.core.seats` does it: in a transaction that locks the license's row before it reads, so that
there is an end however many others come.

Locks are always taken license first, then activation, and a seat's guard never waits for a second license, so that two
changes of seats never wait for each other. Updating an activation locks that row alone; the foreign keys' locks on its
license do not conflict with the ones taken here.

The number of seats used in an answer is that of the moment of the decision: others may have taken seats since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from carnet.core._base import replace
from carnet.server.ports import ONCE, NextIndex, Once, Remembered, SeatChanges, SeatFacts, SeatQuery, needs_care
from carnet.server.records import Activation, License
from carnet.server.storage import rows
from carnet.server.storage.postgres import statements
from carnet.server.storage.postgres.errors import (
    DRIVER_ERRORS,
    UNIQUE_VIOLATION,
    is_conflict,
    sqlstate_of,
    storage_error,
)
from carnet.server.storage.postgres.numbers import NEXT_BLOCKS, OutOfNumbersError, StatusNumbers
from carnet.server.storage.postgres.pool import HotPool
from carnet.server.storage.postgres.statements import Kind, Rest
from carnet.server.storage.rows.traffic import remembered_values
from carnet.server.storage.tables import activations, audit
from carnet.server.storage.tables.traffic import remembered_requests

_T = TypeVar("_T")

_TRIES: Final = 3
"""Attempts without a lock. Losing one means that another request for the same license, or the vendor, was faster."""

_NUMBERS_READY: Final = 4
_LICENSE_AT: Final = 2
_ACTIVATION_AT: Final = _LICENSE_AT + rows.LICENSE_WIDTH + len(rows.POLICY_COLUMNS)
_HOLDERS_AT: Final = _ACTIVATION_AT + rows.ACTIVATION_WIDTH + 1

_AUDIT_COLUMNS: Final = tuple(column.name for column in audit.c if column.name != "seq")

WRITTEN: Final = frozenset(("outcome", "take", "update", "free", "issuances", "audit", "proof_use", "events", "care"))
"""What is written of `SeatChanges`, here or with care; a test compares it with the class: nothing is ever dropped."""


class CareNeededError(Exception):
    """What is asked about needs `storage.core.seats`; nothing was written."""


async def find(pool: HotPool, query: SeatQuery) -> SeatFacts:
    """The facts of `ports.Storage.find_seat`, in one statement."""
    sql, values = _question(query)
    return _facts(await pool.read(sql, *values))


async def find_with_source(pool: HotPool, query: SeatQuery) -> tuple[SeatFacts, str | None, int | None]:
    """The facts, and in the same snapshot the issuer of the installation and its service clock in milliseconds."""
    sql, values = _question(replace(query, with_holders=False), with_source=True)
    found = await pool.read(sql, *values)
    *facts, issuer, ran_ms = found[0]
    return _facts([facts]), issuer, ran_ms


async def change(
    pool: HotPool,
    numbers: StatusNumbers,
    query: SeatQuery,
    decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]],
    place: Callable[[int], int],
) -> _T:
    """
    `ports.Storage.change_seat`: see the module.

    Raises:
        CareNeededError: It is for `storage.core.seats`; nothing was written.
    """
    for _ in range(_TRIES):
        await _have_numbers(pool, numbers)
        facts = await find(pool, query)
        if needs_care(query, facts):
            break
        attempt = _Attempt(numbers, place)
        _forget_notes()
        try:
            changes = decide(facts, attempt.next_index)
        except OutOfNumbersError:
            continue
        if _writes_nothing(changes):
            return changes.outcome
        once = _to_remember()
        sql, values = attempt.in_one_statement(changes, facts, None if once is None else once.remembered())
        if sql is None:
            break
        try:
            written = await pool.write(sql, *values)
        except DRIVER_ERRORS as error:
            if sqlstate_of(error) != UNIQUE_VIOLATION and not is_conflict(error):
                raise storage_error(error, was_sent=True) from error
            if getattr(error, "table_name", "") == remembered_requests.name:
                break  # under the lock it is seen whether that memory is over, or another request was faster
            continue  # undone as a whole: the same device, or the same proof, was faster
        if written[0][0] == 1:
            if once is not None:
                once.is_written = True
            return changes.outcome
    _forget_notes()
    raise CareNeededError


def _forget_notes() -> None:
    """Forget what an attempt noted that came to nothing: the next one may end otherwise."""
    once = ONCE.get()
    if once is not None and not once.is_written:
        once.ids.clear()


def _to_remember() -> Once | None:
    """The request that this change is remembered for (`ports.idempotency`)."""
    once = ONCE.get()
    return None if once is None or once.is_written or not once.ids else once


async def _have_numbers(pool: HotPool, numbers: StatusNumbers) -> None:
    async def fetch(blocks: int) -> list[int]:
        return [row[0] for row in await pool.read(NEXT_BLOCKS, blocks)]

    await numbers.ensure(_NUMBERS_READY, fetch)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _question(query: SeatQuery, *, with_source: bool = False) -> tuple[str, tuple[Any, ...]]:
    by_key = query.activation_id is None
    sql = statements.find(by_key=by_key, with_holders=query.with_holders, with_source=with_source)
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


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


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

    def in_one_statement(
        self, changes: SeatChanges[Any], facts: SeatFacts, memory: Remembered | None
    ) -> tuple[str | None, list[Any]]:
        """The guarded statement of *changes*; None if it takes more than one."""
        seats = [each for each in (changes.take, changes.update, changes.free) if each is not None]
        license_ = facts.license
        if len(seats) != 1 or license_ is None or seats[0].license_id != license_.id or changes.care is not None:
            return None, []
        if changes.take is not None:
            kind: Kind = "take"
            values = self._take(changes.take, license_)
        elif facts.activation is None or seats[0].id != facts.activation.id:
            return None, []  # another's seat: what the decision knew of it is not in these facts
        elif changes.update is not None:
            kind, values = "update", _update(changes.update, facts.activation, license_)
        else:
            kind, values = "free", _free(seats[0], facts.activation.public_key, license_)
        rest = _rest(changes, memory)
        sql = statements.change(kind, tuple((name, len(table)) for name, table in rest.items()))
        return sql, values + [value for table in rest.values() for row in table for value in row]

    def _take(self, activation: Activation, license_: License) -> list[Any]:
        position = activation.status_index
        return [
            activation.license_id,
            license_.revision,
            license_.policy_revision,
            self._sequences[position],
            position,
            *rows.activation_values(activation),
        ]


def _update(activation: Activation, before: Activation, license_: License) -> list[Any]:
    values = rows.activation_values(activation)
    return [
        activation.license_id,
        license_.revision,
        license_.policy_revision,
        activation.id,
        before.public_key,
        *values[_UPDATED_FROM:_UPDATED_TO],
        activation.refreshed_at,
        activation.covered_until,
        before.stamps.newest,
        activation.stamps.newest,
        activation.stamps.shown,
        activation.stamps.forks,
    ]


_UPDATED_FROM: Final = activations.c.keys().index("device_name")
_UPDATED_TO: Final = activations.c.keys().index("app_version") + 1


def _free(activation: Activation, public_key: bytes | None, license_: License) -> list[Any]:
    return [activation.license_id, license_.revision, activation.id, public_key, activation.deactivated_at]


def _rest(changes: SeatChanges[Any], memory: Remembered | None) -> dict[Rest, list[Sequence[Any]]]:
    """The rows that follow the guard's values, in the order of `statements.change`."""
    rest: dict[Rest, list[Sequence[Any]]] = {}
    if changes.issuances:
        rest["register"] = [rows.issuance_values(each) for each in changes.issuances]
    if changes.audit:
        audited = (rows.audit_values(each) for each in changes.audit)
        rest["audit"] = [[each[name] for name in _AUDIT_COLUMNS] for each in audited]
    if changes.events:
        rest["events"] = [rows.event_values(each) for each in changes.events]
    if changes.proof_use is not None:
        rest["proof"] = [(changes.proof_use.id, int(changes.proof_use.until))]
    if memory is not None:
        rest["memory"] = [remembered_values(memory)]
    return rest


def _writes_nothing(changes: SeatChanges[Any]) -> bool:
    return (
        changes.take is None
        and changes.update is None
        and changes.free is None
        and not changes.issuances
        and not changes.audit
        and changes.proof_use is None
        and not changes.events
        and changes.care is None
    )

"""
Seats of licenses that need care, in SQLAlchemy Core: trials, users' seats, budgets, terms that wait, enrolment tokens,
seats that replace others (`ports.needs_care`). The drivers' own statements serve all the others.

Everything is read under the license's lock and written in its transaction, so that what is decided holds when it is
written (design.md §2 rule 6). Locks are taken license first, then its activations, then an enrolment token: the order
that the drivers keep. The seat is counted by a guarded UPDATE here too, whatever the decision said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from carnet.core.progress import progress_to_json
from carnet.server.ports import MAX_HOLDERS, MAX_SIMILAR, Care, NextIndex, SeatChanges, SeatFacts, SeatQuery
from carnet.server.records import Activation, Enrolment, License
from carnet.server.storage import rows
from carnet.server.storage.core.licenses import LICENSE
from carnet.server.storage.core.unit import CoreUnits, add_audit, add_events, exists, insert, lock_license
from carnet.server.storage.errors import seat_guard
from carnet.server.storage.tables import (
    activations,
    enrolments,
    issuances,
    licenses,
    products,
    seen_proofs,
    status_indices,
    trials,
)

_T = TypeVar("_T")

_TRIES: Final = 3
"""Only two licenses that give one device its one trial in the same moment need a second."""


class _AgainError(Exception):
    """Another transaction was faster with something that the license's lock does not cover."""


class SeatPart(CoreUnits):
    """The careful half of `ports.SeatStore`."""

    async def find_seat_with_care(self, query: SeatQuery) -> SeatFacts:
        """`ports.Storage.find_seat`, with every fact."""
        return await self._read(lambda connection: _facts(connection, query, is_locked=False))

    async def change_seat_with_care(
        self, query: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]]
    ) -> _T:
        """`ports.Storage.change_seat`, with every fact and every change."""

        def work(connection: sa.Connection) -> _T:
            next_number = self._next_number(connection)
            sequences: dict[int, int] = {}

            def next_index() -> int:
                sequence = next_number()
                position = self._place(sequence - 1)
                sequences[position] = sequence
                return position

            changes = decide(_facts(connection, query, is_locked=True), next_index)
            _write(connection, changes, sequences)
            return changes.outcome

        for _ in range(_TRIES - 1):
            try:
                return await self._write(work)
            except _AgainError:
                continue
        return await self._write(work)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _facts(connection: sa.Connection, query: SeatQuery, *, is_locked: bool) -> SeatFacts:
    license_ = _license(connection, query, is_locked=is_locked)
    product_known = exists(connection, products.c.id == query.product)
    proof_seen = query.proof_id is not None and exists(connection, seen_proofs.c.jti == query.proof_id)
    if license_ is None:
        return SeatFacts(product_known=product_known, proof_seen=proof_seen)
    held = sa.and_(activations.c.license_id == license_.id, activations.c.deactivated_at.is_(None))
    seats = _Seats(connection, license_, is_locked=is_locked)
    own = seats.own(query)
    own_id = None if own is None else own.id
    user_seat = None
    if license_.conditions.seat_scope == "user" and query.user is not None:
        user_seat = next(iter(seats.read(sa.and_(held, activations.c.account == query.user), 1)), None)
    replaced: tuple[Activation, ...] = ()
    if query.replaces_all:
        replaced = tuple(each for each in seats.read(held, None) if each.fingerprint != query.fingerprint)
    elif query.replaces:
        replaced = tuple(
            each for each in seats.read(sa.and_(held, activations.c.id.in_(query.replaces)), None) if each.id != own_id
        )
    holders: tuple[Activation, ...] = ()
    if query.with_holders and license_.seat_limit is not None and license_.seats_used >= license_.seat_limit:
        holders = seats.read(held, MAX_HOLDERS)
    return SeatFacts(
        product_known=product_known,
        license=license_,
        activation=own,
        holders=holders,
        proof_seen=proof_seen,
        user_seat=user_seat,
        replaced=replaced,
        trial_license=_trial(connection, license_, query.fingerprint if own is None else own.fingerprint),
        enrolment=_enrolment(connection, license_, own, query, is_locked=is_locked),
        similar=() if own is not None else seats.similar(held, query.strong),
    )


def _license(connection: sa.Connection, query: SeatQuery, *, is_locked: bool) -> License | None:
    wanted: list[sa.Select[Any]] = []
    if query.activation_id is not None:
        wanted.append(sa.select(activations.c.license_id).where(activations.c.id == query.activation_id))
    else:
        # The typed text first, then its canonical form, then an enrolment token.
        wanted += [sa.select(licenses.c.id).where(licenses.c.key_lookup == lookup) for lookup in query.lookups]
        wanted.append(sa.select(enrolments.c.license_id).where(enrolments.c.token_hash == (query.enrolment or b"")))
    found = next((each for each in (connection.scalar(one) for one in wanted) if each is not None), None)
    if found is None:
        return None
    if is_locked:
        lock_license(connection, found)
    row = connection.execute(LICENSE.where(licenses.c.id == found)).first()
    return None if row is None else rows.license_from(row)


class _Seats:
    """Reads activations of one license, locked where they may be changed."""

    def __init__(self, connection: sa.Connection, license_: License, *, is_locked: bool) -> None:
        self._connection = connection
        self._license = license_
        self._is_locked = is_locked

    def read(self, condition: sa.ColumnElement[bool], most: int | None) -> tuple[Activation, ...]:
        """The oldest activations that fulfil *condition*."""
        return self._read(sa.select(activations).where(condition).order_by(activations.c.id), most)

    def own(self, query: SeatQuery) -> Activation | None:
        """The activation that *query* names; or its device's held one, or else its newest."""
        if query.activation_id is not None:
            condition = activations.c.id == query.activation_id
        elif query.fingerprint is not None:
            is_license = activations.c.license_id == self._license.id
            condition = sa.and_(is_license, activations.c.fingerprint == query.fingerprint)
        else:
            return None
        ended = sa.case((activations.c.deactivated_at.is_(None), 0), else_=1)
        found = self._read(sa.select(activations).where(condition).order_by(ended, activations.c.id.desc()), 1)
        return next(iter(found), None)

    def similar(self, held: sa.ColumnElement[bool], strong: tuple[str, ...]) -> tuple[Activation, ...]:
        """The newest held activations in whose components one of the digests *strong* occurs."""
        if not strong:
            return ()
        occurs = sa.or_(*(activations.c.components.contains(digest, autoescape=True) for digest in strong))
        found = sa.select(activations).where(held, occurs).order_by(activations.c.id.desc())
        return self._read(found, MAX_SIMILAR)

    def _read(self, query: sa.Select[Any], most: int | None) -> tuple[Activation, ...]:
        query = query if most is None else query.limit(most)
        found = self._connection.execute(query.with_for_update(key_share=True) if self._is_locked else query)
        return tuple(rows.activation_from((*row, self._license.product)) for row in found)


def _trial(connection: sa.Connection, license_: License, fingerprint: str | None) -> str | None:
    if license_.type != "trial" or fingerprint is None:
        return None
    is_its = sa.and_(trials.c.product_id == license_.product, trials.c.fingerprint == fingerprint)
    found = connection.scalar(sa.select(trials.c.license_id).where(is_its))
    return None if found is None else str(found)


def _enrolment(
    connection: sa.Connection, license_: License, own: Activation | None, query: SeatQuery, *, is_locked: bool
) -> Enrolment | None:
    """The token that was typed; where none was, the one that the device's activation came with."""
    if query.enrolment is not None and license_.key_lookup not in query.lookups:
        chosen = sa.select(enrolments).where(enrolments.c.token_hash == query.enrolment)
    elif own is not None and own.enrolment is not None:
        chosen = sa.select(enrolments).where(enrolments.c.id == own.enrolment)
    else:
        return None
    row = connection.execute(chosen.with_for_update(key_share=True) if is_locked else chosen).first()
    return None if row is None else rows.enrolment_from(row)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(connection: sa.Connection, changes: SeatChanges[Any], sequences: dict[int, int]) -> None:
    care = changes.care
    frees = () if care is None else care.frees
    if changes.free is not None:
        frees = (*frees, changes.free)
    seat = changes.take or next(iter(frees), None)
    if seat is not None:
        _count(connection, seat.license_id, (changes.take is not None) - len(frees))
    for each in frees:
        _free(connection, each)
    if changes.take is not None:
        _take(connection, changes.take, sequences)
    if changes.update is not None:
        _update(connection, changes.update)
    if changes.issuances:
        connection.execute(sa.insert(issuances), [rows.issuance_columns(each) for each in changes.issuances])
    for entry in changes.audit:
        add_audit(connection, entry)
    add_events(connection, changes.events)
    if changes.proof_use is not None:
        use = {"jti": changes.proof_use.id, "expires_at": int(changes.proof_use.until)}
        if not insert(connection, seen_proofs, use):
            raise seat_guard("accepts a device proof twice")
    if care is not None:
        _write_care(connection, changes, care)


def _write_care(connection: sa.Connection, changes: SeatChanges[Any], care: Care) -> None:
    moved: dict[str, Any] = {}
    if care.progress is not None:
        moved["progress"] = rows.write_json(progress_to_json(care.progress))
    if care.term is not None:
        moved |= {"starts_at": int(care.term[0]), "expires_at": int(care.term[1])}
    if moved:
        connection.execute(sa.update(licenses).where(licenses.c.id == care.license_id).values(moved))
    if care.trial_at is not None and changes.take is not None:
        trial = {
            "product_id": changes.take.product,
            "fingerprint": changes.take.fingerprint,
            "license_id": changes.take.license_id,
            "at": int(care.trial_at),
        }
        if not insert(connection, trials, trial):
            raise _AgainError
    if care.enrolment_used is not None:
        has_room = sa.or_(enrolments.c.max_uses.is_(None), enrolments.c.used < enrolments.c.max_uses)
        counted = connection.execute(
            sa.update(enrolments)
            .where(enrolments.c.id == care.enrolment_used, has_room)
            .values(used=enrolments.c.used + 1)
        )
        if counted.rowcount != 1:
            raise seat_guard("enrols with a token that is used up")


def _count(connection: sa.Connection, license_id: str, more: int) -> None:
    """
    Count *more* seats, all of the change at once: one that takes the place of another needs no free seat, also where
    the limit was lowered below what is held (users-ask 10).
    """
    used = licenses.c.seats_used + more
    counted = sa.update(licenses).where(licenses.c.id == license_id)
    if more > 0:
        counted = counted.where(sa.or_(licenses.c.seat_limit.is_(None), used <= licenses.c.seat_limit))
        counted = counted.values(seats_used=used)
    else:
        over = sa.case((used > licenses.c.seat_limit, used - licenses.c.seat_limit), else_=0)
        counted = counted.values(seats_used=used, seats_over=over)
    if connection.execute(counted).rowcount != 1:
        raise seat_guard("takes a seat where none is free")


def _take(connection: sa.Connection, activation: Activation, sequences: dict[int, int]) -> None:
    place = {
        "sequence": sequences[activation.status_index],
        "position": activation.status_index,
        "subject": "activation",
        "subject_id": activation.id,
    }
    connection.execute(sa.insert(status_indices), place)
    values = dict(zip(activations.c.keys(), rows.activation_values(activation), strict=True))
    try:
        connection.execute(sa.insert(activations), values)
    except IntegrityError as error:
        raise seat_guard("gives a device, or a user, a second seat") from error


def _update(connection: sa.Connection, activation: Activation) -> None:
    values = dict(zip(activations.c.keys(), rows.activation_values(activation), strict=True))
    chosen = (
        "fingerprint",
        "device_name",
        "platform",
        "public_key",
        "components",
        "user_id",
        "domain",
        "app_version",
        "refreshed_at",
        "account",
        "enrolment_id",
        "stamp",
        "stamp_shown",
        "forks",
    )
    ends = activations.c.covered_until
    later = sa.case((ends > activation.covered_until, ends), else_=int(activation.covered_until))
    changed = connection.execute(
        sa.update(activations)
        .where(activations.c.id == activation.id, activations.c.deactivated_at.is_(None))
        .values({name: values[name] for name in chosen} | {"covered_until": later})
    )
    if changed.rowcount != 1:
        raise seat_guard("changes an activation that holds no seat")


def _free(connection: sa.Connection, activation: Activation) -> None:
    freed = connection.execute(
        sa.update(activations)
        .where(activations.c.id == activation.id, activations.c.deactivated_at.is_(None))
        .values(deactivated_at=activation.deactivated_at)
    )
    if freed.rowcount != 1:
        raise seat_guard("frees a seat that is not held")

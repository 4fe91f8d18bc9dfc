"""
Seats as storage keeps them: one read finds what a device asks about, one transaction changes it (design.md §9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.progress import Progress
from carnet.server.ports.licenses import NextIndex
from carnet.server.records import Activation, ArtifactKind, AuditEntry, Enrolment, Event, Issuance, License

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

MAX_HOLDERS = 50
"""How many seat holders a refusal lists; more would help nobody and cost every refused request."""


MAX_SIMILAR = 8
"""How many activations a changed device is compared with; of machines cloned so often, none is told from the others."""


class SeatQuery(Struct):
    """
    Which license and which device's activation a call is about.

    Attributes:
        product: As the caller named it; only asked whether it exists.
        lookups: Keyed hashes of the typed license key: as typed first, then canonical; the first hit wins (R-80). Empty
            when the activation is named instead.
        activation_id: The activation itself; its license follows.
        fingerprint: The device; its held activation, or else its latest one. Ignored beside an `activation_id`.
        proof_id: A device proof's id, to learn whether it was seen before.
        with_holders: Whether the seat holders are wanted when every seat is taken.
        user: Who uses the device; the user's seat is found by it, where seats belong to users.
        replaces: Ids of held activations that the device asks to take the seats of.
        replaces_all: It asks for those of all others.
        enrolment: Keyed hash of an enrolment token, where the typed key may be one; asked if no license has that key.
        strong: Digests of the strong components of a device that asks for a seat (`core.devices`).
    """

    product: str
    lookups: tuple[bytes, ...] = ()
    activation_id: str | None = None
    fingerprint: str | None = None
    proof_id: str | None = None
    with_holders: bool = False
    user: str | None = None
    replaces: tuple[str, ...] = ()
    replaces_all: bool = False
    enrolment: bytes | None = None
    strong: tuple[str, ...] = ()


class SeatFacts(Struct):
    """
    What storage knows about a `SeatQuery`, all from one moment.

    Attributes:
        product_known: The named product exists.
        license: None: no license has that key or activation.
        activation: Held or given back; None: that device never had one.
        holders: The oldest held activations, at most `MAX_HOLDERS`; only where asked for and no seat is free.
        proof_seen: The proof's id was used before.
        user_seat: The held activation of the query's user, where seats belong to users.
        replaced: The held activations that the query names to be replaced, other devices' only.
        trial_license: The license of the trial that the device had of the license's product, for a trial.
        enrolment: The enrolment token that was typed, or that the activation came with.
        similar: Held activations of other fingerprints in which one of the query's strong digests occurs, the newest
            first, at most `MAX_SIMILAR`; only where the device never had an activation.
        is_behind: They come from a replica, and may be some seconds old: fit to say yes by, never to write by.

    Those from `user_seat` to `similar` are filled where `needs_care` says so, and then all of it is read under the
    license's lock.
    """

    product_known: bool
    license: License | None = None
    activation: Activation | None = None
    holders: tuple[Activation, ...] = ()
    proof_seen: bool = False
    user_seat: Activation | None = None
    replaced: tuple[Activation, ...] = ()
    trial_license: str | None = None
    enrolment: Enrolment | None = None
    similar: tuple[Activation, ...] = ()
    is_behind: bool = False


def needs_care(query: SeatQuery, facts: SeatFacts) -> bool:
    """
    Whether a call about a seat needs facts beyond the shortest read, or writes beyond the shortest change.

    Args:
        query: The call.
        facts: What the shortest read found.
    """
    if facts.license is None:
        return query.enrolment is not None
    if query.replaces or query.replaces_all or facts.enrolment is not None or facts.license.needs_care:
        return True
    if facts.activation is None:
        # A new device beside others: it may be one of them, with parts changed.
        return bool(query.strong) and facts.license.seats_used > 0
    return facts.activation.enrolment is not None


class ProofUse(Struct):
    """A device proof that was used `at`; its id is remembered `until` it could not be fresh any more (SEC-45)."""

    id: str
    at: Instant
    until: Instant


class SeatChanges(Struct, Generic[_T_co]):
    """
    What a decision writes, all of it or nothing, and what its caller is told after the commit.

    Attributes:
        outcome: Given back by `change_seat` once everything is durable.
        take: A new activation that takes a seat; storage counts it against the limit once more.
        update: An activation whose changeable columns are written; with care, its fingerprint too.
        free: An activation to give its seat back; its `deactivated_at` is set.
        issuances: Claims that will be signed after the commit.
        audit: Rows for the audit.
        proof_use: A device proof that must not work again.
        events: For the outbox.
        care: What goes beyond; only where `needs_care` held for the facts.
    """

    outcome: _T_co
    take: Activation | None = None
    update: Activation | None = None
    free: Activation | None = None
    issuances: tuple[Issuance, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    proof_use: ProofUse | None = None
    events: tuple[Event, ...] = ()
    care: Care | None = None


class Care(Struct):
    """
    What a change of a seat writes under the license's lock besides the seat.

    Attributes:
        license_id: The license.
        frees: Activations that give their seats back before `take` is counted; their `deactivated_at` is set.
        progress: Where the license stands from now on; None: as before.
        term: Start and end of a term that begins now.
        trial_at: The device of `take` has its one trial of the product since then.
        enrolment_used: The enrolment token that one more device came with.
    """

    license_id: str
    frees: tuple[Activation, ...] = ()
    progress: Progress | None = None
    term: tuple[Instant, Instant] | None = None
    trial_at: Instant | None = None
    enrolment_used: str | None = None


class SeatStore(Protocol):
    """Activations, and the register of what was signed for them."""

    async def find_seat(self, query: SeatQuery) -> SeatFacts:
        """The facts, from one read."""
        ...

    async def look_at_seat(self, query: SeatQuery) -> SeatFacts:
        """
        The facts for an answer that decides nothing, from a replica where there is one that keeps up: without holders,
        and no older than the stated bound.
        """
        ...

    async def change_seat(self, query: SeatQuery, decide: Callable[[SeatFacts, NextIndex], SeatChanges[_T]]) -> _T:
        """
        Lock, read, decide, write, commit; then the outcome.

        Raises:
            StateError: ``seat_guard``: the decision takes a seat that the database knows is not there; nothing written.
        """
        ...

    async def activation(self, activation_id: str) -> Activation | None:
        """One activation."""
        ...

    async def activations(
        self, license_id: str, *, include_deactivated: bool, after: str | None, limit: int
    ) -> tuple[Activation, ...]:
        """Activations of a license, newest first."""
        ...

    async def issuance(self, jti: str) -> Issuance | None:
        """One line of the register of everything signed."""
        ...

    async def latest_issuance(self, license_id: str, kind: ArtifactKind) -> Issuance | None:
        """The last artifact of a kind that was issued for a license."""
        ...

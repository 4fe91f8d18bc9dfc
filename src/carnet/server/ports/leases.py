"""
Floating leases as storage keeps them (design.md §9).

A renewal is one statement that changes one row and asks no rule, where nothing has changed since the rule was asked.
Everything else is `change_lease`: lock the pool, read, ask the domain, find a slot, write, commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.core.leases import Lease, LeaseEnding, PoolFacts, Wanted
from carnet.core.progress import Begun, Progress
from carnet.server.records import AuditEntry, Event

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class LeaseQuery(Struct):
    """
    Which pool and which lease a call is about.

    Attributes:
        product: As the caller named it; only asked whether it exists.
        lookups: Keyed hashes of the typed license key, as in `SeatQuery`; empty where the caller proved the license
            otherwise.
        license_id: That license; None beside `lookups`, and where `lease_id` alone says it (vendor).
        holder: Who speaks; None for the vendor.
        lease_id: The lease, for everything but a claim.
        at: The server's time.
        with_borrowed: Whether borrowed leases are to be counted.
    """

    product: str
    at: Instant
    lookups: tuple[bytes, ...] = ()
    license_id: str | None = None
    holder: LeaseHolder | None = None
    lease_id: str | None = None
    with_borrowed: bool = False


class LeaseFacts(Struct):
    """
    What storage knows about a `LeaseQuery`, all from one moment.

    Attributes:
        product_known: The named product exists.
        pool: None: no license has that key or lease.
        mark: Digest of the terms in force; 0 without terms.
        waiting: Where the license stands, if its term has not begun; `pool` says that it starts at the end of time.
    """

    product_known: bool
    pool: PoolFacts | None = None
    mark: int = 0
    waiting: Progress | None = None


class LeaseChanges(Struct, Generic[_T_co]):
    """
    What a decision writes, all of it or nothing, and what its caller is told after the commit.

    Attributes:
        outcome: Given back by `change_lease` once everything is durable.
        take: A lease for its slot, which the storage found free under the lock.
        keep: A lease that goes on in the slot it has.
        free: A lease whose slot is free from now on; its `released_at` is set.
        ending: Why, where the vendor did it.
        mark: The terms' mark, for `take` and `keep`.
        begins: The license's term, which begins with this lease.
        audit: Rows for the audit.
        events: For the outbox.
    """

    outcome: _T_co
    take: Lease | None = None
    keep: Lease | None = None
    free: Lease | None = None
    ending: LeaseEnding | None = None
    mark: int = 0
    begins: Begun | None = None
    audit: tuple[AuditEntry, ...] = ()
    events: tuple[Event, ...] = ()


ANY_SLOT = -1
"""The number of a lease's slot where the statement that takes it finds the slot, too."""


class LeaseRule(Protocol[_T_co]):
    """
    The domain's part of a change. Pure; runs possibly in another thread, and again where others were faster: only what
    it said last is written.
    """

    def judge(self, facts: LeaseFacts) -> Wanted | LeaseChanges[_T_co]:
        """What happens, or for which areas a slot is wanted."""
        ...

    def grant(self, facts: LeaseFacts, wanted: Wanted, slot: int) -> LeaseChanges[_T_co]:
        """The slot was found, or `ANY_SLOT`."""
        ...

    def refuse(self, facts: LeaseFacts, holders: tuple[Lease, ...]) -> LeaseChanges[_T_co]:
        """No slot is free; these hold them, at most `MAX_HOLDERS`, the oldest first."""
        ...


class LeaseRenewal(Struct):
    """
    A renewal that needs no rule: of a live lease that is not borrowed, by its holder, who asks for what it asked for
    last, under terms that have not changed since, on a license that is in force beyond the lease's new end.

    Attributes:
        lease_id, holder, product: As named.
        lookups: As in `LeaseQuery`.
        license_id: As in `LeaseQuery`.
        asked_seconds: As asked.
        at: The server's time.
        jti, kid: Of the token that will be signed after the commit (design.md §2 rule 7).
    """

    lease_id: str
    holder: LeaseHolder
    product: str
    lookups: tuple[bytes, ...]
    license_id: str | None
    asked_seconds: int | None
    at: Instant
    jti: str
    kid: str


class LeaseRenewed(Struct):
    """What a renewal gave: the license, and the new times."""

    license_id: str
    ttl_seconds: int
    expires_at: Instant


class StoredLeaseTerms(Struct):
    """The terms of a policy or of one license."""

    subject_id: str
    terms: LeaseTerms
    changed_at: Instant


class LeaseStore(Protocol):
    """Leases, their terms, and the clock that they run by."""

    async def renew_lease(self, renewal: LeaseRenewal) -> LeaseRenewed | None:
        """Renew in one statement; None: not such a renewal as `LeaseRenewal` says, and nothing was changed."""
        ...

    async def find_lease(self, query: LeaseQuery) -> LeaseFacts:
        """The facts, from one read."""
        ...

    async def change_lease(self, query: LeaseQuery, rule: LeaseRule[_T]) -> _T:
        """
        Read, decide, find a slot and write, all of it as if at one moment, commit; then the outcome.

        Raises:
            StateError: ``seat_guard``: the decision takes a slot that the database knows is not free; nothing written.
        """
        ...

    async def service_seconds(self) -> int:
        """The service clock: for how many seconds the service has run, and could renew leases."""
        ...

    def count_only_while(self, is_right: Callable[[], bool]) -> None:
        """Let the service clock stand while *is_right* says no: the machine's clock is in doubt, nothing is signed."""
        ...

    async def redate_leases(self, at: Instant) -> int:
        """
        Live leases that were given by a clock that was ahead are covered no longer than if they were given *at*; how
        many there were.
        """
        ...

    async def leases(self, license_id: str, *, at: Instant, after: str | None, limit: int) -> tuple[Lease, ...]:
        """Live leases of a license, newest first."""
        ...

    async def lease_terms(self, subject_id: str) -> StoredLeaseTerms | None:
        """The terms of a policy, or a license's own."""
        ...

    async def put_lease_terms(self, subject_id: str, terms: LeaseTerms | None, at: Instant, entry: AuditEntry) -> None:
        """Set or remove (None) the terms of a policy or a license."""
        ...

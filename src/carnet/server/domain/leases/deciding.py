"""
What is decided about a lease inside the storage's transaction: facts in, changes out, no I/O (design.md §2 rule 6).

Whether a lease may be had is `core.leases`' to say; here its answer becomes rows: the lease with the claims of the
token that will be signed, the audit row. Each class is one `ports.LeaseRule`.
"""

from __future__ import annotations

from carnet.core._base import Struct, replace
from carnet.core.decision import Refused
from carnet.core.errors import UsageError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.lease_reasons import lease_reason
from carnet.core.leases import (
    Continued,
    Lease,
    LeaseEnding,
    LeaseRequest,
    LeaseWindow,
    PoolFacts,
    Wanted,
    decide_claim,
    decide_renew,
    refuse_full,
)
from carnet.core.progress import Begun, begin_term
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.ports.leases import LeaseChanges, LeaseFacts
from carnet.server.records import Actor, AuditEntry, Event

ALWAYS_ASK = 0
"""A mark that no terms have: the next renewal asks the rule again."""


class Held(Struct):
    """A lease with the claims of its token; once it is durable, what is left is to sign them."""

    created: bool
    product: str
    lease: Lease
    window: LeaseWindow


class LeaseOutcome(Struct):
    """What came of it, and whether the product that was named exists: only then a refusal can be proved."""

    outcome: Held | Refused
    product_known: bool


class Released(Struct):
    """A lease given back or taken away, now or earlier; None: there is no such lease."""

    lease: Lease | None
    refused: Refused | None
    product_known: bool


class Seating:
    """
    Claim (*lease_id* None) or renew a lease.

    Args:
        request: What the holder asks.
        name: Of the holder, for people; empty: as it was.
        lease_id: The lease to renew.
        ids: For leases and tokens.
        kid: The key that the token will be signed with.
        now: The server's time.
    """

    def __init__(
        self, request: LeaseRequest, *, name: str, lease_id: str | None, ids: Ids, kid: str, now: Instant
    ) -> None:
        self._request = request
        self._name = name
        self._lease_id = lease_id
        self._ids = ids
        self._kid = kid
        self._now = now

    def judge(self, facts: LeaseFacts) -> Wanted | LeaseChanges[LeaseOutcome]:
        """See `ports.LeaseRule`."""
        pool = facts.pool
        if pool is None:
            return _refusal(unknown_license(), facts)
        decide = decide_claim if self._lease_id is None else decide_renew
        begun = self._begun(facts)
        if begun is not None:
            started = replace(pool.license, starts_at=begun.starts_at, expires_at=begun.expires_at)
            pool = replace(pool, license=started)
        decided = decide(pool, self._request, self._now)
        if isinstance(decided, Refused):
            return _refusal(decided, facts)
        return decided if isinstance(decided, Wanted) else self._go_on(facts, decided)

    def _begun(self, facts: LeaseFacts) -> Begun | None:
        """The term that a claim begins, if it is granted (R-01; decision.md §7.2): nothing is begun by a refusal."""
        if self._lease_id is not None or facts.waiting is None:
            return None
        return begin_term(facts.waiting, "activation", self._now)

    def grant(self, facts: LeaseFacts, wanted: Wanted, slot: int) -> LeaseChanges[LeaseOutcome]:
        """See `ports.LeaseRule`."""
        pool = _pool_of(facts)
        keep, now = wanted.keep, self._now
        name = self._name or (pool.lease.name if pool.lease is not None else "")
        lease = Lease(
            id=self._ids.new(now) if keep is None else keep.id,
            license_id=pool.license.id,
            slot=slot,
            holder=self._request.holder,
            name=name,
            is_borrowed=wanted.is_borrowed,
            asked_seconds=self._request.ttl_seconds,
            ttl_seconds=wanted.window.ttl_seconds,
            claimed_at=now if keep is None else keep.claimed_at,
            renewed_at=now,
            deadline=wanted.window.deadline,
            expires_at=wanted.window.expires_at,
            covered_until=wanted.window.expires_at,
            released_at=None,
            jti=self._ids.new(now),
            kid=self._kid,
        )
        action = "lease.borrowed" if wanted.is_borrowed else "lease.claimed" if keep is None else "lease.resumed"
        begun, audit, events = self._beginning(facts)
        return LeaseChanges(
            outcome=_held(facts, lease, wanted.window, created=keep is None),
            take=lease,
            mark=_mark(facts),
            begins=begun,
            audit=(*audit, self._audit(lease, action)),
            events=events,
        )

    def refuse(self, facts: LeaseFacts, holders: tuple[Lease, ...]) -> LeaseChanges[LeaseOutcome]:
        """See `ports.LeaseRule`."""
        return _refusal(refuse_full(_pool_of(facts), holders), facts)

    def _go_on(self, facts: LeaseFacts, decided: Continued) -> LeaseChanges[LeaseOutcome]:
        held, window = decided.lease, decided.window
        lease = replace(
            held,
            name=self._name or held.name,
            is_borrowed=decided.is_borrowed,
            asked_seconds=self._request.ttl_seconds,
            ttl_seconds=window.ttl_seconds,
            renewed_at=self._now,
            # A lapsed deadline of a lease that is still covered starts anew; none is ever made shorter by the clock.
            deadline=window.deadline,
            expires_at=window.expires_at,
            covered_until=max(held.covered_until, window.expires_at),
            jti=self._ids.new(self._now),
            kid=self._kid,
        )
        is_new = decided.is_borrowed and not held.is_borrowed
        begun, audit, events = self._beginning(facts)
        return LeaseChanges(
            outcome=_held(facts, lease, window, created=False),
            keep=lease,
            mark=_mark(facts),
            begins=begun,
            audit=(*audit, self._audit(lease, "lease.borrowed")) if is_new else audit,
            events=events,
        )

    def _beginning(self, facts: LeaseFacts) -> tuple[Begun | None, tuple[AuditEntry, ...], tuple[Event, ...]]:
        """The term that begins, and what tells of it."""
        begun = self._begun(facts)
        if begun is None:
            return None, (), ()
        license_ = _pool_of(facts).license
        told = {"starts_at": begun.starts_at, "expires_at": begun.expires_at}
        audit = entry(self._now, Actor(kind="device", id=license_.id), "license.started", license_.id, **told)
        started = event(self._ids, self._now, "license.started", license_.id, license_.product, **told)
        return begun, (audit,), (started,)

    def _audit(self, lease: Lease, action: str) -> AuditEntry:
        return entry(
            self._now,
            Actor(kind="device", id=lease.license_id),
            action,
            lease.id,
            license=lease.license_id,
            holder=str(lease.holder),
            expires_at=lease.expires_at,
        )


class Releasing:
    """
    Give a lease back.

    Args:
        request: Who asks, for which product.
        now: The server's time.
    """

    def __init__(self, request: LeaseRequest, now: Instant) -> None:
        self._request = request
        self._now = now

    def judge(self, facts: LeaseFacts) -> LeaseChanges[Released]:
        """See `ports.LeaseRule`. A suspended or expired license takes its seats back, too."""
        pool, request = facts.pool, self._request
        refused = None
        if pool is None:
            refused = unknown_license()
        elif pool.license.product != request.product:
            told = lease_reason("wrong_product", product=request.product)
            refused = Refused(code=told.code, reasons=(told,), license_id=pool.license.id)
        elif pool.lease is None or pool.lease.holder != request.holder:
            told = lease_reason("lease_not_found")
            refused = Refused(code=told.code, reasons=(told,), license_id=pool.license.id)
        if refused is not None or pool is None or pool.lease is None:
            return LeaseChanges(outcome=Released(lease=None, refused=refused, product_known=facts.product_known))
        actor = Actor(kind="device", id=pool.license.id)
        return _free(facts, pool.lease, self._now, actor, "lease.released")

    def grant(self, facts: LeaseFacts, wanted: Wanted, slot: int) -> LeaseChanges[Released]:
        """Never asked: nothing is wanted."""
        raise NotImplementedError

    def refuse(self, facts: LeaseFacts, holders: tuple[Lease, ...]) -> LeaseChanges[Released]:
        """Never asked: nothing is wanted."""
        raise NotImplementedError


class Forcing(Releasing):
    """
    Take a lease away, by the vendor (users-ask 11 and 25). The slot is free at once; what was signed still opens the
    app until its `expires_at`, where there is no network.

    Args:
        actor: Who does it.
        reason: Why; its holder is told at its next renewal.
        now: The server's time.
    """

    def __init__(self, actor: Actor, reason: str, now: Instant) -> None:
        self._actor = actor
        self._reason = reason
        self._now = now

    def judge(self, facts: LeaseFacts) -> LeaseChanges[Released]:
        """See `ports.LeaseRule`."""
        pool = facts.pool
        if pool is None or pool.lease is None:
            raise lease_not_found()
        lease = pool.lease
        changes = _free(facts, lease, self._now, self._actor, "lease.forced", reason=self._reason or None)
        if changes.free is None:
            return changes
        cool_down = 0 if pool.terms is None else pool.terms.cool_down_seconds
        ending = LeaseEnding(
            lease_id=lease.id,
            license_id=lease.license_id,
            holder=lease.holder,
            at=self._now,
            reason=self._reason,
            blocked_until=Instant(min(self._now + cool_down, MAX_INSTANT)),
        )
        return replace(changes, ending=ending)


def unknown_license() -> Refused:
    """The refusal where no license has that key."""
    told = lease_reason("license_not_found")
    return Refused(code=told.code, reasons=(told,))


def _free(
    facts: LeaseFacts, lease: Lease, now: Instant, actor: Actor, action: str, *, reason: str | None = None
) -> LeaseChanges[Released]:
    if lease.released_at is not None:
        return LeaseChanges(outcome=Released(lease=lease, refused=None, product_known=facts.product_known))
    lease = replace(lease, released_at=now)
    audit = entry(now, actor, action, lease.id, license=lease.license_id, holder=str(lease.holder), reason=reason)
    outcome = Released(lease=lease, refused=None, product_known=facts.product_known)
    return LeaseChanges(outcome=outcome, free=lease, audit=(audit,))


def _held(facts: LeaseFacts, lease: Lease, window: LeaseWindow, *, created: bool) -> LeaseOutcome:
    held = Held(created=created, product=_pool_of(facts).license.product, lease=lease, window=window)
    return LeaseOutcome(outcome=held, product_known=facts.product_known)


def _mark(facts: LeaseFacts) -> int:
    terms = _pool_of(facts).terms
    return ALWAYS_ASK if terms is None or terms.registered_only else facts.mark


def _pool_of(facts: LeaseFacts) -> PoolFacts:
    assert facts.pool is not None  # noqa: S101 - a license was found
    return facts.pool


def _refusal(refused: Refused, facts: LeaseFacts) -> LeaseChanges[LeaseOutcome]:
    return LeaseChanges(outcome=LeaseOutcome(outcome=refused, product_known=facts.product_known))


def lease_not_found() -> UsageError:
    """The error for a lease that does not exist, to the vendor."""
    return UsageError(
        "lease_not_found", "There is no such lease, or its seat has another holder now.", "List the leases."
    )

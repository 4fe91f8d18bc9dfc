"""
Floating leases: may this holder have a seat for a while, for how long, and when is it free again (R-01, REL-10).

Pure. The storage reads what `PoolFacts` holds under a lock, asks here, and writes what comes of it in the same
transaction; which slot a lease gets is `lease_slots.py`'s and the database's to say (design.md §2 rule 6).

Two clocks (design.md §9). A lease is over when the *service clock*, which counts only while the service runs, has
passed its `deadline`: so neither an outage nor a step of the wall clock makes leases run out that could not be renewed.
And its slot is free only when the *wall clock*, too, has passed `covered_until`, the latest `exp` that was signed for
it: so nobody else is let in while its holder may still work offline. A holder who gives back, or whom the vendor
forces off, frees the slot at once.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.decision import Reason, Refused, SeatHolder
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.lease_reasons import lease_reason
from carnet.core.lease_slots import Area, areas_for
from carnet.core.lease_terms import LeaseHolder, LeaseTerms
from carnet.core.model import BACKDATE_SECONDS
from carnet.core.seats import LicenseFacts
from carnet.core.terms import term_ends_at

RENEW_DIVISOR = 3
"""A lease is renewed after a third of its time, so that two attempts may fail before it runs out."""


class Lease(Struct):
    """
    A seat of a pool, held for a while.

    Attributes:
        id: As its token and its holder name it.
        slot: Its number in the pool.
        name: What people know the holder as, e.g. a host name; empty if unknown.
        is_borrowed: Taken along for travel: its holder is not expected before its end.
        asked_seconds: What its holder asked for last; None: nothing.
        ttl_seconds: For how long it was given or renewed last.
        claimed_at, renewed_at: Wall clock; the latter is when its holder was last seen.
        deadline: Service clock, seconds: it is over from then on.
        expires_at: ``exp`` of the newest token.
        covered_until: The latest ``exp`` of all its tokens.
        released_at: When it was given back or taken away; None: it was not.
        jti, kid: Id and key of the newest token, so that the same claims can be signed again (design.md §2 rule 7).
    """

    id: str
    license_id: str
    slot: int
    holder: LeaseHolder
    name: str
    is_borrowed: bool
    asked_seconds: int | None
    ttl_seconds: int
    claimed_at: Instant
    renewed_at: Instant
    deadline: int
    expires_at: Instant
    covered_until: Instant
    released_at: Instant | None
    jti: str
    kid: str

    def is_live(self, service_now: int, now: Instant) -> bool:
        """Whether it takes a seat: `service_now` by the service clock, `now` by the wall clock."""
        return self.released_at is None and (service_now < self.deadline or now < self.covered_until)


class LeaseEnding(Struct):
    """A lease that the vendor took away: why, and until when its holder gets no other one."""

    lease_id: str
    license_id: str
    holder: LeaseHolder
    at: Instant
    reason: str
    blocked_until: Instant


class PoolFacts(Struct):
    """
    What is known under the lock.

    Attributes:
        license: The license.
        terms: Its pool's terms; None: it has none.
        service_now: The service clock, whole seconds.
        lease: The lease that is spoken of: the one named, else the holder's own; live or not.
        ending: That lease's forced release, else the holder's latest one.
        is_registered: The holder is a device with an activation.
        borrowed: How many live leases are borrowed; only read where it matters.
    """

    license: LicenseFacts
    terms: LeaseTerms | None
    service_now: int
    lease: Lease | None = None
    ending: LeaseEnding | None = None
    is_registered: bool = False
    borrowed: int = 0


class LeaseRequest(Struct):
    """
    What is asked.

    Attributes:
        product: As named; compared exactly (SEC-05).
        holder: Who asks.
        ttl_seconds: A wanted time, ≥ 1; None: the terms' default. Brought within the terms' bounds.
        borrow: To take it along for travel; the bound is the longest borrowing.
    """

    product: str
    holder: LeaseHolder
    ttl_seconds: int | None = None
    borrow: bool = False


class LeaseWindow(Struct):
    """The times of a lease that is given or renewed now. `renew_after` is when its holder should come again."""

    ttl_seconds: int
    issued_at: Instant
    expires_at: Instant
    deadline: int
    renew_after: Instant


class Continued(Struct):
    """The holder keeps the lease it has, with new times."""

    lease: Lease
    window: LeaseWindow
    is_borrowed: bool


class Wanted(Struct):
    """
    The holder may have a slot of one of these areas, if one is free.

    `keep` is its earlier lease that ran out: if its own slot is the one that is got, the lease goes on under its id.
    """

    areas: tuple[Area, ...]
    window: LeaseWindow
    is_borrowed: bool
    keep: Lease | None = None


def decide_claim(facts: PoolFacts, request: LeaseRequest, now: Instant) -> Continued | Wanted | Refused:
    """
    Whether a holder may have a lease. The same holder always gets the one it has (users-ask 17).

    Args:
        facts: Under the lock; `lease` is the holder's own, live or not.
        request: What is asked.
        now: The server's time.

    Returns:
        `Continued`, `Wanted`, or `Refused` with every reason. That no slot is free is for the storage to find out;
        `refuse_full` says it.
    """
    held = facts.lease
    live = held is not None and held.is_live(facts.service_now, now)
    reasons = _against_license(facts.license, request.product, now, holds=live) + _against_holder(facts, request)
    ending = facts.ending
    if not live and ending is not None and ending.at <= now < ending.blocked_until:
        reasons.append(lease_reason("lease_cooling_down", until=ending.blocked_until, why=ending.reason or None))
    return _continued_or_wanted(facts, request, now, reasons, held if live else None, keep=None)


def decide_renew(facts: PoolFacts, request: LeaseRequest, now: Instant) -> Continued | Wanted | Refused:
    """
    Whether a lease goes on: while it is live; and afterwards, as long as its slot is free (REL-10: a late holder never
    evicts a new one).

    Args:
        facts: Under the lock; `lease` is the one named, None where its slot is another's by now.
        request: What is asked.
        now: The server's time.

    Returns:
        As `decide_claim`; ``lease_released`` with the vendor's reason, ``lease_not_found``.
    """
    lease, ending = facts.lease, facts.ending
    reasons = _against_license(facts.license, request.product, now, holds=True)
    if ending is not None:
        reasons.append(lease_reason("lease_released", at=ending.at, why=ending.reason or None))
        return _refused(facts, reasons)
    if lease is None or lease.holder != request.holder:
        return _refused(facts, [*reasons, lease_reason("lease_not_found")])
    if lease.released_at is not None:
        return _refused(facts, [*reasons, lease_reason("lease_released", at=lease.released_at)])
    reasons += _against_holder(facts, request)
    live = lease.is_live(facts.service_now, now)
    return _continued_or_wanted(facts, request, now, reasons, lease if live else None, keep=lease)


def refuse_full(facts: PoolFacts, holders: tuple[Lease, ...]) -> Refused:
    """
    The refusal where no slot is free.

    Args:
        facts: As decided on.
        holders: Who has the seats; shown to those allowed (design.md §8).
    """
    limit = None if facts.terms is None else facts.terms.limit
    told = lease_reason("lease_limit_reached", leases=None if limit is None else f"{limit} of {limit}")
    return Refused(
        code=told.code,
        reasons=(told,),
        license_id=facts.license.id,
        holders=tuple(
            SeatHolder(activation_id=each.id, device_name=each.name or each.holder.id, activated_at=each.claimed_at)
            for each in holders
        ),
    )


def lease_window(
    terms: LeaseTerms, facts: PoolFacts, request: LeaseRequest, now: Instant, *, is_borrowed: bool, held: Lease | None
) -> LeaseWindow:
    """
    The times of a lease given *now*. A borrowed one keeps the end that it has; nothing passes the license's own end.

    Args:
        terms: The terms in force.
        facts: Under the lock.
        request: What is asked.
        now: The server's time.
        is_borrowed: Whether the lease is a borrowed one from now on.
        held: The live lease that goes on, if one does.
    """
    asked = request.ttl_seconds or terms.default_ttl_seconds
    if request.borrow:
        ttl = min(
            max(asked, terms.min_ttl_seconds), max(terms.longest_borrowing(request.holder), terms.max_ttl_seconds)
        )
    else:
        ttl = min(max(asked, terms.min_ttl_seconds), terms.max_ttl_seconds)
    end, deadline = now + ttl, facts.service_now + ttl
    if is_borrowed and held is not None and held.is_borrowed:
        end, deadline = max(end, held.expires_at), max(deadline, held.deadline)
    license_ = facts.license
    if license_.expires_at is not None:
        is_over = now >= license_.expires_at
        end = min(end, term_ends_at(license_.policy, license_.expires_at) if is_over else license_.expires_at)
    return LeaseWindow(
        ttl_seconds=ttl,
        issued_at=Instant(max(0, now - BACKDATE_SECONDS)),  # SEC-04
        expires_at=Instant(min(end, MAX_INSTANT)),
        deadline=deadline,
        renew_after=Instant(min(now + max(1, ttl // RENEW_DIVISOR), MAX_INSTANT)),
    )


def _continued_or_wanted(
    facts: PoolFacts,
    request: LeaseRequest,
    now: Instant,
    reasons: list[Reason],
    held: Lease | None,
    *,
    keep: Lease | None,
) -> Continued | Wanted | Refused:
    terms = facts.terms
    is_borrowed = request.borrow or (held is not None and held.is_borrowed)
    if terms is not None and request.borrow and not (held is not None and held.is_borrowed):
        reasons += _against_borrowing(terms, facts, request)
    if reasons or terms is None:
        return _refused(facts, reasons)
    window = lease_window(terms, facts, request, now, is_borrowed=is_borrowed, held=held)
    if held is not None:
        return Continued(lease=held, window=window, is_borrowed=is_borrowed)
    return Wanted(areas=areas_for(terms, request.holder), window=window, is_borrowed=is_borrowed, keep=keep)


def _against_license(facts: LicenseFacts, product: str, now: Instant, *, holds: bool) -> list[Reason]:
    """What speaks against it in the license, in the order of design.md §6; who holds one may use the term's grace."""
    reasons: list[Reason] = []
    if product != facts.product:
        reasons.append(lease_reason("wrong_product", product=product))
    if facts.status == "revoked":
        reasons.append(lease_reason("license_revoked"))
    if facts.status == "suspended":
        reasons.append(lease_reason("license_suspended"))
    if facts.starts_at is not None and now < facts.starts_at:
        reasons.append(lease_reason("license_not_started", start=facts.starts_at))
    if facts.expires_at is not None:
        end = term_ends_at(facts.policy, facts.expires_at) if holds else facts.expires_at
        if now >= end:
            reasons.append(lease_reason("license_expired", at=facts.expires_at))
    return reasons


def _against_holder(facts: PoolFacts, request: LeaseRequest) -> list[Reason]:
    """What speaks against this holder under the terms."""
    terms = facts.terms
    if terms is None:
        return [lease_reason("leases_not_offered")]
    reasons: list[Reason] = []
    if request.holder.kind not in terms.kinds:
        reasons.append(lease_reason("holder_kind_refused", kind=request.holder.kind, allowed=terms.kinds))
    if str(request.holder) in terms.denied:
        reasons.append(lease_reason("holder_denied"))
    if terms.registered_only and not facts.is_registered:
        reasons.append(lease_reason("holder_not_registered"))
    return reasons


def _against_borrowing(terms: LeaseTerms, facts: PoolFacts, request: LeaseRequest) -> list[Reason]:
    if terms.longest_borrowing(request.holder) == 0:
        return [lease_reason("borrowing_refused")]
    if terms.borrow_limit is not None and facts.borrowed >= terms.borrow_limit:
        return [lease_reason("borrow_limit_reached", leases=f"{facts.borrowed} of {terms.borrow_limit}")]
    return []


def _refused(facts: PoolFacts, reasons: list[Reason]) -> Refused:
    return Refused(code=reasons[0].code, reasons=tuple(reasons), license_id=facts.license.id)

"""
What the vendor does with floating leases: look at them, take one away, set the terms of a pool.
"""

from __future__ import annotations

from typing import Final

from carnet.core.errors import UsageError
from carnet.core.lease_terms import LeaseTerms, check_lease_terms
from carnet.core.leases import Lease
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_optional_text, check_page
from carnet.server.domain.leases.commands import LeaseView, TermsView
from carnet.server.domain.leases.deciding import Forcing
from carnet.server.domain.licenses.service import license_not_found
from carnet.server.domain.pages import after_id, page_of
from carnet.server.ports import Clock, Storage
from carnet.server.ports.leases import LeaseQuery
from carnet.server.records import Actor, Page

_MAX_REASON: Final = 500


class VendorLeases:
    """The vendor's half of `LeaseService`."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def list(self, license_id: str, *, after: str | None = None, limit: int = 50) -> Page[LeaseView]:
        """
        Live leases of a license, newest first, at most *limit* (1 to 500) older than the id *after*.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        check_page(limit)
        after_id(after)
        if await self._storage.license(license_id) is None:
            raise license_not_found()
        found = await self._storage.leases(license_id, at=self._clock.now(), after=after, limit=limit + 1)
        return page_of(tuple(lease_view(each) for each in found), limit, lambda view: view.id)

    async def force(self, lease_id: str, actor: Actor, *, reason: str | None = None) -> LeaseView:
        """
        Take a lease away. The slot is free at once; its holder learns the reason at its next renewal, and gets no other
        lease before the terms' cool-down is over. Doing it twice changes nothing.

        Raises:
            UsageError: ``lease_not_found``, ``invalid_argument``.
        """
        now = self._clock.now()
        check_optional_text("reason", reason, most=_MAX_REASON)
        rule = Forcing(actor, reason or "", now)
        released = await self._storage.change_lease(LeaseQuery(product="", lease_id=lease_id, at=now), rule)
        assert released.lease is not None  # noqa: S101 - the rule raised
        return lease_view(released.lease)

    async def terms(self, *, product: str | None = None, policy: str | None = None, license_id: str | None = None) -> TermsView:  # noqa: E501 # fmt: skip
        """
        The terms of a policy (*product* and *policy*) or a license's own.

        Raises:
            UsageError: ``policy_not_found``, ``license_not_found``.
        """
        subject = await self._subject(product, policy, license_id)
        found = await self._storage.lease_terms(subject)
        if found is None:
            return TermsView(subject_id=subject, terms=None, changed_at=None)
        return TermsView(subject_id=subject, terms=found.terms, changed_at=found.changed_at)

    async def change_terms(
        self,
        terms: LeaseTerms | None,
        actor: Actor,
        *,
        product: str | None = None,
        policy: str | None = None,
        license_id: str | None = None,
    ) -> TermsView:
        """
        Set the terms of a policy or a license's own; None removes them: a license then follows its policy, a policy has
        no pool. Leases that are held stay held until they run out (users-ask 10); each is judged under the new terms
        at its next renewal.

        Raises:
            UsageError: ``bad_lease_terms``, ``policy_not_found``, ``license_not_found``.
        """
        now = self._clock.now()
        if terms is not None:
            check_lease_terms(terms)
        subject = await self._subject(product, policy, license_id)
        kind = "policy" if license_id is None else "license"
        limit = None if terms is None else terms.limit
        audit = entry(now, actor, f"{kind}.lease_terms_changed", subject, limit=limit, removed=terms is None or None)
        await self._storage.put_lease_terms(subject, terms, now, audit)
        return TermsView(subject_id=subject, terms=terms, changed_at=now)

    async def _subject(self, product: str | None, policy: str | None, license_id: str | None) -> str:
        if license_id is not None:
            if await self._storage.license(license_id) is None:
                raise license_not_found()
            return license_id
        found = await self._storage.policy(product or "", policy or "")
        if found is None:
            raise UsageError("policy_not_found", "The product has no policy of that name.", "List its policies.")
        return found.id


def lease_view(lease: Lease) -> LeaseView:
    """*lease* without what only the server needs."""
    return LeaseView(
        id=lease.id,
        license_id=lease.license_id,
        slot=lease.slot,
        holder=lease.holder,
        name=lease.name,
        is_borrowed=lease.is_borrowed,
        claimed_at=lease.claimed_at,
        renewed_at=lease.renewed_at,
        expires_at=lease.expires_at,
        released_at=lease.released_at,
    )

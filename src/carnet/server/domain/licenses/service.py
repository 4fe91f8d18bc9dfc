"""Licenses: create, show, list, renew, suspend, reinstate, revoke, reveal the key."""

from __future__ import annotations

from carnet.core.model import LicenseStatus
from carnet.server.domain.licenses.commands import CreatedLicense, CreateLicense, LicenseView, RenewLicense
from carnet.server.records import Actor, Page


class LicenseService:
    """What can be done with licenses."""

    async def create(self, command: CreateLicense, actor: Actor) -> CreatedLicense:
        """
        Issue a license with a fresh key.

        Raises:
            UsageError: ``invalid_argument``, ``bad_policy`` (an override), ``product_not_found``, ``policy_not_found``,
                ``customer_not_found``.
        """
        raise NotImplementedError

    async def get(self, license_id: str) -> LicenseView:
        """
        One license by its id.

        Raises:
            UsageError: ``license_not_found``.
        """
        raise NotImplementedError

    async def find(self, license_key: str) -> LicenseView:
        """
        One license by its key, as typed or in its canonical form. For the vendor; devices call the activation service.

        Raises:
            UsageError: ``license_not_found``.
        """
        raise NotImplementedError

    async def list(
        self,
        *,
        product: str | None = None,
        customer: str | None = None,
        status: LicenseStatus | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[LicenseView]:
        """Licenses, newest first, at most *limit* (1 to 500) older than the id *after*."""
        raise NotImplementedError

    async def renew(self, command: RenewLicense, actor: Actor) -> LicenseView:
        """
        Give a license a later end.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: revoked, or it has no end.
        """
        raise NotImplementedError

    async def suspend(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Stop a license until it is reinstated. Suspending twice changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: it is revoked.
        """
        raise NotImplementedError

    async def reinstate(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Lift a suspension. Reinstating an active license changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``; ``conflict``: it is revoked, which is final.
        """
        raise NotImplementedError

    async def revoke(self, license_id: str, actor: Actor, *, reason: str | None = None) -> LicenseView:
        """
        Stop a license for good. Revoking twice changes nothing.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        raise NotImplementedError

    async def reveal_key(self, license_id: str, actor: Actor) -> str:
        """
        The license key in clear, for re-issue; an audit row records who asked.

        Raises:
            UsageError: ``license_not_found``.
        """
        raise NotImplementedError

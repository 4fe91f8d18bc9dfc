"""
Licenses as storage keeps them, and the status list positions that are given with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.core.model import LicenseStatus, LicenseType
from carnet.server.records import AuditEntry, Event, Issuance, License, StoredPolicy

NextIndex: TypeAlias = Callable[[], int]
"""The next status list position, for whoever is stored with it in the same transaction; never given to two (SEC-26)."""

IndexPlace: TypeAlias = Callable[[int], int]
"""Sequence number (0, 1, …) to position: shard times 131,072 plus the index within it."""


class LicenseContext(Struct):
    """
    What exists of what a new license names. `in_use` counts the policy's licenses that are not revoked, where a quota
    asks for it; else it is 0.
    """

    product_known: bool
    policy: StoredPolicy | None
    customer_known: bool
    in_use: int = 0


class NewLicense(Struct):
    """
    A license to store with its audit row. Its `status_index` is what the builder was given.

    `issuances` are claims about it that will be signed after the commit.
    """

    license: License
    audit: AuditEntry
    issuances: tuple[Issuance, ...] = ()
    events: tuple[Event, ...] = ()


class LicenseChange(Struct):
    """
    A license as it is from now on, the audit row, and events for the outbox; `audit` None means that nothing changes.

    Everything is written but its id, its key and the count of its seats.
    """

    license: License
    audit: AuditEntry | None
    events: tuple[Event, ...] = ()


class LicenseFilter(Struct):
    """Which licenses to list; None does not restrict. `within`: of these products, whatever else is asked for."""

    product: str | None = None
    customer: str | None = None
    status: LicenseStatus | None = None
    type: LicenseType | None = None
    within: tuple[str, ...] | None = None


class LicenseStore(Protocol):
    """Licenses."""

    async def add_licenses(
        self,
        *,
        product: str,
        policy: str,
        customer: str | None,
        build: Callable[[LicenseContext, NextIndex], tuple[NewLicense, ...]],
    ) -> tuple[NewLicense, ...]:
        """Store the licenses, one or more, that *build* makes of what exists: all of them or none."""
        ...

    async def license(self, license_id: str) -> License | None:
        """One license."""
        ...

    async def license_by_key(self, lookups: tuple[bytes, ...]) -> License | None:
        """One license by the keyed hashes of its key; the first that hits wins."""
        ...

    async def licenses(self, which: LicenseFilter, *, after: str | None, limit: int) -> tuple[License, ...]:
        """Licenses, newest first."""
        ...

    async def change_license(self, license_id: str, change: Callable[[License], LicenseChange]) -> License | None:
        """Change a license; None if there is none."""
        ...

    async def change_license_under(
        self, license_id: str, policy: str | None, change: Callable[[License, StoredPolicy | None], LicenseChange]
    ) -> License | None:
        """
        Change a license under a policy of its product, which stays as it is meanwhile; None if there is no license.

        Args:
            license_id: Which.
            policy: The policy's name; None for the one that the license follows.
            change: Given the license, and the policy, or None where there is none of that name.
        """
        ...

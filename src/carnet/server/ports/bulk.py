"""
Many licenses at once: changed together, or looked up together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from carnet.core._base import Struct
from carnet.server.ports.licenses import LicenseChange, LicenseFilter
from carnet.server.records import License, StoredPolicy


class Chosen(Struct):
    """
    Which licenses: those of `ids`, or where it is None those that `which` and `policy` (a name) let through.
    `which.within` holds either way.
    """

    ids: tuple[str, ...] | None = None
    which: LicenseFilter = LicenseFilter()
    policy: str | None = None


class BulkStore(Protocol):
    """What concerns many licenses in one transaction."""

    async def change_licenses(
        self,
        chosen: Chosen,
        change: Callable[[License, StoredPolicy], LicenseChange],
        *,
        most: int,
        is_wanted: Callable[[tuple[LicenseChange, ...]], bool],
    ) -> tuple[LicenseChange, ...] | None:
        """
        Lock the licenses and what they follow, ask *change* about each, and write all of it if *is_wanted* says so.

        Returns:
            What was, or would have been, changed, in the order of the ids; None where more than *most* are chosen, and
            then nothing was asked.
        """
        ...

    async def known_keys(self, lookups: tuple[bytes, ...]) -> frozenset[bytes]:
        """Those of the keyed hashes that a license has."""
        ...

    async def known_customers(self, ids: tuple[str, ...], within: tuple[str, ...] | None) -> frozenset[str]:
        """Those of the ids that are customers'; with *within*, that `AccessStore.customer_within` is true of."""
        ...

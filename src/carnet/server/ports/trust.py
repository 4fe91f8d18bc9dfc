"""
The chain of root files after version 1, and the signing keys (SEC-20).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from carnet.core._base import Struct
from carnet.server.records import AuditEntry, RootFile, SigningKey


class TrustFacts(Struct):
    """
    What is stored now.

    Attributes:
        root_version: Of the newest root file; 1 where none was added to the one that apps embed.
        keys: Every signing key that there ever was, by announcement.
    """

    root_version: int
    keys: tuple[SigningKey, ...]


class TrustChange(Struct):
    """
    What becomes of the keys, in one transaction.

    Attributes:
        root: The next root file; None where the keys change in a way that no root tells.
        keys: New keys, and known ones in their new state.
        audit: What is noted; empty: nothing happens at all.
    """

    root: RootFile | None
    keys: tuple[SigningKey, ...]
    audit: tuple[AuditEntry, ...]


class TrustStore(Protocol):
    """Root files after version 1, and signing keys."""

    async def trust_facts(self) -> TrustFacts:
        """The newest root's version and all signing keys: a few dozen rows, cheap enough to ask every other second."""
        ...

    async def root_files(self, *, after: int) -> tuple[RootFile, ...]:
        """The root files of versions greater than *after*, oldest first."""
        ...

    async def change_trust(self, decide: Callable[[TrustFacts], TrustChange]) -> TrustChange:
        """
        Change keys, and the root with them, under a lock that whoever changes them takes.

        The database refuses a second active key for the same roles, and a version that is there.
        """
        ...

    async def artifacts_under(self, kid: str, *, now: int) -> int:
        """How many artifacts of the register were signed with *kid* and are not over at *now*."""
        ...

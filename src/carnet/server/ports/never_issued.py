"""
Artifacts that were seen and never issued (SEC-24).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import ArtifactKind, AuditEntry, Event, Issuance

Strangeness: TypeAlias = Literal["unknown", "differs"]
"""No line of the register has its id; or one has, and says something else: another end, another key."""


class Stranger(Struct):
    """
    An artifact that names a key of ours, and that the register does not know as it is.

    Attributes:
        jti: Its id, as it says.
        kid: The key that it names.
        expires_at: Its end, as it says.
        kind: What it is, as it says: ``token``, ``machine-file``; of what we saw ourselves, any kind of the register.
        issued_at: When it was issued, as it says; a thief can write any time.
        reason: What the register says.
        proved: We saw it, and its signature verifies; else a device told that it holds it.
        product: Of which product.
        license_id: Of which license, where that is known.
        activation_id: On which seat, where that is known.
        first_seen_at: When it was seen first.
        last_seen_at: When last.
        times: How often.
    """

    jti: str
    kid: str
    expires_at: Instant
    kind: str
    issued_at: Instant
    reason: Strangeness
    proved: bool
    product: str
    license_id: str | None
    activation_id: str | None
    first_seen_at: Instant
    last_seen_at: Instant
    times: int = 1


class StrangerFilter(Struct):
    """
    Which of them; None: whatever it is.

    Attributes:
        kid: Those that name this key.
        products: Those of these products, as they say.
        proved: Those that we saw ourselves, or those that devices only told.
    """

    kid: str | None = None
    products: tuple[str, ...] | None = None
    proved: bool | None = None


class StrangerPlace(Struct):
    """Where one stands among them, by when it was seen first: nothing in it ever changes."""

    first_seen_at: Instant
    jti: str
    kid: str
    expires_at: Instant


class NeverIssuedStore(Protocol):
    """What was seen, beside the register of what was issued."""

    async def issuances_of(self, jtis: tuple[str, ...]) -> tuple[Issuance, ...]:
        """The lines of the register with these ids, at most 500; without their claims."""
        ...

    async def issuances_at(self, license_id: str, kind: ArtifactKind, issued_at: Instant) -> tuple[Issuance, ...]:
        """The lines of the register of a license's artifacts of a kind that say this second, with their claims."""
        ...

    async def add_strangers(
        self,
        strangers: tuple[Stranger, ...],
        told: Callable[[Stranger], tuple[AuditEntry, Event]],
        *,
        most: int,
        most_of_license: int,
    ) -> tuple[Stranger, ...]:
        """
        Record what was seen: one that is known is counted again, and proved if it is now.

        Args:
            strangers: Each once.
            told: For one that is new, or now proved: the audit row and the event, in the same transaction.
            most: With so many rows, nothing new is recorded that a device only told.
            most_of_license: Nor of a license of which there are so many.

        Returns:
            Those that *told* was asked about.
        """
        ...

    async def strangers(self, *, kid: str | None, limit: int) -> tuple[Stranger, ...]:
        """Those that name *kid*, or all; the proved ones first, then by when they were seen last, the newest first."""
        ...

    async def count_strangers(self, *, kid: str | None) -> int:
        """How many these are in all."""
        ...

    async def list_strangers(
        self, which: StrangerFilter, *, after: StrangerPlace | None, limit: int
    ) -> tuple[Stranger, ...]:
        """Those that were first seen last, at most *limit*, from the one behind *after* on."""
        ...

    async def forget_strangers(self, *, before: Instant, limit: int) -> int:
        """Forget those that were seen last before then, so many at most; how many."""
        ...

"""
What the compromise drill asks of the storage: who holds something of a key, and a place for what takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.records import Activation, ArtifactKind, AuditEntry, Issuance


class SeatUnder(Struct):
    """
    A held activation of an active license, with the newest token and the newest machine file that it ever got.

    Attributes:
        activation: The seat.
        customer: Whose license it is, as an opaque id.
        key_last_four: Of the license key, for people.
        key_sealed: The sealed copy of the license key.
        token_sealed: That of the enrolment token that the device came with; None: it came with the license key.
        newest: One line of the register for each kind.
    """

    activation: Activation
    customer: str | None
    key_last_four: str
    key_sealed: bytes
    token_sealed: bytes | None
    newest: tuple[Issuance, ...]

    def __repr__(self) -> str:
        return f"SeatUnder(activation={self.activation.id!r})"


class SeatsUnder(Struct):
    """
    Some of those who ever got something under a key, by activation id.

    Attributes:
        looked_at: How many activations; those that ended, or whose license did, among them.
        last: The last of their ids, to go on behind it; None: nobody is left.
        seats: The live ones.
    """

    looked_at: int
    last: str | None
    seats: tuple[SeatUnder, ...]


class Successor(Struct):
    """A line for the register, and the id of the one whose place it takes."""

    replaces: str
    issuance: Issuance


class ByHand(Struct):
    """So many artifacts of a kind, of a product, that somebody has to hand out anew."""

    product: str
    kind: ArtifactKind
    count: int


class ReissueStore(Protocol):
    """The register, as the drill uses it."""

    async def seats_under(
        self, kid: str, *, after: str | None, limit: int, only_lines_of_it: bool = False
    ) -> SeatsUnder:
        """
        Those who ever got a token or machine file under *kid*, behind the activation *after*, at most *limit*.

        With *only_lines_of_it*, what they have newest under another key is left out of `SeatUnder.newest`.
        """
        ...

    async def count_seats_under(self, kid: str) -> int:
        """How many activations `seats_under` goes through in all. Reads the whole register once."""
        ...

    async def register_again(
        self, successors: tuple[Successor, ...], audit: Callable[[tuple[Issuance, ...]], AuditEntry]
    ) -> tuple[Issuance, ...]:
        """
        Register what takes the place of other artifacts, in one transaction with *audit*'s row.

        Left out, and not among what is returned, is what has no place any more: the activation or its license ended
        meanwhile, or the device got something newer of the same kind. Where nothing is left, nothing is written.
        """
        ...

    async def by_hand(self, kid: str, *, now: Instant) -> tuple[ByHand, ...]:
        """Signed license keys and offline tokens under *kid* that are not over at *now*; by product and kind."""
        ...

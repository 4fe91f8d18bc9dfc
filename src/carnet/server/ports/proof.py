"""
What proves what happened: the audit's chain, the log over what was issued, and where checkpoints are kept outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol, TypeAlias, TypeVar

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.formats.log_leaves import AuditRow, IssuedRow

_T = TypeVar("_T")

LeafKind: TypeAlias = Literal["issued", "key-event", "audit-head"]

TILE_HEIGHT = 8
"""A tile is a perfect subtree of 2^8 leaves or tiles; only those are stored, the rest is hashed when asked for."""


class ProofState(Struct):
    """
    How far the proof has got.

    Attributes:
        position: Of the last row of the audit's chain; 0: none.
        hash: The chain's hash there; None: none.
        sealed_to: Rows of the audit up to this number are in the chain, or will never come.
        logged_to: Rows of the chain up to this position have been looked at for the log.
        leaves: How many leaves the log has.
        head: The highest position that a leaf ties to the log; 0: none.
        checkpoint: The last that was signed by any process.
        checkpoint_at: When.
    """

    position: int = 0
    hash: bytes | None = None
    sealed_to: int = 0
    logged_to: int = 0
    leaves: int = 0
    head: int = 0
    checkpoint: str | None = None
    checkpoint_at: Instant | None = None


class Unsealed(Struct):
    """
    Rows of the audit that are in no chain yet, as one snapshot has them.

    Attributes:
        state: How far the chain was then.
        rows: The lowest of them above `state.sealed_to`, by number.
        highest: The highest number in the audit then; 0: it is empty.
    """

    state: ProofState
    rows: tuple[AuditRow, ...]
    highest: int


class Link(Struct):
    """A row that joins the chain."""

    seq: int
    hash: bytes


class Scanned(Struct):
    """
    Rows of the chain that were looked at for the log.

    Attributes:
        oldest_at: The earliest time that one of them bears; None: there were none.
        events: Those that belong into the log, with their positions, and are not there.
        signed_keys: Signed license keys of the licenses that some of them are about, and that are not in the log.
    """

    oldest_at: int | None
    events: tuple[tuple[int, AuditRow], ...]
    signed_keys: tuple[IssuedRow, ...]


class NewLeaf(Struct):
    """A leaf that joins the log, of what was issued as `jti`, or of a position in the audit's chain."""

    kind: LeafKind
    hash: bytes
    jti: str | None = None
    position: int | None = None


class Tile(Struct):
    """A perfect subtree of `256 ** level` leaves, which of its row it is, and its hash."""

    level: int
    number: int
    hash: bytes


class ChainedRow(Struct):
    """A row of the chain as it is stored, with the row of the audit that has its number now; None: there is none."""

    position: int
    seq: int
    hash: bytes
    row: AuditRow | None


class StoredLeaf(Struct):
    """
    A leaf as it is stored, with what it is about as that is stored now; None: it is not there.

    `head` is the hash of the audit's chain, for a leaf that ties the chain to the log.
    """

    number: int
    kind: str
    hash: bytes
    jti: str | None
    position: int | None
    issued: IssuedRow | None = None
    event: AuditRow | None = None
    head: bytes | None = None


class ProofReader(Protocol):
    """All that is stored, at one moment, in order. Each iterator is read to its end before the next is begun."""

    def state(self) -> ProofState:
        """How far the proof has got."""
        ...

    def chain(self, *, after: int = 0) -> Iterator[ChainedRow]:
        """The chain above a position."""
        ...

    def unsealed(self) -> Iterator[AuditRow]:
        """Rows of the audit that are not in the chain, by number."""
        ...

    def leaves(self) -> Iterator[StoredLeaf]:
        """The log."""
        ...

    def tiles(self) -> Iterator[Tile]:
        """The tiles, by level and number."""
        ...

    def unlogged(self) -> Iterator[IssuedRow]:
        """What was issued and is not in the log, by jti."""
        ...

    def counts(self) -> tuple[int, int]:
        """How many rows the chain and the log have, for whoever shows progress."""
        ...


class ProofStore(Protocol):
    """The proof's part of the storage."""

    async def proof_state(self) -> ProofState:
        """How far the proof has got."""
        ...

    async def unsealed(self, *, limit: int) -> Unsealed:
        """Some rows of the audit that are in no chain, the lowest first; see `Unsealed`."""
        ...

    async def audit_writers(self) -> frozenset[str]:
        """
        Who has a transaction open that may have taken a number of the audit and not committed it, by names that are
        theirs as long as it is open. Empty where numbers are given in the order of commits (SQLite).
        """
        ...

    async def seal(self, position: int, links: tuple[Link, ...], *, sealed_to: int) -> bool:
        """
        Add *links* behind *position*, and note how far that is; False, with nothing written, if the chain does not end
        there any more.
        """
        ...

    async def scan_chain(
        self, *, after: int, limit: int, kinds: tuple[str, ...], actions: tuple[str, ...], most: int
    ) -> Scanned:
        """
        Look at some rows of the chain above *after*, for audit rows about objects of these *kinds*, and for at *most*
        so many signed keys of licenses with which one of *actions* was done.
        """
        ...

    async def unlogged(self, *, after: str, limit: int) -> tuple[IssuedRow, ...]:
        """Some of what was issued with a jti above *after* and is not in the log, by jti."""
        ...

    async def hashes(self, level: int, first: int, count: int) -> tuple[bytes, ...]:
        """Of leaves (level 0) or tiles, from number *first*; fewer than *count* where they end."""
        ...

    async def grow(self, size: int, leaves: tuple[NewLeaf, ...], tiles: tuple[Tile, ...], *, logged_to: int) -> bool:
        """
        Add *leaves* to a log of *size* leaves, with the *tiles* that they complete, and note how far that is; False,
        with nothing written, if the log has another size.
        """
        ...

    async def keep_checkpoint(self, text: str, at: Instant) -> None:
        """Keep the newest checkpoint for whoever asks for it."""
        ...

    async def leaves_about(self, subject: str) -> tuple[StoredLeaf, ...]:
        """Leaves of what was issued for a license, or as a jti, by number."""
        ...

    async def read_proof(self, work: Callable[[ProofReader], _T]) -> _T:
        """Do *work* on everything, at one moment."""
        ...


class CheckpointPlace(Protocol):
    """Where checkpoints are kept outside the database. They are only ever added."""

    def add(self, text: str, at: Instant) -> None:
        """
        Keep a checkpoint, durably.

        Raises:
            StateError: ``checkpoint_not_kept``.
        """
        ...

    def newest(self, origin: str) -> str | None:
        """
        The last that was kept of one log.

        Raises:
            StateError: ``checkpoints_not_readable``.
        """
        ...

    def all(self) -> Iterable[str]:
        """
        Every checkpoint, the oldest first.

        Raises:
            StateError: ``checkpoints_not_readable``.
        """
        ...

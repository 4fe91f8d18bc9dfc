"""
Checking the log: each leaf against what it is about as that is now, tiles against leaves, and the whole against
checkpoints that were kept outside the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carnet.core._base import Struct, replace
from carnet.core.quantities import how_many
from carnet.formats.checkpoint import Checkpoint
from carnet.formats.log_leaves import IssuedRow, event_leaf, head_leaf, issued_leaf
from carnet.formats.merkle import EMPTY_ROOT, Growing, leaf_hash
from carnet.server.domain.proof.edge import Edge
from carnet.server.domain.proof.findings import KEPT, Finding
from carnet.server.ports.proof import StoredLeaf, Tile

_WHAT: Final = {"issued": "what was issued", "key-event": "a change of keys", "audit-head": "the audit's chain"}


class _BadIssued(Struct):
    """An entry of the log whose row of the register is another one now."""

    hash: bytes
    jti: str
    row: IssuedRow

    def fits(self, row: IssuedRow) -> bool:
        """Whether *row* under this jti is what was logged here."""
        return leaf_hash(issued_leaf(replace(row, jti=self.jti))) == self.hash


class LogCheck:
    """
    Goes along the log.

    Args:
        chain_last: The last position of the audit's chain.
        sizes: At which sizes the root hash will be asked for.

    Attributes:
        size: How many leaves there were.
        broken: Leaves are missing, so no root hash from there on means anything.
    """

    def __init__(self, chain_last: int, sizes: Iterable[int]) -> None:
        self.size = 0
        self.broken = False
        self._chain_last = chain_last
        self._roots: dict[int, bytes | None] = dict.fromkeys(sizes)
        if 0 in self._roots:
            self._roots[0] = EMPTY_ROOT
        self._growing = Growing()
        self._edge = Edge()
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._head = 0
        self._bad_issued: list[_BadIssued] = []
        self._found: list[Finding] = []
        self._more = 0

    def add(self, leaf: StoredLeaf) -> None:
        """Check the next leaf."""
        if leaf.number != self.size and not self.broken:
            self.broken = True
            what = f"Entry {self.size} of the log is gone; those behind it cannot be compared with checkpoints."
            self._tell(Finding(part="log", kind="deleted", row=str(self.size), message=what))
        self.size = leaf.number + 1
        if not self.broken:
            self._growing.add(leaf.hash)
            for tile in self._edge.add(leaf.hash):
                self._tiles[tile.level, tile.number] = tile.hash
            if self.size in self._roots:
                self._roots[self.size] = self._growing.root()
        if leaf.kind == "issued":
            self._issued(leaf)
        elif leaf.kind == "key-event":
            self._event(leaf)
        else:
            self._audit_head(leaf)

    def add_tile(self, tile: Tile) -> None:
        """Check a stored tile, once all leaves were seen."""
        expected = self._tiles.pop((tile.level, tile.number), None)
        if not self.broken and expected != tile.hash:
            where = f"tile {tile.level}/{tile.number}"
            what = f"The stored hash of {where} is not that of the entries below it."
            self._tell(Finding(part="log", kind="edited", row=where, message=what))

    def root(self, size: int) -> bytes | None:
        """The root hash that the log had at one of the sizes that were asked for; None: it cannot be known."""
        return self._roots.get(size)

    def findings(self) -> tuple[list[Finding], int]:
        """What is wrong, and how much more there is; call it when all leaves and tiles were seen."""
        if not self.broken:
            for level, number in sorted(self._tiles)[:1]:
                what = f"Tile {level}/{number} of the log is gone."
                self._tell(Finding(part="log", kind="deleted", row=f"tile {level}/{number}", message=what))
        return [*self._judged(), *self._found], self._more

    def _tell(self, finding: Finding) -> None:
        if len(self._found) < KEPT:
            self._found.append(finding)
        else:
            self._more += 1

    def _issued(self, leaf: StoredLeaf) -> None:
        row = leaf.issued
        if row is None:
            what = f"What was issued as {leaf.jti}, entry {leaf.number} of the log, was deleted from the register."
            self._tell(Finding(part="register", kind="deleted", row=str(leaf.jti), message=what))
        elif leaf_hash(issued_leaf(row)) != leaf.hash:
            if len(self._bad_issued) < KEPT:
                self._bad_issued.append(_BadIssued(hash=leaf.hash, jti=row.jti, row=row))
            else:
                self._more += 1

    def _judged(self) -> list[Finding]:
        found = []
        for bad in self._bad_issued:
            other = next((one for one in self._bad_issued if one is not bad and bad.fits(one.row)), None)
            done = "edited" if other is None else f"swapped with {other.jti}"
            what = f"What was issued as {bad.jti} was {done} in the register after it was logged."
            kind: Finding = Finding(
                part="register", kind="edited" if other is None else "swapped", row=bad.jti, message=what
            )
            found.append(kind)
        return found

    def _event(self, leaf: StoredLeaf) -> None:
        if leaf.event is None or leaf.position is None:
            self._without_row(leaf)
        elif leaf_hash(event_leaf(leaf.position, leaf.event)) != leaf.hash:
            what = f"Audit row {leaf.event.seq}, entry {leaf.number} of the log, is not what was logged."
            self._tell(Finding(part="log", kind="edited", row=str(leaf.number), message=what))

    def _audit_head(self, leaf: StoredLeaf) -> None:
        position = leaf.position or 0
        if leaf.head is None:
            self._without_row(leaf)
        elif leaf_hash(head_leaf(position, leaf.head)) != leaf.hash:
            what = (
                f"The audit's chain was computed anew: one of its rows at positions {self._head + 1} to {position} was"
                " changed after it was sealed."
            )
            if not any(each.kind == "rewritten" for each in self._found):
                self._tell(Finding(part="audit", kind="rewritten", row=f"position {self._head + 1}", message=what))
        else:
            self._head = position

    def _without_row(self, leaf: StoredLeaf) -> None:
        """A leaf about a position at which the chain has nothing; up to its end the chain itself tells what is gone."""
        position = leaf.position
        if position is None or position < 1:
            what = f"Entry {leaf.number} of the log names no row of the audit any more: nothing tells what was logged."
            self._tell(Finding(part="log", kind="edited", row=str(leaf.number), message=what))
        elif position > self._chain_last and not any(each.kind == "truncated" for each in self._found):
            what = f"The audit was cut after position {self._chain_last} of {position} that were sealed and logged."
            row = f"position {self._chain_last + 1}"
            self._tell(Finding(part="audit", kind="truncated", row=row, message=what))


def compare(
    log: LogCheck, kept: list[tuple[int, Checkpoint]], epoch: int, lives: list[tuple[int, int]]
) -> tuple[list[Finding], list[str]]:
    """
    Compare the log with its checkpoints.

    Args:
        log: When all leaves were seen.
        kept: Checkpoints of this installation with their epochs.
        epoch: The present one.
        lives: Epochs that began, and the size of the log then, as the audit tells.

    Returns:
        What is wrong; and what a restore took back, in sentences.
    """
    begun = dict(lives)
    limits = {life: min((leaves for later, leaves in lives if later > life), default=log.size) for life in {0, *begun}}
    limits[epoch] = log.size
    agreed, found = 0, []
    lost: dict[int, int] = {}
    for life, checkpoint in sorted(kept, key=lambda each: each[1].size):
        limit = limits.get(life)
        if life > epoch:  # epochs only rise (REL-11)
            what = f"A checkpoint was signed in epoch {life}; the database was put back to a state of epoch {epoch}."
            found.append(Finding(part="log", kind="rolled_back", row=str(log.size), message=what))
            break
        if life != epoch and (limit is None or checkpoint.size > limit):
            lost[life] = max(lost.get(life, 0), checkpoint.size)
        elif checkpoint.size > log.size:
            lost_now = (
                f"The log has {how_many(log.size, 'entry', 'entries')}; a checkpoint was signed over {checkpoint.size}."
            )
            what = f"{lost_now} The database was cut or put back to an older state, without a new epoch."
            found.append(Finding(part="log", kind="rolled_back", row=str(log.size), message=what))
            break
        elif (root := log.root(checkpoint.size)) is None:
            break  # the log says itself what is missing
        elif root == checkpoint.root:
            agreed = checkpoint.size
        else:
            what = (
                f"The log was computed anew: one of its entries {agreed} to {checkpoint.size - 1} is not what a"
                f" checkpoint over {how_many(checkpoint.size, 'entry', 'entries')} covers."
            )
            found.append(Finding(part="log", kind="rewritten", row=str(agreed), message=what))
            break
    return found, [_restored(life, size, limits.get(life)) for life, size in sorted(lost.items())]


def _restored(life: int, size: int, limit: int | None) -> str:
    kept = "of which this database knows nothing" if limit is None else f"of which a restore kept the first {limit}"
    name = "the first life" if life == 0 else f"epoch {life}"
    return f"Checkpoints of {name} cover {size} entries, {kept}: the rest was taken back when a backup was restored."

"""
The right edge of a log that is stored as leaves and tiles: what adding leaves needs, and what a root hash is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from carnet.core.errors import StateError
from carnet.formats.merkle import Range, fold, perfect, subtrees_of
from carnet.server.ports.proof import TILE_HEIGHT, ProofStore, Tile

WIDTH: Final = 1 << TILE_HEIGHT


class Edge:
    """
    Leaves and tiles that are in no complete tile yet, by level.

    Args:
        size: How many leaves the log has.
        rows: Their hashes and those of the tiles, each level's since its last complete tile, level 0 first.
    """

    def __init__(self, size: int = 0, rows: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self._rows = [list(row) for row in rows]

    def add(self, leaf: bytes) -> list[Tile]:
        """Add a leaf by its hash; the tiles that it completes."""
        complete: list[Tile] = []
        self.size += 1
        hash_, level = leaf, 0
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(hash_)
            if len(row) < WIDTH:
                return complete
            hash_, level = perfect(row), level + 1
            row.clear()
            complete.append(Tile(level=level, number=(self.size >> (TILE_HEIGHT * level)) - 1, hash=hash_))

    def root(self) -> bytes:
        """The root hash."""
        hashes: list[bytes] = []
        for row in reversed(self._rows):
            hashes += [perfect(row[at << height : (at + 1) << height]) for height, at in subtrees_of((0, len(row)))]
        return fold(hashes)


async def load_edge(store: ProofStore, size: int) -> Edge:
    """
    The edge of the stored log of *size* leaves.

    Raises:
        StateError: ``log_damaged``.
    """
    rows, level = [], 0
    while size >> (TILE_HEIGHT * level):
        count = size >> (TILE_HEIGHT * level)
        rows.append(await _hashes(store, level, count - count % WIDTH, count % WIDTH))
        level += 1
    return Edge(size, rows)


async def range_hash(store: ProofStore, leaves: Range) -> bytes:
    """
    The hash over a range of the stored log's leaves, as proofs and root hashes are made of.

    Raises:
        StateError: ``log_damaged``.
    """
    hashes = []
    for height, number in subtrees_of(leaves):
        rest = height % TILE_HEIGHT
        hashes.append(perfect(await _hashes(store, height // TILE_HEIGHT, number << rest, 1 << rest)))
    return fold(hashes)


async def _hashes(store: ProofStore, level: int, first: int, count: int) -> tuple[bytes, ...]:
    found = await store.hashes(level, first, count) if count else ()
    if len(found) != count:
        raise StateError(
            "log_damaged",
            "Leaves or tiles are missing from the log of what was issued.",
            "Find out which: carnet audit verify",
        )
    return found

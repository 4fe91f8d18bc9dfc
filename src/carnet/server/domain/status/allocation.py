"""
Which bit of which status list belongs to a license or an activation (R-83, SEC-26).

A sequence counts allocations; a keyed permutation scatters each block of 131,072 of them over the shard of that number.
So indices are never reused, a shard fills before the next begins, and nobody without the key can tell from two indices
which license came first, or which activations belong together. The key lies in `secrets/`, outside the database.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import shake_256
from typing import Protocol

from carnet.core.model import StatusRef

SHARD_BITS = 17
SHARD_SIZE = 1 << SHARD_BITS
"""131,072 indices a shard (design.md §5)."""

_HALF_BITS = 9
_HALF = 1 << _HALF_BITS
_ROUNDS = 8


class StatusPlaces(Protocol):
    """Says where bits are found."""

    def refs(self, licensed: int, seat: int | None = None) -> tuple[StatusRef, StatusRef | None]:
        """What an artifact says of a license that is active, and of its seat: their positions; None for no seat."""
        ...


class StatusAllocator:
    """
    The permutation.

    Args:
        key: 32 secret bytes; the same for the life of the installation.
        base_url: Where the status lists are fetched, no trailing slash.
    """

    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = key
        self._base_url = base_url

    def place(self, sequence: int) -> int:
        """
        The position of allocation number *sequence*: its shard times `SHARD_SIZE`, plus the index within the shard.

        Args:
            sequence: 0, 1, 2, …; each number has its own position.
        """
        shard, offset = divmod(sequence, SHARD_SIZE)
        rounds = _round_functions(self._key, shard)
        # A Feistel network of random functions is a random permutation (Luby and Rackoff 1988). Two halves of 9 bits
        # make 2^18 values, twice the shard; walking on until the value is inside keeps it a permutation of the shard.
        while True:
            offset = _permute(offset, rounds)
            if offset < SHARD_SIZE:
                return shard * SHARD_SIZE + offset

    def ref(self, position: int) -> StatusRef:
        """Where the bit at *position* is found (IETF Token Status List §6.1)."""
        shard, index = divmod(position, SHARD_SIZE)
        return StatusRef(uri=self.uri(shard), index=index)

    def uri(self, shard: int) -> str:
        """The address of the list of *shard*: what it calls itself (`sub`), and where it is served."""
        return f"{self._base_url}/v1/status/{shard}"


def _permute(value: int, rounds: tuple[tuple[int, ...], ...]) -> int:
    left, right = value >> _HALF_BITS, value & (_HALF - 1)
    for function in rounds:
        left, right = right, left ^ function[right]
    return left << _HALF_BITS | right


@lru_cache(maxsize=8)
def _round_functions(key: bytes, shard: int) -> tuple[tuple[int, ...], ...]:
    """Eight random functions of 9 bits for one shard, as tables: 8 KiB of a keyed extendable hash."""
    stream = shake_256(b"carnet/v1/status-permutation\0" + key + shard.to_bytes(8, "big")).digest(_ROUNDS * _HALF * 2)
    values = tuple(
        int.from_bytes(stream[position : position + 2], "big") & (_HALF - 1) for position in range(0, len(stream), 2)
    )
    return tuple(values[start : start + _HALF] for start in range(0, len(values), _HALF))

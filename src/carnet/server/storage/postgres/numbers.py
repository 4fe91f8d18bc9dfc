"""
Status list numbers from PostgreSQL's sequence, in blocks that a process draws from (design.md §5, decision 0041).

One call of `nextval` gives this process 64 numbers (migration 0005), so that no activation waits for a number, and
processes never wait for each other. Numbers that a process had and did not use are lost; none is ever given twice: a
sequence does not roll back, and PostgreSQL has its step on the disk before any commit that comes after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

BLOCK: Final = 64
"""Numbers of one `nextval`."""

NEXT_BLOCKS: Final = "SELECT nextval('status_indices_sequence_seq') FROM generate_series(1, $1::integer)"
"""The first numbers of as many blocks as are asked for."""

_MOST_BLOCKS: Final = 256


class OutOfNumbersError(Exception):
    """The process has no number left; fetch some and decide again. Never leaves the storage."""


class StatusNumbers:
    """The numbers that this process may give. Used on one event loop only."""

    def __init__(self) -> None:
        self._blocks: deque[range] = deque()
        self._left = 0

    @property
    def left(self) -> int:
        """How many can be drawn."""
        return self._left

    def add(self, firsts: Iterable[int]) -> None:
        """Put in the blocks that begin at *firsts*."""
        for first in firsts:
            self._blocks.append(range(first, first + BLOCK))
            self._left += BLOCK

    def draw(self) -> int:
        """
        The next number, 1 or more.

        Raises:
            OutOfNumbersError: None is left.
        """
        if not self._left:
            raise OutOfNumbersError
        block = self._blocks.popleft()
        if len(block) > 1:
            self._blocks.appendleft(block[1:])
        self._left -= 1
        return block[0]

    async def ensure(self, count: int, fetch: Callable[[int], Awaitable[Iterable[int]]]) -> None:
        """Have at least *count* numbers; *fetch* gives the first numbers of as many blocks as it is asked for."""
        if self._left < count:
            self.add(await fetch(blocks_for(count)))


def blocks_for(count: int) -> int:
    """How many blocks to ask for where *count* numbers are wanted: enough, and not without bound."""
    return min(_MOST_BLOCKS, -(-count // BLOCK))

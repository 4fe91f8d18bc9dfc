"""
The Merkle tree of RFC 9162 §2.1 (the tree of RFC 6962): hashes, proofs, and checking them (specs/transparency.md §3).

Pure arithmetic over 32-byte hashes. Proofs say which ranges of leaves they are made of, and whoever keeps a tree
fetches the hashes of those; so a database, a file and a list in a test are the same to this module.

Does not belong here: what a leaf says (`log_leaves`), who vouches for a root hash (`checkpoint`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from carnet.core.errors import NotGenuineError, UsageError
from carnet.formats.encoding import sha256

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"")
"""The root hash of a tree without leaves (RFC 9162 §2.1.1)."""

MAX_PATH: Final = 64
"""Hashes in a proof: more than any tree that can be counted in 63 bits needs."""

Range: TypeAlias = tuple[int, int]
"""Leaves from the first to before the second. The first is a multiple of the smallest power of two that holds it."""

Subtree: TypeAlias = tuple[int, int]
"""A perfect subtree: its height, and which of its row it is, from 0. Height 0 is a leaf."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf: SHA-256 of a zero byte and the leaf (RFC 9162 §2.1.1)."""
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees: SHA-256 of a one byte and both hashes (RFC 9162 §2.1.1)."""
    return sha256(b"\x01" + left + right)


def fold(hashes: Sequence[bytes]) -> bytes:
    """
    The root hash over subtrees that lie side by side, each perfect and none higher than the one before it.

    Args:
        hashes: Of the subtrees, leftmost first, as `subtrees_of` lists them.
    """
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def perfect(hashes: Sequence[bytes]) -> bytes:
    """The hash of the perfect subtree over as many equal ones as a power of two says, one at least."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def subtrees_of(leaves: Range) -> tuple[Subtree, ...]:
    """The perfect subtrees that a range is made of, leftmost and highest first."""
    first, end = leaves
    found = []
    while first < end:
        height = (end - first).bit_length() - 1
        found.append((height, first >> height))
        first += 1 << height
    return tuple(found)


class Growing:
    """
    The right edge of a tree: all that is needed to add leaves and to know the root hash.

    Args:
        size: How many leaves there are.
        hashes: Of `subtrees_of((0, size))`.
    """

    __slots__ = ("_edge", "size")

    size: int

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._edge = list(hashes)
        if len(self._edge) != size.bit_count():
            raise UsageError("bad_tree", f"A tree of {size} leaves has {size.bit_count()} subtrees at its edge.")

    def add(self, leaf: bytes) -> None:
        """Add a leaf by its hash; costs one hash on average."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._edge.pop(), leaf)
            size >>= 1
        self._edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root hash (RFC 9162 §2.1.1)."""
        return fold(self._edge)


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """
    What the inclusion proof of a leaf is made of: the ranges whose hashes it lists, nearest to the leaf first (RFC 9162
    §2.1.3.1).

    Raises:
        UsageError: ``bad_tree``: there is no such leaf.
    """
    if not 0 <= index < size:
        raise UsageError("bad_tree", f"A tree of {size} leaves has no leaf {index}.")
    first, end, ranges = 0, size, []
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return tuple(reversed(ranges))


def consistency_ranges(before: int, size: int) -> tuple[Range, ...]:
    """
    What the proof is made of that the tree of *before* leaves is where the tree of *size* leaves began (RFC 9162
    §2.1.4.1). Nothing where one of them is empty or they are the same.

    Raises:
        UsageError: ``bad_tree``: the first is the larger one.
    """
    if not 0 <= before <= size:
        raise UsageError("bad_tree", f"A tree of {size} leaves never had {before}.")
    if before in (0, size):
        return ()
    first, end, is_whole, ranges = 0, size, True, []
    while before != end:
        middle = first + _split(end - first)
        if before <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first, is_whole = middle, False
    if not is_whole:
        ranges.append((first, end))
    return tuple(reversed(ranges))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """
    Check that the leaf with the hash *leaf* is number *index* of the tree of *size* leaves with this root hash
    (RFC 9162 §2.1.3.2).

    Raises:
        NotGenuineError: ``not_in_log``.

    Does not check who says so: the root hash has to come from a verified checkpoint.
    """
    if not 0 <= index < size or len(path) > MAX_PATH:
        raise _not_in_log()
    number, last, result = index, size - 1, leaf
    for other in path:
        if last == 0:
            raise _not_in_log()
        if number & 1 or number == last:
            result = node_hash(other, result)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            result = node_hash(result, other)
        number >>= 1
        last >>= 1
    if last or result != root:
        raise _not_in_log()


def verify_consistency(before: int, size: int, root_before: bytes, root: bytes, path: Sequence[bytes]) -> None:
    """
    Check that the tree of *size* leaves begins with the tree of *before* leaves: nothing was taken back or changed (RFC
    9162 §2.1.4.2).

    Raises:
        NotGenuineError: ``log_forked``.
    """
    if not 0 <= before <= size or len(path) > MAX_PATH:
        raise _forked()
    if before in (0, size):
        expected = EMPTY_ROOT if before == 0 else root
        if path or root_before != expected:
            raise _forked()
        return
    hashes = list(path)
    if before & (before - 1) == 0:
        hashes.insert(0, root_before)
    if not hashes:
        raise _forked()
    number, last = before - 1, size - 1
    while number & 1:
        number >>= 1
        last >>= 1
    old = new = hashes[0]
    for other in hashes[1:]:
        if last == 0:
            raise _forked()
        if number & 1 or number == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            new = node_hash(new, other)
        number >>= 1
        last >>= 1
    if last or old != root_before or new != root:
        raise _forked()


def _split(size: int) -> int:
    """The largest power of two below *size* (RFC 9162 §2.1.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _not_in_log() -> NotGenuineError:
    return NotGenuineError(
        "not_in_log",
        "The proof does not lead to the checkpoint's root hash: what it is about is not in that log.",
        "Ask the vendor for a proof made by: carnet audit prove",
    )


def _forked() -> NotGenuineError:
    return NotGenuineError(
        "log_forked",
        "The log does not continue what was signed before: entries were changed or taken back.",
        "Find out what was changed: carnet audit verify",
    )

"""
The log: a Merkle tree over everything that was issued and every change of keys (R-89; docs/decisions/0087).

What has to be logged is found through the audit's chain, which names every transaction that committed, in an order that
never changes: what was issued in a transaction bears the second of the audit row beside it, so looking from the oldest
of the new rows on finds all of it, whenever it became visible. Signed license keys bear the second of their license;
they are found through the rows about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from carnet.formats.log_leaves import AuditRow, IssuedRow, event_leaf, head_leaf, issued_leaf
from carnet.formats.merkle import leaf_hash
from carnet.server.domain.proof.edge import Edge, load_edge
from carnet.server.ports.proof import NewLeaf, ProofState, ProofStore

KEY_EVENTS: Final = ("key", "root", "installation")
"""Kinds of objects whose audit rows are leaves of their own."""

_SIGNED_KEYS: Final = ("license.created", "license.signed_key_issued")
"""What signed license keys are issued by. Their ids begin with their license's, which may be years older than they."""

LOT: Final = 1000
_SCANNED: Final = 5000
_EARLIER_SECONDS: Final = 5
"""By how much the second of a jti may be before that of its audit row: both are of one reading of the clock."""


class _Look:
    """A look at everything between two positions of the chain."""

    def __init__(self, state: ProofState) -> None:
        # The last row of the look before is looked at again: what was issued since, under no row of its own, is later.
        self.at = max(0, state.logged_to - 1)
        self.until = state.position
        self.oldest_at: int | None = None
        self.after: str | None = None


class Log:
    """
    Grows the log.

    Args:
        store: Where it is.
        lot: Leaves at once.
    """

    def __init__(self, store: ProofStore, *, lot: int = LOT) -> None:
        self._store = store
        self._lot = lot
        self._edge: Edge | None = None
        self._look: _Look | None = None
        self._alone = asyncio.Lock()

    async def grow(self) -> bool:
        """
        Add some of what is not in the log; whether there is more.

        Raises:
            StateError: ``log_damaged``.
        """
        async with self._alone:
            state = await self._store.proof_state()
            look = self._look
            if look is None:
                if state.position <= state.logged_to:
                    return False
                look = self._look = _Look(state)
            if look.at < look.until and (await self._add_events(state, look) or look.at < look.until):
                return True  # what was asked about is old, or there is more to look at
            if look.after is None:
                look.after = before_second(look.oldest_at)
            found = await self._store.unlogged(after=look.after, limit=self._lot)
            leaves = await asyncio.to_thread(_issued_leaves, found) if found else ()
            is_all = len(found) < self._lot
            if not await self._append(state, leaves, logged_to=look.until if is_all else 0):
                return True
            if is_all:
                self._look = None
                return state.position > look.until
            look.after = found[-1].jti
            return True

    async def tie(self) -> Edge:
        """
        Tie the audit's chain as it is now to the log with a leaf, unless that is done; the log's edge after it.

        Raises:
            StateError: ``log_damaged``.
        """
        async with self._alone:
            while True:
                state = await self._store.proof_state()
                if state.hash is None or state.head >= state.position:
                    return await self._edge_of(state)
                leaf = head_leaf(state.position, state.hash)
                new = NewLeaf(kind="audit-head", hash=leaf_hash(leaf), position=state.position)
                await self._append(state, (new,), logged_to=0)

    async def _add_events(self, state: ProofState, look: _Look) -> bool:
        """Look at some of the chain, and add what belongs into the log; whether anything did."""
        count = min(_SCANNED, look.until - look.at)
        scanned = await self._store.scan_chain(
            after=look.at, limit=count, kinds=KEY_EVENTS, actions=_SIGNED_KEYS, most=self._lot
        )
        leaves = _event_leaves(scanned.events)
        if scanned.signed_keys:
            leaves += await asyncio.to_thread(_issued_leaves, scanned.signed_keys)
        if leaves and not await self._append(state, leaves, logged_to=0):
            return True
        if len(scanned.signed_keys) < self._lot:
            look.at += count
            if scanned.oldest_at is not None:
                look.oldest_at = scanned.oldest_at if look.oldest_at is None else min(look.oldest_at, scanned.oldest_at)
        return bool(leaves)

    async def _append(self, state: ProofState, leaves: tuple[NewLeaf, ...], *, logged_to: int) -> bool:
        """Add leaves; False, and all that is remembered is forgotten, if somebody else was faster."""
        edge = await self._edge_of(state)
        self._edge = None  # until it is known to be stored
        tiles = [tile for leaf in leaves for tile in edge.add(leaf.hash)]
        if await self._store.grow(state.leaves, leaves, tuple(tiles), logged_to=logged_to):
            self._edge = edge
            return True
        self._look = None
        return False

    async def _edge_of(self, state: ProofState) -> Edge:
        if self._edge is None or self._edge.size != state.leaves:
            self._edge = await load_edge(self._store, state.leaves)
        return self._edge


def before_second(at: int | None) -> str:
    """A text below every id that was made from about the second *at* on (RFC 9562 §5.7)."""
    if at is None:
        return "g"  # nothing: no hexadecimal digit is above it
    text = f"{max(0, at - _EARLIER_SECONDS) * 1000:012x}"
    return f"{text[:8]}-{text[8:]}"


def _issued_leaves(rows: Sequence[IssuedRow]) -> tuple[NewLeaf, ...]:
    return tuple(NewLeaf(kind="issued", hash=leaf_hash(issued_leaf(row)), jti=row.jti) for row in rows)


def _event_leaves(events: Sequence[tuple[int, AuditRow]]) -> tuple[NewLeaf, ...]:
    return tuple(
        NewLeaf(kind="key-event", hash=leaf_hash(event_leaf(position, row)), position=position)
        for position, row in events
    )

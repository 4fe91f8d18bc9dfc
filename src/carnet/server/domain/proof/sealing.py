"""
The sealer: it chains the audit's rows in the order in which it sees them (SEC-46; docs/decisions/0086).

On PostgreSQL numbers are given before commits, so a row may become visible after one with a higher number, minutes
later if its transaction is long. The chain does not wait for it and does not pass it by: what is visible is chained
now, what becomes visible later is chained then. `sealed_to` only saves looking twice; it rises over a number when

* a snapshot showed the highest number N, and
* all who had a transaction with the audit open after that snapshot have ended it, and
* a later snapshot's rows up to N are in the chain:

nobody can then commit a number up to N any more, because who takes one has locked the table before and keeps the lock.
On SQLite numbers are given in the order of commits, and there is nobody to wait for.
"""

from __future__ import annotations

import asyncio
from typing import Final

from carnet.formats.log_leaves import AuditRow, chain_link, chain_start
from carnet.server.ports.proof import Link, ProofStore

LOT: Final = 1000
"""Rows in one transaction: the writer of SQLite has others waiting."""

_HASHED_HERE: Final = 50
"""So few rows are hashed without a thread."""


class AuditSealer:
    """
    Chains the audit.

    Args:
        store: Where it is.
        issuer: The installation, which the chain begins with.
        lot: Rows at once.
    """

    def __init__(self, store: ProofStore, issuer: str, *, lot: int = LOT) -> None:
        self._store = store
        self._start = chain_start(issuer)
        self._lot = lot
        self._settled = 0
        self._horizon: int | None = None
        self._pending: frozenset[str] = frozenset()

    async def seal(self) -> bool:
        """Chain some rows; whether there are more. Of two who do it at once, one does it."""
        if self._horizon is not None:
            self._pending &= await self._store.audit_writers()
            if not self._pending:
                self._settled, self._horizon = max(self._settled, self._horizon), None
        found = await self._store.unsealed(limit=self._lot)
        state, is_all = found.state, len(found.rows) < self._lot
        if self._settled > found.highest:  # the database is in an older state than it was
            self._settled = 0
        before = state.hash or self._start
        few = len(found.rows) <= _HASHED_HERE
        links = _links(before, found.rows) if few else await asyncio.to_thread(_links, before, found.rows)
        sealed_to = self._settled if is_all else min(self._settled, found.rows[-1].seq)
        if (links or sealed_to > state.sealed_to) and not await self._store.seal(
            state.position, links, sealed_to=sealed_to
        ):
            return False  # somebody else did; the next look tells what is left
        if self._horizon is None and found.highest > self._settled:
            self._horizon, self._pending = found.highest, await self._store.audit_writers()
        return not is_all


def _links(before: bytes, rows: tuple[AuditRow, ...]) -> tuple[Link, ...]:
    links = []
    for row in rows:
        before = chain_link(before, row.digest())
        links.append(Link(seq=row.seq, hash=before))
    return tuple(links)

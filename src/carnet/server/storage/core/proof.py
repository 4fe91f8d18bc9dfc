"""
The audit's chain and the log in SQLAlchemy Core.

Whoever adds to one of them locks `log_state` first and looks whether it still ends where he thinks: of two who seal at
once, the second finds that he is late and writes nothing. Nobody else locks or writes these tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.formats.log_leaves import IssuedRow
from carnet.server.ports.proof import (
    Link,
    NewLeaf,
    ProofReader,
    ProofState,
    Scanned,
    StoredLeaf,
    Tile,
    Unsealed,
)
from carnet.server.storage.core.inserting import insert_many
from carnet.server.storage.core.proof_reading import (
    LEAF_WIDTH,
    ProofRows,
    count_leaves,
    read_state,
    stored_leaf,
    unlogged_query,
)
from carnet.server.storage.core.unit import CoreUnits, insert
from carnet.server.storage.rows.proof import audit_row, issued_row
from carnet.server.storage.tables import audit, audit_chain, issuances, log_leaves, log_state, log_tiles

_T = TypeVar("_T")

_IS_IT: Final = log_state.c.id == 1
_FIRST: Final = {"id": 1, "sealed_to": 0, "logged_to": 0}

# A statement locks a table before it takes a number of its sequence, and keeps the lock until its transaction ends.
_WRITERS: Final = sa.text(
    "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'audit'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'RowExclusiveLock'"
)


class ProofPart(CoreUnits):
    """`ports.ProofStore`."""

    async def proof_state(self) -> ProofState:
        """See `ports.ProofStore`."""
        return await self._read(read_state)

    async def unsealed(self, *, limit: int) -> Unsealed:
        """See `ports.ProofStore`."""

        def work(connection: sa.Connection) -> Unsealed:
            state = read_state(connection)
            # The bound stands on both sides, so that neither table is read below it.
            is_its_seal = sa.and_(audit_chain.c.seq == audit.c.seq, audit_chain.c.seq > state.sealed_to)
            query = (
                sa.select(audit)
                .outerjoin(audit_chain, is_its_seal)
                .where(audit.c.seq > state.sealed_to, audit_chain.c.seq.is_(None))
                .order_by(audit.c.seq)
                .limit(limit)
            )
            found = tuple(audit_row(row) for row in connection.execute(query))
            highest = connection.scalar(sa.select(sa.func.max(audit.c.seq))) or 0
            return Unsealed(state=state, rows=found, highest=highest)

        return await self._read(work)

    async def audit_writers(self) -> frozenset[str]:
        """See `ports.ProofStore`."""

        def work(connection: sa.Connection) -> frozenset[str]:
            if connection.dialect.name != "postgresql":
                return frozenset()
            return frozenset(str(name) for name in connection.scalars(_WRITERS))

        return await self._read(work)

    async def seal(self, position: int, links: tuple[Link, ...], *, sealed_to: int) -> bool:
        """See `ports.ProofStore`."""
        values = [
            {"position": number, "seq": link.seq, "hash": link.hash} for number, link in enumerate(links, position + 1)
        ]

        def work(connection: sa.Connection) -> bool:
            _lock(connection)
            last = connection.scalar(sa.select(sa.func.max(audit_chain.c.position))) or 0
            if last != position:
                return False
            insert_many(connection, audit_chain, values)
            connection.execute(
                sa.update(log_state).where(_IS_IT, log_state.c.sealed_to < sealed_to).values(sealed_to=sealed_to)
            )
            return True

        return await self._write(work)

    async def scan_chain(
        self, *, after: int, limit: int, kinds: tuple[str, ...], actions: tuple[str, ...], most: int
    ) -> Scanned:
        """See `ports.ProofStore`."""
        is_within = sa.and_(audit_chain.c.position > after, audit_chain.c.position <= after + limit)
        joined = audit_chain.join(audit, audit.c.seq == audit_chain.c.seq)
        oldest = sa.select(sa.func.min(audit.c.at)).select_from(joined).where(is_within)
        is_logged = sa.exists().where(log_leaves.c.kind == "key-event", log_leaves.c.position == audit_chain.c.position)
        events = (
            sa.select(audit_chain.c.position, *audit.c)
            .select_from(joined)
            .where(is_within, audit.c.object_kind.in_(kinds), sa.not_(is_logged))
            .order_by(audit_chain.c.position)
        )
        about = sa.select(audit.c.object_id).distinct().select_from(joined)
        about = about.where(is_within, audit.c.action.in_(actions))
        # In no order and without a bound: either would tempt a planner to go through all that was ever issued.
        keys = sa.select(issuances).where(issuances.c.kind == "license-key")
        keys = keys.where(sa.not_(sa.exists().where(log_leaves.c.jti == issuances.c.jti)))

        def work(connection: sa.Connection) -> Scanned:
            ids = list(connection.scalars(about))
            named = connection.execute(keys.where(issuances.c.license_id.in_(ids))) if ids else ()
            signed = [issued_row(row) for row in named]
            return Scanned(
                oldest_at=connection.scalar(oldest),
                events=tuple((row[0], audit_row(row[1:])) for row in connection.execute(events)),
                signed_keys=tuple(sorted(signed, key=lambda each: each.jti)[:most]),
            )

        return await self._read(work)

    async def unlogged(self, *, after: str, limit: int) -> tuple[IssuedRow, ...]:
        """See `ports.ProofStore`."""
        return await self._all(unlogged_query(after=after).limit(limit), issued_row)

    async def hashes(self, level: int, first: int, count: int) -> tuple[bytes, ...]:
        """See `ports.ProofStore`."""
        table = log_tiles if level else log_leaves
        query = (
            sa.select(table.c.hash)
            .where(table.c.number >= first, table.c.number < first + count)
            .order_by(table.c.number)
        )
        return await self._all(query.where(log_tiles.c.level == level) if level else query, lambda row: bytes(row[0]))

    async def grow(self, size: int, leaves: tuple[NewLeaf, ...], tiles: tuple[Tile, ...], *, logged_to: int) -> bool:
        """See `ports.ProofStore`."""
        new = [
            {"number": number, "kind": leaf.kind, "hash": leaf.hash, "jti": leaf.jti, "position": leaf.position}
            for number, leaf in enumerate(leaves, size)
        ]
        complete = [{"level": tile.level, "number": tile.number, "hash": tile.hash} for tile in tiles]

        def work(connection: sa.Connection) -> bool:
            _lock(connection)
            if count_leaves(connection) != size:
                return False
            insert_many(connection, log_leaves, new)
            insert_many(connection, log_tiles, complete)
            connection.execute(
                sa.update(log_state).where(_IS_IT, log_state.c.logged_to < logged_to).values(logged_to=logged_to)
            )
            return True

        return await self._write(work)

    async def keep_checkpoint(self, text: str, at: Instant) -> None:
        """See `ports.ProofStore`."""

        def work(connection: sa.Connection) -> None:
            _lock(connection)
            connection.execute(sa.update(log_state).where(_IS_IT).values(checkpoint=text, checkpoint_at=int(at)))

        await self._write(work)

    async def leaves_about(self, subject: str) -> tuple[StoredLeaf, ...]:
        """See `ports.ProofStore`."""
        query = (
            sa.select(*log_leaves.c, *issuances.c)
            .join(issuances, issuances.c.jti == log_leaves.c.jti)
            .where(sa.or_(issuances.c.jti == subject, issuances.c.license_id == subject))
            .order_by(log_leaves.c.number)
        )
        return await self._all(query, lambda row: stored_leaf(row, issued=issued_row(row[LEAF_WIDTH:])))

    async def read_proof(self, work: Callable[[ProofReader], _T]) -> _T:
        """See `ports.ProofStore`."""
        return await self._read(lambda connection: work(ProofRows(connection)))


def _lock(connection: sa.Connection) -> None:
    """Be the only one who adds to chain or log until the transaction ends."""
    query = sa.select(log_state.c.id).where(_IS_IT).with_for_update()
    if connection.scalar(query) is None:
        insert(connection, log_state, _FIRST)  # of two at once, one does it
        connection.execute(query)

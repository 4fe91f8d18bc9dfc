"""
Everything that proves what happened, read in order at one moment, in SQLAlchemy Core: for whoever checks or exports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.formats.log_leaves import AuditRow, IssuedRow
from carnet.server.ports.proof import ChainedRow, ProofState, StoredLeaf, Tile
from carnet.server.storage.rows.proof import audit_row, issued_row
from carnet.server.storage.tables import audit, audit_chain, issuances, log_leaves, log_state, log_tiles

_FETCHED_AT_ONCE: Final = 500
LEAF_WIDTH: Final = len(log_leaves.c)


def _state_query() -> sa.Select[Any]:
    """All of it in one statement: it is asked every second."""
    last = sa.select(audit_chain.c.hash).order_by(audit_chain.c.position.desc()).limit(1)
    head = sa.select(sa.func.max(log_leaves.c.position)).where(log_leaves.c.kind == "audit-head")
    one = sa.select(sa.literal(1).label("id")).subquery()
    return sa.select(
        sa.select(sa.func.max(audit_chain.c.position)).scalar_subquery(),
        last.scalar_subquery(),
        log_state.c.sealed_to,
        log_state.c.logged_to,
        sa.select(sa.func.max(log_leaves.c.number)).scalar_subquery(),
        head.scalar_subquery(),
        log_state.c.checkpoint,
        log_state.c.checkpoint_at,
    ).select_from(one.outerjoin(log_state, log_state.c.id == one.c.id))


_STATE: Final = _state_query()


def read_state(connection: sa.Connection) -> ProofState:
    """How far chain and log have got."""
    position, hash_, sealed_to, logged_to, last, head, checkpoint, at = connection.execute(_STATE).one()
    return ProofState(
        position=position or 0,
        hash=None if hash_ is None else bytes(hash_),
        sealed_to=sealed_to or 0,
        logged_to=logged_to or 0,
        leaves=0 if last is None else last + 1,
        head=head or 0,
        checkpoint=checkpoint,
        checkpoint_at=None if at is None else Instant(at),
    )


def count_leaves(connection: sa.Connection) -> int:
    """How many leaves the log has, by the number of the last."""
    last = connection.scalar(sa.select(sa.func.max(log_leaves.c.number)))
    return 0 if last is None else last + 1


def stored_leaf(
    row: Sequence[Any], *, issued: IssuedRow | None = None, event: AuditRow | None = None, head: bytes | None = None
) -> StoredLeaf:
    """The columns of `log_leaves`, with what the leaf is about."""
    number, kind, hash_, jti, position = row[:LEAF_WIDTH]
    return StoredLeaf(
        number=number, kind=kind, hash=bytes(hash_), jti=jti, position=position, issued=issued, event=event, head=head
    )


def unlogged_query(*, after: str = "") -> sa.Select[Any]:
    """What was issued with a jti above *after* and is not in the log, by jti; neither table is read below it."""
    is_logged = sa.exists().where(log_leaves.c.jti == issuances.c.jti, log_leaves.c.jti > after)
    return sa.select(issuances).where(sa.not_(is_logged), issuances.c.jti > after).order_by(issuances.c.jti)


class ProofRows:
    """
    `ports.ProofReader`.

    Args:
        connection: Inside a reading transaction.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def state(self) -> ProofState:
        """See `ports.ProofReader`."""
        return read_state(self._connection)

    def chain(self, *, after: int = 0) -> Iterator[ChainedRow]:
        """See `ports.ProofReader`."""
        query = (
            sa.select(*audit_chain.c, *audit.c)
            .outerjoin(audit, audit.c.seq == audit_chain.c.seq)
            .where(audit_chain.c.position > after)
            .order_by(audit_chain.c.position)
        )
        for position, seq, hash_, *rest in self._rows(query):
            row = None if rest[0] is None else audit_row(rest)
            yield ChainedRow(position=position, seq=seq, hash=bytes(hash_), row=row)

    def unsealed(self) -> Iterator[AuditRow]:
        """See `ports.ProofReader`."""
        query = (
            sa.select(audit)
            .outerjoin(audit_chain, audit_chain.c.seq == audit.c.seq)
            .where(audit_chain.c.seq.is_(None))
            .order_by(audit.c.seq)
        )
        return map(audit_row, self._rows(query))

    def leaves(self) -> Iterator[StoredLeaf]:
        """See `ports.ProofReader`."""
        ask, after = self._connection.execute, -1
        first = sa.select(log_leaves).order_by(log_leaves.c.number).limit(_FETCHED_AT_ONCE)
        heads = sa.select(audit_chain.c.position, audit_chain.c.hash, *audit.c).outerjoin(
            audit, audit.c.seq == audit_chain.c.seq
        )
        while found := ask(first.where(log_leaves.c.number > after)).all():
            jtis = [row.jti for row in found if row.jti is not None]
            positions = [row.position for row in found if row.position is not None]
            issued = {row[0]: issued_row(row) for row in ask(sa.select(issuances).where(issuances.c.jti.in_(jtis)))}
            sealed = {row[0]: row for row in ask(heads.where(audit_chain.c.position.in_(positions)))}
            for row in found:
                head = sealed.get(row.position)
                yield stored_leaf(
                    row,
                    issued=issued.get(row.jti),
                    event=None if head is None or head[2] is None else audit_row(head[2:]),
                    head=None if head is None else bytes(head[1]),
                )
            after = found[-1].number

    def tiles(self) -> Iterator[Tile]:
        """See `ports.ProofReader`."""
        for level, number, hash_ in self._rows(sa.select(log_tiles).order_by(log_tiles.c.level, log_tiles.c.number)):
            yield Tile(level=level, number=number, hash=bytes(hash_))

    def unlogged(self) -> Iterator[IssuedRow]:
        """See `ports.ProofReader`."""
        return map(issued_row, self._rows(unlogged_query()))

    def counts(self) -> tuple[int, int]:
        """See `ports.ProofReader`."""
        chain, leaves = (
            self._connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in (audit_chain, log_leaves)
        )
        return chain, leaves

    def _rows(self, query: sa.Select[Any]) -> Iterator[Any]:
        yield from self._connection.execute(query, execution_options={"yield_per": _FETCHED_AT_ONCE})

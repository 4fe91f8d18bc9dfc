"""
A unit of work in SQLAlchemy Core, and the few statements that all parts share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from carnet.server.ports import IndexPlace
from carnet.server.records import AuditEntry, Event
from carnet.server.storage import rows
from carnet.server.storage.tables import audit, events, licenses, policies

_T = TypeVar("_T")


class CoreUnits(ABC):
    """How a part of the storage gets its connection: a driver says."""

    def __init__(self, place: IndexPlace) -> None:
        self._place = place

    @abstractmethod
    async def _write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Run *work* in a write transaction; return after the commit."""

    @abstractmethod
    async def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Run *work* on one snapshot."""

    @abstractmethod
    def _next_number(self, connection: sa.Connection) -> Callable[[], int]:
        """Gives the next number of the status sequence at each call, from 1: to this transaction and to nobody else."""

    async def _one(self, query: sa.Select[Any], mapped: Callable[[Any], _T]) -> _T | None:
        def work(connection: sa.Connection) -> _T | None:
            row = connection.execute(query).first()
            return None if row is None else mapped(row)

        return await self._read(work)

    async def _all(self, query: sa.Select[Any], mapped: Callable[[Any], _T]) -> tuple[_T, ...]:
        return await self._read(lambda connection: tuple(mapped(row) for row in connection.execute(query)))

    async def _newest(
        self,
        query: sa.Select[Any],
        key: sa.Column[Any],
        after: str | None,
        limit: int,
        mapped: Callable[[Any], _T],
    ) -> tuple[_T, ...]:
        query = query.order_by(key.desc()).limit(limit)
        return await self._all(query if after is None else query.where(key < after), mapped)


def lock_license(connection: sa.Connection, license_id: str) -> None:
    """
    Lock a license, before anything of it is read.

    In a statement of its own: on PostgreSQL one that waits for the lock and also reads the policy shows the license as
    it is after the wait and the policy as it was before (READ COMMITTED), and a decision on the two would be about a
    state that never was.
    """
    connection.execute(sa.select(licenses.c.id).where(licenses.c.id == license_id).with_for_update(key_share=True))


def policy_by_name(product: str, name: str) -> sa.Select[Any]:
    """One policy of a product."""
    return sa.select(policies).where(policies.c.product_id == product, policies.c.name == name)


def exists(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> bool:
    """Whether any row fulfils *condition*."""
    return bool(connection.scalar(sa.select(sa.exists().where(condition))))


def insert(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert one row; False if its key is taken, and then nothing has happened."""
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), values)
    except IntegrityError:
        return False
    return True


def add_audit(connection: sa.Connection, entry: AuditEntry) -> None:
    """Store one audit row, in the transaction of what it tells of."""
    connection.execute(sa.insert(audit), rows.audit_values(entry))


def add_events(connection: sa.Connection, told: tuple[Event, ...]) -> None:
    """Put *told* into the outbox, in the transaction of what they tell of."""
    if told:
        values = [dict(zip(rows.EVENT_COLUMNS, rows.event_values(event), strict=True)) for event in told]
        connection.execute(sa.insert(events), values)

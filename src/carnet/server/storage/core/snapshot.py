"""
All rows at one moment, in SQLAlchemy Core.
"""

from __future__ import annotations

import sqlalchemy as sa

from carnet.server.ports.backup import TakeTable
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import audit, metadata

_FETCHED_AT_ONCE = 500


class SnapshotPart(CoreUnits):
    """`ports.BackupStore`."""

    async def snapshot(self, take: TakeTable) -> None:
        """See `ports.BackupStore`."""

        def work(connection: sa.Connection) -> None:
            for table in metadata.sorted_tables:
                query = sa.select(table).order_by(*table.primary_key.columns)
                rows = connection.execute(query, execution_options={"yield_per": _FETCHED_AT_ONCE})
                take(table.name, tuple(column.name for column in table.columns), rows)

        await self._read(work)

    async def audit_height(self) -> int:
        """See `ports.BackupStore`."""

        def work(connection: sa.Connection) -> int:
            return connection.scalar(sa.select(sa.func.max(audit.c.seq))) or 0

        return await self._read(work)

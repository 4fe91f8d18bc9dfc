"""
All rows at one moment, in SQLAlchemy Core.
"""

from __future__ import annotations

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.server.ports.backup import Life, TakeTable
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import audit, installation, metadata

_FETCHED_AT_ONCE = 500


class SnapshotPart(CoreUnits):
    """`ports.BackupStore`."""

    async def snapshot(self, take: TakeTable) -> None:
        """See `ports.BackupStore`."""

        def work(connection: sa.Connection) -> None:
            for table in metadata.sorted_tables:
                query = sa.select(table).order_by(*table.primary_key.columns)
                rows = connection.execute(query, execution_options={"yield_per": _FETCHED_AT_ONCE})
                take(str(table.name), tuple(str(column.name) for column in table.columns), rows)

        await self._read(work)

    async def life(self) -> Life:
        """See `ports.BackupStore`."""

        def work(connection: sa.Connection) -> Life:
            row = connection.execute(sa.select(installation.c.epoch, installation.c.restored_at)).one()
            height = connection.scalar(sa.select(sa.func.max(audit.c.seq))) or 0
            return Life(epoch=row[0], audit=height, restored_at=None if row[1] is None else Instant(row[1]))

        return await self._read(work)

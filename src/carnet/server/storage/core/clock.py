"""
What the rows tell about the clocks of those who signed, in SQLAlchemy Core.
"""

from __future__ import annotations

import sqlalchemy as sa

from carnet.core.instant import Instant
from carnet.server.ports import ClockMarks
from carnet.server.storage import rows
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import audit, issuances


class ClockPart(CoreUnits):
    """`ports.ClockStore`."""

    async def clock_marks(self, issuer: str) -> ClockMarks:
        """See `ports.ClockStore`."""
        # Ids are in the order of their making (domain/ids.py): the greatest is the newest.
        newest = sa.select(issuances.c.issued_at).order_by(issuances.c.jti.desc()).limit(1)
        confirmed = (
            sa.select(audit)
            .where(audit.c.object_id == issuer, audit.c.action == "clock.confirmed")
            .order_by(audit.c.seq.desc())
            .limit(1)
        )

        def work(connection: sa.Connection) -> ClockMarks:
            signed_at = connection.scalar(newest)
            row = connection.execute(confirmed).first()
            marks = ClockMarks(signed_at=None if signed_at is None else Instant(signed_at))
            if row is None:
                return marks
            told = rows.audit_from(row)
            return ClockMarks(
                signed_at=marks.signed_at,
                confirmed_at=told.at,
                signed_until=Instant(told.details["signed_until"]),
            )

        return await self._read(work)

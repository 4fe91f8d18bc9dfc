"""
Activations and the register, as administration reads them, in SQLAlchemy Core.
"""

from __future__ import annotations

import sqlalchemy as sa

from carnet.server.records import Activation, ArtifactKind, Issuance
from carnet.server.storage import rows
from carnet.server.storage.core.unit import CoreUnits
from carnet.server.storage.tables import activations, issuances, licenses

_ACTIVATION = sa.select(activations, licenses.c.product_id).join(licenses, activations.c.license_id == licenses.c.id)


class ActivationPart(CoreUnits):
    """The reading half of `ports.SeatStore`."""

    async def activation(self, activation_id: str) -> Activation | None:
        """See `ports.Storage`."""
        return await self._one(_ACTIVATION.where(activations.c.id == activation_id), rows.activation_from)

    async def activations(
        self, license_id: str, *, include_deactivated: bool, after: str | None, limit: int
    ) -> tuple[Activation, ...]:
        """See `ports.Storage`."""
        query = _ACTIVATION.where(activations.c.license_id == license_id)
        if not include_deactivated:
            query = query.where(activations.c.deactivated_at.is_(None))
        return await self._newest(query, activations.c.id, after, limit, rows.activation_from)

    async def issuance(self, jti: str) -> Issuance | None:
        """See `ports.Storage`."""
        return await self._one(sa.select(issuances).where(issuances.c.jti == jti), rows.issuance_from)

    async def latest_issuance(self, license_id: str, kind: ArtifactKind) -> Issuance | None:
        """See `ports.Storage`."""
        table = issuances
        query = sa.select(table).where(table.c.license_id == license_id, table.c.kind == kind)
        newest = query.order_by(table.c.issued_at.desc(), table.c.jti.desc()).limit(1)
        return await self._one(newest, rows.issuance_from)

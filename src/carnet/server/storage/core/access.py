"""
API keys, compatibility keys and the audit in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from carnet.core._base import replace
from carnet.server.ports import ApiKeyChange, KeyChange, KeyContext
from carnet.server.records import ApiKey, AuditEntry, CompatibilityKey
from carnet.server.storage import rows
from carnet.server.storage.core.unit import CoreUnits, add_audit, exists
from carnet.server.storage.tables import api_keys, audit, compatibility_keys, products


class AccessPart(CoreUnits):
    """`ports.AccessStore`, but for the look-up that every admin request makes."""

    async def add_audit(self, entry: AuditEntry) -> None:
        """See `ports.Storage`."""
        await self._write(lambda connection: add_audit(connection, entry))

    async def audit_entries(
        self, *, object_id: str | None, action: str | None, before: int | None, limit: int
    ) -> tuple[AuditEntry, ...]:
        """See `ports.Storage`."""
        query = sa.select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if object_id is not None:
            query = query.where(audit.c.object_id == object_id)
        if action is not None:
            query = query.where(audit.c.action == action)
        if before is not None:
            query = query.where(audit.c.seq < before)
        return await self._all(query, rows.audit_from)

    async def add_api_key(self, api_key: ApiKey, entry: AuditEntry) -> None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.insert(api_keys), rows.api_key_values(api_key))
            add_audit(connection, entry)

        await self._write(work)

    async def api_keys(self, *, after: str | None, limit: int) -> tuple[ApiKey, ...]:
        """See `ports.Storage`."""
        return await self._newest(sa.select(api_keys), api_keys.c.id, after, limit, rows.api_key_from)

    async def change_api_key(self, api_key_id: str, change: Callable[[ApiKey], ApiKeyChange]) -> ApiKey | None:
        """See `ports.Storage`."""

        def work(connection: sa.Connection) -> ApiKey | None:
            row = connection.execute(sa.select(api_keys).where(api_keys.c.id == api_key_id).with_for_update()).first()
            if row is None:
                return None
            made = change(rows.api_key_from(row))
            if made.audit is not None:
                values = rows.api_key_values(made.api_key)
                connection.execute(sa.update(api_keys).where(api_keys.c.id == api_key_id).values(values))
                add_audit(connection, made.audit)
            return made.api_key

        return await self._write(work)

    async def add_compatibility_key(
        self, key: CompatibilityKey, decide: Callable[[KeyContext], tuple[AuditEntry, ...]]
    ) -> CompatibilityKey | None:
        """See `ports.Storage`."""
        table = compatibility_keys

        def work(connection: sa.Connection) -> CompatibilityKey | None:
            # The product's row is the lock under which its active key changes.
            product = sa.select(products.c.id).where(products.c.id == key.product).with_for_update()
            is_same = sa.or_(table.c.kid == key.kid, table.c.public_pem == key.public_pem)
            is_active = sa.and_(table.c.product_id == key.product, table.c.state == "active")
            product_known = connection.execute(product).first() is not None
            row = connection.execute(sa.select(table).where(is_active)).first()
            active = None if row is None else rows.compatibility_key_from(row)
            context = KeyContext(product_known=product_known, is_taken=exists(connection, is_same), active=active)
            entries = decide(context)
            former = None if active is None else replace(active, state="verify-only", replaced_at=key.created_at)
            if former is not None:
                values = rows.compatibility_key_values(former)
                connection.execute(sa.update(table).where(table.c.id == former.id).values(values))
            connection.execute(sa.insert(table), rows.compatibility_key_values(key))
            for entry in entries:
                add_audit(connection, entry)
            return former

        return await self._write(work)

    async def compatibility_key(self, kid: str) -> CompatibilityKey | None:
        """See `ports.Storage`."""
        query = sa.select(compatibility_keys).where(compatibility_keys.c.kid == kid)
        return await self._one(query, rows.compatibility_key_from)

    async def active_compatibility_key(self, product: str) -> CompatibilityKey | None:
        """See `ports.Storage`."""
        table = compatibility_keys
        query = sa.select(table).where(table.c.product_id == product, table.c.state == "active")
        return await self._one(query, rows.compatibility_key_from)

    async def change_compatibility_key(
        self, kid: str, change: Callable[[CompatibilityKey], KeyChange]
    ) -> CompatibilityKey | None:
        """See `ports.Storage`."""
        table = compatibility_keys

        def work(connection: sa.Connection) -> CompatibilityKey | None:
            row = connection.execute(sa.select(table).where(table.c.kid == kid).with_for_update()).first()
            if row is None:
                return None
            made = change(rows.compatibility_key_from(row))
            if made.audit is not None:
                values = rows.compatibility_key_values(made.key)
                connection.execute(sa.update(table).where(table.c.id == made.key.id).values(values))
                add_audit(connection, made.audit)
            return made.key

        return await self._write(work)

    async def compatibility_keys(
        self, products: tuple[str, ...] | None, *, after: str | None, limit: int
    ) -> tuple[CompatibilityKey, ...]:
        """See `ports.Storage`."""
        table = compatibility_keys
        query = sa.select(table) if products is None else sa.select(table).where(table.c.product_id.in_(products))
        return await self._newest(query, table.c.id, after, limit, rows.compatibility_key_from)

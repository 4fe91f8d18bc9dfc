"""
Root files and signing keys in SQLAlchemy Core.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from carnet.server.ports.trust import TrustChange, TrustFacts
from carnet.server.records import RootFile
from carnet.server.storage import rows
from carnet.server.storage.core.unit import CoreUnits, add_audit
from carnet.server.storage.tables import installation, issuances, roots, signing_keys


class TrustPart(CoreUnits):
    """`ports.TrustStore`."""

    async def trust_facts(self) -> TrustFacts:
        """See `ports.TrustStore`."""
        return await self._read(_facts)

    async def root_files(self, *, after: int) -> tuple[RootFile, ...]:
        """See `ports.TrustStore`."""
        query = sa.select(roots).where(roots.c.version > after).order_by(roots.c.version)
        return await self._all(query, rows.root_file_from)

    async def change_trust(self, decide: Callable[[TrustFacts], TrustChange]) -> TrustChange:
        """See `ports.TrustStore`."""

        def work(connection: sa.Connection) -> TrustChange:
            # The installation's row is the lock under which its keys change.
            connection.execute(sa.select(installation.c.issuer).with_for_update())
            change = decide(_facts(connection))
            if change.root is not None:
                connection.execute(sa.insert(roots), rows.root_file_values(change.root))
            # Who stops being active goes first: there is one active key for the same roles at any moment.
            for key in sorted(change.keys, key=lambda key: key.state == "active"):
                values = rows.signing_key_values(key)
                known = sa.update(signing_keys).where(signing_keys.c.kid == key.kid).values(values)
                if not connection.execute(known).rowcount:
                    connection.execute(sa.insert(signing_keys), values)
            for entry in change.audit:
                add_audit(connection, entry)
            return change

        return await self._write(work)

    async def artifacts_under(self, kid: str, *, now: int) -> int:
        """See `ports.TrustStore`."""
        alive = sa.and_(issuances.c.kid == kid, issuances.c.expires_at > now)
        query = sa.select(sa.func.count()).select_from(issuances).where(alive)
        return await self._read(lambda connection: connection.scalar(query) or 0)


def _facts(connection: sa.Connection) -> TrustFacts:
    version = connection.scalar(sa.select(sa.func.max(roots.c.version))) or 1
    query = sa.select(signing_keys).order_by(signing_keys.c.announced_at, signing_keys.c.kid)
    return TrustFacts(root_version=version, keys=tuple(map(rows.signing_key_from, connection.execute(query))))

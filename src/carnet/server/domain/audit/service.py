"""The audit: list what was changed. Entries are written by storage, inside the change's own transaction."""

from __future__ import annotations

from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.records import AuditEntry, Page


class AuditService:
    """What can be read of the audit."""

    async def list(self, which: AuditFilter, *, after: str | None = None, limit: int = 50) -> Page[AuditEntry]:
        """Entries, newest first, at most *limit* (1 to 500) older than the sequence number *after* (as text)."""
        raise NotImplementedError

"""The audit: list what was changed. Entries are written by storage, inside the change's own transaction."""

from __future__ import annotations

from carnet.server.domain.audit.commands import AuditFilter
from carnet.server.domain.checks import check_page
from carnet.server.domain.pages import after_number, page_of
from carnet.server.ports import Storage
from carnet.server.records import AuditEntry, Page


class AuditService:
    """What can be read of the audit."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(
        self, which: AuditFilter | None = None, *, after: str | None = None, limit: int = 50
    ) -> Page[AuditEntry]:
        """
        Entries, newest first, at most *limit* (1 to 500) older than the sequence number *after*, given as text.

        Raises:
            UsageError: ``invalid_argument``.
        """
        which = which or AuditFilter()
        found = await self._storage.audit_entries(
            object_id=which.object_id,
            action=which.action,
            before=after_number(after),
            limit=check_page(limit) + 1,
        )
        return page_of(found, limit, lambda each: str(each.seq))

"""What can be asked of the audit."""

from __future__ import annotations

from carnet.core._base import Struct


class AuditFilter(Struct):
    """
    Which entries to list: those about one object, or of one action; everything when both are None.

    Attributes:
        object_id: Exactly this object.
        action: Exactly this action, for example ``license.revoked``.
    """

    object_id: str | None = None
    action: str | None = None

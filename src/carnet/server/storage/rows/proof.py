"""
Rows of the audit and of the register as they stand, for what is hashed of them: nothing is parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carnet.formats.log_leaves import AuditRow, IssuedRow


def audit_row(row: Sequence[Any]) -> AuditRow:
    """The columns of `audit`, in the table's order."""
    seq, at, actor_kind, actor_id, action, object_kind, object_id, details = row
    return AuditRow(
        seq=seq,
        at=at,
        actor_kind=actor_kind,
        actor_id=actor_id,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        details=details,
    )


def issued_row(row: Sequence[Any]) -> IssuedRow:
    """The columns of `issuances`, in the table's order."""
    jti, kind, kid, license_id, activation_id, issued_at, expires_at, claims = row
    return IssuedRow(
        jti=jti,
        kind=kind,
        kid=kid,
        license_id=license_id,
        activation_id=activation_id,
        issued_at=issued_at,
        expires_at=expires_at,
        claims=claims,
    )

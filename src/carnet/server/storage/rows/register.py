"""
Rows of issuances and the audit, to records and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carnet.core.instant import Instant
from carnet.server.records import Actor, AuditEntry, Issuance
from carnet.server.storage.rows.values import read_json, write_json
from carnet.server.storage.tables import issuances


def issuance_from(row: Sequence[Any]) -> Issuance:
    """A row of `issuances`."""
    return Issuance(
        jti=row[0],
        kind=row[1],
        kid=row[2],
        license_id=row[3],
        activation_id=row[4],
        issued_at=Instant(row[5]),
        expires_at=Instant(row[6]),
        claims=row[7],
    )


def issuance_values(issuance: Issuance) -> tuple[Any, ...]:
    """The columns of *issuance*, in the table's order."""
    return (
        issuance.jti,
        issuance.kind,
        issuance.kid,
        issuance.license_id,
        issuance.activation_id,
        issuance.issued_at,
        issuance.expires_at,
        issuance.claims,
    )


def issuance_columns(issuance: Issuance) -> dict[str, Any]:
    """The columns of *issuance*, by name."""
    return dict(zip(issuances.c.keys(), issuance_values(issuance), strict=True))


def audit_from(row: Sequence[Any]) -> AuditEntry:
    """A row of `audit`."""
    return AuditEntry(
        seq=row[0],
        at=Instant(row[1]),
        actor=Actor(kind=row[2], id=row[3]),
        action=row[4],
        object_kind=row[5],
        object_id=row[6],
        details=read_json(row[7]),
    )


def audit_values(entry: AuditEntry) -> dict[str, Any]:
    """The columns of *entry*, without the sequence number that the database gives."""
    return {
        "at": int(entry.at),
        "actor_kind": entry.actor.kind,
        "actor_id": entry.actor.id,
        "action": entry.action,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "details": write_json(dict(entry.details)),
    }

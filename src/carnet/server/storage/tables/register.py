"""
What was signed, what was done, and which device proofs were used.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
)

from carnet.server.storage.tables.base import SEQUENCE, metadata

issuances = Table(
    "issuances",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("kid", Text, nullable=False),
    Column("license_id", Text, ForeignKey("licenses.id"), nullable=False),
    Column("activation_id", Text, ForeignKey("activations.id")),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("claims", Text, nullable=False),
    Index(None, "activation_id"),
    Index(None, "license_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index(None, "object_id", "seq"),
    sqlite_autoincrement=True,
)

seen_proofs = Table(
    "seen_proofs",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

"""
Admin tokens and compatibility keys.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from carnet.server.storage.tables.base import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("last_four", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    # Null: all products. Else a JSON list of slugs, the only ones that the token may touch.
    Column("products", Text),
)

# Public halves only; the private ones are sealed files (SEC-25). The record fixes the algorithm (SEC-01), and neither
# an id nor a key comes twice (SEC-06).
compatibility_keys = Table(
    "compatibility_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("product_id", Text, ForeignKey("products.id"), nullable=False),
    Column("kid", Text, nullable=False, unique=True),
    Column("alg", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("public_pem", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("replaced_at", BigInteger),
    Column("retired_at", BigInteger),
    Column(
        "signs_for",
        Text,
        CheckConstraint("signs_for IN ('traffic-orchestrator', 'other')", name="signs_for"),
    ),
    CheckConstraint("alg IN ('EdDSA', 'ES256', 'RS256')", name="alg"),
    CheckConstraint("state IN ('announced', 'active', 'verify-only', 'retired', 'compromised')", name="state"),
    CheckConstraint("origin IN ('created', 'imported')", name="origin"),
    Index(
        "uq_compatibility_keys_active",
        "product_id",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
    Index(None, "product_id", "id"),
)

"""
What is sold and to whom.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from carnet.server.storage.tables.base import metadata, revision_column

installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The second in which the present life of the database began, 0 for its first (REL-11).
    Column("epoch", BigInteger, nullable=False, server_default="0"),
    # Not null: put back from a backup, and not to be used before a new epoch.
    Column("restored_at", BigInteger),
    CheckConstraint("id = 1", name="single"),
)

products = Table(
    "products",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    revision_column(),
)

policies = Table(
    "policies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("product_id", Text, ForeignKey("products.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("license_type", Text, nullable=False),
    Column("duration_seconds", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column(
        "token_algorithm",
        Text,
        CheckConstraint("token_algorithm IN ('EdDSA', 'ES256', 'RS256')", name="token_algorithm"),
    ),
    revision_column(),
    # What the server alone applies; `body` is what artifacts carry.
    Column("conditions", Text, nullable=False, server_default="{}"),
    UniqueConstraint("product_id", "name"),
    CheckConstraint("license_type IN ('perpetual', 'timed', 'trial')", name="license_type"),
    CheckConstraint("duration_seconds IS NULL OR duration_seconds >= 1", name="duration"),
)

# For which products a customer was recorded by somebody who may touch only those; holding a license of a product counts
# as well, and needs no row.
customer_products = Table(
    "customer_products",
    metadata,
    Column("customer_id", Text, ForeignKey("customers.id"), primary_key=True),
    Column("product_id", Text, ForeignKey("products.id"), primary_key=True),
)

customers = Table(
    "customers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("metadata", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    revision_column(),
)

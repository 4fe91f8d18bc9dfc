"""
Compatibility keys of products: their public records.

Revision: 0002. Frozen: later changes are scripts of their own. `storage/tables.py` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add one table; nothing that exists changes."""
    op.create_table(
        "compatibility_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("alg", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("public_pem", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("alg IN ('EdDSA', 'ES256', 'RS256')", name=op.f("ck_compatibility_keys_alg")),
        sa.CheckConstraint(
            "state IN ('announced', 'active', 'verify-only', 'retired', 'compromised')",
            name=op.f("ck_compatibility_keys_state"),
        ),
        sa.CheckConstraint("origin IN ('created', 'imported')", name=op.f("ck_compatibility_keys_origin")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_compatibility_keys_product_id"),
        sa.PrimaryKeyConstraint("id", name="pk_compatibility_keys"),
        sa.UniqueConstraint("kid", name="uq_compatibility_keys_kid"),
        sa.UniqueConstraint("public_pem", name="uq_compatibility_keys_public_pem"),
    )
    op.create_index("ix_compatibility_keys_product_id_id", "compatibility_keys", ["product_id", "id"], unique=False)
    op.create_index(
        "uq_compatibility_keys_active",
        "compatibility_keys",
        ["product_id"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )

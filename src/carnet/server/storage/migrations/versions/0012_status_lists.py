"""
The published status lists, and indexes that tell what is in them.

Revision: 0012. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """
    Add a table and two partial indexes: no row is rewritten.

    The indexes hold nothing but licenses that are suspended or revoked and seats that were given back, so they are
    small; making them reads both tables once. A program of the revision before goes on, and publishes no lists.
    """
    op.create_table(
        "status_lists",
        sa.Column("shard", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("shard >= 0", name=op.f("ck_status_lists_shard")),
        sa.CheckConstraint("number > 0", name=op.f("ck_status_lists_number")),
        sa.CheckConstraint("issued_at < expires_at", name=op.f("ck_status_lists_term")),
        sa.PrimaryKeyConstraint("shard", name="pk_status_lists"),
    )
    op.create_index(
        "ix_licenses_not_active",
        "licenses",
        ["status_index", "status"],
        unique=False,
        sqlite_where=sa.text("status <> 'active'"),
        postgresql_where=sa.text("status <> 'active'"),
    )
    op.create_index(
        "ix_activations_ended",
        "activations",
        ["status_index", "deactivated_at"],
        unique=False,
        sqlite_where=sa.text("deactivated_at IS NOT NULL"),
        postgresql_where=sa.text("deactivated_at IS NOT NULL"),
    )

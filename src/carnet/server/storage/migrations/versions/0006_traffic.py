"""
Remembered requests, levels of rate limits, statistics.

Revision: 0006. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add four tables; nothing that exists changes."""
    op.create_table(
        "remembered_requests",
        sa.Column("scope", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("ids", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("forgotten_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_remembered_requests"),
    )
    op.create_index("ix_remembered_requests_forgotten_at", "remembered_requests", ["forgotten_at"], unique=False)
    op.create_table(
        "rate_limits",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bucket", sa.LargeBinary(), nullable=False),
        sa.Column("empty_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "bucket", name="pk_rate_limits"),
    )
    op.create_index("ix_rate_limits_empty_at_ns", "rate_limits", ["empty_at_ns"], unique=False)
    op.create_index("ix_rate_limits_changed_at_ns", "rate_limits", ["changed_at_ns"], unique=False)
    op.create_table(
        "last_seen",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("subject IN ('activation', 'apikey', 'license')", name=op.f("ck_last_seen_subject")),
        sa.PrimaryKeyConstraint("subject", "subject_id", name="pk_last_seen"),
    )
    op.create_table(
        "day_counts",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("count >= 0", name=op.f("ck_day_counts_count")),
        sa.PrimaryKeyConstraint("day", "name", "subject_id", name="pk_day_counts"),
    )

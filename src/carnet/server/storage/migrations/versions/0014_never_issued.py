"""
Artifacts that were seen and never issued.

Revision: 0014. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table: no row is rewritten, and a program of the revision before goes on without it."""
    op.create_table(
        "never_issued",
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proved", sa.SmallInteger(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("license_id", sa.Text(), nullable=True),
        sa.Column("activation_id", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("reason IN ('unknown', 'differs')", name=op.f("ck_never_issued_reason")),
        sa.PrimaryKeyConstraint("jti", "kid", "expires_at", name="pk_never_issued"),
    )
    op.create_index("ix_never_issued_last_seen_at", "never_issued", ["last_seen_at"], unique=False)

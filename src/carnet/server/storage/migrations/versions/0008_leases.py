"""
Floating leases: slots, terms, pools, forced endings, the service clock.

Revision: 0008. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add five tables; nothing that exists changes."""
    op.create_table(
        "leases",
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("area", sa.Text(), nullable=True),
        sa.Column("slot_limit", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.Text(), nullable=True),
        sa.Column("holder_kind", sa.Text(), nullable=True),
        sa.Column("holder_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_borrowed", sa.SmallInteger(), nullable=False),
        sa.Column("asked_seconds", sa.BigInteger(), nullable=True),
        sa.Column("ttl_seconds", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("covered_until", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.CheckConstraint("slot >= 0", name=op.f("ck_leases_slot")),
        sa.CheckConstraint("slot_limit IS NULL OR slot < slot_limit", name=op.f("ck_leases_slot_within_limit")),
        sa.CheckConstraint(
            "id IS NULL OR (holder_kind IS NOT NULL AND holder_id IS NOT NULL)", name=op.f("ck_leases_held")
        ),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_leases_license_id"),
        sa.PrimaryKeyConstraint("license_id", "slot", name="pk_leases"),
        sa.UniqueConstraint("id", name="uq_leases_id"),
        sa.UniqueConstraint(
            "license_id", "holder_kind", "holder_id", name="uq_leases_license_id_holder_kind_holder_id"
        ),
    )
    op.create_index("ix_leases_license_id_area_deadline", "leases", ["license_id", "area", "deadline"], unique=False)
    op.create_index(
        "ix_leases_borrowed",
        "leases",
        ["license_id"],
        unique=False,
        sqlite_where=sa.text("is_borrowed = 1"),
        postgresql_where=sa.text("is_borrowed = 1"),
    )
    op.create_table(
        "lease_terms",
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_lease_terms"),
    )
    op.create_table(
        "lease_pools",
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("is_settled", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_lease_pools_license_id"),
        sa.PrimaryKeyConstraint("license_id", name="pk_lease_pools"),
    )
    op.create_table(
        "lease_endings",
        sa.Column("lease_id", sa.Text(), nullable=False),
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("holder_kind", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_lease_endings_license_id"),
        sa.PrimaryKeyConstraint("lease_id", name="pk_lease_endings"),
    )
    op.create_index(
        "ix_lease_endings_license_id_holder_kind_holder_id_at",
        "lease_endings",
        ["license_id", "holder_kind", "holder_id", "at"],
        unique=False,
    )
    op.create_index("ix_lease_endings_at", "lease_endings", ["at"], unique=False)
    op.create_table(
        "service_clock",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("ran_ms", sa.BigInteger(), nullable=False),
        sa.Column("beat_at_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_service_clock_single")),
        sa.PrimaryKeyConstraint("id", name="pk_service_clock"),
    )

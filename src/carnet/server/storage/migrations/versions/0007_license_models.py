"""
License models: conditions of policies and licenses, the outbox, trials, enrolment tokens, meters.

Revision: 0007. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COLUMNS = (
    "policies ADD COLUMN conditions TEXT DEFAULT '{}' NOT NULL",
    "licenses ADD COLUMN conditions TEXT DEFAULT '{}' NOT NULL",
    "licenses ADD COLUMN progress TEXT DEFAULT '{}' NOT NULL",
    "activations ADD COLUMN account TEXT",
    "activations ADD COLUMN enrolment_id TEXT",
    "activations ADD COLUMN seat_group TEXT",
)


def upgrade() -> None:
    """Add columns with a constant default or null, an index over one, and tables; nothing that exists changes."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE {column}")
    op.create_index(
        "uq_activations_account",
        "activations",
        ["license_id", "account"],
        unique=True,
        sqlite_where=sa.text("deactivated_at IS NULL"),
        postgresql_where=sa.text("deactivated_at IS NULL"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index(
        "ix_events_waiting",
        "events",
        ["id"],
        unique=False,
        sqlite_where=sa.text("delivered_at IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table(
        "trials",
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_trials_product_id"),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_trials_license_id"),
        sa.PrimaryKeyConstraint("product_id", "fingerprint", name="pk_trials"),
    )
    op.create_table(
        "enrolments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("max_uses", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("device_group", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name=op.f("ck_enrolments_used_within_cap")
        ),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_enrolments_license_id"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolments"),
        sa.UniqueConstraint("token_hash", name="uq_enrolments_token_hash"),
    )
    op.create_index("ix_enrolments_license_id_id", "enrolments", ["license_id", "id"], unique=False)
    op.create_table(
        "usage",
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("period_starts_at", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_usage_used")),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_usage_license_id"),
        sa.PrimaryKeyConstraint("license_id", "meter", "period_starts_at", name="pk_usage"),
    )
    op.create_table(
        "usage_events",
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("period_starts_at", sa.BigInteger(), nullable=False),
        sa.Column("used_after", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_usage_events_license_id"),
        sa.PrimaryKeyConstraint("license_id", "id", name="pk_usage_events"),
    )
    op.create_index("ix_usage_events_license_id_meter_at", "usage_events", ["license_id", "meter", "at"], unique=False)

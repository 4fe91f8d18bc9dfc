"""
The first schema.

Revision: 0001. Frozen: later changes are scripts of their own. `storage/tables.py` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("token_hash", name="uq_api_keys_token_hash"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_object_id_seq", "audit", ["object_id", "seq"], unique=False)
    op.create_table(
        "customers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_single")),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
    )
    op.create_table(
        "seen_proofs",
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("jti", name="pk_seen_proofs"),
    )
    op.create_index("ix_seen_proofs_expires_at", "seen_proofs", ["expires_at"], unique=False)
    op.create_table(
        "status_indices",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.CheckConstraint("subject IN ('license', 'activation')", name=op.f("ck_status_indices_subject")),
        sa.PrimaryKeyConstraint("sequence", name="pk_status_indices"),
        sa.UniqueConstraint("position", name="uq_status_indices_position"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("license_type", sa.Text(), nullable=False),
        sa.Column("duration_seconds", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("license_type IN ('perpetual', 'timed', 'trial')", name=op.f("ck_policies_license_type")),
        sa.CheckConstraint("duration_seconds IS NULL OR duration_seconds >= 1", name=op.f("ck_policies_duration")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_policies_product_id"),
        sa.PrimaryKeyConstraint("id", name="pk_policies"),
        sa.UniqueConstraint("product_id", "name", name="uq_policies_product_id_name"),
    )
    op.create_table(
        "licenses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("key_lookup", sa.LargeBinary(), nullable=False),
        sa.Column("key_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("key_last_four", sa.Text(), nullable=False),
        sa.Column("overrides", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("seat_limit", sa.BigInteger(), nullable=True),
        sa.Column("seat_limit_is_own", sa.SmallInteger(), nullable=False),
        sa.Column("seats_used", sa.BigInteger(), nullable=False),
        sa.Column("seats_over", sa.BigInteger(), nullable=False),
        sa.Column("status_index", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended', 'revoked')", name=op.f("ck_licenses_status")),
        sa.CheckConstraint("type IN ('perpetual', 'timed', 'trial')", name=op.f("ck_licenses_type")),
        sa.CheckConstraint(
            "expires_at IS NULL OR starts_at IS NULL OR starts_at < expires_at", name=op.f("ck_licenses_term")
        ),
        sa.CheckConstraint(
            "seat_limit IS NULL OR seats_used <= seat_limit + seats_over", name=op.f("ck_licenses_seats_within_limit")
        ),
        sa.CheckConstraint("seats_used >= 0 AND seats_over >= 0", name=op.f("ck_licenses_seats_counted")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_licenses_customer_id"),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_licenses_policy_id"),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_licenses_product_id"),
        sa.PrimaryKeyConstraint("id", name="pk_licenses"),
        sa.UniqueConstraint("key_lookup", name="uq_licenses_key_lookup"),
        sa.UniqueConstraint("status_index", name="uq_licenses_status_index"),
    )
    op.create_index("ix_licenses_customer_id_id", "licenses", ["customer_id", "id"], unique=False)
    op.create_index("ix_licenses_policy_id", "licenses", ["policy_id"], unique=False)
    op.create_index("ix_licenses_product_id_id", "licenses", ["product_id", "id"], unique=False)
    op.create_table(
        "activations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("device_name", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("components", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("app_version", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("refreshed_at", sa.BigInteger(), nullable=False),
        sa.Column("covered_until", sa.BigInteger(), nullable=False),
        sa.Column("deactivated_at", sa.BigInteger(), nullable=True),
        sa.Column("status_index", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_activations_license_id"),
        sa.PrimaryKeyConstraint("id", name="pk_activations"),
        sa.UniqueConstraint("status_index", name="uq_activations_status_index"),
    )
    op.create_index(
        "ix_activations_license_id_fingerprint_id", "activations", ["license_id", "fingerprint", "id"], unique=False
    )
    op.create_index("ix_activations_license_id_id", "activations", ["license_id", "id"], unique=False)
    op.create_index(
        "uq_activations_seat",
        "activations",
        ["license_id", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("deactivated_at IS NULL"),
        postgresql_where=sa.text("deactivated_at IS NULL"),
    )
    op.create_table(
        "issuances",
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("license_id", sa.Text(), nullable=False),
        sa.Column("activation_id", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["activation_id"], ["activations.id"], name="fk_issuances_activation_id"),
        sa.ForeignKeyConstraint(["license_id"], ["licenses.id"], name="fk_issuances_license_id"),
        sa.PrimaryKeyConstraint("jti", name="pk_issuances"),
    )
    op.create_index("ix_issuances_activation_id", "issuances", ["activation_id"], unique=False)
    op.create_index("ix_issuances_license_id", "issuances", ["license_id"], unique=False)

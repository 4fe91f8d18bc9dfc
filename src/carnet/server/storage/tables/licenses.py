"""
Licenses, their activations, and the status list positions of both.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from carnet.server.storage.tables.base import SEQUENCE, metadata, revision_column

licenses = Table(
    "licenses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("product_id", Text, ForeignKey("products.id"), nullable=False),
    Column("policy_id", Text, ForeignKey("policies.id"), nullable=False),
    Column("customer_id", Text, ForeignKey("customers.id")),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    # SEC-32: a keyed hash to find the license by, a sealed copy for re-issue; the key itself is nowhere.
    Column("key_lookup", LargeBinary, nullable=False, unique=True),
    Column("key_sealed", LargeBinary, nullable=False),
    Column("key_last_four", Text, nullable=False),
    Column("overrides", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("starts_at", BigInteger),
    Column("expires_at", BigInteger),
    # The ceiling in force (what was sold, and overage), own or the policy's, kept here so that one row can be locked,
    # compared and counted up.
    Column("seat_limit", BigInteger),
    Column("seat_limit_is_own", SmallInteger, nullable=False),
    Column("seats_used", BigInteger, nullable=False),
    Column("seats_over", BigInteger, nullable=False),
    Column("status_index", BigInteger, nullable=False, unique=True),
    revision_column(),
    # Own values for the policy's conditions; and what devices and renewals move, compared and replaced as a whole.
    Column("conditions", Text, nullable=False, server_default="{}"),
    Column("progress", Text, nullable=False, server_default="{}"),
    CheckConstraint("type IN ('perpetual', 'timed', 'trial')", name="type"),
    CheckConstraint("status IN ('active', 'suspended', 'revoked')", name="status"),
    CheckConstraint("expires_at IS NULL OR starts_at IS NULL OR starts_at < expires_at", name="term"),
    CheckConstraint("seats_used >= 0 AND seats_over >= 0", name="seats_counted"),
    CheckConstraint("seat_limit IS NULL OR seats_used <= seat_limit + seats_over", name="seats_within_limit"),
    Index(None, "product_id", "id"),
    Index(None, "customer_id", "id"),
    Index(None, "policy_id"),
    # What status lists tell, read from the index alone; nothing that activations change.
    Index(
        "ix_licenses_not_active",
        "status_index",
        "status",
        sqlite_where=text("status <> 'active'"),
        postgresql_where=text("status <> 'active'"),
    ),
    # What ends soon, or has just ended.
    Index(
        "ix_licenses_ending",
        "expires_at",
        "id",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
)

activations = Table(
    "activations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("license_id", Text, ForeignKey("licenses.id"), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("device_name", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("public_key", LargeBinary),
    Column("components", Text, nullable=False),
    Column("user_id", Text),
    Column("domain", Text),
    Column("app_version", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("refreshed_at", BigInteger, nullable=False),
    Column("covered_until", BigInteger, nullable=False),
    Column("deactivated_at", BigInteger),
    Column("status_index", BigInteger, nullable=False, unique=True),
    Column("account", Text),
    Column("enrolment_id", Text),
    Column("seat_group", Text),
    # What the device shows at its next refresh, what it showed last, and how often a copy was seen (SEC-45).
    Column("stamp", Text),
    Column("stamp_shown", Text),
    Column("forks", BigInteger, nullable=False, server_default="0"),
    # One held seat for each user, where seats belong to users; others have no account.
    Index(
        "uq_activations_account",
        "license_id",
        "account",
        unique=True,
        sqlite_where=text("deactivated_at IS NULL"),
        postgresql_where=text("deactivated_at IS NULL"),
    ),
    Index(
        "uq_activations_seat",
        "license_id",
        "fingerprint",
        unique=True,
        sqlite_where=text("deactivated_at IS NULL"),
        postgresql_where=text("deactivated_at IS NULL"),
    ),
    Index(None, "license_id", "id"),
    Index(None, "license_id", "fingerprint", "id"),
    # What status lists tell of activations: grows by one when a seat is given back, and never shrinks.
    Index(
        "ix_activations_ended",
        "status_index",
        "deactivated_at",  # never read, but SQLite does not use the index alone without it
        sqlite_where=text("deactivated_at IS NOT NULL"),
        postgresql_where=text("deactivated_at IS NOT NULL"),
    ),
)

status_indices = Table(
    "status_indices",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    CheckConstraint("subject IN ('license', 'activation')", name="subject"),
    sqlite_autoincrement=True,  # never hands out a number twice, not even after a delete
)

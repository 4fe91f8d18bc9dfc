"""
The tables, once, for every database: SQLAlchemy Core metadata, from which migrations are made and tested.

Belongs here: columns, keys, constraints, indexes. Not here: queries, mapping, drivers.

Invariants that the database itself holds:
* `licenses.seats_used` never exceeds `seat_limit` by more than the seats that were held when the limit was lowered
  (design.md §2 rule 6); the storage also raises it only by a conditional update.
* one held seat per license and device: the partial unique index `uq_activations_seat`.
* one active compatibility key per product: the partial unique index `uq_compatibility_keys_active`.
* a status list position belongs to one subject for ever (SEC-26).

Times are Unix seconds, JSON is canonical text (`formats.strict_json.dump_json`), ids are text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names of ours, the same on every database, so that migrations can find them."""

REVISION = "0002"
"""The newest migration: with those before it, it makes these tables. A database at it needs no look at the scripts."""

metadata = MetaData(naming_convention=NAMES)

# SQLite numbers rows by itself only in a column of exactly this type.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

products = Table(
    "products",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
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
    UniqueConstraint("product_id", "name"),
    CheckConstraint("license_type IN ('perpetual', 'timed', 'trial')", name="license_type"),
    CheckConstraint("duration_seconds IS NULL OR duration_seconds >= 1", name="duration"),
)

customers = Table(
    "customers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("metadata", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

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
    # The limit in force, own or the policy's, kept here so that one row can be locked, compared and counted up.
    Column("seat_limit", BigInteger),
    Column("seat_limit_is_own", SmallInteger, nullable=False),
    Column("seats_used", BigInteger, nullable=False),
    Column("seats_over", BigInteger, nullable=False),
    Column("status_index", BigInteger, nullable=False, unique=True),
    CheckConstraint("type IN ('perpetual', 'timed', 'trial')", name="type"),
    CheckConstraint("status IN ('active', 'suspended', 'revoked')", name="status"),
    CheckConstraint("expires_at IS NULL OR starts_at IS NULL OR starts_at < expires_at", name="term"),
    CheckConstraint("seats_used >= 0 AND seats_over >= 0", name="seats_counted"),
    CheckConstraint("seat_limit IS NULL OR seats_used <= seat_limit + seats_over", name="seats_within_limit"),
    Index(None, "product_id", "id"),
    Index(None, "customer_id", "id"),
    Index(None, "policy_id"),
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
)

status_indices = Table(
    "status_indices",
    metadata,
    Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    CheckConstraint("subject IN ('license', 'activation')", name="subject"),
    sqlite_autoincrement=True,  # never hands out a number twice, not even after a delete
)

issuances = Table(
    "issuances",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("kid", Text, nullable=False),
    Column("license_id", Text, ForeignKey("licenses.id"), nullable=False),
    Column("activation_id", Text, ForeignKey("activations.id")),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("claims", Text, nullable=False),
    Index(None, "activation_id"),
    Index(None, "license_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index(None, "object_id", "seq"),
    sqlite_autoincrement=True,
)

seen_proofs = Table(
    "seen_proofs",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

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

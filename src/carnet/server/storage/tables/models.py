"""
What license models need beside licenses and seats: the outbox, trials, enrolment tokens, meters.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from carnet.server.storage.tables.base import SEQUENCE, metadata

# REL-09: written in the transaction of what happened, delivered later; never changed but for `delivered_at`, which says
# when it was handed to the destinations (`deliveries`). `seq` is given under the lock of the object that the event is
# about: of one object, the lower number was committed first.
events = Table(
    "events",
    metadata,
    Column("id", Text, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("product_id", Text),
    Column("payload", Text, nullable=False),
    Column("delivered_at", BigInteger),
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Index(
        "ix_events_waiting",
        "seq",
        sqlite_where=text("delivered_at IS NULL"),
        postgresql_where=text("delivered_at IS NULL"),
    ),
    Index(None, "object_id", "seq"),
    sqlite_autoincrement=True,
)

# One trial of a product for each device, whichever license it came from.
trials = Table(
    "trials",
    metadata,
    Column("product_id", Text, ForeignKey("products.id"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("license_id", Text, ForeignKey("licenses.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("license_id", Text, ForeignKey("licenses.id"), nullable=False),
    Column("name", Text, nullable=False),
    # SEC-32, as license keys: a keyed hash and a sealed copy, the token itself is nowhere.
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("token_sealed", LargeBinary, nullable=False),
    Column("last_four", Text, nullable=False),
    Column("max_uses", BigInteger),
    Column("used", BigInteger, nullable=False),
    Column("networks", Text, nullable=False),
    Column("device_group", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    CheckConstraint("used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name="used_within_cap"),
    Index(None, "license_id", "id"),
)

usage = Table(
    "usage",
    metadata,
    Column("license_id", Text, ForeignKey("licenses.id"), primary_key=True),
    Column("meter", Text, primary_key=True),
    Column("period_starts_at", BigInteger, primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    CheckConstraint("used >= 0", name="used"),
)

# The primary key is what makes an event count once.
usage_events = Table(
    "usage_events",
    metadata,
    Column("license_id", Text, ForeignKey("licenses.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("meter", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("period_starts_at", BigInteger, nullable=False),
    Column("used_after", BigInteger, nullable=False),
    Index(None, "license_id", "meter", "at"),
)

"""
Floating leases: the slots of each license's pool, the terms, forced endings, and the service clock.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from carnet.server.storage.tables.base import metadata

# One row is one slot of a pool, held or free. No slot has two rows, no holder two slots of a license, and no slot's
# number reaches the limit under which it was given: the database itself cannot sell a seat twice (design.md §2 rule 6).
leases = Table(
    "leases",
    metadata,
    Column("license_id", Text, ForeignKey("licenses.id"), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    # The area that the slot is filed under (`core.lease_slots`); NULL: beyond the limit in force.
    Column("area", Text),
    Column("slot_limit", BigInteger),
    Column("id", Text, unique=True),
    Column("holder_kind", Text),
    Column("holder_id", Text),
    Column("name", Text, nullable=False),
    Column("is_borrowed", SmallInteger, nullable=False),
    # What the holder asked for last, and what it got.
    Column("asked_seconds", BigInteger),
    Column("ttl_seconds", BigInteger, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),
    # Seconds of the service clock, not of any wall clock (REL-10).
    Column("deadline", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("covered_until", BigInteger, nullable=False),
    Column("released_at", BigInteger),
    # Which terms the holder was judged under last: a renewal under the same ones asks no rule again.
    Column("mark", BigInteger, nullable=False),
    Column("jti", Text, nullable=False),
    Column("kid", Text, nullable=False),
    UniqueConstraint("license_id", "holder_kind", "holder_id"),
    CheckConstraint("slot >= 0", name="slot"),
    CheckConstraint("slot_limit IS NULL OR slot < slot_limit", name="slot_within_limit"),
    CheckConstraint("id IS NULL OR (holder_kind IS NOT NULL AND holder_id IS NOT NULL)", name="held"),
    Index(None, "license_id", "area", "deadline"),
    Index(
        "ix_leases_borrowed",
        "license_id",
        sqlite_where=text("is_borrowed = 1"),
        postgresql_where=text("is_borrowed = 1"),
    ),
)

# The terms of a policy, or a license's own in their stead; `mark` is a digest of them.
lease_terms = Table(
    "lease_terms",
    metadata,
    Column("subject_id", Text, primary_key=True),
    Column("terms", Text, nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

# One row for each license that gave a lease; the lock under which its slots are given. `mark`: the terms that the slots
# were settled under; `is_settled` 0: somebody still sits where they may not (`core.lease_slots.settle`).
lease_pools = Table(
    "lease_pools",
    metadata,
    Column("license_id", Text, ForeignKey("licenses.id"), primary_key=True),
    Column("mark", BigInteger, nullable=False),
    Column("is_settled", SmallInteger, nullable=False),
)

# Leases that the vendor took away, so that their holders learn why. Forgotten after a while.
lease_endings = Table(
    "lease_endings",
    metadata,
    Column("lease_id", Text, primary_key=True),
    Column("license_id", Text, ForeignKey("licenses.id"), nullable=False),
    Column("holder_kind", Text, nullable=False),
    Column("holder_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("blocked_until", BigInteger, nullable=False),
    Index(None, "license_id", "holder_kind", "holder_id", "at"),
    Index(None, "at"),
)

# How long the service has run, in milliseconds: what lease deadlines are measured with. `beat_at` is the database's
# time of the last beat, where several processes share one clock.
service_clock = Table(
    "service_clock",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("ran_ms", BigInteger, nullable=False),
    Column("beat_at_ms", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

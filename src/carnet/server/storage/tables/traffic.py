"""
What is known of requests rather than of licenses: remembered changes, levels of rate limits, statistics.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    LargeBinary,
    Table,
    Text,
)

from carnet.server.storage.tables.base import metadata

# One change per caller and Idempotency-Key, written in the change's own transaction (REL-02). Hashes and ids only.
remembered_requests = Table(
    "remembered_requests",
    metadata,
    Column("scope", LargeBinary, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("ids", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("forgotten_at", BigInteger, nullable=False, index=True),
)

# Written every few seconds, never by a request (design.md §2 rule 9). Bucket names are keyed hashes.
rate_limits = Table(
    "rate_limits",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("bucket", LargeBinary, primary_key=True),
    Column("empty_at_ns", BigInteger, nullable=False, index=True),
    Column("changed_at_ns", BigInteger, nullable=False, index=True),
)

last_seen = Table(
    "last_seen",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
    CheckConstraint("subject IN ('activation', 'apikey', 'license')", name="subject"),
)

day_counts = Table(
    "day_counts",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    CheckConstraint("count >= 0", name="count"),
)

"""
Artifacts that devices or people brought and nobody here ever issued, although a key of ours is named in them (SEC-24).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, SmallInteger, Table, Text

from carnet.server.storage.tables.base import metadata

# No foreign keys: what it says of product and activation is what somebody claims. At most so many rows as
# `domain.reissue.seen.MAX_RECORDED` says, since anybody who holds a license key can claim something.
never_issued = Table(
    "never_issued",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("kid", Text, primary_key=True),
    Column("expires_at", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("proved", SmallInteger, nullable=False),
    Column("product", Text, nullable=False),
    Column("license_id", Text),
    Column("activation_id", Text),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    CheckConstraint("reason IN ('unknown', 'differs')", name="reason"),
    Index(None, "last_seen_at"),
)

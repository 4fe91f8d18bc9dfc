"""
The chain of root files after version 1, and the signing keys: public facts only (SEC-20, SEC-25).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Table,
    Text,
    text,
)

from carnet.server.storage.tables.base import metadata

# Version 1 is data/root.json, which apps embed; each later one is here byte for byte.
roots = Table(
    "roots",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("file", Text, nullable=False),
    Column("installed_at", BigInteger, nullable=False),
    CheckConstraint("version > 1", name="version"),
)

# `roles` is a JSON list in the order of `formats.keys.ROLES`, the same for every key that takes another's place: so the
# index holds "one active key per role". `location` is a URI that says where the private half is, never the half itself.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("alg", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("public_key", Text, nullable=False, unique=True),
    Column("location", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("announced_at", BigInteger, nullable=False),
    Column("activated_at", BigInteger),
    Column("replaced_at", BigInteger),
    Column("ended_at", BigInteger),
    CheckConstraint("alg IN ('Ed25519')", name="alg"),
    CheckConstraint("state IN ('announced', 'active', 'verify-only', 'retired', 'compromised')", name="state"),
    Index(
        "uq_signing_keys_active",
        "roles",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)

"""
Proof of what happened: the audit's chain, the leaves and tiles of the log, how far both have got.

Beside `audit` and `issuances` and not in them: who waits for a change never waits for its proof, and a program of the
version before writes both as it did.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from carnet.server.storage.tables.base import SEQUENCE, metadata

# One row for each row of the audit, in the order in which the sealer saw them (specs/audit.md §3). No foreign key: a
# row of the audit that was deleted has to leave its seal behind.
audit_chain = Table(
    "audit_chain",
    metadata,
    Column("position", SEQUENCE, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("seq"),
)

# The leaves of the log, from number 0; what a leaf says is made anew from its subject (specs/transparency.md §2).
log_leaves = Table(
    "log_leaves",
    metadata,
    Column("number", SEQUENCE, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    # Of what was issued; or a position in the audit's chain.
    Column("jti", Text),
    Column("position", BigInteger),
    CheckConstraint("kind IN ('issued', 'key-event', 'audit-head')", name="kind"),
    UniqueConstraint("jti"),
    Index(
        "uq_log_leaves_kind_position",
        "kind",
        "position",
        unique=True,
        sqlite_where=text("position IS NOT NULL"),
        postgresql_where=text("position IS NOT NULL"),
    ),
)

# Every perfect subtree of 256, 256 times 256 … leaves (level 1, 2 …), written once, when its last leaf comes.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# One row, made by the first sealer. Rows of the audit up to `sealed_to` are in the chain or will never come; rows of
# the chain up to `logged_to` are in the log where they belong there, with all that was issued before them.
log_state = Table(
    "log_state",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sealed_to", BigInteger, nullable=False),
    Column("logged_to", BigInteger, nullable=False),
    Column("checkpoint", Text),
    Column("checkpoint_at", BigInteger),
    CheckConstraint("id = 1", name="one_row"),
)

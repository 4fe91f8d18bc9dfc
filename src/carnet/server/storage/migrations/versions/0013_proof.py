"""
The audit's chain, and the log over what was issued.

Revision: 0013. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """
    Add four tables: no row is rewritten.

    A program of the revision before goes on. What was changed and issued until now is sealed and logged by the first
    program of this one, beside the requests (docs/decisions/0086-audit-chain-in-order-of-sight.md).
    """
    op.create_table(
        "audit_chain",
        sa.Column("position", _SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_chain"),
        sa.UniqueConstraint("seq", name="uq_audit_chain_seq"),
    )
    op.create_table(
        "log_leaves",
        sa.Column("number", _SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('issued', 'key-event', 'audit-head')", name=op.f("ck_log_leaves_kind")),
        sa.PrimaryKeyConstraint("number", name="pk_log_leaves"),
        sa.UniqueConstraint("jti", name="uq_log_leaves_jti"),
    )
    op.create_index(
        "uq_log_leaves_kind_position",
        "log_leaves",
        ["kind", "position"],
        unique=True,
        sqlite_where=sa.text("position IS NOT NULL"),
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_log_tiles"),
    )
    op.create_table(
        "log_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed_to", sa.BigInteger(), nullable=False),
        sa.Column("logged_to", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.Column("checkpoint_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_state_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_log_state"),
    )

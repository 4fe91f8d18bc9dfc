"""
The chain of root files after version 1, and the signing keys.

Revision: 0011. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """
    Add two tables: no row is rewritten.

    They are empty: the rows of the keys that an installation has are made of its key files when it is opened next
    (docs/decisions/0076-the-life-of-signing-keys.md). A program of the revision before goes on with those files.
    """
    op.create_table(
        "roots",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("version > 1", name=op.f("ck_roots_version")),
        sa.PrimaryKeyConstraint("version", name="pk_roots"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("alg", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("announced_at", sa.BigInteger(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("alg IN ('Ed25519')", name=op.f("ck_signing_keys_alg")),
        sa.CheckConstraint(
            "state IN ('announced', 'active', 'verify-only', 'retired', 'compromised')",
            name=op.f("ck_signing_keys_state"),
        ),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.UniqueConstraint("public_key", name="uq_signing_keys_public_key"),
    )
    op.create_index(
        "uq_signing_keys_active",
        "signing_keys",
        ["roles"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )

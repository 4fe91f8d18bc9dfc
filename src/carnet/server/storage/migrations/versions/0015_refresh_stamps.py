"""
The stamps by which copies of a device are seen.

Revision: 0015. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """
    Add columns that may be null, and one with a default that is stored once: no row is rewritten.

    A program of the revision before goes on: it gives out no stamps and looks at none, and leaves those that are there.
    """
    op.add_column("activations", sa.Column("stamp", sa.Text(), nullable=True))
    op.add_column("activations", sa.Column("stamp_shown", sa.Text(), nullable=True))
    op.add_column("activations", sa.Column("forks", sa.BigInteger(), server_default="0", nullable=False))

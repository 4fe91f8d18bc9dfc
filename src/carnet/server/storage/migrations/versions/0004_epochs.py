"""
The epoch of an installation, and whether its database was put back from a backup (REL-11).

Revision: 0004. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns with a default or null; nothing that exists changes."""
    op.execute("ALTER TABLE installation ADD COLUMN epoch BIGINT DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE installation ADD COLUMN restored_at BIGINT")

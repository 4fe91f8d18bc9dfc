"""
Revisions of what the vendor changes; on PostgreSQL, status list numbers in blocks.

Revision: 0005. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = ("products", "policies", "customers", "licenses")


def upgrade() -> None:
    """Add a column with a constant default: no row is rewritten, and a program of the revision before goes on."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN revision BIGINT DEFAULT 1 NOT NULL")
    if op.get_bind().dialect.name == "postgresql":
        # Each call gives a process 64 numbers of its own (decision 0041).
        op.execute("ALTER SEQUENCE status_indices_sequence_seq INCREMENT BY 64")

"""
The token algorithm of policies; use and retirement of compatibility keys.

Revision: 0003. Frozen: later changes are scripts of their own. `storage/tables/` says what the columns mean.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# ADD COLUMN with its CHECK in place, on every database alike: no table is rebuilt, and a program of the revision before
# goes on reading and writing while this happens.
_COLUMNS = """
ALTER TABLE policies ADD COLUMN token_algorithm TEXT
    CONSTRAINT ck_policies_token_algorithm CHECK (token_algorithm IN ('EdDSA', 'ES256', 'RS256'));
ALTER TABLE compatibility_keys ADD COLUMN retired_at BIGINT;
ALTER TABLE compatibility_keys ADD COLUMN signs_for TEXT
    CONSTRAINT ck_compatibility_keys_signs_for CHECK (signs_for IN ('traffic-orchestrator', 'other'))
"""


def upgrade() -> None:
    """Add three columns that may be null; nothing that exists changes."""
    for statement in _COLUMNS.split(";"):
        op.execute(statement.strip())

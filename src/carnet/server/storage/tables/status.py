"""
The published status lists (SEC-26, SEC-27). Whose index is which stands with licenses and activations.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Table, Text

from carnet.server.storage.tables.base import metadata

# One row for each shard: what is served, and the `mark` of the rows that it was made of. Only whoever names the version
# that a row has replaces it, by a greater one.
status_lists = Table(
    "status_lists",
    metadata,
    Column("shard", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("mark", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    CheckConstraint("shard >= 0", name="shard"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("issued_at < expires_at", name="term"),
)

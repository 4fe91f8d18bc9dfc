"""
What all tables share: the metadata, the names of constraints, the type of numbered rows.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, text

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names of ours, the same on every database, so that migrations can find them."""

metadata = MetaData(naming_convention=NAMES)

# SQLite numbers rows by itself only in a column of exactly this type.
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def revision_column() -> Column[Any]:
    """How often the vendor changed the row, from 1; the last column, as a later migration adds it."""
    return Column("revision", BigInteger, nullable=False, server_default=text("1"))

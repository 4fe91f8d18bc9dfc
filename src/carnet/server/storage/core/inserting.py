"""
Many rows in one statement.

On PostgreSQL a row of its own for each costs a round of its executor and four times the time of one statement over
arrays (measurements.md B4: `INSERT … SELECT FROM unnest()` is as fast as COPY); SQLite has no rounds to save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

_ARRAYS: Final = {
    sa.Text: "text[]",
    sa.BigInteger: "bigint[]",
    sa.LargeBinary: "bytea[]",
    sa.SmallInteger: "smallint[]",
}
_FEW: Final = 8


def insert_many(connection: sa.Connection, table: sa.Table, values: Sequence[Mapping[str, Any]]) -> None:
    """
    Insert rows that all name the same columns.

    Args:
        connection: Inside a write transaction.
        table: Where.
        values: Columns by name; may be empty.
    """
    if not values:
        return
    names = tuple(values[0])
    if len(values) < _FEW:
        connection.execute(sa.insert(table), list(values))
        return
    if connection.dialect.name != "postgresql":  # straight to the driver: SQLAlchemy would look at each value
        connection.exec_driver_sql(_with_marks(table, names), [tuple(row[name] for name in names) for row in values])
        return
    connection.exec_driver_sql(_over_arrays(table, names), tuple([row[name] for row in values] for name in names))


@cache
def _over_arrays(table: sa.Table, names: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    arrays = ", ".join(f"${number}::{_array_of(table.c[name])}" for number, name in enumerate(names, 1))
    return f"INSERT INTO {table.name} ({listed}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names


@cache
def _with_marks(table: sa.Table, names: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table.name} ({listed}) VALUES ({', '.join('?' for _ in names)})"  # noqa: S608 - as above


def _array_of(column: sa.Column[Any]) -> str:
    return next(name for kind, name in _ARRAYS.items() if isinstance(column.type, kind))

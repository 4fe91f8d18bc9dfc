"""What tells of changes in status lists costs what has changed, not what was sold (SEC-28)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from carnet.server.domain.status.allocation import SHARD_SIZE
from carnet.server.storage.core.status import facts_queries, rows_queries
from support.databases import Kind, ask
from support.installations import settings_in

QUERIES = {**facts_queries(SHARD_SIZE), **rows_queries(SHARD_SIZE, 2 * SHARD_SIZE)}
INDEXES = {
    "licenses": "ix_licenses_not_active",
    "ended": "ix_activations_ended",
    "licenses of a shard": "ix_licenses_not_active",
    "ended of a shard": "ix_activations_ended",
}


def text_of(query: sa.Select[tuple[int, ...]], kind: Kind) -> str:
    dialect = sa.create_engine("sqlite://").dialect if kind == "sqlite" else sa.dialects.postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


@pytest.mark.parametrize("name", INDEXES)
def test_sec_28_only_indexes_of_what_is_not_valid_are_read(tmp_path: Path, database: Kind, name: str) -> None:
    settings = settings_in(tmp_path)
    query = text_of(QUERIES[name], database)
    if settings.postgres is None:
        with sqlite3.connect(settings.database_path) as connection:
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
        connection.close()
        assert f"USING COVERING INDEX {INDEXES[name]}" in plan
    else:
        only_indexes = ("SET enable_seqscan = off", "SET enable_bitmapscan = off")
        rows = ask(settings.postgres, *only_indexes, f"EXPLAIN {query}")
        plan = " ".join(row[0] for row in rows)
        assert f"Index Only Scan using {INDEXES[name]}" in plan

"""
Issuing many licenses into PostgreSQL, beside COPY of the very rows that it wrote, into a database of the same schema.

COPY gets the rows ready made, in the database's own binary form, in one stream for each table: nothing is faster.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import Iterator
from typing import Any

from bench.population import PRODUCT
from bench.postgres import Postgres
from bench.report import Row
from bench.stage import Stage, cores
from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR

COUNT = 100_000
TABLES = ("licenses", "status_indices", "audit")
"""What a license is: its row, its status position, its line in the audit."""


def rows(rounds: int) -> Iterator[Row]:
    """Keys a second against rows of COPY a second, best of three; once and a tenth as many where *rounds* are few."""
    count, turns = (COUNT, 3) if rounds >= 20 else (COUNT // 10, 1)
    postgres = Postgres()
    allowed = os.sched_getaffinity(0)
    try:
        stage = Stage(postgres.database("bulk"))
        os.sched_setaffinity(0, {int(cores()[0])})
        try:
            assert stage.settings.postgres is not None
            url = stage.settings.postgres.url
            postgres.run(lambda each: each.execute('CREATE DATABASE copied TEMPLATE "bulk"'))
            issued = copied = float("inf")
            for _ in range(turns):
                issued = min(issued, asyncio.run(_issue(stage, count)))
                copied = min(copied, _copy(postgres, url, count))
        finally:
            os.sched_setaffinity(0, allowed)
            stage.close()
    finally:
        postgres.close()
    name = f"bulk issue of {count:,} licenses into PostgreSQL, keys/s ÷ COPY of the same rows"
    detail = f"{count / issued:.0f}/s against {count / copied:.0f}/s"
    yield Row(name, copied / issued, 0.2, detail=detail, at_least=True)


async def _issue(stage: Stage, count: int) -> float:
    """Seconds for *count* licenses, keys and all, until the last is durable."""
    async with open_installation(stage.settings) as installation:
        command = CreateLicense(product=PRODUCT, policy="professional")
        began = time.perf_counter()
        given = 0
        async for lot in installation.licenses.create_many(command, count, OPERATOR):
            given += len(lot)
        spent = time.perf_counter() - began
    assert given == count
    return spent


def _copy(postgres: Postgres, url: str, count: int) -> float:
    """Seconds for COPY of the newest *count* rows of each table into another database."""
    head, _, query = url.partition("?")
    other = f"{head.rpartition('/')[0]}/copied?{query}"

    async def read(connection: Any) -> list[io.BytesIO]:
        streams = []
        for table in TABLES:
            newest = {"licenses": "id", "status_indices": "sequence", "audit": "seq"}[table]
            stream = io.BytesIO()
            question = f"SELECT * FROM {table} ORDER BY {newest} DESC LIMIT {count}"  # noqa: S608 - our own names
            await connection.copy_from_query(question, output=stream, format="binary")
            stream.seek(0)
            streams.append(stream)
        return streams

    async def write(connection: Any) -> float:
        for table in TABLES:
            await connection.execute(f"DELETE FROM {table} WHERE {_BULK[table]}")  # noqa: S608 - our own names
        await connection.execute("VACUUM")
        began = time.perf_counter()
        async with connection.transaction():
            for table, stream in zip(TABLES, streams, strict=True):
                await connection.copy_to_table(table, source=stream, format="binary")
        return time.perf_counter() - began

    streams = postgres.run(read, url)
    return postgres.run(write, other)


_BULK = {
    "licenses": "NOT EXISTS (SELECT 1 FROM activations WHERE license_id = licenses.id)",
    "status_indices": "subject_id NOT IN (SELECT id FROM licenses UNION SELECT id FROM activations)",
    "audit": "action = 'license.created' AND object_id NOT IN (SELECT id FROM licenses)",
}
"""What an earlier round copied: all but the one license and activation that are there from the beginning."""

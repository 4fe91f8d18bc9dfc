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

_WRITTEN = {
    "licenses": "SELECT * FROM licenses WHERE NOT EXISTS (SELECT 1 FROM activations WHERE license_id = licenses.id)",
    "status_indices": "SELECT s.* FROM status_indices s JOIN licenses l ON l.id = s.subject_id WHERE seats_used = 0",
    "events": "SELECT e.* FROM events e JOIN licenses l ON l.id = e.object_id WHERE seats_used = 0",
    "audit": "SELECT a.* FROM audit a JOIN licenses l ON l.id = a.object_id WHERE seats_used = 0",
}
"""A license's row, status position, event and line in the audit. The stage's own license has a seat taken."""


def rows(rounds: int) -> Iterator[Row]:
    """Keys a second against rows of COPY a second, best of three; once and a tenth as many where *rounds* are few."""
    count, turns = (COUNT, 3) if rounds >= 20 else (COUNT // 10, 1)
    postgres = Postgres()
    allowed = os.sched_getaffinity(0)
    issued = copied = float("inf")
    try:
        for turn in range(turns):
            name = f"bulk_{turn}"
            stage = Stage(postgres.database(name))
            os.sched_setaffinity(0, {int(cores()[0])})
            try:
                other = postgres.database(f"copied_{turn}", template=name)
                issued = min(issued, asyncio.run(_issue(stage, count)))
                assert stage.settings.postgres is not None
                copied = min(copied, _copy(postgres, stage.settings.postgres.url, other, count))
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


def _copy(postgres: Postgres, url: str, other: str, count: int) -> float:
    """Seconds for COPY of what was written at *url* into the database at *other*, one transaction."""

    async def read(connection: Any) -> list[io.BytesIO]:
        streams = []
        for question in _WRITTEN.values():
            stream = io.BytesIO()
            said = await connection.copy_from_query(question, output=stream, format="binary")
            assert said == f"COPY {count}", said
            stream.seek(0)
            streams.append(stream)
        return streams

    async def write(connection: Any) -> float:
        began = time.perf_counter()
        async with connection.transaction():
            for table, stream in zip(_WRITTEN, streams, strict=True):
                await connection.copy_to_table(table, source=stream, format="binary")
        return time.perf_counter() - began

    streams = postgres.run(read, url)
    return postgres.run(write, other)

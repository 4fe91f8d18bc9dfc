"""
The compromise drill (SEC-24): activations that are given new artifacts in a second, all on one core.

Registration, signing and the bundles' files included. The lost key is one that no root names; that it did sign the
copies is in their lines of the register, which is all that the drill goes by.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.population import fill_postgres, fill_sqlite, license_id
from bench.postgres import Postgres
from bench.report import Row
from bench.stage import Stage, cores
from carnet.formats.keys import Ed25519Signer
from carnet.server.bundle_folder import BundleFolder
from carnet.server.domain.reissue.commands import Reissued
from carnet.server.installation import open_installation
from carnet.server.layout import Layout
from carnet.server.records import OPERATOR
from carnet.server.storage.tables import issuances

COUNT = 20_000
LOST = Ed25519Signer(b"the key of the bench's thief, 32").kid
"""A key that no root names."""

_COLUMNS = tuple(issuances.c.keys())


def rows(rounds: int) -> Iterator[Row]:
    """Activations a second on both databases, with and without bundles; a fifth as many where *rounds* are few."""
    count = COUNT if rounds >= 20 else COUNT // 5
    for with_bundles in (True, False):
        stage = Stage()
        try:
            fill_sqlite(stage.settings.data, 1, count)
            sign_on_sqlite(stage.settings.data, count)
            yield _row("SQLite", stage, count, with_bundles=with_bundles)
        finally:
            stage.close()
    postgres = Postgres()
    try:
        stage = Stage(postgres.database("drill"))
        try:
            assert stage.settings.postgres is not None
            url = stage.settings.postgres.url
            postgres.run(lambda connection: fill_postgres(connection, stage.settings.data, 1, count), url)
            postgres.run(lambda connection: sign_on_postgres(connection, count), url)
            yield _row("PostgreSQL", stage, count, with_bundles=True)
        finally:
            stage.close()
    finally:
        postgres.close()


def _row(database: str, stage: Stage, count: int, *, with_bundles: bool) -> Row:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(cores()[0])})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu = time.process_time()
    try:
        with tempfile.TemporaryDirectory(prefix="carnet-bench-bundles-") as folder:
            report = asyncio.run(_drill(stage, Path(folder) if with_bundles else None))
    finally:
        os.sched_setaffinity(0, allowed)
    assert (report.activations, report.artifacts) == (count, 2 * count), report
    cpu = time.process_time() - cpu
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    name = f"drill: activations/s, {count:,} on {database}, " + ("bundles and all" if with_bundles else "no bundles")
    detail = f"{report.seconds:.1f} s, {cpu / count * 1e3:.2f} ms of CPU each; {grown:.0f} MB more of memory"
    return Row(name, report.per_second, 1000, detail=detail, at_least=True)


async def _drill(stage: Stage, folder: Path | None) -> Reissued:
    async with open_installation(stage.settings) as installation:
        sink = None if folder is None else BundleFolder(folder)
        return await installation.reissue.run(LOST, OPERATOR, sink=sink, settle_seconds=0)


# ── what the lost key signed ─────────────────────────────────────────────────────────────────────────────────────────


def _copies(source: Sequence[Sequence[Any]], count: int) -> Iterator[tuple[Any, ...]]:
    """The register's lines of the first activation, for each of its copies, under the lost key."""
    for number in range(1, count + 1):
        for which, row in enumerate(source):
            columns = dict(zip(_COLUMNS, row, strict=True))
            jti = f"01997f3e-5a10-7c3b-a00{which}-{number:012d}"
            seat = f"01997f3e-5a10-7c3b-9000-{number:012x}"
            claims = json.loads(columns["claims"])
            claims |= {"id": jti, "kid": LOST, "license_id": license_id(number), "activation_id": seat}
            columns |= {
                "jti": jti,
                "kid": LOST,
                "license_id": license_id(number),
                "activation_id": seat,
                "claims": json.dumps(claims, separators=(",", ":"), sort_keys=True, ensure_ascii=False),
            }
            yield tuple(columns.values())


def sign_on_sqlite(data: Path, count: int) -> None:
    """Let the lost key have signed what *count* copies of the first activation hold; no server may be running."""
    connection = sqlite3.connect(Layout(data=data).database)
    try:
        source = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM issuances").fetchall()  # noqa: S608 - our own
        statement = f"INSERT INTO issuances ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own names
        connection.executemany(statement, _copies(source, count))
        connection.commit()
        connection.execute("ANALYZE")
    finally:
        connection.close()


async def sign_on_postgres(connection: Any, count: int) -> None:
    """As `sign_on_sqlite`, in the database of *connection* (asyncpg's)."""
    source = [tuple(row) for row in await connection.fetch(f"SELECT {', '.join(_COLUMNS)} FROM issuances")]  # noqa: S608 - our own
    records = list(_copies(source, count))
    await connection.copy_records_to_table("issuances", records=records, columns=_COLUMNS)
    await connection.execute("VACUUM ANALYZE")

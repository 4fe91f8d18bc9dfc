"""SEC-24: 1,000 live activations; with `make test-long` 100,000, which must take less than half an hour."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
from bench.drill import LOST, sign_on_postgres, sign_on_sqlite
from bench.population import fill_postgres, fill_sqlite

from carnet.formats.bundle import read_bundle
from carnet.formats.license_token import verify_license_token
from carnet.server.bundle_folder import BundleFolder
from carnet.server.records import OPERATOR
from support.campaigns import LONG
from support.installations import Device, HeldClock, execute, licensed, opened, settings_in

COUNT = 100_000 if LONG else 1_000
MOST_SECONDS = 30 * 60


def test_sec_24_all_of_many_live_activations_are_signed_anew_in_time(tmp_path: Path) -> None:
    clock, folder = HeldClock(), tmp_path / "bundles"
    settings = settings_in(tmp_path)

    async def first() -> None:
        async with opened(tmp_path, clock) as installation:
            await installation.activations.activate(Device().activate((await licensed(installation)).key))

    async def fill(url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            await fill_postgres(connection, settings.data, 1, COUNT)
            await sign_on_postgres(connection, COUNT)
        finally:
            await connection.close()

    asyncio.run(first())
    if settings.postgres is None:
        fill_sqlite(settings.data, 1, COUNT)
        sign_on_sqlite(settings.data, COUNT)
    else:
        asyncio.run(fill(settings.postgres.url))
    clock.advance(3600)
    told: list[tuple[int, int]] = []

    async def story() -> None:
        async with opened(tmp_path, clock) as installation:
            report = await installation.reissue.run(
                LOST,
                OPERATOR,
                sink=BundleFolder(folder),
                progress=lambda done, total: told.append((done, total)),
                settle_seconds=0,
            )
            assert (report.looked_at, report.activations, report.artifacts) == (COUNT, COUNT, 2 * COUNT)
            assert report.seconds < MOST_SECONDS
            one = next((folder / "hustl").iterdir())
            token = read_bundle(one.read_bytes()).token
            assert token is not None
            assert verify_license_token(token, installation.ring).kid != LOST

    asyncio.run(story())
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (COUNT, COUNT)
    assert sum(1 for _ in (folder / "hustl").iterdir()) == COUNT
    ends = (
        "SELECT count(*) FROM issuances n JOIN issuances o ON o.activation_id = n.activation_id AND o.kind = n.kind"  # noqa: S608 - our own
        f" WHERE o.kid = '{LOST}' AND n.kid <> '{LOST}' AND n.expires_at = o.expires_at AND n.issued_at > o.issued_at"
    )
    assert execute(settings, ends) == [(2 * COUNT,)]

"""
REL-12: migrations run forward on a live copy with very many licenses while old programs serve; afterwards programs of
the old and of the new version serve side by side, and race for the same seats.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from carnet.core.lease_terms import LeaseTerms
from carnet.server.records import OPERATOR
from carnet.server.storage.migrate import MIGRATIONS, create_at, schema_state, upgrade
from carnet.server.storage.tables import REVISION, metadata
from support import racing_next
from support.campaigns import LONG
from support.databases import KINDS, Kind, cluster
from support.installations import licensed, opened, query, settings_in
from support.large_databases import SOLD, Stalls, Traffic, fill, fill_events, inside
from support.racing import How, Told, racers

LICENSES = 1_000_000 if LONG else 2_000
ROUNDS = 200 if LONG else 20
CLIENTS = 32
RACES: tuple[How, How] = ("activate", "claim")

NEXT = """
from alembic import op

revision = "{next}"
down_revision = "{down}"
branch_labels = None
depends_on = None


def upgrade():
    for table in {tables}:
        op.execute(f"ALTER TABLE {{table}} ADD COLUMN later TEXT DEFAULT 'x' NOT NULL")
"""


def planted(folder: Path) -> Path:
    """The script of the next version: it adds a column to every table."""
    versions = folder / "versions"
    versions.mkdir()
    script = NEXT.format(next=racing_next.NEXT, down=REVISION, tables=sorted(metadata.tables))
    (versions / f"{racing_next.NEXT}_later.py").write_text(script)
    return versions


async def sold(folder: Path, count: int) -> list[tuple[str, str]]:
    """Licenses of one seat and one floating seat each: id and key."""
    async with opened(folder) as installation:
        made = [await licensed(installation, overrides={"seat_limit": 1}) for _ in range(count)]
        for each in made:
            await installation.leases.change_terms(LeaseTerms(limit=1), OPERATOR, license_id=each.license.id)
        return [(each.license.id, each.key) for each in made]


def revisions() -> list[str]:
    """Every revision after the first one, in order."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions("0001", "head")
    return [script.revision for script in reversed(list(scripts))][1:]


@pytest.mark.timeout(3600 if LONG else 300)
def test_rel_12_every_migration_of_a_large_database_runs_under_traffic(
    tmp_path: Path, database: Kind, record_property: Any
) -> None:
    place = tmp_path / "carnet.db" if database == "sqlite" else cluster().fresh()

    def begin(connection: sa.Connection) -> None:
        create_at(connection, "0001")
        fill(connection, LICENSES)

    inside(place, begin)
    traffic = Traffic(place, LICENSES)
    traffic.start()
    told: dict[str, tuple[float, Stalls]] = {}
    try:
        for revision in revisions():
            with traffic.measured() as found:
                began = time.monotonic()
                upgrade(place, until=revision)
                took = time.monotonic() - began
            told[revision] = took, found["stalls"]
            if revision == "0007":
                inside(place, lambda connection: fill_events(connection, LICENSES))
    finally:
        traffic.stop()
    assert traffic.problems == []
    assert schema_state(place).current == REVISION

    def seats(connection: sa.Connection) -> list[int]:
        held = "SELECT count(*) FROM activations a WHERE a.license_id = l.id AND a.deactivated_at IS NULL"
        return [
            connection.scalar(sa.text(sql)) or 0
            for sql in (
                "SELECT count(*) FROM licenses",
                "SELECT count(*) FROM events WHERE id LIKE 'e-%'",
                f"SELECT count(*) FROM licenses l WHERE seats_used <> ({held})",  # noqa: S608 - a test's
            )
        ]

    assert inside(place, seats) == [LICENSES, LICENSES, 0]
    assert sorted(traffic.granted) == sorted(f"l-{number}" for number in range(1, SOLD + 1))
    for revision, (took, stalls) in told.items():
        figures = f"{took:.2f} s, longest read {stalls.read:.3f} s, longest write {stalls.write:.3f} s"
        record_property(f"{revision} at {LICENSES} licenses", figures)


@pytest.mark.timeout(900 if LONG else 300)
def test_rel_12_programs_of_two_versions_serve_side_by_side_and_race_for_the_last_seat(
    tmp_path: Path, database: Kind, record_property: Any
) -> None:
    """The old one goes on while the new one raises the schema by starting, and afterwards beside it."""
    assert database in KINDS
    settings = settings_in(tmp_path)
    licenses = asyncio.run(sold(tmp_path, ROUNDS + 1))
    (_, busy), *contested = licenses
    next_version = planted(tmp_path)
    program = (str(Path(racing_next.__file__)), str(next_version))
    clients = [f"device-{number}" for number in range(CLIENTS)]
    with racers(settings, 1) as old, ThreadPoolExecutor(1) as thread:
        before = thread.submit(old.churn, busy, 10)  # under way while the schema is raised
        with racers(settings, 1, program) as new:
            assert before.result() == []
            assert query(tmp_path, "SELECT version_num FROM alembic_version") == [(racing_next.NEXT,)]
            both = old.beside(new)
            told = [both.race(key, clients, how) for (_, key), how in zip(contested, cycle(RACES), strict=False)]
            assert both.churn(busy, 5) == []
    assert told == [Told(granted=1, created=1)] * ROUNDS
    seats = "SELECT count(*) FROM activations a WHERE a.license_id = l.id AND a.deactivated_at IS NULL"
    assert query(tmp_path, f"SELECT count(*) FROM licenses l WHERE seats_used <> ({seats})") == [(0,)]  # noqa: S608
    leases = "SELECT count(*) FROM leases WHERE id IS NOT NULL GROUP BY license_id"
    assert set(query(tmp_path, leases)) == {(1,)}
    record_property("rounds of the race", f"{ROUNDS}, {CLIENTS} clients, in a process of each version")

"""
REL-12: migrations run forward on a live copy with very many licenses while old programs serve; afterwards programs of
the old and of the new version serve side by side, and race for the same seats.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from carnet.server.storage.migrate import MIGRATIONS, create_at, schema_state, upgrade
from carnet.server.storage.tables import REVISION
from support.campaigns import LONG
from support.databases import Kind, cluster
from support.large_databases import SOLD, Stalls, Traffic, fill, fill_events, inside

LICENSES = 1_000_000 if LONG else 2_000


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

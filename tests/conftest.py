"""What every test shares: where support code is found, and how long a property campaign runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from support.campaigns import LONG
from support.databases import KINDS, Kind, on

settings.register_profile("ci", max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("long" if LONG else "ci")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """
    Runs a test twice, with installations on SQLite and on PostgreSQL: the same suite on both (design.md §9).

    A folder's conftest makes it `autouse` where every test of the folder opens installations.
    """
    from support.installations import give_back

    with on(request.param) as kind:
        yield kind
    give_back()

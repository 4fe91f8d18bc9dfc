"""Every test of the services runs on both databases, but for those that are about the file `carnet.db`."""

from __future__ import annotations

import pytest

from support.databases import Kind


@pytest.fixture(autouse=True)
def _both_databases(database: Kind) -> Kind:
    return database

"""Every test of this folder runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from support.databases import Kind


@pytest.fixture(autouse=True)
def _on_both(database: Kind) -> None:
    """Installations are made on the database of the turn."""

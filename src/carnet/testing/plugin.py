"""
The pytest plugin: the fixture `carnet_lab`, for every project in whose environment Carnet is installed.

Loads nothing of the SDK before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from carnet.testing.lab import Lab

PRODUCT_OPTION = "carnet_product"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting that names the product of the app under test."""
    parser.addini(PRODUCT_OPTION, "product id of the app under test, for the fixture carnet_lab", default="hustl")


@pytest.fixture
def carnet_lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A device without a license, its clock, its network, and its vendor's server in memory; new for each test."""
    from carnet.testing.lab import Lab

    lab = Lab(tmp_path / "carnet-state", product=str(request.config.getini(PRODUCT_OPTION)))
    yield lab
    lab.close()

"""A vendor with a running server, and devices: real processes, one set for each test file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An installation with the product `hustl`, whose server runs; tests may stop and start it."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        shop.stage.start_server()
        yield shop
    finally:
        shop.stage.close()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """An installation with the product `hustl` and no server."""
    return Shop(tmp_path_factory.mktemp("office"))


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, str]:
    """The environment of a vendor who has nothing yet."""
    return {"CARNET_DATA": str(tmp_path / "data")}

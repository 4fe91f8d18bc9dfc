"""One real server per module: an installation on SQLite, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.vendor import Vendor, vendor_at


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor_at(tmp_path_factory.mktemp("vendor")) as ready:
        yield ready

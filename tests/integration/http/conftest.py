"""One real server per module and database: an installation over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.databases import KINDS, on
from support.vendor import Vendor, vendor_at


@pytest.fixture(scope="module", params=KINDS)
def vendor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with on(request.param), vendor_at(tmp_path_factory.mktemp("vendor")) as ready:
        yield ready

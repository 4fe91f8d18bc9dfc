"""A vendor's real server over HTTP, on whichever database `support.databases.on` says, with settings of the test's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from carnet.core._base import replace
from carnet.server.app import create_app
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from support.installations import settings_in
from support.live_server import serving
from support.vendor import ShiftedClock, Vendor


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Vendor]:
    """The installation below *folder*, made if it is not there, served for the length of a `with`."""
    wanted = replace(settings_in(folder), port=0, **settings)
    clock = ShiftedClock()
    opened: list[tuple[Installation, str]] = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with open_installation(wanted, clock=clock) as installation:
            made = await installation.apikeys.create(CreateApiKey(name="test"), OPERATOR)
            opened.append((installation, made.token))
            yield create_app(installation)

    with serving(opening) as live:
        vendor = Vendor(live, *opened[0], clock)
        try:
            yield vendor
        finally:
            vendor.http.close()

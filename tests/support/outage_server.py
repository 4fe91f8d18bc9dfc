"""
A real server process whose clock a test sets: `python outage_server.py FOLDER`.

It says its address, an admin token and its root in one line of JSON, then reads Unix times, one a line: from then on it
is that late, and the line comes back. It ends with its standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from carnet.core._base import replace
from carnet.server.app import create_app
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR
from support.databases import on
from support.installations import HeldClock, settings_in
from support.live_server import LiveServer


def main(folder: Path) -> None:
    """Serve the installation below *folder* until standard input ends."""
    clock = HeldClock()
    said: dict[str, Any] = {}

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        async with open_installation(replace(settings, port=0), clock=clock) as installation:
            made = await installation.apikeys.create(CreateApiKey(name="test"), OPERATOR)
            said.update(token=made.token, root=installation.roots[0], at=clock.at)
            yield create_app(installation)

    with on("sqlite"):
        settings = settings_in(folder)
    server = LiveServer(opening)
    server.start()
    try:
        _say({**said, "port": server.port})
        for line in sys.stdin:
            clock.at = type(clock.at)(int(line))
            _say({"at": clock.at})
    finally:
        server.stop()


def _say(members: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

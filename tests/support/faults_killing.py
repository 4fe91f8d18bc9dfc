"""What the campaigns of faults share: an admin token, the rows past the storage."""

from __future__ import annotations

import asyncio

from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from support.installations import execute
from support.ledger import Rows


def rows_of(settings: Settings) -> Rows:
    """The rows of the installation's database, past its storage."""
    return lambda sql: execute(settings, sql)


def admin_token(settings: Settings) -> str:
    """A new admin token of the installation."""

    async def make() -> str:
        async with open_installation(settings) as installation:
            return (await installation.apikeys.create(CreateApiKey(name="faults"), OPERATOR)).token

    return asyncio.run(make())

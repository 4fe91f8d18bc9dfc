"""
`carnet db current|upgrade`: which schema the database has, and bringing it to this version's.
`carnet db confirm-clock`: this computer's clock is right, whatever was signed before (SEC-31).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, administer, server_extra, settings_of
from carnet.core.errors import StateError

if TYPE_CHECKING:
    from carnet.core.clock_guard import ClockDoubt
    from carnet.core.instant import Instant
    from carnet.server.installation import Installation
    from carnet.server.settings import Settings
    from carnet.server.storage.migrate import SchemaState


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    current = leaf(group, "current", "which schema the database has, and which this version uses", _current)
    upgrade = leaf(group, "upgrade", "bring the database to this version; a copy of it is kept beside it", _upgrade)
    about = "say that this computer's clock is right, after the server refused to sign by it"
    confirm = leaf(group, "confirm-clock", about, _confirm_clock)
    for command in (current, upgrade, confirm):
        add_installation_options(command)


def _existing(options: argparse.Namespace) -> Settings:
    settings = settings_of(options)
    if settings.postgres is None and not settings.database_path.exists():
        raise StateError(
            "database_not_found",
            f"There is no database at {settings.database_path}.",
            "Set CARNET_DATA, or make an installation: carnet init",
        )
    return settings


def _current(options: argparse.Namespace, out: Output) -> int:
    settings = _existing(options)
    with server_extra():
        from carnet.server.storage.migrate import schema_state
    _print(schema_state(settings.database), out)
    return exits.OK


def _upgrade(options: argparse.Namespace, out: Output) -> int:
    settings = _existing(options)
    with server_extra():
        from carnet.server.storage.migrate import upgrade
    _print(upgrade(settings.database, say=out.say), out)
    return exits.OK


def _confirm_clock(options: argparse.Namespace, out: Output) -> int:
    async def confirm(installation: Installation) -> tuple[Instant, ClockDoubt | None]:
        from carnet.server.records import OPERATOR

        return await installation.clock.confirm(OPERATOR)

    at, doubt = administer(options, out, confirm)
    document = {"confirmed_at": str(at), "doubt": None if doubt is None else doubt.code}
    was = "nothing was wrong with it" if doubt is None else doubt.error().message
    out.data(document, facts([("Confirmed", when(at)), ("Before", was)]))
    return exits.OK


def _print(state: SchemaState, out: Output) -> None:
    document = {"current": state.current, "latest": state.latest, "is_current": state.is_current}
    advice = "" if state.is_current else " (upgrade with: carnet db upgrade)"
    out.data(document, facts([("Schema", f"{state.current}{advice}"), ("This version's", state.latest)]))

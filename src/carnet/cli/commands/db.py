"""`carnet db current|upgrade`: which schema the database has, and bringing it to this version's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, server_extra, settings_of
from carnet.core.errors import StateError

if TYPE_CHECKING:
    from carnet.server.settings import Settings
    from carnet.server.storage.migrate import SchemaState


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    current = leaf(group, "current", "which schema the database has, and which this version uses", _current)
    upgrade = leaf(group, "upgrade", "bring the database to this version; a copy of it is kept beside it", _upgrade)
    for command in (current, upgrade):
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


def _print(state: SchemaState, out: Output) -> None:
    document = {"current": state.current, "latest": state.latest, "is_current": state.is_current}
    advice = "" if state.is_current else " (upgrade with: carnet db upgrade)"
    out.data(document, facts([("Schema", f"{state.current}{advice}"), ("This version's", state.latest)]))

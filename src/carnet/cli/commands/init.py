"""
`carnet init`: make a new installation. Never asks anything, so that it works in a container and in CI (users-ask 3).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser
from carnet.cli.secrets import passphrase
from carnet.cli.vendor import add_installation_options, server_extra, settings_of
from carnet.cli.words import whole
from carnet.core._base import replace
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from carnet.server.ceremony import InitReport
    from carnet.server.settings import Settings

MAX_ROOT_KEYS = 16
ROOT_KEYS = "./carnet-root"
_MAX_FOLDERS = 100


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_init)
    add_installation_options(parser)
    parser.add_argument(
        "--root-keys",
        metavar="DIR",
        help=f"where the root keys go (default: {ROOT_KEYS}, or beside the data directory where that is this folder; "
        "numbered where there are those of another installation)",
    )
    parser.add_argument(
        "--root-count", type=whole(1, MAX_ROOT_KEYS), default=1, metavar="N", help="how many root keys (default 1)"
    )
    parser.add_argument(
        "--root-threshold",
        type=whole(1, MAX_ROOT_KEYS),
        default=1,
        metavar="K",
        help="how many of them must sign (default 1)",
    )
    parser.add_argument("--root-passphrase-file", metavar="FILE", help="holds a passphrase that seals the root keys")
    parser.add_argument("--if-needed", action="store_true", help="an installation that is already there is fine")


def _init(options: argparse.Namespace, out: Output) -> int:
    settings = settings_of(options)
    try:
        report = _founded(settings, options)
    except CarnetError as error:
        if error.code == "already_initialised" and options.if_needed:
            return _already(settings.data, out)
        raise
    document: dict[str, Any] = {
        "data": str(report.data.absolute()),
        "anchor": report.anchor,
        "root_path": str(report.root_path.absolute()),
        "root_key_paths": [str(path.absolute()) for path in report.root_key_paths],
        "admin_token": report.admin_token,
    }
    keys = ", ".join(str(path) for path in report.root_key_paths)
    out.data(
        document,
        facts(
            [
                ("Data", report.data),
                ("Root file", f"{report.root_path} (valid until {when(report.root_expires_at)})"),
                ("Anchor", report.anchor),
                ("Root keys", f"{keys} ({report.root_threshold} of {len(report.root_key_paths)} must sign)"),
                ("Admin token", f"{report.admin_token} (shown only now)"),
            ]
        ),
    )
    for note in report.notes:
        out.say(f"- {note}")
    out.say("Next: carnet product create NAME, then carnet serve")
    return exits.OK


def _founded(settings: Settings, options: argparse.Namespace) -> InitReport:
    """
    The new installation. Where nobody said where its root keys go, they are in nobody's way: not in the data directory,
    where that is this folder, and not among those of another installation; two of them are often made from one folder,
    in tests and in scripts (users-ask 3).
    """
    with server_extra():
        from carnet.server.installation import InitOptions, create_installation

    ceremony = InitOptions(
        root_keys=Path(options.root_keys or ROOT_KEYS),
        root_key_count=options.root_count,
        root_threshold=options.root_threshold,
        root_passphrase=passphrase(options.root_passphrase_file) if options.root_passphrase_file else None,
    )
    folder, number = ROOT_KEYS, 1
    while True:
        try:
            return create_installation(settings, ceremony)
        except CarnetError as error:
            if options.root_keys or number == _MAX_FOLDERS:
                raise
            if error.code == "root_keys_inside_data" and folder == ROOT_KEYS:
                folder = f"{settings.data.resolve()}-root"
            elif error.code == "root_keys_exist":
                number += 1
            else:
                raise
        ceremony = replace(ceremony, root_keys=Path(folder if number == 1 else f"{folder}-{number}"))


def _already(data: Path, out: Output) -> int:
    from carnet.formats.root import anchor

    root_path = data / "root.json"
    document: dict[str, Any] = {
        "data": str(data.absolute()),
        "anchor": anchor(root_path.read_bytes()),
        "root_path": str(root_path.absolute()),
        "root_key_paths": [],
        "admin_token": None,
    }
    out.say("It is already there; nothing was changed.")
    out.data(document, facts([("Data", data), ("Root file", root_path), ("Anchor", document["anchor"])]))
    return exits.OK

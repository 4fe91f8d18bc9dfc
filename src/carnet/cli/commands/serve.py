"""`carnet serve`: run the server until it is told to stop. One process, one database file, nothing beside it."""

from __future__ import annotations

import argparse

from carnet.cli.output import Output
from carnet.cli.parser import Parser
from carnet.cli.secrets import interactive
from carnet.cli.vendor import add_installation_options, ask_passphrase, server_extra, settings_of
from carnet.cli.words import whole
from carnet.core._base import replace
from carnet.core.errors import CarnetError

MAX_PORT = 65535


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_serve)
    add_installation_options(parser)
    parser.add_argument("--host", help="address to listen on (default: $CARNET_HOST, else 127.0.0.1)")
    parser.add_argument("--port", type=whole(0, MAX_PORT), help="port (default: $CARNET_PORT, else 8787); 0: any")


def _serve(options: argparse.Namespace, out: Output) -> int:
    settings = settings_of(options)
    if options.host:
        settings = replace(settings, host=options.host)
    if options.port is not None:
        settings = replace(settings, port=options.port)
    with server_extra():
        from carnet.server.serve import serve

    def ready(address: str) -> None:
        out.data({"address": address})

    try:
        return serve(settings, ready=ready)
    except CarnetError as error:
        if error.code != "passphrase_needed" or not interactive():
            raise
        return serve(replace(settings, passphrase=ask_passphrase()), ready=ready)

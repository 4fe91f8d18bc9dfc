"""`carnet refresh`: fetch new offline credentials now, without waiting until they are due."""

from __future__ import annotations

import argparse

from carnet.cli.device import add_device_options, add_timeout, carnet_of, report, required
from carnet.cli.output import Output
from carnet.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_refresh)
    add_device_options(parser)
    add_timeout(parser)


def _refresh(options: argparse.Namespace, out: Output) -> int:
    required(options, "server")
    with carnet_of(options) as carnet:
        return report(carnet, carnet.refresh(), out)

"""
`carnet deactivate`: give this device's seat back, for another device. Needs the server, so that the seat is free;
a signed key that was kept without one is forgotten here.
"""

from __future__ import annotations

import argparse

from carnet.cli import exits
from carnet.cli.device import add_device_options, add_timeout, carnet_of, report, required
from carnet.cli.output import Output
from carnet.cli.parser import Parser
from carnet.core.errors import UsageError


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_deactivate)
    add_device_options(parser)
    add_timeout(parser)


def _deactivate(options: argparse.Namespace, out: Output) -> int:
    with carnet_of(options) as carnet:
        try:
            decision = carnet.deactivate()
        except UsageError as error:
            if error.code == "server_required":
                required(options, "server")  # says how it is given here
            raise
        code = report(carnet, decision, out)
        if carnet.last_problem is None and decision.state == "not_activated":
            out.say("The seat is free; this device holds no license.")
            return exits.OK
        return code

"""`carnet status`: what the app would decide now, from what is on this device. Never uses the network."""

from __future__ import annotations

import argparse

from carnet.cli.device import add_device_options, carnet_of, show_decision
from carnet.cli.output import Output, plain, when
from carnet.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_status)
    add_device_options(parser, "product", "root", "state", "device-id")


def _status(options: argparse.Namespace, out: Output) -> int:
    with carnet_of(options) as carnet:
        code = show_decision(carnet.check(), out)
        if not out.json:
            info = carnet.info()
            out.say(f"\nState: {plain(info.state_directory)} · last contact: {when(info.last_contact_at)}")
            if info.identity.advice:
                out.say(plain(info.identity.advice))
        return code

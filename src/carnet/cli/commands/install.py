"""`carnet install`: take in a bundle that was mailed or carried to this device. Never uses the network."""

from __future__ import annotations

import argparse

from carnet.cli import exits
from carnet.cli.device import add_device_options, carnet_of, read_artifact, report, required
from carnet.cli.output import Output
from carnet.cli.parser import Parser
from carnet.cli.secrets import HOW, add_license_key_options, license_key
from carnet.core.errors import UsageError


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_install)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a .carnet bundle, a machine file, license token, root file or status list; - for stdin",
    )
    add_license_key_options(parser, positional=False)
    add_device_options(parser)


def _install(options: argparse.Namespace, out: Output) -> int:
    if options.file == "-" and options.license_key_stdin:
        raise UsageError("bad_usage", "Standard input cannot be both the file and the license key.", HOW)
    for name in ("product", "root"):
        required(options, name)
    key = license_key(options, prompt=False)
    with carnet_of(options) as carnet:
        decision = carnet.install(read_artifact(options.file), license_key=key)
        code = report(carnet, decision, out)
        if carnet.last_problem is None and code == exits.OK:
            out.say("It was taken in: this device decides by it from now on.")
        return code

"""`carnet activate`: bind a license key to this device. Needs the network, but for a signed key without a server."""

from __future__ import annotations

import argparse

from carnet.cli import exits, typing_errors
from carnet.cli.device import add_device_options, add_timeout, carnet_of, report, required
from carnet.cli.output import Output
from carnet.cli.parser import Parser
from carnet.cli.secrets import HOW, add_license_key_options, license_key
from carnet.core.errors import UsageError
from carnet.formats.license_key import Healing
from carnet.formats.signed_key import looks_like_signed_key


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_activate)
    add_license_key_options(parser, positional=True)
    parser.add_argument("--device-name", metavar="NAME", help="what people see this device as; not sent unless given")
    parser.add_argument("--user", metavar="WHO", help="who uses it, for licenses whose seats belong to users")
    add_device_options(parser)
    add_timeout(parser)


def _activate(options: argparse.Namespace, out: Output) -> int:
    typed = license_key(options, prompt=True)
    if typed is None or not looks_like_signed_key(typed):
        required(options, "server")  # a signed key grants without one (users-ask 51)
    if typed is None:
        raise UsageError("license_key_required", "No license key was given.", HOW)
    key = typing_errors.settle(typed, out)
    with carnet_of(options) as carnet:
        decision = carnet.activate(key, device_name=options.device_name, user=options.user)
        code = report(carnet, decision, out)
        if decision:
            out.say("This device is activated. From now on it decides by itself, offline too.")
            return code
        # An unknown key, or no server to ask: either way a typing error is worth pointing out.
        healing = typing_errors.proposal(key)
        unknown = decision.reasons[0].code == "license_not_found"
        if healing is not None and (unknown or code == exits.OFFLINE):
            _propose(healing, out)
        return exits.NOT_FOUND if unknown else code


def _propose(healing: Healing, out: Output) -> None:
    if out.json:
        detail = f"That license key has a typing error. Did you mean {healing.key}?"
        proposal = typing_errors.as_json(healing)
        out.problem("license_key_typing_error", detail, "Activate again with that key.", proposal=proposal)
    else:
        typing_errors.show(healing, out)

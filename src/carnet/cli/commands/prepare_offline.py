"""`carnet prepare-offline`: before a long trip, fetch credentials for as long as the policy allows (R-35)."""

from __future__ import annotations

import argparse

from carnet.cli.device import add_device_options, add_timeout, carnet_of, report, required
from carnet.cli.output import Output, when
from carnet.cli.parser import Parser
from carnet.cli.words import duration
from carnet.core.policies import MAX_TTL_SECONDS


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_prepare)
    parser.add_argument("--for", dest="span", type=duration, metavar="TIME", help="e.g. 60d (default: the longest)")
    add_device_options(parser)
    add_timeout(parser)


def _prepare(options: argparse.Namespace, out: Output) -> int:
    required(options, "server")
    with carnet_of(options) as carnet:
        wanted = min(options.span or MAX_TTL_SECONDS, MAX_TTL_SECONDS)  # the policy decides how much of it is granted
        decision = carnet.prepare_offline(ttl_seconds=wanted)
        code = report(carnet, decision, out)
        if decision and carnet.last_problem is None:
            out.say(f"You can stay offline until {when(decision.offline_until)}.")
        return code

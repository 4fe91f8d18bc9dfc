"""`carnet usage show|correct`: what licenses used of their meters (R-29)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts, table, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, administer
from carnet.cli.views import usage_json, use_json
from carnet.cli.words import add_name, name
from carnet.core.decision import Refused
from carnet.core.errors import RefusedError

if TYPE_CHECKING:
    from carnet.server.domain.metering.commands import UseResult
    from carnet.server.installation import Installation


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    show = leaf(group, "show", "every meter of a license with its use in the running period", _show)
    add_name(show, "--license", "the license's id")
    correct = leaf(group, "correct", "put a count right, once for its event id", _correct)
    add_name(correct, "--license", "the license's id")
    correct.add_argument("--meter", required=True, help="the meter's name")
    correct.add_argument("--event", required=True, metavar="ID", help="your own name for this correction")
    correct.add_argument("--amount", required=True, type=int, metavar="N", help="how much more; less where negative")
    for command in (show, correct):
        add_installation_options(command)


def _show(options: argparse.Namespace, out: Output) -> int:
    license_id = name(options, "license")
    meters = administer(options, out, lambda installation: installation.metering.read(license_id))
    rows = [
        [
            view.meter,
            view.period.replace("_", " "),
            view.used,
            "any" if view.limit is None else view.limit,
            "-" if view.ends_at is None else when(view.ends_at),
        ]
        for view in meters
    ]
    titles = ["METER", "PERIOD", "USED", "LIMIT", "UNTIL"]
    out.data(usage_json(license_id, meters), table(titles, rows, "This license has no meters."))
    return exits.OK


def _correct(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.metering.commands import CorrectUse
    from carnet.server.records import OPERATOR

    command = CorrectUse(
        license_id=name(options, "license"), meter=options.meter, event_id=options.event, amount=options.amount
    )

    async def work(installation: Installation) -> UseResult:
        outcome = await installation.metering.correct(command, OPERATOR)
        if isinstance(outcome, Refused):
            main = outcome.reasons[0]
            raise RefusedError(main.code, main.message, main.fix)
        return outcome

    made = administer(options, out, work)
    rows = [
        ("Meter", made.usage.meter),
        ("Used", made.usage.used),
        ("Counted", "now" if made.counted_now else "before"),
    ]
    out.data(use_json(made), facts(rows))
    return exits.OK

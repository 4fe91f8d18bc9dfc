"""`carnet activation list|deactivate`: which devices hold seats, and taking one back (users-ask 11)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import activation_json
from carnet.cli.words import add_name, name

if TYPE_CHECKING:
    from carnet.server.domain.activations.commands import ActivationView


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    listing = leaf(group, "list", "the devices that hold seats of a license", _list)
    add_name(listing, "--license", "the license's id")
    listing.add_argument("--all", action="store_true", help="also seats that were given back")
    add_list_options(listing)
    deactivate = leaf(
        group, "deactivate", "free a seat; the device keeps working until its offline time ends", _deactivate
    )
    add_name(deactivate, "--id", "the activation's id")
    deactivate.add_argument("--reason", help="why, for the audit")
    for command in (listing, deactivate):
        add_installation_options(command)


def _list(options: argparse.Namespace, out: Output) -> int:
    license_id = name(options, "license")
    page = administer(
        options,
        out,
        lambda installation: collect(
            lambda a, n: installation.activations.list(license_id, include_deactivated=options.all, after=a, limit=n),
            options,
        ),
    )
    show_list(out, page, activation_json, _COLUMNS, "No device holds a seat.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[ActivationView], object]] = {
    "ACTIVATION": lambda seat: seat.id,
    "DEVICE": lambda seat: seat.device_name or f"{seat.device[:12]}…",
    "PLATFORM": lambda seat: seat.platform,
    "SINCE": lambda seat: when(seat.created_at),
    "LAST SEEN": lambda seat: when(seat.refreshed_at),
    "OFFLINE UNTIL": lambda seat: when(seat.covered_until),
    "GIVEN BACK": lambda seat: when(seat.deactivated_at, "-"),
}


def _deactivate(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    activation_id = name(options, "id")
    view = administer(
        options,
        out,
        lambda installation: installation.activations.deactivate_by_vendor(
            activation_id, OPERATOR, reason=options.reason
        ),
    )
    rows = [
        ("Activation", view.id),
        ("Device", view.device_name),
        ("Given back", when(view.deactivated_at)),
        ("Works offline until", when(view.covered_until)),
    ]
    out.data(activation_json(view), facts(rows))
    return exits.OK

"""`carnet audit list`: who changed what, and when."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, as_json
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import audit_json

if TYPE_CHECKING:
    from carnet.server.records import AuditEntry


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    listing = leaf(group, "list", "changes, newest first", _list)
    listing.add_argument("--object", metavar="ID", help="only changes of this product, license, activation, …")
    listing.add_argument("--action", help="only this kind of change, e.g. license.revoked")
    add_list_options(listing)
    add_installation_options(listing)


def _list(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.audit.commands import AuditFilter

    which = AuditFilter(object_id=options.object, action=options.action)
    page = administer(
        options,
        out,
        lambda installation: collect(lambda a, n: installation.audit.list(which, after=a, limit=n), options),
    )
    show_list(out, page, audit_json, _COLUMNS, "Nothing was changed yet.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[AuditEntry], object]] = {
    "AT": lambda entry: entry.at,
    "WHO": lambda entry: entry.actor.kind if entry.actor.id is None else f"{entry.actor.kind} {entry.actor.id}",
    "WHAT": lambda entry: entry.action,
    "OBJECT": lambda entry: entry.object_id,
    "DETAILS": lambda entry: (
        ", ".join(f"{k}={v if isinstance(v, str) else as_json(v)}" for k, v in entry.details.items()) or None
    ),
}

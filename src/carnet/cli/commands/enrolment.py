"""`carnet enrolment create|list|revoke`: one secret that many machines may use to activate (users-ask 14)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import enrolment_json
from carnet.cli.words import add_name, end_of, name, whole

if TYPE_CHECKING:
    from carnet.server.domain.enrolment.commands import EnrolmentView

_MAX_USES = 1_000_000_000


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "make a token that machines use in place of the license key", _create)
    add_name(create, "--license", "the license's id")
    create.add_argument("--name", required=True, help="for people, e.g. 'render farm'")
    create.add_argument("--max-uses", type=whole(1, _MAX_USES), metavar="N", help="how many devices may enrol")
    create.add_argument(
        "--expires-at", type=end_of, metavar="TIME", help="its end: a time, or a date that still counts everywhere"
    )
    create.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="devices must come from it; repeatable"
    )
    create.add_argument("--group", help="where devices that enrol with it belong")
    listing = leaf(group, "list", "the tokens of a license, and how many devices came with each", _list)
    add_name(listing, "--license", "the license's id")
    add_list_options(listing)
    revoke = leaf(group, "revoke", "enrol nobody with a token any more; its devices keep their seats", _revoke)
    add_name(revoke, "--id", "the token's id")
    for command in (create, listing, revoke):
        add_installation_options(command)


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.enrolment.commands import CreateEnrolment
    from carnet.server.records import OPERATOR

    command = CreateEnrolment(
        license_id=name(options, "license"),
        name=options.name,
        max_uses=options.max_uses,
        expires_at=options.expires_at,
        networks=tuple(options.network),
        group=options.group,
    )
    made = administer(options, out, lambda installation: installation.enrolments.create(command, OPERATOR))
    out.data({**enrolment_json(made.enrolment), "token": made.token}, made.token)
    out.say(f"Token {made.enrolment.id}: give it to machines in place of the license key. It is not shown again.")
    return exits.OK


def _list(options: argparse.Namespace, out: Output) -> int:
    license_id = name(options, "license")
    page = administer(
        options,
        out,
        lambda installation: collect(lambda a, n: installation.enrolments.list(license_id, after=a, limit=n), options),
    )
    show_list(out, page, enrolment_json, _COLUMNS, "No enrolment tokens.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[EnrolmentView], object]] = {
    "TOKEN": lambda view: view.id,
    "ENDS IN": lambda view: f"…{view.last_four}",
    "NAME": lambda view: view.name,
    "USED": lambda view: f"{view.used} of {'any' if view.max_uses is None else view.max_uses}",
    "ENDS": lambda view: when(view.expires_at),
    "REVOKED": lambda view: "-" if view.revoked_at is None else when(view.revoked_at),
}


def _revoke(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    enrolment_id = name(options, "id")
    view = administer(options, out, lambda installation: installation.enrolments.revoke(enrolment_id, OPERATOR))
    rows = [("Token", view.id), ("Name", view.name), ("Used", view.used), ("Revoked", when(view.revoked_at))]
    out.data(enrolment_json(view), facts(rows))
    return exits.OK

"""`carnet customer create|list|show`: who you sell to. Artifacts never carry a name or an address (R-67)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import customer_json
from carnet.cli.words import add_name, name

if TYPE_CHECKING:
    from carnet.server.records import Customer


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "record a customer", _create)
    add_name(create, "--name", "the customer's name")
    create.add_argument("--email", help="where licenses are mailed to")
    listing = leaf(group, "list", "all customers, newest first", _list)
    add_list_options(listing)
    show = leaf(group, "show", "one customer", _show)
    add_name(show, "--id", "the customer's id")
    for command in (create, listing, show):
        add_installation_options(command)


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.customers.commands import CreateCustomer
    from carnet.server.records import OPERATOR

    command = CreateCustomer(name=name(options, "name"), email=options.email)
    customer = administer(options, out, lambda installation: installation.customers.create(command, OPERATOR))
    rows = [("Customer", customer.id), ("Name", customer.name), ("E-mail", customer.email)]
    out.data(customer_json(customer), facts(rows))
    return exits.OK


def _list(options: argparse.Namespace, out: Output) -> int:
    page = administer(
        options,
        out,
        lambda installation: collect(lambda a, n: installation.customers.list(after=a, limit=n), options),
    )
    show_list(out, page, customer_json, _COLUMNS, "No customers yet.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[Customer], object]] = {
    "CUSTOMER": lambda customer: customer.id,
    "NAME": lambda customer: customer.name,
    "E-MAIL": lambda customer: customer.email,
}


def _show(options: argparse.Namespace, out: Output) -> int:
    customer = administer(options, out, lambda installation: installation.customers.get(name(options, "id")))
    rows = [
        ("Customer", customer.id),
        ("Name", customer.name),
        ("E-mail", customer.email),
        ("Since", when(customer.created_at)),
    ]
    out.data(customer_json(customer), facts(rows))
    return exits.OK

"""`carnet product create|list|show`: what you sell."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import product_json
from carnet.cli.words import add_name, name

if TYPE_CHECKING:
    from carnet.server.records import Product


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "make a product, with the three preset policies", _create)
    add_name(create, "--id", "its short name: lower-case letters, digits and hyphens; it never changes")
    create.add_argument("--name", help="its name for people (default: the short name)")
    listing = leaf(group, "list", "all products", _list)
    add_list_options(listing)
    show = leaf(group, "show", "one product", _show)
    add_name(show, "--id", "its short name")
    for command in (create, listing, show):
        add_installation_options(command)


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.products.commands import CreateProduct
    from carnet.server.records import OPERATOR

    command = CreateProduct(id=name(options, "id"), name=options.name)
    product = administer(options, out, lambda installation: installation.products.create(command, OPERATOR))
    out.say("Made, with the policies consumer, professional and enterprise.")
    out.data(product_json(product), facts([("Product", product.id), ("Name", product.name)]))
    out.say(f"Next: carnet license create --product {product.id} --policy consumer")
    return exits.OK


def _list(options: argparse.Namespace, out: Output) -> int:
    page = administer(
        options,
        out,
        lambda installation: collect(lambda a, n: installation.products.list(after=a, limit=n), options),
    )
    show_list(out, page, product_json, _COLUMNS, "No products yet.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[Product], object]] = {
    "PRODUCT": lambda product: product.id,
    "NAME": lambda product: product.name,
    "SINCE": lambda product: when(product.created_at),
}


def _show(options: argparse.Namespace, out: Output) -> int:
    product = administer(options, out, lambda installation: installation.products.get(name(options, "id")))
    text = facts([("Product", product.id), ("Name", product.name), ("Since", when(product.created_at))])
    out.data(product_json(product), text)
    return exits.OK

"""`carnet apikey create|list|revoke`: tokens for the admin API. A token is shown once, when it is made."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, show_list
from carnet.cli.views import text_of
from carnet.cli.words import add_name, instant, name

if TYPE_CHECKING:
    from carnet.core.instant import Instant
    from carnet.server.installation import Installation
    from carnet.server.records import ApiKey, Page


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "make an admin token and print it, once", _create)
    add_name(create, "--name", "what it is for")
    may = create.add_mutually_exclusive_group()
    may.add_argument("--read-only", action="store_true", help="it may look, and change nothing")
    may.add_argument(
        "--scope",
        action="append",
        choices=("admin", "read", "issue", "support", "keys"),
        help="what it may do; may be given several times; admin (everything) if absent",
    )
    create.add_argument(
        "--product",
        action="append",
        metavar="SLUG",
        help="it may touch only what belongs to this product; may be given several times; all of them if absent",
    )
    create.add_argument("--expires-at", type=instant, metavar="TIME", help="first second it no longer works")
    listing = leaf(group, "list", "admin tokens, newest first; never the tokens themselves", _list)
    add_list_options(listing)
    revoke = leaf(group, "revoke", "stop an admin token at once", _revoke)
    add_name(revoke, "--id", "the token's id")
    for command in (create, listing, revoke):
        add_installation_options(command)


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.apikeys.commands import CreateApiKey
    from carnet.server.records import OPERATOR

    command = CreateApiKey(
        name=name(options, "name"),
        scopes=("read",) if options.read_only else tuple(options.scope or ("admin",)),
        expires_at=options.expires_at,
        products=None if options.product is None else tuple(options.product),
    )
    created = administer(options, out, lambda installation: installation.apikeys.create(command, OPERATOR))
    out.data({**_json(created.api_key), "token": created.token}, created.token)
    out.say("Send it as `Authorization: Bearer …`. It is stored only as a hash: note it now.")
    return exits.OK


def _list(options: argparse.Namespace, out: Output) -> int:
    async def listed(installation: Installation) -> tuple[Page[ApiKey], dict[str, Instant]]:
        page = await collect(lambda a, n: installation.apikeys.list(after=a, limit=n), options)
        return page, await installation.apikeys.last_used(page.items)

    page, used = administer(options, out, listed)

    def as_json(record: ApiKey) -> dict[str, Any]:
        return {**_json(record), "last_used_at": text_of(used.get(record.id))}

    columns = {**_COLUMNS, "LAST USED": lambda record: when(used.get(record.id), "never")}
    show_list(out, page, as_json, columns, "No admin tokens.")
    return exits.OK


def _revoke(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    key_id = name(options, "id")
    record = administer(options, out, lambda installation: installation.apikeys.revoke(key_id, OPERATOR))
    rows = [("Token", record.id), ("Name", record.name), ("Revoked", when(record.revoked_at))]
    out.data(_json(record), facts(rows))
    return exits.OK


def _json(record: ApiKey) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "last_four": record.last_four,
        "scopes": list(record.scopes),
        "products": None if record.products is None else list(record.products),
        "created_at": str(record.created_at),
        "expires_at": text_of(record.expires_at),
        "revoked_at": text_of(record.revoked_at),
    }


_COLUMNS: Mapping[str, Callable[[ApiKey], object]] = {
    "TOKEN": lambda record: record.id,
    "NAME": lambda record: record.name,
    "ENDS WITH": lambda record: f"…{record.last_four}",
    "MAY": lambda record: ", ".join(record.scopes),
    "PRODUCTS": lambda record: "all" if record.products is None else ", ".join(record.products),
    "UNTIL": lambda record: when(record.expires_at),
    "REVOKED": lambda record: when(record.revoked_at, "-"),
}

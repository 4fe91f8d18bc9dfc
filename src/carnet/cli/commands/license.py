"""`carnet license …`: create licenses, see them, suspend, reinstate, renew, revoke, and read a key again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.secrets import add_license_key_options, license_key
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, only_product, show_list
from carnet.cli.views import license_facts, license_json, text_of
from carnet.cli.words import add_name, duration, end_of, instant, members, name
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet.server.domain.licenses.commands import CreatedLicense, LicenseView
    from carnet.server.installation import Installation


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "issue a license with a fresh key", _create)
    create.add_argument("--product", help="what it is for (default: the only product)")
    create.add_argument("--policy", required=True, help="the rules it follows, e.g. consumer")
    create.add_argument("--customer", metavar="ID", help="who holds it")
    create.add_argument("--type", choices=("perpetual", "timed", "trial"), help="default: the policy's")
    create.add_argument("--starts-at", type=instant, metavar="TIME", help="first second it works (default: now)")
    _add_end(create)
    create.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="override a policy member, e.g. seat_limit=5"
    )

    listing = leaf(group, "list", "licenses, newest first", _list)
    listing.add_argument("--product", help="only of this product")
    listing.add_argument("--customer", metavar="ID", help="only of this customer")
    listing.add_argument("--status", choices=("active", "suspended", "revoked"), help="only with this status")
    add_list_options(listing)

    show = leaf(group, "show", "one license, by its id or by its key", _show)
    add_name(show, "--id", "the license's id", required=False)
    add_license_key_options(show, positional=False)

    suspend = leaf(group, "suspend", "stop a license until it is reinstated", _change("suspend"))
    reinstate = leaf(group, "reinstate", "lift a suspension", _change("reinstate"))
    revoke = leaf(group, "revoke", "stop a license for good", _change("revoke"))
    renew = leaf(group, "renew", "give a license a later end", _renew)
    _add_end(renew)
    renew.add_argument(
        "--basis", choices=("expiry", "now"), default="expiry", help="count from the old end or from now"
    )
    reveal = leaf(group, "reveal-key", "print a license's key again; the audit records it", _reveal)
    for command in (suspend, reinstate, revoke, renew, reveal):
        add_name(command, "--id", "the license's id")
    for command in (suspend, reinstate, revoke):
        command.add_argument("--reason", help="why, for the audit")
    for command in (create, listing, show, suspend, reinstate, revoke, renew, reveal):
        add_installation_options(command)


def _add_end(parser: Parser) -> None:
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--expires-at", type=end_of, metavar="TIME", help="its end: a time, or a date that still counts everywhere"
    )
    end.add_argument("--duration", type=duration, metavar="TIME", help="how long it runs, e.g. 365d")


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.licenses.commands import CreateLicense
    from carnet.server.records import OPERATOR

    ends = options.expires_at is not None or options.duration is not None

    async def work(installation: Installation) -> CreatedLicense:
        command = CreateLicense(
            product=await only_product(installation, options.product),
            policy=options.policy,
            customer=options.customer,
            type=options.type or ("timed" if ends else None),
            starts_at=options.starts_at,
            expires_at=options.expires_at,
            duration_seconds=options.duration,
            overrides=members(options.set) or None,
        )
        return await installation.licenses.create(command, OPERATOR)

    created = administer(options, out, work)
    view = created.license
    document = {
        "id": view.id,
        "key": created.key,
        "product": view.product,
        "policy": view.policy,
        "expires_at": text_of(view.expires_at),
    }
    out.data(document, created.key)
    out.say(f"License {view.id} of {view.product}, policy {view.policy}, ends: {when(view.expires_at)}.")
    out.say("The key above is for the customer. `carnet license reveal-key` shows it again.")
    return exits.OK


def _list(options: argparse.Namespace, out: Output) -> int:
    page = administer(
        options,
        out,
        lambda installation: collect(
            lambda a, n: installation.licenses.list(
                product=options.product, customer=options.customer, status=options.status, after=a, limit=n
            ),
            options,
        ),
    )
    show_list(out, page, license_json, _COLUMNS, "No licenses.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[LicenseView], object]] = {
    "LICENSE": lambda view: view.id,
    "KEY": lambda view: f"…{view.key_last_four}",
    "PRODUCT": lambda view: view.product,
    "POLICY": lambda view: view.policy,
    "STATUS": lambda view: view.status,
    "ENDS": lambda view: when(view.expires_at),
    "SEATS": lambda view: f"{view.seats.used} of {'any' if view.seats.limit is None else view.seats.limit}",
}


def _show(options: argparse.Namespace, out: Output) -> int:
    async def work(installation: Installation) -> LicenseView:
        if options.id_word or options.id_option:
            return await installation.licenses.get(name(options, "id"))
        key = license_key(options, prompt=False)
        if key is None:
            raise UsageError("bad_usage", "Which license?", "Give its ID, or its key with --license-key-stdin.")
        return await installation.licenses.find(key)

    _print(administer(options, out, work), out)
    return exits.OK


def _change(verb: str) -> Any:
    def run(options: argparse.Namespace, out: Output) -> int:
        from carnet.server.records import OPERATOR

        async def work(installation: Installation) -> LicenseView:
            action = getattr(installation.licenses, verb)
            view: LicenseView = await action(name(options, "id"), OPERATOR, reason=options.reason)
            return view

        _print(administer(options, out, work), out)
        return exits.OK

    return run


def _renew(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.licenses.commands import RenewLicense
    from carnet.server.records import OPERATOR

    command = RenewLicense(
        license_id=name(options, "id"),
        expires_at=options.expires_at,
        duration_seconds=options.duration,
        basis=options.basis,
    )
    _print(administer(options, out, lambda installation: installation.licenses.renew(command, OPERATOR)), out)
    return exits.OK


def _reveal(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    license_id = name(options, "id")
    key = administer(options, out, lambda installation: installation.licenses.reveal_key(license_id, OPERATOR))
    out.data({"id": license_id, "key": key}, key)
    return exits.OK


def _print(view: LicenseView, out: Output) -> None:
    out.data(license_json(view), license_facts(view))

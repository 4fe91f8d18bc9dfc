"""`carnet lease list|end|terms`: who holds floating seats, taking one back, and what a pool allows (users-ask 11)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, facts, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, only_product, show_list
from carnet.cli.words import add_name, members, name
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet.server.domain.leases.commands import LeaseView, TermsView
    from carnet.server.installation import Installation


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    listing = leaf(group, "list", "who holds the floating seats of a license", _list)
    add_name(listing, "--license", "the license's id")
    add_list_options(listing)
    end = leaf(group, "end", "take a floating seat back; its holder is told why", _end)
    add_name(end, "--id", "the lease's id")
    end.add_argument("--reason", help="why, for its holder and the audit")
    terms = leaf(group, "terms", "show or change what a policy, or one license, says about floating seats", _terms)
    terms.add_argument("--policy", metavar="NAME", help="the policy's name within its product")
    terms.add_argument("--product", help="the policy's product (default: the only one)")
    terms.add_argument("--license", metavar="ID", help="one license's own terms, in place of its policy's")
    terms.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a member, e.g. limit=10")
    terms.add_argument("--remove", action="store_true", help="no terms of its own any more")
    for command in (listing, end, terms):
        add_installation_options(command)


def _list(options: argparse.Namespace, out: Output) -> int:
    license_id = name(options, "license")
    page = administer(
        options,
        out,
        lambda installation: collect(lambda a, n: installation.leases.list(license_id, after=a, limit=n), options),
    )
    show_list(out, page, _json, _COLUMNS, "Nobody holds a floating seat.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[LeaseView], object]] = {
    "LEASE": lambda lease: lease.id,
    "HOLDER": lambda lease: f"{lease.holder.kind} {lease.holder.id[:24]}",
    "NAME": lambda lease: lease.name or "-",
    "SINCE": lambda lease: when(lease.claimed_at),
    "LAST SEEN": lambda lease: when(lease.renewed_at),
    "UNTIL": lambda lease: when(lease.expires_at),
    "BORROWED": lambda lease: "yes" if lease.is_borrowed else "-",
}


def _end(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    lease_id = name(options, "id")
    view = administer(
        options, out, lambda installation: installation.leases.force(lease_id, OPERATOR, reason=options.reason)
    )
    rows = [
        ("Lease", view.id),
        ("Holder", f"{view.holder.kind} {view.holder.id}"),
        ("Name", view.name),
        ("Ended", when(view.released_at)),
        ("Works without a network until", when(view.expires_at)),
    ]
    out.data(_json(view), facts(rows))
    return exits.OK


def _terms(options: argparse.Namespace, out: Output) -> int:
    from carnet.core.lease_terms import lease_terms_from_json, lease_terms_to_json
    from carnet.server.records import OPERATOR

    if (options.policy is None) == (options.license is None):
        raise UsageError("bad_usage", "Whose terms is not clear.", "Give --policy NAME or --license ID.")
    if options.remove and options.set:
        raise UsageError("bad_usage", "--remove and --set contradict each other.", "Give one of them.")
    changes = members(options.set)

    async def work(installation: Installation) -> TermsView:
        leases = installation.leases
        whose: dict[str, Any] = {"license_id": options.license}
        if options.license is None:
            product = await only_product(installation, options.product)
            whose = {"product": product, "policy": options.policy}
        if options.remove:
            return await leases.change_terms(None, OPERATOR, **whose)
        known = await leases.terms(**whose)
        if not changes:
            return known
        before = {"limit": None} if known.terms is None else lease_terms_to_json(known.terms)
        return await leases.change_terms(lease_terms_from_json({**before, **changes}), OPERATOR, **whose)

    view = administer(options, out, work)
    plain = None if view.terms is None else lease_terms_to_json(view.terms)
    rows = [] if plain is None else [(member.replace("_", " "), str(value)) for member, value in plain.items()]
    out.data(
        {"subject_id": view.subject_id, "terms": plain, "changed_at": _time(view.changed_at)},
        facts(rows) if rows else "No floating seats.",
    )
    return exits.OK


def _json(view: LeaseView) -> dict[str, Any]:
    return {
        "id": view.id,
        "license_id": view.license_id,
        "slot": view.slot,
        "holder": {"kind": view.holder.kind, "id": view.holder.id, "name": view.name},
        "borrowed": view.is_borrowed,
        "claimed_at": str(view.claimed_at),
        "renewed_at": str(view.renewed_at),
        "expires_at": str(view.expires_at),
        "released_at": _time(view.released_at),
    }


def _time(at: object) -> str | None:
    return None if at is None else str(at)

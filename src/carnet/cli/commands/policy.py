"""`carnet policy create|list|show|presets`: the rules that licenses follow."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.output import Output, facts, table
from carnet.cli.parser import Parser, leaf
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, only_product, show_list
from carnet.cli.views import policy_json, rules_json
from carnet.cli.words import add_name, duration, members, name, whole
from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, HOUR, MINUTE
from carnet.core.quantities import how_many

if TYPE_CHECKING:
    from carnet.core.model import Policy
    from carnet.server.installation import Installation
    from carnet.server.records import Page, StoredPolicy

MAX_SEATS = 2**31 - 1


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    create = leaf(group, "create", "make a policy of a product, starting from a preset", _create)
    add_name(create, "--name", "its name within the product")
    create.add_argument("--from", dest="preset", metavar="PRESET", default="consumer", help="default: consumer")
    create.add_argument("--offline", type=duration, metavar="TIME", help="how long a device works without contact")
    create.add_argument("--grace", type=duration, metavar="TIME", help="grace after that, and after the license's end")
    create.add_argument("--seats", type=whole(1, MAX_SEATS), metavar="N", help="how many devices")
    create.add_argument("--feature", action="append", default=[], metavar="KEY", help="an entitlement; repeatable")
    create.add_argument("--essential", action="append", default=[], metavar="KEY", help="stays in limited mode")
    create.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other member")
    create.add_argument(
        "--token-algorithm",
        choices=("EdDSA", "ES256", "RS256", "any"),
        help="what tokens for other clients must be signed with (default: the product's key, whatever it is)",
    )
    create.add_argument("--license-type", choices=("perpetual", "timed", "trial"), help="what licenses under it are")
    create.add_argument("--duration", type=duration, metavar="TIME", help="how long a license runs, e.g. 365d")
    create.add_argument(
        "--condition", action="append", default=[], metavar="NAME=VALUE", help="e.g. overage_percent=20; repeatable"
    )
    listing = leaf(group, "list", "the policies of a product", _list)
    add_list_options(listing)
    show = leaf(group, "show", "one policy", _show)
    add_name(show, "--name", "its name within the product")
    for command in (create, listing, show):
        command.add_argument("--product", help="the product (default: the only one)")
        add_installation_options(command)
    leaf(group, "presets", "the three policies every product starts with", _presets)


def _rules(options: argparse.Namespace) -> Policy:
    from carnet.core.policies import PRESETS, override

    preset = PRESETS.get(options.preset)
    if preset is None:
        raise UsageError(
            "preset_not_found", f"There is no preset {options.preset[:40]!r}.", f"Use one of: {', '.join(PRESETS)}."
        )
    changes: dict[str, Any] = {}
    if options.offline is not None:
        changes["offline_ttl_seconds"] = options.offline
    if options.grace is not None:
        changes["grace_seconds"] = changes["term_grace_seconds"] = options.grace
    if options.seats is not None:
        changes["seat_limit"] = options.seats
    if options.feature:
        changes["entitlements"] = options.feature
    if options.essential:
        changes["essential"] = options.essential
    changes.update(members(options.set))
    chosen = changes.pop("token_algorithm", None)  # it stands beside the rules, and may be set like one of them
    if chosen is not None and options.token_algorithm not in (None, chosen):
        raise UsageError("bad_usage", "Two different token algorithms were given.", "Give one of them.")
    options.token_algorithm = options.token_algorithm or chosen or "any"
    return replace(override(preset, changes), name=name(options, "name"))


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.core.conditions import conditions_from_json
    from carnet.server.domain.policies.commands import CreatePolicy
    from carnet.server.records import OPERATOR

    policy = _rules(options)
    conditions = conditions_from_json(members(options.condition))
    ends = options.duration is not None or conditions.duration_months is not None

    async def work(installation: Installation) -> StoredPolicy:
        command = CreatePolicy(
            product=await only_product(installation, options.product),
            policy=policy,
            license_type=options.license_type or ("timed" if ends else "perpetual"),
            duration_seconds=options.duration,
            token_algorithm=options.token_algorithm,
            conditions=conditions,
        )
        return await installation.policies.create(command, OPERATOR)

    _print(administer(options, out, work), out)
    return exits.OK


def _list(options: argparse.Namespace, out: Output) -> int:
    async def work(installation: Installation) -> Page[StoredPolicy]:
        product = await only_product(installation, options.product)
        return await collect(lambda a, n: installation.policies.list(product, after=a, limit=n), options)

    page = administer(options, out, work)
    columns = {title: _of_policy(cell) for title, cell in _COLUMNS.items()}
    show_list(out, page, policy_json, columns, "No policies.")
    return exits.OK


def _show(options: argparse.Namespace, out: Output) -> int:
    async def work(installation: Installation) -> StoredPolicy:
        return await installation.policies.get(await only_product(installation, options.product), name(options, "name"))

    _print(administer(options, out, work), out)
    return exits.OK


def _presets(_options: argparse.Namespace, out: Output) -> int:
    from carnet.core.policies import PRESETS

    document = {"items": [{"name": policy.name, "rules": rules_json(policy)} for policy in PRESETS.values()]}
    rows = [[cell(policy) for cell in _COLUMNS.values()] for policy in PRESETS.values()]
    out.data(document, table(list(_COLUMNS), rows, ""))
    return exits.OK


_COLUMNS: Mapping[str, Callable[[Policy], object]] = {
    "POLICY": lambda policy: policy.name,
    "OFFLINE": lambda policy: span(policy.offline_ttl_seconds),
    "GRACE": lambda policy: span(policy.grace_seconds),
    "IN GRACE": lambda policy: policy.grace_access,
    "SEATS": lambda policy: policy.seat_limit,
    "FEATURES": lambda policy: ", ".join(entitlement.key for entitlement in policy.entitlements) or None,
}


def _of_policy(cell: Callable[[Policy], object]) -> Callable[[StoredPolicy], object]:
    return lambda stored: cell(stored.policy)


def _print(stored: StoredPolicy, out: Output) -> None:
    from carnet.core.conditions import Conditions, conditions_to_json

    document = policy_json(stored)
    usual = conditions_to_json(Conditions())
    unusual = {key: value for key, value in document["conditions"].items() if value != usual[key]}
    shown = {**document, **document["rules"], **unusual}
    del shown["rules"], shown["conditions"]
    rows = [
        (key, span(value) if key.endswith("_seconds") and type(value) is int else value)
        for key, value in shown.items()
        if value not in (None, [])
    ]
    out.data(document, facts(rows))


def span(seconds: int) -> str:
    """A duration as people say it: `30 days`; the largest unit that leaves no rest."""
    for unit, word in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit and seconds % unit == 0:
            count = seconds // unit
            return f"{count} {word}{'' if count == 1 else 's'}"
    return how_many(seconds, "second")

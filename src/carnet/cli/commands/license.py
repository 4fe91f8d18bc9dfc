"""
`carnet license …`: create licenses, one or many, see them, suspend, reinstate, renew, convert, revoke, read a key
again, and issue what is made from them: signed keys, offline tokens, tokens for other clients.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from carnet.cli import exits
from carnet.cli.issuing import add_output_option, hand_out, write_licenses
from carnet.cli.output import Output, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.secrets import add_license_key_options, key_in_file, license_key
from carnet.cli.transfer import configure_transfer
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect, only_product, show_list
from carnet.cli.views import license_facts, license_json, license_with_its_keys_json
from carnet.cli.words import add_name, duration, end_of, instant, members, name, whole
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet.server.domain.artifacts.commands import SignedKeyOptions
    from carnet.server.domain.licenses.commands import CreatedLicense, LicenseView
    from carnet.server.installation import Installation

_PROFILES = ("native-jwt", "keyforge", "traffic-orchestrator")


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
    _add_conditions(create)
    create.add_argument("--key-file", metavar="FILE", help="take over the license key of another system, in FILE")
    create.add_argument("--signed", action="store_true", help="also make a signed key, which needs no server")
    _add_signed_options(create, "with --signed: the only device that may use the signed key")
    create.add_argument("--count", type=whole(1, 1_000_000), metavar="N", help="make N of them, into --output")
    create.add_argument("--format", choices=("csv", "jsonl"), help="of --output (default: by its name, else jsonl)")
    add_output_option(create, "the licenses with their keys")

    listing = leaf(group, "list", "licenses, newest first", _list)
    listing.add_argument("--product", help="only of this product")
    listing.add_argument("--customer", metavar="ID", help="only of this customer")
    listing.add_argument("--status", choices=("active", "suspended", "revoked"), help="only with this status")
    add_list_options(listing)

    configure_transfer(group)

    show = leaf(group, "show", "one license, by its id or by its key", _show)
    add_name(show, "--id", "the license's id", required=False)
    add_license_key_options(show, positional=False)

    suspend = leaf(group, "suspend", "stop a license until it is reinstated", _change("suspend"))
    reinstate = leaf(group, "reinstate", "lift a suspension", _change("reinstate"))
    revoke = leaf(group, "revoke", "stop a license for good", _change("revoke"))
    renew = leaf(group, "renew", "give a license a later end", _renew)
    _add_end(renew)
    renew.add_argument(
        "--basis",
        choices=("expiry", "now", "anchor_day"),
        help="count from the old end, from now, or keep the day of the month (default: as its conditions say)",
    )
    convert = leaf(
        group, "convert", "change what a license is, in place: a trial that was bought, other limits", _convert
    )
    convert.add_argument("--policy", help="another policy of its product")
    convert.add_argument("--type", choices=("perpetual", "timed", "trial"), help="default: the policy's")
    _add_end(convert)
    convert.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="its own policy members from now on"
    )
    _add_conditions(convert)
    convert.add_argument("--keep-term", action="store_true", help="leave its start and its end as they are")
    reveal = leaf(group, "reveal-key", "print a license's key again; the audit records it", _reveal)
    signed = leaf(group, "signed-key", "print a license's signed key, which verifies without any server", _signed_key)
    _add_signed_options(signed, "the only device that may use it (default: any)")
    offline = leaf(group, "offline-token", "issue a legacy offline token for a device that holds a seat", _offline)
    offline.add_argument("--fingerprint", required=True, help="the device, as it was activated")
    token = leaf(group, "token", "issue a token for other clients, under the product's compatibility key", _token)
    token.add_argument("--profile", required=True, choices=_PROFILES, help="what the client reads")
    token.add_argument("--fingerprint", help="the device, as it was activated")
    for command in (offline, token):
        command.add_argument("--ttl", type=duration, metavar="TIME", help="how long it lives, within the policy")
    for command in (signed, offline, token):
        add_output_option(command, "it")
        add_name(command, "--id", "the license's id")
        add_installation_options(command)
    for command in (suspend, reinstate, revoke, renew, convert, reveal):
        add_name(command, "--id", "the license's id")
    for command in (suspend, reinstate, revoke):
        command.add_argument("--reason", help="why, for the audit")
    for command in (create, listing, show, suspend, reinstate, revoke, renew, convert, reveal):
        add_installation_options(command)


def _add_end(parser: Parser) -> None:
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--expires-at", type=end_of, metavar="TIME", help="its end: a time, or a date that still counts everywhere"
    )
    end.add_argument("--duration", type=duration, metavar="TIME", help="how long it runs, e.g. 365d")
    end.add_argument("--months", type=whole(1, 1200), metavar="N", help="the same in calendar months")


def _add_conditions(parser: Parser) -> None:
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="its own value of a condition of the policy, e.g. overage_percent=20; repeatable",
    )


def _add_signed_options(parser: Parser, device: str) -> None:
    parser.add_argument("--fingerprint", help=device)
    parser.add_argument(
        "--no-status", action="store_true", help="a shorter signed key, which no revocation list can end"
    )


def _signed_options(options: argparse.Namespace) -> SignedKeyOptions:
    from carnet.server.domain.artifacts.commands import SignedKeyOptions

    return SignedKeyOptions(device=options.fingerprint, revocable=not options.no_status)


def _check_create(options: argparse.Namespace) -> None:
    """Words that go together or not at all; nothing is opened before they do."""
    if not options.signed and (options.fingerprint is not None or options.no_status):
        raise UsageError("bad_usage", "--fingerprint and --no-status are about a signed key.", "Add --signed.")
    if (options.count is None) != (options.output is None) or (options.format and options.count is None):
        raise UsageError("bad_usage", "--count and --output go together.", "For example: --count 100 --output keys.csv")
    if options.count is not None and (options.key_file is not None or options.fingerprint is not None):
        raise UsageError("bad_usage", "--key-file and --fingerprint are for one license.", "Leave out --count.")


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.licenses.commands import CreateLicense
    from carnet.server.records import OPERATOR

    _check_create(options)
    ends = any(each is not None for each in (options.expires_at, options.duration, options.months))
    taken_over = None if options.key_file is None else key_in_file(options.key_file)

    async def command_of(installation: Installation) -> CreateLicense:
        return CreateLicense(
            product=await only_product(installation, options.product),
            policy=options.policy,
            customer=options.customer,
            type=options.type or ("timed" if ends else None),
            starts_at=options.starts_at,
            expires_at=options.expires_at,
            duration_seconds=options.duration,
            duration_months=options.months,
            overrides=members(options.set) or None,
            conditions=members(options.condition) or None,
            signed=_signed_options(options) if options.signed else None,
            license_key=taken_over,
        )

    if options.count is not None:

        async def many(installation: Installation) -> AsyncIterator[tuple[CreatedLicense, ...]]:
            return installation.licenses.create_many(await command_of(installation), options.count, OPERATOR)

        return write_licenses(options, out, many)

    async def one(installation: Installation) -> CreatedLicense:
        return await installation.licenses.create(await command_of(installation), OPERATOR)

    created = administer(options, out, one)
    view = created.license
    out.data(license_with_its_keys_json(created), created.signed_key or created.key)
    out.say(f"License {view.id} of {view.product}, policy {view.policy}, ends: {when(view.expires_at)}.")
    if created.signed_key is None:
        out.say("The key above is for the customer. `carnet license reveal-key` shows it again.")
    else:
        out.say("The signed key above needs no server. `carnet license reveal-key` shows the key to activate with.")
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
        duration_months=options.months,
        basis=options.basis,
    )
    _print(administer(options, out, lambda installation: installation.licenses.renew(command, OPERATOR)), out)
    return exits.OK


def _convert(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.licenses.commands import ConvertLicense
    from carnet.server.records import OPERATOR

    command = ConvertLicense(
        license_id=name(options, "id"),
        policy=options.policy,
        type=options.type,
        expires_at=options.expires_at,
        duration_seconds=options.duration,
        duration_months=options.months,
        overrides=members(options.set) or None,
        conditions=members(options.condition) or None,
        keeps_term=options.keep_term,
    )
    _print(administer(options, out, lambda installation: installation.changes.convert(command, OPERATOR)), out)
    return exits.OK


def _reveal(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    license_id = name(options, "id")
    key = administer(options, out, lambda installation: installation.licenses.reveal_key(license_id, OPERATOR))
    out.data({"id": license_id, "key": key}, key)
    return exits.OK


def _signed_key(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.artifacts.commands import IssueSignedKey
    from carnet.server.records import OPERATOR

    command = IssueSignedKey(license_id=name(options, "id"), options=_signed_options(options))
    return hand_out(options, out, lambda installation: installation.artifacts.signed_key(command, OPERATOR))


def _offline(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.artifacts.commands import IssueOfflineToken
    from carnet.server.records import OPERATOR

    command = IssueOfflineToken(
        license_id=name(options, "id"), fingerprint=options.fingerprint, ttl_seconds=options.ttl
    )
    return hand_out(options, out, lambda installation: installation.artifacts.offline_token(command, OPERATOR))


def _token(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.artifacts.commands import IssueToken
    from carnet.server.records import OPERATOR

    command = IssueToken(
        license_id=name(options, "id"),
        profile=options.profile,
        fingerprint=options.fingerprint,
        ttl_seconds=options.ttl,
    )
    return hand_out(options, out, lambda installation: installation.artifacts.token(command, OPERATOR))


def _print(view: LicenseView, out: Output) -> None:
    out.data(license_json(view), license_facts(view))

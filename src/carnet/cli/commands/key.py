"""
`carnet key heal`: look for typing errors in a license key. Works anywhere, knows no server, stores nothing.
`carnet key create|import|list|export|retire`: the compatibility keys of products, for the vendor on the server.
`carnet key announce|rotate|retire|compromise|ceremony`: the signing keys of the installation (`carnet.cli.keys`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from carnet.cli import exits, typing_errors
from carnet.cli.keys.options import add_ceremony_options, add_signing_key_commands
from carnet.cli.output import Output, facts, table, when
from carnet.cli.parser import Parser, leaf
from carnet.cli.secrets import HOW, add_license_key_options, license_key, passphrase
from carnet.cli.vendor import add_installation_options, add_list_options, administer, collect
from carnet.cli.views import key_json
from carnet.cli.words import add_name, name
from carnet.core.errors import MalformedError, UsageError

if TYPE_CHECKING:
    from carnet.server.domain.keys.commands import AddedKey
    from carnet.server.installation import Installation
    from carnet.server.records import CompatibilityKey

_ALGORITHMS = ("EdDSA", "ES256", "RS256")
_MAX_PEM_FILE = 65536
"""More than any key needs; the service says what is too large."""


def configure(parser: Parser) -> None:
    """Add the subcommands."""
    group = parser.commands("command")
    heal = leaf(group, "heal", "propose the license key that a mistyped one was meant to be", _heal)
    add_license_key_options(heal, positional=True)
    create = leaf(group, "create", "make a product's compatibility key; the former one then only verifies", _create)
    create.add_argument("--product", required=True, help="whose key it is")
    create.add_argument("--alg", required=True, choices=_ALGORITHMS, help="what it signs with, for ever")
    take = leaf(group, "import", "take over a private key that your customers' apps have pinned already", _import)
    take.add_argument("--product", required=True, help="whose key it is")
    take.add_argument("--pem-file", required=True, metavar="FILE", help="holds the private key in PEM")
    take.add_argument("--pem-passphrase-file", metavar="FILE", help="holds the passphrase of that PEM")
    take.add_argument("--kid", help="the id that apps know it by (default: its RFC 7638 thumbprint)")
    listing = leaf(group, "list", "the signing keys and root keys, and compatibility keys, newest first", _list)
    listing.add_argument("--product", help="only this product's compatibility keys")
    add_list_options(listing)
    export = leaf(group, "export", "print the public half, for apps to pin", _export)
    add_name(export, "--kid", "the key's id; write --kid=ID where it begins with a hyphen")
    export.add_argument("--format", choices=("pem", "jwk"), default="pem", help="how (default pem)")
    retire = leaf(group, "retire", "end a key for good: nothing it signed is genuine any more", _retire)
    add_name(retire, "--kid", "the key's id; write --kid=ID where it begins with a hyphen")
    retire.add_argument("--even-active", action="store_true", help="also the compatibility key that signs now")
    retire.add_argument(
        "--even-if-needed", action="store_true", help="also a signing key whose artifacts are not all over yet"
    )
    add_ceremony_options(retire)
    for command in (create, take, listing, export):
        add_installation_options(command)
    add_signing_key_commands(group)


def _heal(options: argparse.Namespace, out: Output) -> int:
    from carnet.formats.license_key import heal_license_key

    typed = license_key(options, prompt=True)
    if typed is None:
        raise UsageError("license_key_missing", "No license key was given.", HOW)
    healing = heal_license_key(typed)
    if healing is None:
        raise MalformedError(
            "license_key_unknown_form",
            "This is not a license key of Carnet's form, or it has more than two wrong symbols.",
            "Copy it again from where you received it. A key from another system is used as it is.",
        )
    if healing.exact:
        out.say("No typing error.")
    else:
        typing_errors.show(healing, out)
    out.data({"exact": healing.exact, **typing_errors.as_json(healing)}, healing.key)
    return exits.OK


def _create(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.keys.commands import CreateKey
    from carnet.server.records import OPERATOR

    command = CreateKey(product=options.product, alg=options.alg)
    added = administer(options, out, lambda installation: installation.keys.create(command, OPERATOR))
    return _show_added(added, out)


def _import(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.domain.keys.commands import ImportKey
    from carnet.server.records import OPERATOR

    with open(options.pem_file, "rb") as file:  # noqa: PTH123 - pathlib is not loaded on devices
        pem = file.read(_MAX_PEM_FILE)
    secret = None if options.pem_passphrase_file is None else passphrase(options.pem_passphrase_file)
    command = ImportKey(product=options.product, pem=pem, passphrase=secret, kid=options.kid)
    added = administer(options, out, lambda installation: installation.keys.import_pem(command, OPERATOR))
    out.say("The private key is sealed in the data directory: keep the file you gave offline, or destroy it.")
    return _show_added(added, out)


def _list(options: argparse.Namespace, out: Output) -> int:
    from carnet.cli.keys.listing import KeysListed, keys_json, root_rows, signing_rows

    async def work(installation: Installation) -> KeysListed:
        page = await collect(
            lambda after, most: installation.keys.list(options.product, after=after, limit=most), options
        )
        signing = () if options.product else await installation.ceremonies.keys()
        return KeysListed(signing=signing, root=installation.roots[-1], compatibility=page)

    listed = administer(options, out, work)
    page = listed.compatibility
    rows = [[cell(key) for cell in _COLUMNS.values()] for key in page.items]
    text = table(list(_COLUMNS), rows, "No compatibility keys.")
    if not options.product:
        text = "\n\n".join((signing_rows(listed), root_rows(listed), text))
    document = {
        "items": [key_json(key) for key in page.items],
        "has_more": page.next_after is not None,
        "next_cursor": page.next_after,
        **({} if options.product else keys_json(listed)),
    }
    out.data(document, text)
    if page.next_after is not None:
        out.say(f"There are more: --cursor {page.next_after}")
    return exits.OK


def _export(options: argparse.Namespace, out: Output) -> int:
    from carnet.cli.output import as_json
    from carnet.server.domain.keys.service import jwk_of, pem_of

    kid = name(options, "kid")
    key = administer(options, out, lambda installation: installation.keys.get(kid))
    out.say(f"A compatibility key of {key.product}, {key.state}: it is in no root; whoever pins it trusts it alone.")
    if options.format == "jwk":
        jwk = jwk_of(key)
        out.data(jwk, as_json(jwk))
    else:
        pem = pem_of(key)
        out.data({**key_json(key), "pem": pem}, pem.rstrip("\n"))
    return exits.OK


def _retire(options: argparse.Namespace, out: Output) -> int:
    from carnet.server.records import OPERATOR

    kid, even_active = name(options, "kid"), options.even_active

    async def is_signing_key(installation: Installation) -> bool:
        return any(key.kid == kid for key in await installation.ceremonies.keys())

    if administer(options, out, is_signing_key):
        from carnet.cli.keys.changes import retire_signing_key

        return retire_signing_key(options, out, kid)
    if options.dry_run:
        found = administer(options, out, lambda installation: installation.keys.get(kid))
        out.data({**key_json(found), "dry_run": True}, facts([("Key", found.kid), ("State", found.state)]))
        out.say("It would be retired. Nothing was changed.")
        return exits.OK
    key = administer(
        options, out, lambda installation: installation.keys.retire(kid, OPERATOR, even_active=even_active)
    )
    out.data(key_json(key), facts([("Key", key.kid), ("Product", key.product), ("State", key.state)]))
    out.say("It is published no more and its private half is gone. Apps that pinned it must drop it themselves.")
    return exits.OK


def _show_added(added: AddedKey, out: Output) -> int:
    key, former = added.key, added.former
    rows = [("Key", key.kid), ("Product", key.product), ("Algorithm", key.alg), ("State", key.state)]
    former_kid = None if former is None else former.kid
    out.data({**key_json(key), "replaces": former_kid}, facts([*rows, ("Replaces", former_kid)]))
    if former is not None:
        out.say("The key that it replaces now only verifies: what it signed stays genuine, nothing new is signed.")
    out.say("It is in no root: give apps its public half with carnet key export.")
    return exits.OK


_COLUMNS: Mapping[str, Callable[[CompatibilityKey], object]] = {
    "KEY": lambda key: key.kid,
    "PRODUCT": lambda key: key.product,
    "ALGORITHM": lambda key: key.alg,
    "STATE": lambda key: key.state,
    "FROM": lambda key: key.origin,
    "MADE": lambda key: when(key.created_at),
    "REPLACED": lambda key: when(key.replaced_at, "-"),
}

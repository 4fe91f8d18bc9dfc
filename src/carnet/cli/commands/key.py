"""`carnet key heal`: look for typing errors in a license key. Works anywhere, knows no server, stores nothing."""

from __future__ import annotations

import argparse

from carnet.cli import exits, typing_errors
from carnet.cli.output import Output
from carnet.cli.parser import Parser, leaf
from carnet.cli.secrets import HOW, add_license_key_options, license_key
from carnet.core.errors import MalformedError, UsageError


def configure(parser: Parser) -> None:
    """Add `heal`."""
    group = parser.commands("command")
    heal = leaf(group, "heal", "propose the license key that a mistyped one was meant to be", _heal)
    add_license_key_options(heal, positional=True)


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

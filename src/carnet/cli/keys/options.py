"""
How `carnet key` is told what to do with signing keys and root keys: the subcommands and their options.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli.parser import Parser, Run, leaf
from carnet.cli.vendor import add_installation_options
from carnet.cli.words import add_name, name, whole

if TYPE_CHECKING:
    from carnet.cli.output import Output

ROLES = (
    "token",
    "machine-file",
    "license-key",
    "answer",
    "time",
    "offline",
    "lease",
    "receipt",
    "status-list",
    "checkpoint",
)
_MAX_ROOT_KEYS = 16
_MAX_STRANGE = 10_000


def add_signing_key_commands(group: argparse._SubParsersAction[Parser]) -> None:
    """`announce`, `rotate`, `compromise`, `try` and `ceremony …`; `retire` is for both kinds of keys."""
    announce = leaf(
        group, "announce", "make signing keys that will sign later, and name them in the next root", _announce
    )
    _add_roles(announce)
    announce.add_argument("--retire", action="append", default=[], metavar="KID", help="end this key in the same root")
    add_location(announce)
    add_ceremony_options(announce)
    rotate = leaf(group, "rotate", "let announced keys sign; those before them only verify from then on", _rotate)
    _add_roles(rotate)
    _add_dry_run(rotate)
    add_installation_options(rotate)
    compromise = leaf(
        group, "compromise", "end a signing key that somebody else may have; a new one signs at once", _compromise
    )
    add_name(compromise, "--kid", "the key's id; write --kid=ID where it begins with a hyphen")
    compromise.add_argument("--also", action="append", default=[], metavar="KID", help="this key too, in the same root")
    add_location(compromise)
    add_ceremony_options(compromise)
    _add_drill_commands(group)
    attempt = leaf(group, "try", "whether the key in a token or service signs for us; needs no installation", _try)
    attempt.add_argument(
        "--location", required=True, metavar="URI", help="where it is: pkcs11:, awskms:, gcpkms:, vault:"
    )
    attempt.add_argument("--generate", action="store_true", help="make it first (PKCS#11 only)")
    attempt.add_argument("--alg", choices=("EdDSA", "ES256", "RS256"), default="EdDSA", help="of what is made")
    below = group.add_parser(
        "ceremony",
        help="what needs the people who hold the root keys: status, sign, finish, cancel, roots, root-key",
        description="What needs the people who hold the root keys.",
    )
    _add_ceremony(below.commands("step"))


def _add_drill_commands(group: argparse._SubParsersAction[Parser]) -> None:
    again = leaf(
        group, "reissue", "sign anew what a lost key signed for devices; goes on where a run was interrupted", _reissue
    )
    add_name(again, "--kid", "the lost key's id; write --kid=ID where it begins with a hyphen")
    _add_bundles(again)
    add_installation_options(again)
    check = leaf(
        group,
        "check-artifact",
        "hold a token, a bundle or a signed key from anywhere against the register of what was issued",
        _check,
    )
    check.add_argument("file", metavar="FILE", help="the artifact")
    add_installation_options(check)
    strange = leaf(group, "never-issued", "artifacts that devices or files brought and nobody here issued", _strange)
    strange.add_argument("--kid", help="only those that name this key")
    strange.add_argument("--limit", type=whole(1, _MAX_STRANGE), default=100, help="at most so many (default 100)")
    add_installation_options(strange)


def _add_bundles(parser: Parser) -> None:
    parser.add_argument(
        "--bundles", metavar="DIR", help="write a bundle for each device into this folder, for those without a network"
    )


def _add_ceremony(group: argparse._SubParsersAction[Parser]) -> None:
    status = leaf(group, "status", "where the ceremony stands, and what to do next", _status)
    add_installation_options(status)
    _add_draft(status)
    sign = leaf(group, "sign", "check a draft and sign it; needs no server, on a machine of whoever signs", _sign)
    sign.add_argument("draft_file", metavar="DRAFT", help="the draft that the server wrote")
    _add_root_keys(sign)
    sign.add_argument("--anchor", metavar="HEX", help="refuse a draft of any other installation than this anchor's")
    sign.add_argument("--output", metavar="FILE", help="where the signed draft goes (default: beside the draft)")
    sign.add_argument(
        "--yes", action="store_true", help="sign without being asked, having read it before; needs --anchor"
    )
    _add_dry_run(sign)
    finish = leaf(
        group, "finish", "bring signed drafts back; where they are enough, put the next root in force", _finish
    )
    finish.add_argument("files", nargs="*", metavar="FILE", help="drafts that came back signed")
    add_ceremony_options(finish)
    cancel = leaf(group, "cancel", "drop the ceremony that goes on", _cancel)
    _add_dry_run(cancel)
    add_installation_options(cancel)
    roots = leaf(group, "roots", "other root keys or another threshold; with neither, only a later expiry", _roots)
    roots.add_argument("--add", action="append", default=[], metavar="FILE", help="the public half of a new root key")
    roots.add_argument("--drop", action="append", default=[], metavar="KID", help="a root key that signs no more")
    roots.add_argument(
        "--threshold", type=whole(1, _MAX_ROOT_KEYS), metavar="K", help="how many must sign from then on"
    )
    add_ceremony_options(roots)
    made = leaf(group, "root-key", "make a root key for one more person, on that person's machine", _root_key)
    made.add_argument("--root", required=True, metavar="ROOT", help="a root file of the installation")
    made.add_argument("--output", required=True, metavar="FILE", help="the private half; FILE.pub gets the public one")
    made.add_argument("--root-passphrase-file", metavar="FILE", help="holds a passphrase that seals it")


def add_ceremony_options(parser: Parser) -> None:
    """What every command that changes the root takes."""
    _add_root_keys(parser)
    _add_bundles(parser)
    parser.add_argument(
        "--no-reissue", action="store_true", help="of a lost key, leave what it signed for carnet key reissue"
    )
    _add_draft(parser)
    _add_dry_run(parser)
    add_installation_options(parser)


def add_location(parser: Parser) -> None:
    """Where a key lies that was made elsewhere."""
    parser.add_argument(
        "--location", metavar="URI", help="the new key lies there already (default: a sealed file is made)"
    )


def _add_roles(parser: Parser) -> None:
    parser.add_argument("roles", nargs="*", type=_role, metavar="ROLE", help=f"one of {', '.join(ROLES)}")
    parser.add_argument("--all", action="store_true", help="every role")


def _role(text: str) -> str:
    if text not in ROLES:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no role; write one of {', '.join(ROLES)}")
    return text


def _add_root_keys(parser: Parser) -> None:
    from carnet.cli.keys.root_keys import add_root_key_options

    add_root_key_options(parser)


def _add_draft(parser: Parser) -> None:
    parser.add_argument("--draft", metavar="FILE", help="where the draft goes (default: into the data directory)")


def _add_dry_run(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")


def _lazily(module: str, function: str) -> Run:
    def run(options: argparse.Namespace, out: Output) -> int:
        from importlib import import_module

        called: Run = getattr(import_module(f"carnet.cli.keys.{module}"), function)
        return called(options, out)

    return run


def _compromise(options: argparse.Namespace, out: Output) -> int:
    from carnet.cli.keys.changes import compromise

    return compromise(options, out, name(options, "kid"))


def _reissue(options: argparse.Namespace, out: Output) -> int:
    from carnet.cli.keys.drill import reissue

    return reissue(options, out, name(options, "kid"))


_check = _lazily("drill", "check_artifact")
_strange = _lazily("drill", "never_issued")
_announce = _lazily("changes", "announce")
_rotate = _lazily("changes", "rotate")
_roots = _lazily("changes", "change_roots")
_status = _lazily("ceremony", "status")
_sign = _lazily("ceremony", "sign")
_finish = _lazily("ceremony", "finish")
_cancel = _lazily("ceremony", "cancel")
_try = _lazily("places", "try_location")
_root_key = _lazily("root_keys", "make_root_key")

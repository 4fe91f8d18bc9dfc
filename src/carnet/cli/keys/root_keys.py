"""
Root key files on the command line: opened with a passphrase where they are sealed, made anew for a person.

A root key is read where it is used and nowhere kept. Its passphrase comes from a file or a person, never from argv.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.output import Output, facts
from carnet.cli.secrets import interactive, passphrase
from carnet.cli.vendor import server_extra
from carnet.core.errors import CarnetError, MalformedError, UsageError
from carnet.core.instant import Instant

if TYPE_CHECKING:
    from carnet.formats.keys import Ed25519Signer, PublicKey

_MAX_FILE = 65_536
_PUBLIC_FORMAT = "carnet-root-public-key/1"


def add_root_key_options(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Let *parser* take root keys, for those who have them at hand."""
    parser.add_argument(
        "--root-key",
        action="append",
        default=[],
        required=required,
        metavar="FILE",
        help="a root key that signs; may be given several times",
    )
    parser.add_argument(
        "--root-passphrase-file",
        action="append",
        default=[],
        metavar="FILE",
        help="holds the passphrase of a sealed root key; may be given several times",
    )


def root_signers(options: argparse.Namespace) -> list[Ed25519Signer]:
    """
    The signers of every `--root-key`.

    Raises:
        MalformedError: ``bad_key_file``.
        StateError: ``passphrase_needed``, ``wrong_passphrase``.
        OSError: A file cannot be read.
    """
    given = [passphrase(path) for path in options.root_passphrase_file]
    return [_open(Path(path), given) for path in options.root_key]


def _open(path: Path, given: list[bytes]) -> Ed25519Signer:
    with server_extra():
        from carnet.server.signing.root_keys import read_root_key
    with path.open("rb") as file:
        data = file.read(_MAX_FILE)
    failed: CarnetError | None = None
    for secret in (None, *given):
        try:
            return read_root_key(data, secret)
        except CarnetError as error:
            if error.code not in {"passphrase_needed", "wrong_passphrase"}:
                raise
            failed = error
    assert failed is not None  # noqa: S101 - the loop ran at least once
    if not interactive():
        raise failed
    from getpass import getpass

    return read_root_key(data, getpass(f"Passphrase of {path}: ").encode())


def make_root_key(options: argparse.Namespace, out: Output) -> int:
    """`carnet key ceremony root-key`: a root key for one more person, made where that person is."""
    with server_extra():
        from carnet.server.signing.root_keys import write_root_key
        from carnet.server.signing.sealing import ScryptCost
    from carnet.formats.encoding import b64url_encode
    from carnet.formats.keys import Ed25519Signer
    from carnet.formats.root import anchor, read_root
    from carnet.formats.strict_json import dump_json

    root_file = Path(options.root).read_bytes()
    root = read_root(root_file)
    secret = passphrase(options.root_passphrase_file) if options.root_passphrase_file else None
    path = Path(options.output)
    public_path = path.with_name(f"{path.name}.pub")
    for each in (path, public_path):
        if each.exists():
            raise UsageError("file_exists", f"{each} exists already.", "Choose another name, or remove it first.")
    seed = os.urandom(32)
    signer = Ed25519Signer(seed)
    now = Instant(int(time.time()))
    private = write_root_key(
        seed, issuer=root.issuer, created_at=now, passphrase=secret, cost=ScryptCost(), random=os.urandom
    )
    public = dump_json(
        {
            "format": _PUBLIC_FORMAT,
            "issuer": root.issuer,
            "kid": signer.kid,
            "public_key": b64url_encode(signer.public_key.raw),
        }
    )
    with server_extra():
        from carnet.server.files import Files
    files = Files()
    files.write(path, private)
    files.write(public_path, public + b"\n")
    document = {"kid": signer.kid, "private": str(path), "public": str(public_path), "anchor": anchor(root_file)}
    rows = [("Root key", signer.kid), ("Private", path), ("Public", public_path)]
    out.data(document, facts([*rows, ("Anchor", document["anchor"])]))
    out.say(f"Keep {path} to yourself. Give {public_path.name} to whoever runs the server, and read out the key id.")
    out.say("It counts when a root names it: carnet key ceremony roots --add FILE")
    return exits.OK


def read_public_root_key(path: str, issuer: str) -> PublicKey:
    """
    The public half that `make_root_key` wrote.

    Raises:
        MalformedError: ``bad_key_file``; the codes of `load_ed25519`.
        OSError: The file cannot be read.
    """
    from carnet.formats.encoding import b64url_decode
    from carnet.formats.keys import load_ed25519
    from carnet.formats.strict_json import parse_object

    with Path(path).open("rb") as file:
        content = parse_object(file.read(_MAX_FILE).strip(), max_bytes=_MAX_FILE, what="The public root key")
    if content.get("format") != _PUBLIC_FORMAT or content.get("issuer") != issuer:
        raise MalformedError(
            "bad_key_file",
            f"{path} is not the public half of a root key of this installation.",
            "Make one for it: carnet key ceremony root-key --root root.json --output FILE",
        )
    return load_ed25519(b64url_decode(str(content.get("public_key")), "The public root key"))

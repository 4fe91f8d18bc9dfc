"""
What `carnet verify` trusts: the vendor's root file, or one public key that the caller pins instead of it.

A pinned key is trusted for the kind of artifact at hand and nothing else, as an app that embeds it does (design.md §4,
specs/keys.md §6). Its algorithm is that of the key; nothing in a file chooses one.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli.device import read_root, required
from carnet.core._base import Struct
from carnet.core.errors import UsageError

if TYPE_CHECKING:
    from carnet.formats.keys import KeyRing, PublicKey, Role
    from carnet.formats.root import Root

_ROLES: dict[str, Role] = {
    "token": "token",
    "keyforge-token": "token",
    "traffic-orchestrator-token": "token",
    "machine-file": "machine-file",
    "signed-key": "license-key",
    "offline-token": "offline",
    "answer": "answer",
    "time": "time",
    "lease": "lease",
    "status-list": "status-list",
    "app-manifest": "license-key",
    "checkpoint": "checkpoint",
}
"""What a pinned key has to sign for each kind. Roots and bundles bring roots of their own, which need one to follow."""

_PINNED_ONLY = frozenset(("keyforge-token", "traffic-orchestrator-token", "device-proof"))
"""Kinds whose keys stand in no root."""

_HOW = "Add --public-key FILE with the key in PEM or as a JWK; carnet key export prints it."


class Trust(Struct):
    """
    What is trusted. Exactly one of the two is there.

    Attributes:
        root: The vendor's root.
        key: The pinned key.
    """

    root: Root | None = None
    key: PublicKey | None = None

    def ring(self, kind: str | None) -> KeyRing:
        """
        The keys for an artifact of *kind*.

        Raises:
            MalformedError: ``bad_key``: a pinned key of an algorithm that this kind never has.
        """
        from carnet.formats.keys import KeyRing

        if self.root is not None:
            return self.root.ring()
        assert self.key is not None  # noqa: S101 - as `trust_of` makes it
        return KeyRing.single(_ROLES.get(kind or "token", "token"), self.key)


def add_trust_options(parser: argparse.ArgumentParser) -> None:
    """Let *parser* take a pinned key; the root is one of the device settings."""
    parser.add_argument(
        "--public-key", metavar="FILE", help="trust this one key instead of a root: PEM, or a JSON Web Key"
    )
    parser.add_argument("--kid", help="the id that tokens name that key by, where the file does not say it")


def trust_of(options: argparse.Namespace, kind: str | None) -> Trust:
    """
    What to verify an artifact of *kind* with.

    Args:
        options: Parsed with `add_trust_options` and the device setting ``root``.
        kind: What the file turned out to be; None where it is unreadable.

    Raises:
        UsageError: ``root_required``, ``root_not_found``, ``public_key_required``, ``public_key_not_found``;
            ``bad_usage``: both were given, or an id without a key.
        MalformedError, NotGenuineError: It is no root file, or no public key.
        OSError: It cannot be read.
    """
    if options.public_key is None:
        if options.kid is not None:
            raise UsageError("bad_usage", "--kid is the id of a key given with --public-key.", _HOW)
        if kind in _PINNED_ONLY:
            raise UsageError("public_key_required", f"No root holds the key of a {spoken(kind)}.", _HOW)
        return Trust(root=read_root(required(options, "root")))
    if options.root is not None:
        raise UsageError("bad_usage", "--root and --public-key exclude each other.", "Give one of them.")
    if kind in {"root", "bundle", "log-proof", "root-draft"}:
        fix = "Give --root FILE instead of --public-key."
        raise UsageError("root_required", f"A {spoken(kind)} is judged under a root, not under one key.", fix)
    return Trust(key=_read_public_key(options.public_key, options.kid))


def spoken(kind: str | None) -> str:
    """*kind* in words: ``machine file``."""
    return (kind or "file").replace("-", " ")


def _read_public_key(path: str, kid: str | None) -> PublicKey:
    from carnet.formats.encoding import read_kindly
    from carnet.formats.keys import public_key_from_jwk
    from carnet.formats.limits import MAX_PEM
    from carnet.formats.strict_json import parse_object

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not loaded on devices
            data = read_kindly(file.read(MAX_PEM + 1))
    except (FileNotFoundError, ValueError) as error:  # ValueError: a name with NUL in it, which no file has
        raise UsageError("public_key_not_found", f"There is no public key at {path}.", _HOW) from error
    if data.startswith(b"{"):
        jwk = parse_object(data, max_bytes=MAX_PEM, what="The public key")
        return public_key_from_jwk(jwk if kid is None else {**jwk, "kid": kid})
    from carnet.formats.jose_keys import public_key_from_pem

    return public_key_from_pem(data, kid)

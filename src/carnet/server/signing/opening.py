"""
`open_signer`: from where a private key is to a signer that was proved (SEC-25, R-63). The only place that knows which
module opens which scheme.

`file:<kid>.json` is a sealed file in `keys/`. Every other scheme is one line of `_OPENERS`: a function that imports and
gives its opener, so that nothing is loaded for a key that nobody has. An opener takes the location as it is stored and
`KeyPlaces`, and gives a `formats.keys.Signer` that knows its public key. Opening may ask a device or a service; signing
later fails with a `StateError` while that is away, and works again when it is back (REL-08).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from carnet.core._base import Struct
from carnet.core.errors import NotGenuineError, StateError, UsageError
from carnet.formats.keys import PublicKey, Role, Signer
from carnet.server.signing.file_store import open_key_file

FILE_SCHEME: Final = "file"
_PROOF: Final = b"carnet/v1/start-up-proof\0"
_LONG: Final[frozenset[Role]] = frozenset(("status-list", "license-key"))
"""What grows with the number of revocations, and with the files of an app's manifest, beyond any service's limit."""


class KeyPlaces(Struct):
    """
    What opening a key may need.

    Attributes:
        folder: The `keys` directory.
        kek: The key-encryption key of sealed files, 32 bytes.
        environ: The environment: PINs, tokens and addresses that never stand in a location.
    """

    folder: Path
    kek: bytes
    environ: Mapping[str, str] = os.environ

    def __repr__(self) -> str:
        return f"KeyPlaces(folder={str(self.folder)!r})"  # never the keys


Opener: TypeAlias = Callable[[str, KeyPlaces], Signer]


def _file() -> Opener:
    return _open_file


def _remote() -> Opener:
    from carnet.server.signing.services import open_remote  # and with it the service's library, where one is used

    return lambda location, places: open_remote(location, places.environ)


_OPENERS: Final[Mapping[str, Callable[[], Opener]]] = {
    FILE_SCHEME: _file,
    "pkcs11": _remote,
    "awskms": _remote,
    "gcpkms": _remote,
    "vault": _remote,
}


def open_signer(location: str, places: KeyPlaces, *, public_key: PublicKey | None = None) -> Signer:
    """
    Open the private half that lies at *location*, and prove that it signs (SEC-25).

    Args:
        location: A URI of a known scheme.
        places: What opening it may need.
        public_key: What it has to be; None where that is what one wants to know.

    Raises:
        UsageError: ``bad_key_location``: no URI of a known scheme.
        StateError: ``keys_do_not_match_root``: another key is there; ``signing_failed``: what it signs does not verify;
            ``missing_file``, ``data_not_readable``; and what the scheme's module says of a key that is away.
        MalformedError: ``bad_key_file``.
    """
    scheme = location.partition(":")[0]
    if scheme not in _OPENERS:
        known = ", ".join(f"{each}:" for each in _OPENERS)
        raise bad_location(f"Write a URI that begins with one of: {known}")
    signer = _OPENERS[scheme]()(location, places)
    if public_key is not None and (signer.kid, signer.public_key.raw) != (public_key.kid, public_key.raw):
        raise StateError(
            "keys_do_not_match_root",
            f"At {location} lies another key than {public_key.kid}, which the root file names.",
            "Restore the keys directory and the database from the same time, or correct the key's place.",
        )
    try:
        signer.public_key.verify(signer.sign(_PROOF), _PROOF)
    except NotGenuineError as error:
        raise StateError(
            "signing_failed",
            f"What the key {signer.kid} signs does not verify under its own public half.",
            "Restore the keys directory from your backup, or look at the device that holds the key.",
        ) from error
    return signer


def check_long_enough(signer: Signer, roles: tuple[Role, ...]) -> None:
    """
    Make sure that *signer* signs whatever there may be to sign as *roles*.

    Raises:
        UsageError: ``unsuitable_key``: it signs short messages only (AWS KMS with Ed25519), and there are long ones.
    """
    most = getattr(signer, "max_message", None)
    long = [role for role in roles if role in _LONG]
    if most is not None and long:
        raise UsageError(
            "unsuitable_key",
            f"What is signed as {', '.join(long)} may be longer than the {most} bytes that this service signs.",
            "Keep this key elsewhere: in a file, a PKCS#11 token, Google Cloud KMS or Vault.",
        )


def file_location(kid: str) -> str:
    """The location of the sealed file of the key *kid*."""
    return f"{FILE_SCHEME}:{kid}.json"


def bad_location(fix: str) -> UsageError:
    """The error for a location that names no key."""
    return UsageError("bad_key_location", "This says no place of a signing key.", fix)


def _open_file(location: str, places: KeyPlaces) -> Signer:
    name = location.partition(":")[2]
    if name != Path(name).name or not name.endswith(".json"):
        raise bad_location("A sealed key is file:<key id>.json, and lies in the keys directory.")
    return open_key_file(places.folder / name, places.kek).signer

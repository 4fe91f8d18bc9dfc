"""
The sealed file key store: one file per signing key in `keys/`, all sealed under one key-encryption key (SEC-25).

Which of these keys signs, and which only waits or verifies, is no matter of these files: `domain.trust` knows.

The key-encryption key comes from a passphrase (scrypt), or lies in `secrets/signing` where no passphrase is wanted. So
a backup of `keys/` without `secrets/` is worthless to a thief. `keys/store.json` says which of both it is, and holds a
known value sealed under it, by which a wrong passphrase is told from a damaged file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import Instant, parse_instant
from carnet.formats.encoding import b64url_decode, b64url_encode, sha256
from carnet.formats.keys import ROLES, Ed25519Signer, Role
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.signing.sealing import (
    KEY_BYTES,
    bad_key_file,
    derive_key,
    kdf_from_json,
    seal,
    unseal,
)

STORE_FILE = "store.json"
_STORE_FORMAT = "carnet-key-store/1"
_KEY_FORMAT = "carnet-signing-key/1"
_CHECK = b"carnet/v1/key-store-check"

KEY_GROUPS: tuple[tuple[Role, ...], ...] = (
    ("token",),
    ("machine-file",),
    ("answer", "time", "offline", "lease", "receipt", "status-list", "checkpoint"),
    ("license-key",),
)
"""
One Ed25519 key each. What lives long on devices (tokens, machine files, signed license keys) never shares a key, so
that each can be rotated or killed alone; what is answered on the spot shares one.
"""


class NewStore(Struct):
    """The files of a new key store, by name within `keys/`, and who may sign as what, for the root."""

    files: tuple[tuple[str, bytes], ...]
    signers: tuple[tuple[tuple[Role, ...], Ed25519Signer], ...]


def make_store(
    *,
    kek: bytes,
    kdf: dict[str, Any] | None,
    created_at: Instant,
    random: Callable[[int], bytes],
    groups: Iterable[tuple[Role, ...]] = KEY_GROUPS,
) -> NewStore:
    """
    Generate the signing keys of a new installation.

    Args:
        kek: The key-encryption key, 32 bytes.
        kdf: How *kek* comes from a passphrase (`kdf_to_json`); None if it lies in `secrets/signing`.
        created_at: When.
        random: The randomness.
        groups: The roles of each key.
    """
    store = {"format": _STORE_FORMAT, "kdf": kdf, "check": b64url_encode(seal(_CHECK, kek, _CHECK, random))}
    files: list[tuple[str, bytes]] = []
    signers: list[tuple[tuple[Role, ...], Ed25519Signer]] = []
    for roles in groups:
        name, content, signer = make_key_file(roles, kek=kek, created_at=created_at, random=random)
        files.append((name, content))
        signers.append((roles, signer))
    files.append((STORE_FILE, dump_json(store) + b"\n"))
    return NewStore(files=tuple(files), signers=tuple(signers))


def make_key_file(
    roles: tuple[Role, ...], *, kek: bytes, created_at: Instant, random: Callable[[int], bytes]
) -> tuple[str, bytes, Ed25519Signer]:
    """
    Generate one signing key.

    Args:
        roles: What it may sign.
        kek: Seals it.
        created_at: When.
        random: The randomness.

    Returns:
        The name of its file within `keys/`, the sealed content, and the signer.
    """
    seed = random(KEY_BYTES)
    signer = Ed25519Signer(seed)
    while not signer.kid[0].isalnum():
        # Other vendors' SDKs refuse a key id that begins with '-' or '_' (contracts/licenseseat.md §1.5); 1 in 32.
        seed = sha256(seed)
        signer = Ed25519Signer(seed)
    content = {
        "format": _KEY_FORMAT,
        "kid": signer.kid,
        "alg": "Ed25519",
        "public_key": b64url_encode(signer.public_key.raw),
        "roles": list(roles),
        "created_at": str(created_at),
        "sealed": b64url_encode(seal(seed, kek, _context(signer.kid, roles), random)),
    }
    return f"{signer.kid}.json", dump_json(content) + b"\n", signer


class KeyFile(Struct):
    """An opened key file: its name, what the key may sign, when it was made, and the signer."""

    name: str
    roles: tuple[Role, ...]
    created_at: Instant
    signer: Ed25519Signer


class FileSigningKeys:
    """
    The sealed files of `keys/`, opened with the key that they are sealed under. Make one with `open_store`.

    Attributes:
        folder: Where they are.
        kek: The key-encryption key, for what else lies sealed in the same folder (`compatibility`).
    """

    def __init__(self, folder: Path, kek: bytes) -> None:
        self.folder = folder
        self.kek = kek

    def files(self) -> tuple[KeyFile, ...]:
        """
        Every key file, opened, by name. What an installation of before migration 0011 knows its keys by.

        Raises:
            StateError: ``data_not_readable``.
            MalformedError: ``bad_key_file`` and the codes of the strict JSON reader.
        """
        paths = sorted(path for path in self.folder.glob("*.json") if path.name != STORE_FILE)
        return tuple(open_key_file(path, self.kek) for path in paths)


def open_store(folder: Path, *, passphrase: bytes | None, key_file: Path) -> FileSigningKeys:
    """
    Open the key store in *folder*.

    Args:
        folder: The `keys` directory.
        passphrase: Opens it where it was sealed under one.
        key_file: Where the key-encryption key lies where it was not.

    Raises:
        StateError: ``passphrase_needed``, ``wrong_passphrase``, ``missing_file``, ``data_not_readable``.
        MalformedError: ``bad_key_file`` and the codes of the strict JSON reader.
    """
    store = parse_object(read_file(folder / STORE_FILE), max_bytes=MAX_PUBLIC_BODY, what="The key store file")
    if store.get("format") != _STORE_FORMAT:
        raise bad_key_file("the key store is not of this format")
    kek = _key_encryption_key(store, passphrase, key_file)
    check = b64url_decode(str(store.get("check")), "The key store's check")
    if unseal(check, kek, _CHECK) != _CHECK:
        raise _wrong_key(store)
    return FileSigningKeys(folder, kek)


def read_file(path: Path, *, max_bytes: int = MAX_PUBLIC_BODY) -> bytes:
    """
    The content of a file of this installation.

    Raises:
        StateError: ``missing_file``, ``data_not_readable``, with the path.
    """
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise StateError(
            "missing_file", f"{path} is missing.", "Restore it from your backup; it cannot be made again."
        ) from None
    except OSError as error:
        raise StateError(
            "data_not_readable", f"{path} cannot be read ({error.strerror}).", "Run as the user who ran carnet init."
        ) from error


def _key_encryption_key(store: dict[str, Any], passphrase: bytes | None, key_file: Path) -> bytes:
    if store.get("kdf") is None:
        return b64url_decode(read_file(key_file).strip(), f"The key in {key_file.name}")
    if passphrase is None:
        raise StateError(
            "passphrase_needed",
            "The signing keys are sealed under a passphrase and none was given.",
            "Set CARNET_PASSPHRASE_FILE to the file that holds it.",
        )
    return derive_key(passphrase, *kdf_from_json(store["kdf"]))


def _wrong_key(store: dict[str, Any]) -> CarnetError:
    if store.get("kdf") is None:
        return StateError(
            "wrong_key_file",
            "The key file in secrets does not open the signing keys.",
            "Restore the secrets directory that belongs to these keys.",
        )
    return StateError(
        "wrong_passphrase",
        "The passphrase does not open the signing keys.",
        "Check CARNET_PASSPHRASE_FILE: it must hold the passphrase that carnet init was given.",
    )


def open_key_file(path: Path, kek: bytes) -> KeyFile:
    """
    Open the key file at *path*.

    Raises:
        StateError: ``missing_file``, ``data_not_readable``.
        MalformedError: ``bad_key_file`` and the codes of the strict JSON reader.
    """
    content = parse_object(read_file(path), max_bytes=MAX_PUBLIC_BODY, what=f"The key file {path.name}")
    kid, roles, created_at = content.get("kid"), content.get("roles"), content.get("created_at")
    if (
        content.get("format") != _KEY_FORMAT
        or not isinstance(kid, str)
        or not isinstance(roles, list)
        or not all(isinstance(role, str) for role in roles)
        or not isinstance(created_at, str)
    ):
        raise bad_key_file(f"{path.name} is not a signing key of this format")
    known = tuple(role for role in ROLES if role in roles)
    seed = unseal(b64url_decode(str(content.get("sealed")), "The sealed key"), kek, _context(kid, tuple(roles)))
    if seed is None or len(seed) != KEY_BYTES:
        raise bad_key_file(f"{path.name} was changed or belongs to another installation")
    signer = Ed25519Signer(seed)
    if signer.kid != kid or len(known) != len(roles):
        raise bad_key_file(f"{path.name} does not hold the key that it names")
    return KeyFile(name=path.name, roles=known, created_at=parse_instant(created_at), signer=signer)


def _context(kid: str, roles: Iterable[str]) -> bytes:
    return "\0".join(("carnet/v1/signing-key", kid, *roles)).encode()

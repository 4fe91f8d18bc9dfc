"""
Root key files: what the ceremony of `carnet init` hands to people, and what a later ceremony reads back.

They never belong on the server after the ceremony (design.md §4). With a passphrase each is sealed under its own salt,
so that holders with different passphrases can be added later; without one it is as safe as the place it is kept in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carnet.core.errors import StateError
from carnet.core.instant import Instant
from carnet.formats.encoding import b64url_decode, b64url_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.limits import MAX_PUBLIC_BODY
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.signing.sealing import (
    KEY_BYTES,
    SALT_BYTES,
    ScryptCost,
    bad_key_file,
    derive_key,
    kdf_from_json,
    kdf_to_json,
    seal,
    unseal,
)

_FORMAT = "carnet-root-key/1"


def write_root_key(
    seed: bytes,
    *,
    issuer: str,
    created_at: Instant,
    passphrase: bytes | None,
    cost: ScryptCost,
    random: Callable[[int], bytes],
) -> bytes:
    """
    The file of one root key.

    Args:
        seed: 32 bytes, the private key.
        issuer: The installation it is the root of.
        created_at: When.
        passphrase: Seals it; None writes it readable.
        cost: Price of a guess at the passphrase.
        random: The randomness.
    """
    signer = Ed25519Signer(seed)
    content: dict[str, Any] = {
        "format": _FORMAT,
        "kid": signer.kid,
        "public_key": b64url_encode(signer.public_key.raw),
        "issuer": issuer,
        "created_at": str(created_at),
    }
    if passphrase is None:
        content["seed"] = b64url_encode(seed)
    else:
        salt = random(SALT_BYTES)
        key = derive_key(passphrase, salt, cost)
        content["kdf"] = kdf_to_json(salt, cost)
        content["sealed"] = b64url_encode(seal(seed, key, _context(signer.kid, issuer), random))
    return dump_json(content) + b"\n"


def read_root_key(data: bytes, passphrase: bytes | None) -> Ed25519Signer:
    """
    The signer that a root key file holds.

    Raises:
        MalformedError: ``bad_key_file``, or a code of the strict JSON reader.
        StateError: ``passphrase_needed``, ``wrong_passphrase``.
    """
    content = parse_object(data, max_bytes=MAX_PUBLIC_BODY, what="The root key file")
    kid, issuer = content.get("kid"), content.get("issuer")
    if content.get("format") != _FORMAT or not isinstance(kid, str) or not isinstance(issuer, str):
        raise bad_key_file("it is not a root key of this format")
    if "seed" in content:
        seed = b64url_decode(str(content["seed"]), "The root key")
    else:
        if passphrase is None:
            raise StateError(
                "passphrase_needed",
                "This root key is sealed.",
                "Give the passphrase that was used when it was made.",
            )
        salt, cost = kdf_from_json(content.get("kdf"))
        sealed = b64url_decode(str(content.get("sealed")), "The sealed root key")
        opened = unseal(sealed, derive_key(passphrase, salt, cost), _context(kid, issuer))
        if opened is None:
            raise StateError(
                "wrong_passphrase",
                "The passphrase does not open this root key, or the file was damaged.",
                "Try the passphrase again; otherwise use another copy of the file.",
            )
        seed = opened
    if len(seed) != KEY_BYTES:
        raise bad_key_file("the key has the wrong length")
    signer = Ed25519Signer(seed)
    if signer.kid != kid:
        raise bad_key_file("the key does not have the id that the file names")
    return signer


def _context(kid: str, issuer: str) -> bytes:
    return f"carnet/v1/root-key\0{issuer}\0{kid}".encode()

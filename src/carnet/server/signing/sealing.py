"""
Sealing secrets for rest: AES-256-GCM under a random key, or under one derived from a passphrase by scrypt.

Pure: bytes in, bytes or plain JSON values out; randomness is an argument. The context is authenticated with the secret,
so that a sealed value only opens in the place it was made for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from carnet.core._base import Struct
from carnet.core.errors import MalformedError
from carnet.formats.encoding import b64url_decode, b64url_encode

KEY_BYTES = 32
SALT_BYTES = 16
_NONCE_BYTES = 12
_MIN_LOG2_N, _MAX_LOG2_N = 10, 20
"""At most 1 GiB and a few seconds, whatever a file says (security-requirements "Limits": work factors)."""


class ScryptCost(Struct):
    """
    How dear one guess of a passphrase is (RFC 7914 §2): N = 2^log2_n, r = 8, p = 1.

    The default needs 128 MiB and a third of a second (OWASP's recommendation of 2023).
    """

    log2_n: int = 17


def derive_key(passphrase: bytes, salt: bytes, cost: ScryptCost) -> bytes:
    """The 32-byte key that *passphrase* stands for (RFC 7914)."""
    return Scrypt(salt=salt, length=KEY_BYTES, n=1 << cost.log2_n, r=8, p=1).derive(passphrase)


def kdf_to_json(salt: bytes, cost: ScryptCost) -> dict[str, Any]:
    """The parameters of `derive_key`, to stand beside what it seals."""
    return {"name": "scrypt", "log2_n": cost.log2_n, "salt": b64url_encode(salt)}


def kdf_from_json(value: object) -> tuple[bytes, ScryptCost]:
    """
    Read what `kdf_to_json` wrote.

    Raises:
        MalformedError: ``bad_key_file``: another form, or a work factor out of bounds.
    """
    if isinstance(value, Mapping) and set(value) == {"name", "log2_n", "salt"} and value["name"] == "scrypt":
        log2_n, salt = value["log2_n"], value["salt"]
        if type(log2_n) is int and _MIN_LOG2_N <= log2_n <= _MAX_LOG2_N and isinstance(salt, str):
            return b64url_decode(salt, "The salt"), ScryptCost(log2_n=log2_n)
    raise bad_key_file("its key derivation is not one we make")


def seal(secret: bytes, key: bytes, context: bytes, random: Callable[[int], bytes]) -> bytes:
    """
    *secret* sealed under *key*: nonce, ciphertext, tag.

    Args:
        secret: What nobody may read.
        key: 32 bytes.
        context: What it is and for what; needed again to open it.
        random: The randomness. The nonce mixes it with a keyed hash of everything, so that a source that repeats (a
            cloned machine) still never repeats a nonce for different secrets (as SEC-15 asks of machine files).
    """
    mix = HMAC(key, SHA256())
    mix.update(b"carnet/v1/seal-nonce\0" + random(KEY_BYTES) + len(context).to_bytes(4, "big") + context + secret)
    nonce = mix.finalize()[:_NONCE_BYTES]
    return nonce + AESGCM(key).encrypt(nonce, secret, context)


def unseal(sealed: bytes, key: bytes, context: bytes) -> bytes | None:
    """What `seal` sealed; None if the key or the context is another one, or a bit was changed."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        return None


class SealingBox:
    """
    `ports.SecretBox` over one random key.

    Args:
        key: 32 secret bytes.
        random: The randomness.
    """

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._key = key
        self._random = random

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """See `ports.SecretBox`."""
        return seal(secret, self._key, context, self._random)

    def unseal(self, sealed: bytes, context: bytes) -> bytes | None:
        """See `ports.SecretBox`."""
        return unseal(sealed, self._key, context)


def bad_key_file(problem: str) -> MalformedError:
    """A key file that we did not write, or that was damaged."""
    return MalformedError("bad_key_file", f"The key file is not usable: {problem}.", "Restore it from your backup.")

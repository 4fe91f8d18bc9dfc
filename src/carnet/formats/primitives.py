"""
The primitives that every start of an app needs, without the modules around them: AES-GCM, Ed25519 verification, HKDF.

`cryptography`'s public modules for them load others that nobody here uses (legacy ciphers and modes, PEM), 2 of the
16 ms that a bare verification costs at start-up. So the classes are taken from the compiled module in which they live,
and from their public names wherever a release keeps them elsewhere: the same classes either way; a test compares.

HKDF is HMAC in a row, and HMAC is two hashes, so both stand here over our `sha256`: every HMAC or HKDF of a library
brings modules that cost 1.2 to 3 ms (docs/decisions/0026). Compared with the RFC's vectors and with the library's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from carnet.formats.encoding import sha256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BLOCK_BYTES = 64
_DIGEST_BYTES = 32
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def load_aes_gcm() -> type[AESGCM]:
    """The class `cryptography.hazmat.primitives.ciphers.aead.AESGCM`."""
    try:
        from cryptography.hazmat.bindings._rust import openssl

        found: type[AESGCM] = openssl.aead.AESGCM
    except (ImportError, AttributeError):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM as found  # noqa: N811
    return found


def load_ed25519_verifier(raw: bytes) -> Callable[[bytes, bytes], None]:
    """
    What `Ed25519PublicKey.from_public_bytes(raw).verify` is: takes signature and message, raises `InvalidSignature`.

    Args:
        raw: 32 bytes that passed `keys.load_ed25519`.
    """
    try:
        from cryptography.hazmat.bindings._rust import openssl

        return openssl.ed25519.from_public_bytes(raw).verify
    except (ImportError, AttributeError):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(raw).verify


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """
    HKDF-SHA-256 (RFC 5869): extract with *salt*, expand with *info*.

    Args:
        secret: The input keying material.
        salt: Of any length; none of our uses leaves it out.
        info: The label of the use.
        length: 1 to 8,160 bytes (§2.3).
    """
    key = _hmac_sha256(salt, secret)  # §2.2
    block = output = b""
    for counter in range(1, -(-length // _DIGEST_BYTES) + 1):  # §2.3
        block = _hmac_sha256(key, block + info + bytes((counter,)))
        output += block
    return output[:length]


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104 §2; *key* is hashed first where it is longer than a block."""
    padded = (sha256(key) if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return sha256(padded.translate(_OUTER) + sha256(padded.translate(_INNER) + message))

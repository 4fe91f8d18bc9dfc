"""
The two primitives that every start of an app needs, without the modules around them: AES-GCM and Ed25519 verification.

`cryptography`'s public modules for them load others that nobody here uses (legacy ciphers and modes, PEM), 2 of the
16 ms that a bare verification costs at start-up. So the classes are taken from the compiled module in which they live,
and from their public names wherever a release keeps them elsewhere: the same classes either way; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM


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

"""What can be asked of compatibility keys."""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.server.records import CompatibilityAlgorithm, CompatibilityKey

ALGORITHMS: tuple[CompatibilityAlgorithm, ...] = ("EdDSA", "ES256", "RS256")


class CreateKey(Struct):
    """
    Make a key pair for a product.

    Attributes:
        product: Its slug.
        alg: What it signs with, for ever (SEC-01).
    """

    product: str
    alg: CompatibilityAlgorithm


class ImportKey(Struct):
    """
    Take over a key pair that clients have pinned already.

    Attributes:
        product: Its slug.
        pem: The private key in PEM, at most 16 KiB: Ed25519, P-256, or RSA of 2048 to 4096 bits. Its kind fixes the
            algorithm.
        passphrase: For a PEM that is encrypted.
        kid: The id that clients know it by: 1 to 64 of ``A-Z a-z 0-9 _ -``. None for its RFC 7638 thumbprint.
    """

    product: str
    pem: bytes
    passphrase: bytes | None = None
    kid: str | None = None

    def __repr__(self) -> str:
        return f"ImportKey(product={self.product!r}, kid={self.kid!r})"


class AddedKey(Struct):
    """A product's new active key, and the one that from now on only verifies; None if there was none."""

    key: CompatibilityKey
    former: CompatibilityKey | None


class BrokenKey(Struct):
    """
    An active key that cannot sign, and the code of why. The server serves on; this key signs nothing until it is well
    again.
    """

    kid: str
    product: str
    code: str

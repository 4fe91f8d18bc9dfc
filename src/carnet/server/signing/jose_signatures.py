"""ECDSA signatures as services write them, in the one form that JOSE has (RFC 7518 §3.4)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from carnet.core.errors import StateError

_HALF: Final = 32


def raw_ecdsa(der: bytes, what: str) -> bytes:
    """
    The 64 bytes r ‖ s of a P-256 signature in DER (RFC 3279 §2.2.3).

    Args:
        der: As the service answered.
        what: The service, for the error's sentence.

    Raises:
        StateError: ``signer_wrong_signature``: not that form, or numbers of more than 32 bytes.

    Does not verify it.
    """
    try:
        r, s = decode_dss_signature(der)
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    except (ValueError, OverflowError):
        raise StateError(
            "signer_wrong_signature",
            f"{what} answered with something that is no signature of its key; nothing was handed out.",
            "Look at its log, and whether the key at that location was replaced; see carnet doctor.",
        ) from None

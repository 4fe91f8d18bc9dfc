"""
Lease tokens from the claims that a lease's row holds, after the commit (design.md §2 rule 7).
"""

from __future__ import annotations

from carnet.core.errors import CarnetError, StateError
from carnet.core.instant import Instant
from carnet.core.lease_terms import LeaseHolder
from carnet.core.model import BACKDATE_SECONDS
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.lease import LeaseToken, issue_lease_token
from carnet.server.ports import SigningKeys


class LeaseIssuing:
    """
    Signs lease tokens.

    Args:
        keys: The signing keys.
        ring: The public keys of the newest root.
        issuer: This installation's id.
    """

    def __init__(self, keys: SigningKeys, ring: KeyRing, issuer: str) -> None:
        self._keys = keys
        self._ring = ring
        self._issuer = issuer
        self._trusted: Signer | None = None

    def kid(self) -> str:
        """
        The key that a token made now is signed with; asked before anything is written.

        Raises:
            StateError: ``no_signing_key``; ``signing_failed``: the root does not know the key.
        """
        return self._signer().kid

    def sign(
        self,
        *,
        jti: str,
        kid: str,
        product: str,
        license_id: str,
        lease_id: str,
        holder: LeaseHolder,
        renewed_at: Instant,
        expires_at: Instant,
        is_borrowed: bool,
    ) -> str:
        """
        The token of a lease.

        The key is the root's own; the signature is not verified once more, because a renewal must stay cheap and a bad
        one costs its holder one renewal.

        Args:
            jti: As stored.
            kid: As stored; the key must still be the one that signs.
            product: The license's.
            license_id: The license.
            lease_id: The lease.
            holder: Who holds it.
            renewed_at: As stored; the token is dated back from it (SEC-04).
            expires_at: As stored.
            is_borrowed: As stored.

        Raises:
            StateError: ``signing_failed``.
        """
        signer = self._signer()
        if signer.kid != kid:
            raise _signing_failed()  # keys were changed in between; the next renewal is signed with the new one
        token = LeaseToken(
            id=jti,
            issuer=self._issuer,
            product=product,
            license_id=license_id,
            lease_id=lease_id,
            holder=holder,
            issued_at=Instant(max(1, renewed_at - BACKDATE_SECONDS)),
            expires_at=expires_at,
            is_borrowed=is_borrowed,
        )
        try:
            return issue_lease_token(token, signer)
        except CarnetError as error:
            raise _signing_failed() from error

    def _signer(self) -> Signer:
        signer = self._keys.signer("lease")
        if signer is not self._trusted:
            if self._ring.find("lease", signer.kid) != signer.public_key:
                raise _signing_failed()
            self._trusted = signer
        return signer


def _signing_failed() -> StateError:
    return StateError(
        "signing_failed",
        "The lease token could not be signed, or the root does not know its key; nothing was handed out.",
        "Try again; if it stays so, check the signing keys with carnet doctor.",
    )

"""
The two stored forms of a secret that people type (SEC-32): a keyed hash to find it by, a sealed copy to show it again.

The pepper and the sealing key lie in `secrets/`, outside the database: who steals the database learns no key and cannot
even test a guess.
"""

from __future__ import annotations

import hmac

from carnet.core.errors import StateError
from carnet.formats.license_key import canonical_license_key
from carnet.server.ports import SecretBox

_LICENSE_KEY = b"carnet/v1/license-key\0"
_ADMIN_TOKEN = b"carnet/v1/admin-token\0"
_ENROLMENT_TOKEN = b"carnet/v1/enrolment-token\0"


class KeyVault:
    """
    Hashes, seals and opens license keys, and hashes admin tokens.

    Args:
        pepper: 32 secret bytes, for the hashes.
        box: Seals and opens.
    """

    def __init__(self, pepper: bytes, box: SecretBox) -> None:
        self._pepper = pepper
        self._box = box

    def lookups(self, typed: str) -> tuple[bytes, bytes]:
        """
        The hashes under which a typed key may be stored: as typed (trimmed), then in its canonical form (R-80).

        Always two, equal ones if there is no other form, so that every look-up costs the same (SEC-34).
        """
        trimmed = typed.strip()
        first = self.lookup(trimmed)
        canonical = canonical_license_key(trimmed)
        return first, self.lookup(trimmed if canonical is None else canonical)

    def lookup(self, key: str) -> bytes:
        """The hash of exactly this key."""
        return hmac.digest(self._pepper, _LICENSE_KEY + key.encode("utf-8", "surrogatepass"), "sha256")

    def enrolment_hash(self, token: str) -> bytes:
        """The hash of exactly this enrolment token."""
        return hmac.digest(self._pepper, _ENROLMENT_TOKEN + token.encode("utf-8", "surrogatepass"), "sha256")

    def token_hash(self, token: str) -> bytes:
        """The hash of exactly this admin token."""
        return hmac.digest(self._pepper, _ADMIN_TOKEN + token.encode("utf-8", "surrogatepass"), "sha256")

    def seal(self, key: str, license_id: str) -> bytes:
        """The sealed copy of *key*, which opens only for the license *license_id*."""
        return self._box.seal(key.encode(), _LICENSE_KEY + license_id.encode())

    def open(self, sealed: bytes, license_id: str) -> str:
        """
        The key that was sealed for *license_id*.

        Raises:
            StateError: ``key_does_not_open``: `secrets/` and database are not of the same installation, or damaged.
        """
        key = self._box.unseal(sealed, _LICENSE_KEY + license_id.encode())
        if key is None:
            raise StateError(
                "key_does_not_open",
                "The stored copy of this license key does not open.",
                "Restore the secrets directory that belongs to this database.",
            )
        return key.decode()

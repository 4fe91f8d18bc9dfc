"""
What the services need from outside besides storage: a clock, randomness, signers, a box for secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from carnet.core.instant import Instant
from carnet.formats.keys import Role, Signer
from carnet.server.records import CompatibilityKey

Random: TypeAlias = Callable[[int], bytes]
"""*n* bytes that nobody can foresee; `os.urandom` in production."""


class Clock(Protocol):
    """What time it is, read once per command."""

    def now(self) -> Instant:
        """The present second."""
        ...


class SigningKeys(Protocol):
    """The active signing key of each role."""

    def signer(self, role: Role) -> Signer:
        """
        The signer that artifacts of *role* are made with now.

        Raises:
            StateError: ``no_signing_key``.
        """
        ...

    def earlier(self, kid: str) -> Signer | None:
        """
        The signer of the key *kid*, if it signs or did until its place was taken, and the root still names it: claims
        that were written down for it before the switch are signed with it.
        """
        ...


class SecretBox(Protocol):
    """Seals what the database may hold but nobody may read from it."""

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """*secret*, sealed for this *context* only."""
        ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes | None:
        """What was sealed for *context*; None if it does not open."""
        ...


class PrivateKeys(Protocol):
    """The private halves of compatibility keys, at rest outside the database."""

    def keep(self, key: CompatibilityKey, pem: str) -> None:
        """
        Keep the private key *pem* for *key*, durably.

        Raises:
            StateError: ``data_not_writable``.
        """
        ...

    def forget(self, key: CompatibilityKey) -> None:
        """Remove what `keep` kept for *key*, whose record was never stored; fine if there is nothing."""
        ...

    def signer(self, key: CompatibilityKey) -> Signer:
        """
        The signer of *key*, after a check that it is exactly the key that the record names.

        Raises:
            StateError: ``missing_file``, ``data_not_readable``.
            MalformedError: ``bad_key_file``.
        """
        ...

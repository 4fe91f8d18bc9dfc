"""
The operating system's keychain, for one short secret where an app asks for it: the seed of the device key (R-37).

Whoever copies the state directory, and knows the device's anchors, then still lacks the key that refresh and return
need a proof by (SEC-45). Nothing else goes there, and no decision needs it: a check never opens a keychain. Keychains
bite: they ask people for passwords, are missing on servers, forget with a new login; so this is off by default, and
whatever a keychain cannot do is done by the state file instead (docs/decisions/0069).

A device's TPM may stand in its place (`carnet.client.tpm`), behind the same methods.

`keyring` is the optional extra ``keychain``. Its backend is named for each system: looking for one costs 145 ms, and
finds none in a frozen app.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Protocol

from carnet.core.errors import CarnetError
from carnet.formats.encoding import b64url_decode, b64url_encode

SEED_BYTES = 32

BACKENDS = {
    "darwin": ("keyring.backends.macOS", "Keyring"),
    "win32": ("keyring.backends.Windows", "WinVaultKeyring"),
    "linux": ("keyring.backends.SecretService", "Keyring"),
}
"""By `sys.platform`: the module and class of `keyring` that stands for this system's keychain."""


class Keyring(Protocol):
    """What is used of a backend of `keyring`; an app may bring one of its own."""

    def get_password(self, service: str, username: str) -> str | None:
        """The secret, or None."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep the secret."""
        ...


class Keychain:
    """
    The keychain, for one product. Making one opens nothing; each method asks the system at most once and remembers.

    No method raises: a keychain that is missing, locked or full is one that does not hold the seed.
    """

    def __init__(self, product: str, backend: Keyring | None = None) -> None:
        """
        Args:
            product: The product id.
            backend: In place of this system's.
        """
        self._service = f"carnet/{product}"
        self._backend = backend
        self._held: dict[str, bytes | None] = {}
        self._has_refused = False

    def read(self, fingerprint: str) -> bytes | None:
        """
        The seed of the device key, or None where the keychain does not give one.

        Args:
            fingerprint: The device's enrolled fingerprint, which names the entry.
        """
        if fingerprint not in self._held:
            text = None
            backend = self._opened()
            if backend is not None:
                try:
                    text = backend.get_password(self._service, fingerprint)
                except Exception:  # noqa: BLE001 - a plug-in of the system; whatever it raises means: not here, not now
                    text = None
            self._held[fingerprint] = _seed_of(text)
        return self._held[fingerprint]

    def keep(self, fingerprint: str, seed: bytes) -> bool:
        """
        See to it that the keychain holds *seed*; False where it does not, and the state file has to.

        Args:
            fingerprint: As for `read`.
            seed: 32 bytes.
        """
        if self.read(fingerprint) == seed:
            return True
        backend = None if self._has_refused else self._opened()
        if backend is None:
            return False
        try:
            backend.set_password(self._service, fingerprint, b64url_encode(seed))
            is_kept = _seed_of(backend.get_password(self._service, fingerprint)) == seed
        except Exception:  # noqa: BLE001 - as above; one refusal is enough, people are not asked again and again
            is_kept = False
        self._has_refused = not is_kept
        if is_kept:
            self._held[fingerprint] = seed
        return is_kept

    def _opened(self) -> Keyring | None:
        if self._backend is None and sys.platform in BACKENDS:
            module, name = BACKENDS[sys.platform]
            try:
                backend = getattr(import_module(module), name)()
                _ = backend.priority  # raises where the system's service does not answer
            except Exception:  # noqa: BLE001 - not installed, no session, no service: no keychain here is ordinary
                return None
            self._backend = backend
        return self._backend


def _seed_of(text: str | None) -> bytes | None:
    try:
        seed = b"" if text is None else b64url_decode(text, "The device key")
    except CarnetError:
        return None
    return seed if len(seed) == SEED_BYTES else None

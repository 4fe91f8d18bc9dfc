"""The trusted keys of a vector: JSON Web Keys by role, each with its state unless it is active (specs/keys.md §6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carnet.formats.keys import KeyRing, KeyState, PublicKey, Signer, TrustedKey, public_key_from_jwk

KeyRecord = dict[str, str]

STATES: Final[tuple[tuple[KeyState, str], ...]] = (
    ("announced", "Waiting for a key to become active: artifacts under it may come before the next root does."),
    ("verify-only", "Refusing what a key signed before another one replaced it."),
    ("retired", "Looking up keys without their state: a retired key verifies nothing any more."),
    ("compromised", "Looking up keys without their state: whoever stole this key goes on signing."),
)
"""Every state but `active`, and the mistake that a vector with a key in it finds."""


def record(key: PublicKey | Signer, state: KeyState = "active") -> KeyRecord:
    """*key* as a vector lists it."""
    public = key if isinstance(key, PublicKey) else key.public_key
    return public.to_jwk() if state == "active" else {**public.to_jwk(), "state": state}


def ring_of(vector: Mapping[str, Any]) -> KeyRing:
    """The keys that *vector* trusts."""
    return KeyRing(
        TrustedKey(role=role, key=public_key_from_jwk(key), state=key.get("state", "active"))
        for role, keys in vector["keys"].items()
        for key in keys
    )

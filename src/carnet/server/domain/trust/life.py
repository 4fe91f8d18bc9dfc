"""
The life of a signing key (design.md §4, R-18): which state may follow which, and when. Pure.

```
announced ──► active ──► verify-only ──► retired
    │           │             │
    └───────────┴─────────────┴────────► compromised          (and announced ──► retired, if it was never needed)
```

announced: a root names it, and it signs nothing yet, so that nobody meets its signatures who does not know it.
active: it signs. One key for each role does. verify-only: what it signed is genuine, and it signs nothing new.
retired, compromised: no root names it any more; what it signed grants nothing where that root is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.instant import DAY, Instant
from carnet.formats.keys import KeyState, Role
from carnet.server.records import SigningKey

FOLLOWING: Final[Mapping[KeyState, frozenset[KeyState]]] = {
    "announced": frozenset(("active", "retired", "compromised")),
    "active": frozenset(("verify-only", "compromised")),
    "verify-only": frozenset(("retired", "compromised")),
    "retired": frozenset(),
    "compromised": frozenset(),
}
"""By state, those that may follow. A key never goes back, and none is used a second time."""

NAMED: Final[frozenset[KeyState]] = frozenset(("announced", "active", "verify-only"))
"""The states in which the newest root names the key."""

ANNOUNCE_SECONDS: Final = DAY
"""
How long a key is announced before it signs, unless the operator says otherwise.

Clients of ours get a new root in the very answer that needs it. Who reads keys elsewhere sees them later: `/v1/root`
and the JWKS may lie in a cache for a minute, and in a JOSE library for as long as it thinks right: a day is the longest
usual time (Microsoft.IdentityModel reads a known key set anew every 12 hours, before that every day).
docs/decisions/0076.
"""


def moved(key: SigningKey, state: KeyState, now: Instant) -> SigningKey:
    """
    *key* in its next *state*, from *now* on.

    Raises:
        UsageError: ``conflict``: *state* does not follow on the key's own.
    """
    if state not in FOLLOWING[key.state]:
        raise UsageError(
            "conflict",
            f"The key {key.kid} is {key.state}, and cannot become {state}.",
            _WAYS.get((key.state, state), "See where each key stands: carnet key list"),
        )
    times: dict[str, Instant] = {}
    if state == "active":
        times["activated_at"] = now
    elif state == "verify-only":
        times["replaced_at"] = now
    elif state in {"retired", "compromised"}:
        times["ended_at"] = now
    return replace(key, state=state, **times)


def check_announced_long_enough(key: SigningKey, now: Instant, seconds: int) -> None:
    """
    Refuse to sign with a key that those who verify may not know yet.

    Args:
        key: Announced.
        now: The server's time.
        seconds: For how long it has to be announced.

    Raises:
        UsageError: ``key_not_announced_long_enough``.
    """
    ripe_at = Instant(key.announced_at + seconds)
    if now < ripe_at:
        raise UsageError(
            "key_not_announced_long_enough",
            f"The key {key.kid} is announced since {key.announced_at}; it may sign from {ripe_at} on.",
            "Wait until then. Where a key was stolen, waiting is wrong: carnet key compromise takes effect at once.",
        )


def active_for(keys: tuple[SigningKey, ...], role: Role) -> SigningKey | None:
    """The key that signs as *role*; None: there is none."""
    return next((key for key in keys if key.state == "active" and role in key.roles), None)


def announced_for(keys: tuple[SigningKey, ...], roles: tuple[Role, ...]) -> SigningKey | None:
    """The key that waits to sign for exactly *roles*; None: none does."""
    return next((key for key in keys if key.state == "announced" and key.roles == roles), None)


def find_key(keys: tuple[SigningKey, ...], kid: str) -> SigningKey:
    """
    The key *kid*.

    Raises:
        UsageError: ``key_not_found``.
    """
    found = next((key for key in keys if key.kid == kid), None)
    if found is None:
        raise UsageError("key_not_found", "There is no signing key of that id.", "List them: carnet key list")
    return found


_WAYS: Final[Mapping[tuple[KeyState, KeyState], str]] = {
    ("active", "retired"): "Let another key take its place first: carnet key announce, then carnet key rotate.",
    ("verify-only", "active"): "Announce a new key: carnet key announce",
    ("retired", "compromised"): "No root names it any more: what it signed grants nothing already.",
}

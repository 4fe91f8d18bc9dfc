"""The trust service: root files and public keys as they are published, and the signed time (design.md §4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carnet.core._base import Struct
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.formats.keys import KeyRing, KeyState
from carnet.formats.time_answer import TimeAnswer, is_nonce, issue_time_answer
from carnet.server.ports import Clock, SigningKeys

_PUBLISHED: tuple[KeyState, ...] = ("announced", "active", "verify-only")


class TimeResult(Struct):
    """The server's time in clear, and the same signed for the nonce that was sent."""

    at: Instant
    token: str


class TrustService:
    """What can be asked about trust. Holds nothing that is not public, but for the use of the time key."""

    def __init__(
        self,
        *,
        issuer: str,
        roots: tuple[str, ...],
        ring: KeyRing,
        keys: SigningKeys,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """
        Args:
            issuer: The installation's id.
            roots: Every root file as text, version 1 first.
            ring: The public keys under the newest root.
            keys: Where the time key is.
            clock: The server's.
            new_id: Makes an id that was never used.
        """
        self._issuer = issuer
        self._roots = roots
        self._ring = ring
        self._keys = keys
        self._clock = clock
        self._new_id = new_id

    @property
    def roots(self) -> tuple[str, ...]:
        """Every root file as text, version 1 first: exactly the bytes whose SHA-256 is the anchor."""
        return self._roots

    def jwks(self) -> dict[str, Any]:
        """
        The keys that artifacts are verified with, as a JWK set (RFC 7517 §5), each once.

        The member `carnet_roles` says what a key signs; other readers ignore it (RFC 7517 §4). Root keys are not in it:
        they sign root files, which carry them.
        """
        shown: dict[str, dict[str, Any]] = {}
        for trusted in self._ring.keys():  # noqa: SIM118 - a ring is not a dict
            if trusted.role != "root" and trusted.state in _PUBLISHED:
                entry = shown.setdefault(trusted.key.kid, {**trusted.key.to_jwk(), "carnet_roles": []})
                entry["carnet_roles"].append(trusted.role)
        return {"keys": list(shown.values())}

    def time(self, nonce: str) -> TimeResult:
        """
        The server's time, signed for *nonce*.

        Raises:
            UsageError: ``invalid_argument``: not 1 to 128 visible ASCII characters.
            StateError: ``no_signing_key``.
        """
        if not is_nonce(nonce):
            raise UsageError(
                "invalid_argument",
                "nonce must have 1 to 128 visible ASCII characters.",
                "Make one from 16 random bytes.",
            )
        now = self._clock.now()
        answer = TimeAnswer(id=self._new_id(), issuer=self._issuer, nonce=nonce, at=now)
        return TimeResult(at=now, token=issue_time_answer(answer, self._keys.signer("time")))

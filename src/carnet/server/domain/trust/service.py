"""Trust: the root files, the public keys of the newest one, and the signed time. All of it public."""

from __future__ import annotations

from typing import Any

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.formats.time_answer import TimeAnswer, issue_time_answer
from carnet.server.domain.checks import check_nonce
from carnet.server.domain.ids import Ids
from carnet.server.domain.keys.service import KeyService, jwk_of
from carnet.server.domain.signing import sign_off_the_loop
from carnet.server.domain.trust.live import LiveTrust
from carnet.server.ports import Clock, SigningKeys

_PUBLISHED = ("announced", "active", "verify-only")


class SignedTime(Struct):
    """The server's time, and the same signed and bound to the nonce."""

    at: Instant
    token: str


class TrustService:
    """
    What can be asked of the installation's trust.

    Args:
        live: The root files and keys that this process follows.
        keys: The signing keys, as long as the clock is right.
        issuer: This installation's id.
        clock: The server's time.
        ids: For time answers.
        compatibility: The products' compatibility keys.
    """

    def __init__(
        self,
        *,
        live: LiveTrust,
        keys: SigningKeys,
        issuer: str,
        clock: Clock,
        ids: Ids,
        compatibility: KeyService,
    ) -> None:
        self._live = live
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._ids = ids
        self._compatibility = compatibility

    @property
    def roots(self) -> tuple[str, ...]:
        """Every root file, version 1 first, as text."""
        return self._live.state.roots

    async def jwks(self) -> dict[str, Any]:
        """
        The keys that artifacts may be verified with, as a JWK set (RFC 7517 §5); root keys are not among them.

        Those of the root come first; then the products' compatibility keys, which say so (design.md §4).
        """
        ring = self._live.ring
        published = {
            trusted.key.kid: trusted.key
            for trusted in ring.keys()  # noqa: SIM118 - a key ring is not a dictionary
            if trusted.role != "root" and trusted.state in _PUBLISHED
        }
        compatibility = await self._compatibility.published()
        return {"keys": [key.to_jwk() for key in published.values()] + [jwk_of(key) for key in compatibility]}

    async def time(self, nonce: str) -> SignedTime:
        """
        The time now, signed for *nonce* (specs/time.md).

        Raises:
            UsageError: ``invalid_argument``.
        """
        check_nonce(nonce)
        now = self._clock.now()
        answer = TimeAnswer(id=self._ids.new(now), issuer=self._issuer, nonce=nonce, at=now)
        signer = self._keys.signer("time")
        return SignedTime(at=now, token=await sign_off_the_loop(signer, lambda: issue_time_answer(answer, signer)))

"""
Rate limits at the edge (SEC-35): who asks, whether they may now, and which answers count as failed look-ups.

`/livez` and `/readyz` are never limited: whoever watches the server must not be locked out with those who flood it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from litestar import Response

from carnet.server.api.context import CALLER_ADDRESS
from carnet.server.api.problems import RateLimitedError, rate_limited
from carnet.server.domain.limits.addresses import Network, caller_address
from carnet.server.domain.limits.service import RateLimiter
from carnet.server.domain.statistics.flushing import Flusher
from carnet.server.domain.statistics.service import CALLER_NETWORK

FAILED_LOOKUPS: Final = frozenset({
    "activation_not_found", "admin_token_refused", "device_proof_invalid", "license_not_found", "wrong_product",
})  # fmt: skip
"""Problems that say that a secret or an id was not right: what somebody who guesses sees."""

_NEVER_LIMITED: Final = frozenset({"/livez", "/readyz"})
_FORWARDED: Final = b"x-forwarded-for"


class EdgeLimits:
    """
    The limits of one application.

    Args:
        limiter: Counts.
        proxies: Whose ``X-Forwarded-For`` is believed.
        flusher: Started by the first request, so that limits from before a restart are known before it is answered.
    """

    def __init__(self, limiter: RateLimiter, proxies: Sequence[Network], flusher: Flusher) -> None:
        self._limiter = limiter
        self._proxies = proxies
        self._flusher = flusher

    async def admit(self, scope: Any) -> Response[Any] | None:
        """The answer to a request whose address asks too often, before anything of it is read; None lets it in."""
        if not self._flusher.is_started:
            await self._flusher.start()
        address = self._address(scope)
        scope["carnet_address"] = address
        CALLER_ADDRESS.set(address)
        CALLER_NETWORK.set(self._limiter.network_of(address))
        if scope["path"] in _NEVER_LIMITED:
            return None
        wait = self._limiter.admit_address(address)
        return None if wait is None else rate_limited(wait.limit, wait.seconds)

    def admit_body(self, body: Any) -> None:
        """
        Charge a request to the license key and the product that its body names, if it names any.

        Raises:
            RateLimitedError: ``rate_limited``.
        """
        wait = self._limiter.admit_key(getattr(body, "license_key", None), getattr(body, "product", None))
        if wait is not None:
            raise RateLimitedError(wait.limit, wait.seconds)

    def answered(self, scope: Any, code: str) -> None:
        """Count an answer that says that a look-up failed."""
        if code in FAILED_LOOKUPS:
            self._limiter.missed(scope["carnet_address"])

    def _address(self, scope: Any) -> str:
        client = scope.get("client")
        peer: str = client[0] if client else ""
        if not self._proxies:
            return peer
        headers = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED]
        return caller_address(peer, headers, self._proxies) if headers else peer

"""A transport without a network: each request goes to a function, and can be looked at afterwards."""

from __future__ import annotations

from collections.abc import Callable

from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.errors import TransportError


class MemoryTransport:
    """
    A `Transport` and `AsyncTransport` for tests.

    Attributes:
        requests: Every request that was sent, oldest first, also those that got no answer.
        online: Set it to False to cut the cable.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpAnswer]) -> None:
        """
        Args:
            answer: Plays the server. It may raise `TransportError` to play a broken network.
        """
        self._answer = answer
        self.requests: list[HttpRequest] = []
        self.online = True

    def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        """Hand *request* to the function; *timeout_seconds* is for real networks."""
        del timeout_seconds
        self.requests.append(request)
        if not self.online:
            raise TransportError("server_unreachable", "The license server could not be reached (the cable is cut).")
        return self._answer(request)

    async def asend(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        """As `send`."""
        return self.send(request, timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """Nothing to let go of."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

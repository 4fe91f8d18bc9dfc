"""
What an app may replace: the clocks, and who carries requests (a proxy of its own, a tunnel, a fake in its tests).

Types only, needed by nothing at run time. The real ones are `clock.SystemClock`, `transport.HttpTransport` and
`transport.AsyncHttpTransport`; `carnet.testing` has one of each for tests.
"""

from __future__ import annotations

from typing import Protocol

from carnet.client.clock import Uptime
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.instant import Instant


class Clock(Protocol):
    """The two clocks of a device. `carnet.testing.FakeClock` is one that tests move by hand."""

    def now(self) -> Instant:
        """The wall clock; anyone can set it."""
        ...

    def uptime(self) -> Uptime | None:
        """The running clock, or None where this system has none that can be told from another boot's (REL-22)."""
        ...


class Transport(Protocol):
    """Carries a request to the license server and brings the answer back."""

    def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        """
        Send *request* and wait for the answer, *timeout_seconds* in all.

        Raises:
            TransportError: No answer came. Never a refusal.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class AsyncTransport(Protocol):
    """As `Transport`, for `AsyncCarnet`."""

    async def asend(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        """
        Send *request* and wait for the answer, *timeout_seconds* in all.

        Raises:
            TransportError: No answer came. Never a refusal.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...

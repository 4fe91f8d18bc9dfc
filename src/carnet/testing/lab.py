"""
A device, its clock, its network and its vendor, all in the test's hands.

.. code-block:: python

    def test_in_grace_on_a_plane(carnet_lab):
        carnet_lab.activate()
        carnet_lab.go_offline()
        carnet_lab.pass_time(days=33)
        assert title(carnet_lab.app().check()) == "Connect within 4 days"

The SDK in such a test is the real one, with a real state directory; only time and network are not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.errors import TransportError, UsageError
from carnet.core.instant import DAY, HOUR, Instant
from carnet.testing.clock import FakeClock
from carnet.testing.server import FakeLicense, FakeServer
from carnet.testing.transport import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from carnet import AsyncCarnet, Carnet
    from carnet.core.decision import Decision, State
    from carnet.core.model import Policy

Network = Literal["up", "cut", "captive_portal", "server_error"]
"""
``up``; no network at all; a login page that answers everything with 200; a server that answers 503, while a mirror of
its status lists, where the app names one, goes on.
"""

START = Instant(1_893_456_000)
"""2030-01-01T00:00:00Z, when a lab begins; a constant, so that a test says the same every day."""

SERVER = "https://license.example.com"
DEVICE_ID = "carnet-lab"

_LOGIN_PAGE = b"<!doctype html><title>Welcome on board</title><form>Log in to use the network</form>"


class Lab:
    """
    What a test of a licensed app moves.

    Attributes:
        server: The vendor's license server, in memory.
        clock: The device's clocks. `pass_time` moves them with the server's; `clock.set_wall` is the user's doing.
        network: What the device's requests meet; see `Network`.
        transport: What carries them: `transport.requests` are all that were sent.
        settings: For every client that the lab makes, and every one that it takes over.
    """

    def __init__(
        self,
        state: str | os.PathLike[str],
        *,
        product: str = "hustl",
        now: int = START,
        policy: Policy | None = None,
    ) -> None:
        """
        Args:
            state: An empty directory for the device's state, the test's own.
            product: The product id of the app under test.
            now: When the lab begins, Unix seconds from 2026 on.
            policy: What licenses follow; 30 days offline and 7 days of grace when not given.
        """
        self.clock: FakeClock = FakeClock(now, uptime_seconds=HOUR)
        self._true_time = FakeClock(now)
        self.server: FakeServer = FakeServer(product, self._true_time.now, policy=policy)
        self.network: Network = "up"
        self.transport: MemoryTransport = MemoryTransport(self._answer)
        self.settings: dict[str, Any] = {
            "product": product,
            "server": SERVER,
            "root": self.server.root,
            "state": os.fspath(state),
            "device_id": DEVICE_ID,
        }
        self._made: list[Carnet] = []

    @property
    def now(self) -> Instant:
        """The true time, which the server has; the device's is `clock.now()`."""
        return self._true_time.now()

    # ── the app ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def app(self, **settings: Any) -> Carnet:
        """
        The app's `Carnet`, as started anew: what it knows is what the device's disk holds.

        Args:
            **settings: As for `Carnet`, in place of the lab's own.
        """
        from carnet import Carnet

        made = Carnet(**{**self._all(self.transport), **settings})
        self._made.append(made)
        return made

    def other_device(self, name: str, **settings: Any) -> Carnet:
        """The app on another device called *name*, with a state of its own; it shares the lab's clock and network."""
        return self.app(device_id=name, state=Path(f"{self.settings['state']}-others", name), **settings)

    def async_app(self, **settings: Any) -> AsyncCarnet:
        """As `app`, for an app with an event loop; the test closes it."""
        from carnet import AsyncCarnet

        return AsyncCarnet(**{**self._all(self.transport), **settings})

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Put every `Carnet` and `AsyncCarnet` that is made from now on into this lab, for apps that make their own.

        Server, root, state, device, clock and network are the lab's; product, edition and the like stay the app's.

        Args:
            monkeypatch: Pytest's fixture, which undoes it when the test ends.
        """
        from carnet.client.aio import AsyncCarnet
        from carnet.client.session import Carnet

        for kind in (Carnet, AsyncCarnet):
            monkeypatch.setattr(kind, "__init__", self._instead_of(kind.__init__))

    # ── the world ────────────────────────────────────────────────────────────────────────────────────────────────────

    def activate(self, license_: FakeLicense | None = None) -> Decision:
        """Activate the device, with a new perpetual license unless one is given."""
        return self.app().activate((license_ or self.server.license()).key)

    def in_state(self, state: State, *, by_list: bool = False) -> Carnet:
        """
        An app on a device of which `check()` says *state*: one of the fifteen of design.md §6.

        Made of real artifacts by letting time pass, so for a fresh lab, once. Afterwards the device is offline.

        Args:
            state: For example ``grace``, ``expired`` or ``wrong_device``.
            by_list: The device was offline when it happened, and learned of it from a status list that an update of the
                app brought; for ``revoked``, ``suspended`` and ``not_activated``.

        Raises:
            UsageError: ``unknown_state``.
        """
        from carnet.testing.states import BY_LIST, STATES

        bring = (BY_LIST if by_list else STATES).get(state)
        if bring is None:
            raise UsageError(
                "unknown_state",
                f"No {'status list' if by_list else 'decision'} has the state {state!r}.",
                f"Use one of {', '.join(BY_LIST if by_list else STATES)}.",
            )
        self.settings.update(bring(self))
        self.go_offline()
        return self.app()

    def update_app(self) -> None:
        """An update of the app is installed, with the vendor's status list of this moment in it."""
        self.settings["status_lists"] = self.server.status_list().encode()

    def pass_time(self, *, days: float = 0, hours: float = 0, seconds: int = 0) -> None:
        """Time passes for everyone, while the device runs or sleeps."""
        passed = int(days * DAY + hours * HOUR) + seconds
        self.clock.advance(passed)
        self._true_time.advance(passed)

    def power_off(self, *, days: float = 0, hours: float = 0) -> None:
        """The device is switched off for so long, and boots again."""
        passed = int(days * DAY + hours * HOUR)
        self.clock.power_off(passed)
        self._true_time.advance(passed)

    def go_offline(self) -> None:
        """Cut the network: on a plane."""
        self.network = "cut"

    def go_online(self) -> None:
        """Let requests through to the license server."""
        self.network = "up"

    def close(self) -> None:
        """Close every client that `app` made."""
        for made in self._made:
            made.close()

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if self.network == "cut":
            raise TransportError("server_unreachable", "The license server could not be reached (there is no network).")
        if self.network == "captive_portal":
            return HttpAnswer(status=200, body=_LOGIN_PAGE)
        if self.network == "server_error" and request.mirror is None:
            return HttpAnswer(status=503, body=b"")
        return self.server.answer(request)

    def _all(self, transport: MemoryTransport) -> dict[str, Any]:
        return {**self.settings, "clock": self.clock, "transport": transport}

    def _instead_of(self, original: Callable[..., None]) -> Callable[..., None]:
        def in_the_lab(client: object, **given: Any) -> None:
            ours = self._all(self.transport)
            if given.get("product"):
                del ours["product"]
            original(client, **{**given, **ours})

        return in_the_lab

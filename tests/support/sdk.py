"""One app on one device with a vendor in memory: what most tests of the SDK start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carnet import Carnet
from carnet.client.ports import Transport
from carnet.testing import FakeClock, MemoryTransport
from support.issuing import NOW, ROOT_TEXT, Vendor

PATIENCE_SECONDS = 120
"""How long is waited for what must come, on a busy machine."""

BUDGET_SECONDS = 50
"""What a busy machine does not use up; a test that is about the budget says its own."""


class Desk:
    """
    A device, its clock, its cable and its vendor.

    Attributes:
        clock: The device's clocks; the vendor's follows the true time, which `pass_time` moves with them.
        transport: The cable; `transport.online = False` cuts it.
        vendor: The vendor.
        state: The state root.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.clock = FakeClock(NOW, uptime_seconds=1000)
        self.vendor = Vendor(FakeClock(NOW).now)
        self.true_time = FakeClock(NOW)
        self.vendor.now = self.true_time.now
        self.transport = MemoryTransport(self.vendor.answer)

    def app(self, *, transport: Transport | None = None, **settings: Any) -> Carnet:
        """The app, as started anew."""
        given: dict[str, Any] = {
            "product": "hustl",
            "server": "https://license.example.com",
            "root": ROOT_TEXT,
            "state": self.state,
            "device_id": "line-4",
            "clock": self.clock,
            "timeout_seconds": BUDGET_SECONDS,
        }
        return Carnet(**{**given, **settings}, transport=transport or self.transport)

    def pass_time(self, seconds: int) -> None:
        """Time passes for everyone."""
        self.clock.advance(seconds)
        self.true_time.advance(seconds)

    def files(self) -> dict[str, bytes]:
        """The state files as they are, the log aside."""
        return {path.name: path.read_bytes() for path in sorted((self.state / "hustl").glob("state.*"))}

    def journal(self) -> list[str]:
        """The lines of the device's log."""
        path = self.state / "hustl" / "log.jsonl"
        return path.read_text().splitlines() if path.exists() else []


def wait_for_background(app: Carnet) -> None:
    """Let what the background is doing end."""
    assert app.settle(PATIENCE_SECONDS)

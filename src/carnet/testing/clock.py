"""A device's clocks, moved by hand."""

from __future__ import annotations

from carnet.client.clock import Uptime
from carnet.core.instant import Instant


class FakeClock:
    """
    A `carnet.client.ports.Clock` for tests.

    `advance` lets time pass as it does for an honest device; `set_wall` is what a user does in the system settings;
    `reboot` and `power_off` are what their names say.
    """

    def __init__(self, now: int, *, uptime_seconds: int = 0, has_uptime: bool = True) -> None:
        """
        Args:
            now: What the wall clock shows, in Unix seconds.
            uptime_seconds: How long the device has been running.
            has_uptime: False for a system without a running clock (REL-22).
        """
        self._wall = now
        self._boot = 1
        self._running = uptime_seconds
        self._has_uptime = has_uptime

    def now(self) -> Instant:
        """The wall clock."""
        return Instant(self._wall)

    def uptime(self) -> Uptime | None:
        """The running clock."""
        return Uptime(boot=f"boot-{self._boot}", seconds=self._running) if self._has_uptime else None

    def advance(self, seconds: int) -> None:
        """Time passes while the device runs or sleeps: both clocks move."""
        self._wall += seconds
        self._running += seconds

    def set_wall(self, now: int) -> None:
        """Someone sets the wall clock; the running clock does not notice."""
        self._wall = now

    def power_off(self, seconds: int) -> None:
        """The device is off for *seconds* and boots again."""
        self._wall += seconds
        self.reboot()

    def reboot(self) -> None:
        """A new boot: the running clock starts at zero."""
        self._boot += 1
        self._running = 0

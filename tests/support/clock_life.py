"""A device whose clocks misbehave, as its user lives with it: what `clock_scenarios.py` tells stories of."""

from __future__ import annotations

import shutil
from pathlib import Path

from carnet.core._base import replace
from carnet.core.decision import Decision
from carnet.core.instant import DAY, HOUR
from carnet.formats.keys import Ed25519Signer
from support.issuing import LICENSE_KEY, SIGNERS, make_root
from support.sdk import Desk

STEP = 6 * HOUR
"""How often the app looks while days go by; less often than hourly, as apps do."""


class Life:
    """One device, its vendor and the truth. Days are counted from the activation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.desk = Desk(folder / "state")
        self._machine: tuple[int, int] | None = None

    # ── the user ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def activate(self) -> None:
        """With a network."""
        self.desk.app().activate(LICENSE_KEY)

    def contact(self) -> None:
        """A refresh that reaches the vendor."""
        self.desk.app().refresh()

    def look(self) -> Decision:
        """The app checks."""
        return self.desk.app().check()

    def use(self, days: float) -> None:
        """The device runs, and the app looks now and then."""
        left = round(days * DAY)
        while left > 0:
            step = min(left, STEP)
            self.desk.pass_time(step)
            self.look()
            left -= step

    def sleep(self, days: float) -> None:
        """Suspended: both clocks go on, the app does not look."""
        self.desk.pass_time(round(days * DAY))

    def off(self, days: float, *, battery: bool = True) -> None:
        """Switched off and on again; without a battery the wall clock starts in 1970."""
        seconds = round(days * DAY)
        self.desk.clock.power_off(seconds)
        self.desk.true_time.advance(seconds)
        if not battery:
            self.desk.clock.set_wall(10)

    def off_days(self, count: int, *, battery: bool = True, hours: int = 8) -> None:
        """*count* days of some hours of use each, switched off in between."""
        for _ in range(count):
            self.look()
            self.use(hours / 24)
            self.off(1 - hours / 24, battery=battery)

    def wall(self, days: float) -> None:
        """Somebody sets the wall clock: so many days from the truth."""
        self.desk.clock.set_wall(max(0, self.desk.true_time.now() + round(days * DAY)))

    def forget(self) -> None:
        """Somebody empties the state directory."""
        for path in (self.desk.state / "hustl").iterdir():
            path.unlink()

    # ── the machine ──────────────────────────────────────────────────────────────────────────────────────────────────

    def keep_copy(self, name: str = "copy") -> None:
        """The state directory is copied away."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
        shutil.copytree(self.desk.state, self._folder / name)

    def put_back(self, name: str = "copy") -> None:
        """The copy replaces the state directory."""
        shutil.rmtree(self.desk.state)
        shutil.copytree(self._folder / name, self.desk.state)

    def snapshot(self, *, disk: bool = True) -> None:
        """The virtual machine is snapshot."""
        clock = self.desk.clock
        self._machine = (clock._boot, clock._running)
        if disk:
            self.keep_copy("disk")

    def set_back(self, *, disk: bool = True) -> None:
        """The virtual machine is set back to its snapshot; its wall clock is right, the host sees to that."""
        assert self._machine is not None
        self.desk.clock._boot, self.desk.clock._running = self._machine
        if disk:
            self.put_back("disk")
        self.wall(0)

    def pause(self, days: float) -> None:
        """The host pauses the virtual machine: its running clock stands still."""
        self.desk.true_time.advance(round(days * DAY))
        self.wall(0)

    def move(self, uptime_days: int) -> None:
        """The state's volume meets another host, which has been up for so long."""
        self.desk.clock._boot += 1000
        self.desk.clock._running = uptime_days * DAY

    def running_clock(self, *, there: bool) -> None:
        """A sandbox hides the running clock, or no longer."""
        self.desk.clock._has_uptime = there

    # ── the vendor ───────────────────────────────────────────────────────────────────────────────────────────────────

    def strict(self) -> None:
        """The policy asks for the countdown."""
        self.desk.vendor.policy = replace(self.desk.vendor.policy, clock_strictness="countdown")

    def server_clock(self, days: float) -> None:
        """The server's clock is wrong by so many days."""
        wrong = round(days * DAY)
        self.desk.vendor.now = lambda: type(self.desk.true_time.now())(self.desk.true_time.now() + wrong)

    def drop_keys(self) -> None:
        """The vendor takes new signing keys, and a root that no longer names the old ones."""
        signers = {role: Ed25519Signer(bytes(range(40 + n, 72 + n))) for n, role in enumerate(SIGNERS)}
        self.desk.vendor.signers = signers
        self.desk.vendor.roots = (make_root(2, signers)[1],)


def seen(decision: Decision) -> str:
    """What a user sees: how far the app runs, and of what it warns or why it does not."""
    if decision.state == "active":
        return "runs"
    main = decision.reasons[0].code.replace("_", " ")
    if decision.state == "expiring":
        end = "" if main == "clock countdown" else f", {decision.days_left} days left"
        return f"runs, warns: {main}{end}"
    return f"{'stopped' if decision.access == 'none' else decision.access}: {main}"

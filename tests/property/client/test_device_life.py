"""
A device's life in any order of events, against a small model of what is true (REL-16, REL-18, SEC-29).

Two promises: nobody honest is ever stopped while the vendor has not said so, and nobody runs at full access after an
authentic refusal, or for longer than the signed window, however the wall clock is set while the device runs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.instant import DAY, HOUR
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, NOW, POLICY
from support.sdk import Desk

SHM = Path("/dev/shm")  # noqa: S108 - memory where there is one: the disk is not what is tested here
HOSTILE = (b"", b"<html>", b"{}", b'{"code":"license_revoked"}', b'{"proof":"a.b.c"}')


class DeviceLife(RuleBasedStateMachine):
    """One device and its vendor."""

    @initialize()
    def unpack(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.desk = Desk(self.folder / "state")
        self.desk.app().activate(LICENSE_KEY)
        self.granted_at = NOW
        self.told = "active"
        self.unrecorded = 0
        self.is_clock_right = True

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def contact(self) -> None:
        if self.desk.transport.online:
            self.told = self.desk.vendor.status
            if self.told == "active":
                self.granted_at = self.desk.true_time.now()

    @rule()
    def refresh(self) -> None:
        self.desk.app().refresh()
        self.contact()

    @rule()
    def activate_again(self) -> None:
        self.desk.app().activate(LICENSE_KEY)
        self.contact()

    @rule(hours=st.integers(1, 24 * 12))
    def run(self, hours: int) -> None:
        """Time passes while the app runs and checks every hour, as little as that is."""
        for _ in range(0, hours, 5):
            self.desk.pass_time(5 * HOUR)
            self.desk.app().check()

    @rule(days=st.integers(1, 12))
    def switch_off(self, days: int) -> None:
        self.desk.clock.power_off(days * DAY)
        self.desk.true_time.advance(days * DAY)
        self.unrecorded += days * DAY + 6 * HOUR

    @rule(shift=st.integers(-60 * DAY, 0))
    def set_the_clock_back(self, shift: int) -> None:
        self.desk.clock.set_wall(self.desk.true_time.now() + shift)
        self.is_clock_right = shift == 0

    @rule(status=st.sampled_from(["active", "license_revoked", "license_suspended"]))
    def vendor_decides(self, status: str) -> None:
        self.desk.vendor.status = status

    @rule()
    def plug_or_unplug(self) -> None:
        self.desk.transport.online = not self.desk.transport.online

    @rule(body=st.sampled_from(HOSTILE), status=st.sampled_from([200, 302, 403, 404, 500]))
    def meet_a_hostile_network(self, body: bytes, status: int) -> None:
        def answer(_: HttpRequest) -> HttpAnswer:
            return HttpAnswer(status=status, body=body)

        app = self.desk.app(transport=MemoryTransport(answer), timeout_seconds=0.001)
        app.refresh()
        for worker in app._workers:  # else the next one who asks might share in its failure
            worker.join(120)

    @rule(victim=st.sampled_from(["state.0", "state.1"]), cut=st.integers(1, 200))
    def damage_one_copy(self, victim: str, cut: int) -> None:
        path = self.desk.state / "hustl" / victim
        path.write_bytes(path.read_bytes()[:-cut])
        self.desk.app().refresh()  # the next contact mends it
        self.contact()
        if not self.desk.transport.online:
            other = "state.1" if victim == "state.0" else "state.0"
            shutil.copy(self.desk.state / "hustl" / other, path)

    @invariant()
    @precondition(lambda self: hasattr(self, "desk"))
    def both_promises_hold(self) -> None:
        decision = self.desk.app().check()
        age = self.desk.true_time.now() - self.granted_at
        window = POLICY.offline_ttl_seconds - 60
        if self.told != "active":
            assert decision.access == "none", "an authentic refusal outranks the grant"
            assert decision.state in {"revoked", "suspended"}
        elif age < window:
            assert decision.access == "full", "nobody honest is stopped, whatever clock and network do"
        else:
            limit = window if self.is_clock_right else window + self.unrecorded + 6 * HOUR
            if age >= limit + HOUR:
                assert decision.access != "full", "the window ends for those who turn their clock as well"
            if age >= limit + POLICY.grace_seconds + HOUR:
                assert decision.access == "none"


LIVES, EVENTS = (2000, 40) if os.environ.get("CARNET_LONG") else (15, 12)
DeviceLife.TestCase.settings = settings(max_examples=LIVES, stateful_step_count=EVENTS, deadline=None)
TestDeviceLife = DeviceLife.TestCase

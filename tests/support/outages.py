"""
The outage laboratory: a real server process, a network with weather, one device, and one clock for all of them.

A month takes seconds. Each day of a story is a row: what the user did, what the network did, what the user saw.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from carnet import Carnet, Decision
from carnet.core.instant import DAY, HOUR, MINUTE
from carnet.testing import FakeClock
from support.outage_network import Network, Weather, weathered

BUDGET_SECONDS = 0.6
"""
The SDK's default is 3 s; a network that swallows everything costs the whole of it each time. On a busy machine it may
be over before there is a connection: what was tried is counted by what the app says, not by what the network met.
"""

_SCRIPT = Path(__file__).with_name("outage_server.py")


class Row(NamedTuple):
    """One moment of a story."""

    when: str
    deed: str
    network: Weather
    state: str
    days_left: int | None
    saw: str

    def line(self) -> str:
        """As a row of a table in Markdown."""
        left = "" if self.days_left is None else str(self.days_left)
        return f"| {self.when} | {self.deed} | {self.network} | {self.state} | {left} | {self.saw} |"


HEAD = "| When | What happens | Network | State | Days left | What the user sees |\n|---|---|---|---|---|---|"


class Server:
    """The vendor's server: a process of its own, with a clock that the story sets."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            said = self._said()
        except ValueError:  # it said nothing: its own words are on standard error
            self.stop()
            raise
        self.port: int = said["port"]
        self.root: str = said["root"]
        self.at: int = said["at"]
        self._token: str = said["token"]
        self._made("/products", {"id": "hustl"})

    def license(self, policy: str, **members: Any) -> str:
        """The key of a new license."""
        key: str = self._made("/licenses", {"product": "hustl", "policy": policy, **members})["key"]
        return key

    def set_clock(self, at: int) -> None:
        """It is *at*."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{int(at)}\n")
        self._process.stdin.flush()
        assert self._said() == {"at": at}
        self.at = at

    def stop(self) -> None:
        """An orderly stop."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait(120)
        self._process.stdout.close()
        assert code == 0

    def _said(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def _made(self, path: str, body: Any) -> Any:
        answer = httpx2.post(
            f"http://127.0.0.1:{self.port}/v1/admin{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=120,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        return answer.json()


class Journey:
    """
    One device on its way through a story.

    Attributes:
        network: What it is connected to.
        rows: What happened so far.
        tried: How many of the starts asked for a refresh in the background and were given none.
        clock: The device's clocks.
    """

    def __init__(self, server: Server, network: Network, state: Path) -> None:
        self.server = server
        self.network = network
        self.rows: list[Row] = []
        self.tried = 0
        self.clock = FakeClock(server.at, uptime_seconds=HOUR)
        self._began = server.at
        self._true = server.at
        self._state = state
        self._running: Carnet | None = None

    @property
    def app(self) -> Carnet:
        """The app that is running."""
        assert self._running is not None
        return self._running

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def until(self, *, days: float = 0, hours: float = 0) -> None:
        """It is so late since the story began, for everyone."""
        self._pass(self._began + int(days * DAY) + int(hours * HOUR) - self._true)

    def power_cycle(self, *, hours: float) -> None:
        """The device is off for so long."""
        self.quit()
        seconds = int(hours * HOUR)
        self._true += seconds
        self.clock.power_off(seconds)
        self.server.set_clock(self._true)

    def _pass(self, seconds: int) -> None:
        assert seconds >= 0, "time goes one way"
        self._true += seconds
        self.clock.advance(seconds)
        self.server.set_clock(self._true)

    # ── what the user does ───────────────────────────────────────────────────────────────────────────────────────────

    def open(self, weather: Weather) -> Decision:
        """The app is opened, and has come to rest."""
        self.quit()
        self.network.weather = weather
        self._running = Carnet(
            product="hustl",
            server=self.network.address,
            root=self.server.root,
            state=self._state,
            device_id="laptop",
            clock=self.clock,
            proxy="",
            timeout_seconds=120 if weather in {"up", "slow"} else BUDGET_SECONDS,
        )
        decision = self._running.start()
        assert self._running.settle(120)
        problem = self._running.last_problem
        self.tried += problem is not None and problem.code != "asked_lately"
        return decision

    def quit(self) -> None:
        """The app is closed."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def other_network(self, weather: Weather, *, minutes: int) -> None:
        """Another network for so many minutes, while the app runs: the kernel says so, and the app looks."""
        app = self.app
        self.network.weather = weather
        app._timeout_seconds = 20
        for _ in range(minutes):
            self._pass(MINUTE)
            app.network_changed()
            assert app.settle(120)

    def note(self, when: str, deed: str, decision: Decision | None = None) -> Row:
        """Write down what the user sees now, or saw of *decision*."""
        shown = self.app.check() if decision is None else decision
        saw = "nothing: it just works" if shown.notice is None else shown.notice.title
        row = Row(when, deed, self.network.weather, shown.state, shown.days_left, saw)
        self.rows.append(row)
        return row

    def tell(self, title: str) -> str:
        """The story so far as a table, which `pytest -s` prints below *title*."""
        text = "\n".join((HEAD, *(row.line() for row in self.rows), ""))
        sys.stdout.write(f"\n## {title}\n\n{text}")
        return text


@contextmanager
def journey(server: Server, folder: Path) -> Iterator[Journey]:
    """A device for one story, which begins where the one before ended."""
    with weathered(server.port) as network:
        made = Journey(server, network, folder / "device")
        try:
            yield made
        finally:
            made.quit()

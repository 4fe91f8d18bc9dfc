"""Every call of both faces through every fault of a network, against a real server process (REL-16, REL-17)."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet
from carnet.core.instant import DAY, HOUR
from carnet.testing import FakeClock
from support.outage_network import WEATHERS, Weather, weathered
from support.outages import Server

BUDGETS = (0.3, 3.0, 12.0)
"""On a busy machine the first may be over before there is a connection."""

HANGS_SECONDS = 60
"""Where nothing ends by itself a call without a limit takes minutes: an answer that drips takes five."""

BAD: tuple[Weather, ...] = tuple(weather for weather in WEATHERS if weather not in {"up", "slow"})
CALLS: dict[str, Callable[[Any, str], Any]] = {
    "start": lambda app, _: app.start(),
    "refresh": lambda app, _: app.refresh(),
    "activate": lambda app, key: app.activate(key),
    "prepare_offline": lambda app, _: app.prepare_offline(days=20),
    "deactivate": lambda app, _: app.deactivate(),
}


class Laptop:
    """A device with a grant whose refresh is due, as it was before every test."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.key = server.license("consumer")
        self._folder, self._origin = folder, folder / "origin"
        self.state = self._origin
        self._numbers = itertools.count(1)
        self.clock = FakeClock(server.at, uptime_seconds=HOUR)
        with Carnet(**self.settings(f"http://127.0.0.1:{server.port}", state=self._origin, timeout_seconds=120)) as app:
            assert app.activate(self.key).state == "active"
        self.clock.advance(2 * DAY)
        server.set_clock(self.clock.now())
        Carnet(**self.settings("http://127.0.0.1:9", state=self._origin)).check()  # writes down the running time

    def settings(self, address: str, **settings: Any) -> dict[str, Any]:
        """For a client of either face."""
        given = {"product": "hustl", "root": self.server.root, "device_id": "laptop", "clock": self.clock, "proxy": ""}
        return {**given, "server": address, "timeout_seconds": BUDGETS[0], **settings}

    def restored(self) -> Path:
        """The state as it was, in a place of its own: a call that is late may still write into the last one."""
        self.state = self._folder / f"state-{next(self._numbers)}"
        shutil.copytree(self._origin, self.state)
        return self.state

    def files(self) -> dict[str, bytes]:
        """The copies of the state."""
        return {path.name: path.read_bytes() for path in sorted((self.state / "hustl").glob("state.*"))}


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    server = Server(tmp_path_factory.mktemp("vendor"))
    try:
        yield Laptop(server, tmp_path_factory.mktemp("laptop"))
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


@pytest.mark.parametrize("weather", BAD)
def test_rel_16_no_call_in_any_weather_changes_a_grant_or_takes_long(laptop: Laptop, weather: Weather) -> None:
    with weathered(laptop.server.port) as network:
        network.weather = weather
        for name, call in CALLS.items():
            for seconds in BUDGETS:
                met = network.met[weather]
                app = Carnet(**laptop.settings(network.address, state=laptop.restored(), timeout_seconds=seconds))
                before, decision = laptop.files(), app.check()
                began = time.monotonic()
                assert call(app, laptop.key) == decision, name
                assert app.settle(120)
                assert time.monotonic() - began < HANGS_SECONDS, name
                assert app.last_problem is not None, name
                assert laptop.files() == before, name
                app.close()
                if network.met[weather] > met:
                    break
            else:
                pytest.fail(f"{name} never came to the network")
        with Carnet(**laptop.settings(network.address, state=laptop.restored())) as app, app.lease() as seat:
            assert not seat
            assert seat.last_problem is not None


@pytest.mark.parametrize("weather", BAD)
def test_rel_16_the_same_on_an_event_loop(laptop: Laptop, weather: Weather) -> None:
    async def story(address: str) -> None:
        for name, call in CALLS.items():
            async with AsyncCarnet(**laptop.settings(address, state=laptop.restored())) as app:
                before, decision = laptop.files(), await app.check()
                answer: Awaitable[Any] = call(app, laptop.key)
                assert await answer == decision, name
                assert await app.settle(120)
                assert app.last_problem is not None, name
                assert laptop.files() == before, name

    with weathered(laptop.server.port) as network:
        network.weather = weather
        asyncio.run(asyncio.wait_for(story(network.address), 120))


def test_when_the_weather_clears_every_call_works_at_once(laptop: Laptop) -> None:
    with weathered(laptop.server.port) as network:
        app = Carnet(**laptop.settings(network.address, state=laptop.restored(), timeout_seconds=120))
        with app:
            for name, call in CALLS.items():
                network.weather = "slow"
                call(app, laptop.key)
                assert app.settle(120)
                assert app.last_problem is None, name
                if name == "deactivate":
                    assert app.check().state == "not_activated"
                    assert app.activate(laptop.key).state == "active"

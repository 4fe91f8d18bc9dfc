"""Told by the kernel that the network has changed, and asleep until then (R-34, issue 5)."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import threading
import time
from typing import Any, Self

import pytest

from carnet import AsyncCarnet
from carnet.client import network
from carnet.client.aio_background import AsyncBell
from carnet.client.background import Bell
from carnet.client.network import NONE, NetworkWatch, Woken, local_network
from carnet.client.upkeep import Rest
from carnet.core.instant import DAY, HOUR, MINUTE
from support.issuing import LICENSE_KEY, ROOT_TEXT
from support.sdk import BUDGET_SECONDS, PATIENCE_SECONDS, Desk

FOREVER = 3600.0
"""Who sleeps on so long has missed what should have woken him: the test ends by its time limit."""


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


class Routes:
    """Sockets of a system with these ways out: address to send from, or what it says instead."""

    def __init__(self, *ways: str | OSError) -> None:
        self.ways = list(ways)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, *_: object) -> Routes:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, far: tuple[str, int]) -> None:
        self.asked.append(far)
        if isinstance(self.ways[0], OSError):
            raise self.ways.pop(0)  # type: ignore[misc]

    def getsockname(self) -> tuple[Any, int]:
        return self.ways.pop(0), 0


@pytest.mark.parametrize(
    ("ways", "told"),
    [
        ((OSError(101, "unreachable"), OSError(101, "unreachable")), NONE),
        ((PermissionError(1, "sandbox"),), ""),
        ((OSError(101, "unreachable"), PermissionError(1, "sandbox")), ""),
    ],
)
def test_what_the_way_out_looks_like(monkeypatch: pytest.MonkeyPatch, ways: tuple[OSError, ...], told: str) -> None:
    monkeypatch.setattr("carnet.client.network.socket.socket", Routes(*ways))
    assert local_network() == told


def test_another_address_is_another_network_and_no_address_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for ways in (
        ("10.0.0.7", OSError()),
        ("10.0.0.8", OSError()),
        ("10.0.0.7", "2001:db8::7"),
        ("10.0.0.7", OSError()),
    ):
        routes = Routes(*ways)
        monkeypatch.setattr("carnet.client.network.socket.socket", routes)
        seen.append(local_network())
        assert {far for far, _ in routes.asked} == {"192.0.2.1", "2001:db8::1"}, "addresses that nobody has (RFC 5737)"
    assert seen[0] == seen[3]
    assert len(set(seen)) == 3
    assert not any("10.0" in text or text == NONE for text in seen)


def test_this_machine_tells_something() -> None:
    assert local_network() == local_network()


def told_by(kernel_side: socket.socket, watch: NetworkWatch) -> NetworkWatch:
    """*watch*, with reports that come from *kernel_side*'s other end."""
    if watch.reports is not None:
        watch.reports.close()
    watch.reports = kernel_side
    watch.reports.setblocking(False)
    return watch


def test_a_report_of_the_kernel_ends_the_sleep_and_a_ring_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SETTLE_SECONDS", 0.01)
    reports, kernel = socket.socketpair()
    watch = told_by(reports, NetworkWatch())
    kernel.send(b"a route has changed" * 1000)
    assert watch.wait(FOREVER) == "changed"
    assert watch.wait(0.01) == "over", "it is read to its end"
    threading.Timer(0.05, watch.ring).start()
    assert watch.wait(FOREVER) == "rung"
    kernel.close()
    watch.close()
    assert watch.wait(FOREVER) == "deaf", "closed: nobody sleeps on it"


def test_a_swarm_of_reports_is_one_change_and_a_ring_does_not_wait_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SETTLE_SECONDS", 0.3)
    reports, kernel = socket.socketpair()
    watch = told_by(reports, NetworkWatch())
    hear = watch._hear

    def settling(seconds: float, otherwise: Woken, *, listens: bool = True) -> Woken:
        if seconds == network.SETTLE_SECONDS:
            kernel.send(b"second")
        return hear(seconds, otherwise, listens=listens)

    monkeypatch.setattr(watch, "_hear", settling)
    kernel.send(b"first")
    assert watch.wait(FOREVER) == "changed"
    assert watch.wait(0.01) == "over", "the second was part of it"
    monkeypatch.setattr(watch, "_hear", hear)
    monkeypatch.setattr(network, "SETTLE_SECONDS", FOREVER)
    kernel.send(b"third")
    threading.Timer(0.05, watch.ring).start()
    assert watch.wait(FOREVER) == "rung"
    kernel.close()
    watch.close()


def test_users_ask_58_a_host_with_thousands_of_descriptors_is_not_kept_busy() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        watch = NetworkWatch()
        assert watch._bell.fileno() >= 1024
        threading.Timer(0.05, watch.ring).start()
        assert watch.wait(FOREVER) == "rung", "it slept, and heard the ring"
        watch.close()
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Cut(NetworkWatch):
    """As a host leaves it that becomes a daemon and closes every descriptor."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Cut.made += 1
        self._rope.close()


def test_users_ask_58_a_host_that_closes_every_descriptor_is_not_kept_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "NetworkWatch", Cut)
    monkeypatch.setattr(Cut, "made", 0)
    bell, rounds = Bell(), 0

    def sleep_on() -> None:
        nonlocal rounds
        while not bell.is_closed:
            bell.rest(Rest(seconds=FOREVER, watches=True))
            rounds += 1
        bell.leave()

    sleeper = threading.Thread(target=sleep_on, daemon=True)
    sleeper.start()
    assert bell.rested(PATIENCE_SECONDS)
    sleeper.join(0.3)
    assert rounds == 0, "it sleeps by the clock"
    bell.ring()
    assert bell.rested(PATIENCE_SECONDS)
    bell.close()
    sleeper.join(PATIENCE_SECONDS)
    assert not sleeper.is_alive()
    assert (rounds, Cut.made) == (2, 2)


def test_where_nothing_is_reported_it_looks_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_reports", lambda: None)
    monkeypatch.setattr(network, "LOOK_SECONDS", 0.02)
    watch = NetworkWatch()
    assert watch.wait(FOREVER) == "changed"
    watch.close()


def test_linux_reports_to_anyone() -> None:
    watch = NetworkWatch()
    assert (watch.reports is not None) == hasattr(socket, "AF_NETLINK")
    watch.close()


def test_an_overdue_app_sleeps_on_the_kernels_reports_and_a_fresh_one_holds_no_descriptor() -> None:
    bell = Bell()
    sleeper = threading.Thread(target=lambda: bell.rest(Rest(seconds=FOREVER, watches=True)), daemon=True)
    sleeper.start()
    assert bell.rested(PATIENCE_SECONDS)
    assert bell._watch is not None
    bell.ring()
    sleeper.join(PATIENCE_SECONDS)
    assert not sleeper.is_alive()
    bell.rest(Rest(seconds=0.01))
    assert bell._watch is None


def test_a_ring_that_comes_before_the_sleep_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    bell.rest(Rest(seconds=FOREVER))


# ── on an event loop ─────────────────────────────────────────────────────────────────────────────────────────────────


def problem_of(app: AsyncCarnet) -> str | None:
    return None if app.last_problem is None else app.last_problem.code


def app_of(desk: Desk) -> AsyncCarnet:
    return AsyncCarnet(
        product="hustl",
        server="https://license.example.com",
        root=ROOT_TEXT,
        state=desk.state,
        device_id="line-4",
        clock=desk.clock,
        transport=desk.transport,
        timeout_seconds=BUDGET_SECONDS,
    )


def test_on_a_loop_an_overdue_refresh_is_tried_when_the_network_is_back(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)

    async def story() -> None:
        desk.transport.online = False
        async with app_of(desk) as app:
            await app.start()
            assert await app.settle(PATIENCE_SECONDS)
            assert problem_of(app) == "server_unreachable"
            assert app._upkeep is not None
            app._upkeep.chance = lambda: 0.0
            for _ in range(6):
                desk.pass_time(2 * HOUR)
                app.network_changed()
                assert await app.settle(PATIENCE_SECONDS)
            desk.transport.online = True
            desk.pass_time(MINUTE)
            app.network_changed()
            assert await app.settle(PATIENCE_SECONDS)
            assert problem_of(app) is None
            plan = app._upkeep.next()
            assert isinstance(plan, Rest)
            assert not plan.watches

    asyncio.run(asyncio.wait_for(story(), PATIENCE_SECONDS))


def test_on_a_loop_the_kernels_reports_wake_the_task() -> None:
    async def story() -> None:
        bell = AsyncBell()
        task = asyncio.create_task(bell.rest(Rest(seconds=FOREVER, watches=True)))
        assert await bell.rested(PATIENCE_SECONDS)
        bell.ring()
        await asyncio.wait_for(task, PATIENCE_SECONDS)

    asyncio.run(story())


def test_on_a_loop_a_swarm_of_reports_is_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.aio_background.SETTLE_SECONDS", 0.2)
    reports, kernel = socket.socketpair()
    reports.setblocking(False)
    monkeypatch.setattr(network, "_reports", lambda: reports)

    async def story() -> float:
        bell = AsyncBell()
        task = asyncio.create_task(bell.rest(Rest(seconds=FOREVER, watches=True)))
        assert await bell.rested(PATIENCE_SECONDS)
        began = time.monotonic()
        for _ in range(100):
            kernel.send(b"a route has changed")
        await asyncio.wait_for(task, PATIENCE_SECONDS)
        assert not bell._rung.is_set()
        return time.monotonic() - began

    assert asyncio.run(story()) > 0.19
    kernel.close()


def test_on_a_loop_a_forgotten_client_ends_its_task(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)

    async def story() -> None:
        app = app_of(desk)
        await app.start()
        assert await app.settle(PATIENCE_SECONDS)
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "carnet"]
        del app
        gc.collect()
        await asyncio.wait_for(task, PATIENCE_SECONDS)

    asyncio.run(story())


def test_a_client_may_be_started_on_one_loop_after_another(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    app = app_of(desk)

    async def story() -> None:
        desk.pass_time(2 * DAY)
        assert (await app.start()).state == "active"
        assert await app.settle(PATIENCE_SECONDS)
        assert app.last_problem is None

    asyncio.run(story())
    asyncio.run(story())
    assert len(desk.transport.requests) == 3
    asyncio.run(app.aclose())

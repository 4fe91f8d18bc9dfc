"""What a user interface is told, on which thread, and what its mistakes cost (R-32, R-43, users-ask 58)."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet, Event
from carnet.client.events import Listeners
from carnet.client.upkeep import Rest
from carnet.core.instant import DAY
from support.issuing import LICENSE_KEY, ROOT_TEXT
from support.sdk import BUDGET_SECONDS, PATIENCE_SECONDS, Desk, wait_for_background


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


class Screen:
    """A user interface that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.threads: set[str] = set()
        self._more = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._more:
            self.events.append(event)
            self.threads.add(threading.current_thread().name)
            self._more.notify_all()

    def told(self, count: int) -> list[str]:
        """The kinds of events, as soon as there are *count*."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.events) >= count, PATIENCE_SECONDS), self.kinds()
            return self.kinds()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def look(app: Carnet) -> None:
    assert app._bell is not None
    app._bell.ring()
    wait_for_background(app)


def test_an_activation_is_told_as_what_changed_and_that_it_finished(desk: Desk) -> None:
    screen = Screen()
    app = desk.app()
    app.subscribe(screen)
    app.check()
    assert screen.told(1) == ["notice_due"]
    assert screen.events[0].decision.notice is not None
    assert screen.events[0].decision.notice.code == "not_activated"
    granted = app.activate(LICENSE_KEY)
    assert screen.told(3) == ["notice_due", "decision_changed", "refresh_finished"]
    changed, finished = screen.events[1:]
    assert changed.before is not None
    assert (changed.before.state, changed.decision) == ("not_activated", granted)
    assert (finished.decision, finished.problem) == (granted, None)
    assert screen.threads == {"carnet-events"}, "never the thread of whoever asked"


def test_r_43_an_app_that_runs_is_told_of_the_days_that_are_left_without_asking(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    screen = Screen()
    with desk.app() as app:
        app.subscribe(screen)
        app.start()
        wait_for_background(app)
        for _ in range(38 * 4):
            desk.pass_time(DAY // 4)
            look(app)
    notices = [event.decision.notice.title for event in screen.events if event.kind == "notice_due"]  # type: ignore[union-attr]
    assert notices[:3] == [f"Offline license expires in {days} days" for days in (10, 9, 8)]
    assert "Offline license expires in 1 day" in notices
    assert "Offline license expired" in notices
    assert notices[-1] == "License validation required"
    states = [event.decision.state for event in screen.events if event.kind == "decision_changed"]
    assert list(dict.fromkeys(states)) == ["active", "expiring", "grace", "expired"]


def test_with_a_listener_the_background_wakes_when_what_people_see_changes_and_no_sooner(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(19 * DAY)
    without_server = Carnet(product="hustl", root=ROOT_TEXT, state=desk.state, device_id="line-4", clock=desk.clock)
    screen = Screen()
    with without_server as app:
        app.subscribe(screen)
        app.start()
        wait_for_background(app)
        assert app._upkeep is not None
        rests = []
        for _ in range(20):
            plan = app._upkeep.next()
            assert isinstance(plan, Rest)
            assert plan.seconds is not None
            rests.append(plan.seconds)
            desk.pass_time(int(plan.seconds))
            look(app)
        assert set(rests[1:]) == {DAY}, "once a day, while days are counted"
        assert app.check().state == "expired"
        screen.told(30)


def test_a_notice_is_told_once_and_again_when_it_comes_back(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    screen = Screen()
    app = desk.app()
    app.subscribe(screen)
    desk.pass_time(25 * DAY)
    for _ in range(5):
        app.check()
    app.refresh()
    desk.pass_time(25 * DAY)
    app.check()
    assert screen.told(5) == ["notice_due", "decision_changed", "refresh_finished", "decision_changed", "notice_due"]


def test_a_refresh_without_an_answer_is_told_with_its_problem(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)
    desk.transport.online = False
    screen = Screen()
    with desk.app() as app:
        app.subscribe(screen)
        app.start()
        wait_for_background(app)
        assert screen.told(1) == ["refresh_finished"]
    (event,) = screen.events
    assert event.problem is not None
    assert event.problem.code == "server_unreachable"
    assert event.decision.state == "active"


def test_users_ask_58_a_listener_that_raises_is_logged_and_called_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Event) -> None:
        raise RuntimeError("a mistake of the host")

    screen = Screen()
    app = desk.app()
    app.subscribe(broken)
    app.subscribe(screen)
    with caplog.at_level(logging.ERROR, "carnet"):
        app.activate(LICENSE_KEY)
        screen.told(1)
        app.deactivate()
        screen.told(3)
    assert len(caplog.records) >= 2
    assert all(record.name == "carnet" for record in caplog.records)


def test_users_ask_58_a_listener_that_exits_keeps_no_event_from_others(desk: Desk) -> None:
    screen = Screen()
    app = desk.app()
    app.subscribe(lambda _: sys.exit(3))
    app.subscribe(screen)
    app.activate(LICENSE_KEY)
    screen.told(1)
    app.deactivate()
    screen.told(3)


def test_a_slow_listener_delays_nothing_but_events(desk: Desk) -> None:
    go = threading.Event()
    app = desk.app()

    def slow(_: Event) -> None:
        assert go.wait(120)

    app.subscribe(slow)
    assert app.activate(LICENSE_KEY).state == "active"
    assert app.refresh().state == "active"
    assert app.check().state == "active"
    go.set()


def test_a_listener_may_ask_and_may_leave(desk: Desk) -> None:
    """Calls back into the client from a listener do not wait for themselves; who left is not told any more."""
    seen: list[str] = []
    done = threading.Event()
    app = desk.app()

    def curious(_: Event) -> None:
        seen.append(app.check().state)
        leave()
        leave()
        done.set()

    leave = app.subscribe(curious)
    screen = Screen()
    stop = app.subscribe(screen)
    app.activate(LICENSE_KEY)
    assert done.wait(120)
    screen.told(1)
    stop()
    told = len(screen.events)
    app.deactivate()
    app.activate(LICENSE_KEY)
    other = Screen()
    app.subscribe(other)
    app.refresh()
    other.told(1)
    assert len(seen) == 1
    assert len(screen.events) <= told + 1


def test_two_clients_do_not_hear_each_other(desk: Desk) -> None:
    one, two = desk.app(), desk.app()
    screens = Screen(), Screen()
    one.subscribe(screens[0])
    two.subscribe(screens[1])
    one.activate(LICENSE_KEY)
    screens[0].told(1)
    assert screens[1].events == []
    assert not [thread for thread in threading.enumerate() if thread.name == "carnet-events" and not thread.daemon]


def test_on_an_event_loop_listeners_are_called_on_it(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)
    settings: dict[str, Any] = {"state": desk.state, "device_id": "line-4", "clock": desk.clock}

    async def story() -> None:
        here, seen = threading.get_ident(), []

        def listen(event: Event) -> None:
            seen.append((threading.get_ident(), event.kind))
            if event.kind == "refresh_finished":
                finished.set()
                raise RuntimeError("a mistake of the host")

        finished = asyncio.Event()
        async with AsyncCarnet(
            product="hustl",
            server="https://license.example.com",
            root=ROOT_TEXT,
            transport=desk.transport,
            timeout_seconds=BUDGET_SECONDS,
            **settings,
        ) as app:
            stop = app.subscribe(listen)
            await app.start()
            await asyncio.wait_for(finished.wait(), 120)
            assert await app.settle(120)
            assert seen == [(here, "decision_changed"), (here, "refresh_finished")], "of 28 days it is 30 again"
            desk.vendor.status = "license_revoked"
            finished.clear()
            assert (await app.refresh()).state == "revoked"
            await asyncio.wait_for(finished.wait(), 120)
            assert [kind for _, kind in seen[2:]] == ["decision_changed", "notice_due", "refresh_finished"]
            stop()
            desk.vendor.status = "active"
            await app.refresh()
            await asyncio.sleep(0)
            assert len(seen) == 5

    with caplog.at_level(logging.ERROR, "carnet"):
        asyncio.run(asyncio.wait_for(story(), 120))
    assert len(caplog.records) == 2


def test_who_left_is_not_told_what_was_on_its_way(desk: Desk) -> None:
    under_way: list[Callable[[], None]] = []
    seen: list[Event] = []
    listeners = Listeners(under_way.append)
    leave = listeners.add(seen.append)
    listeners.see(desk.app().check())
    assert len(under_way) == 1
    leave()
    under_way[0]()
    assert seen == []

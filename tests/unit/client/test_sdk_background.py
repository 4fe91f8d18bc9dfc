"""Kept fresh in the background: back-off across starts, one flight for all, a good guest (R-34, REL-17)."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from carnet import Carnet
from carnet.client.attempts import FILE, AttemptsFile
from carnet.client.network import NONE
from carnet.client.schedule import FREE_STARTS
from carnet.client.upkeep import Rest, Upkeep
from carnet.client.wire import HttpAnswer, HttpRequest, Pause
from carnet.core.errors import TransportError
from carnet.core.instant import DAY, HOUR, MINUTE
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, NOW, ROOT_TEXT
from support.sdk import Desk, wait_for_background

UNAVAILABLE = HttpAnswer(status=503, body=b"{}")


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


@pytest.fixture
def due(desk: Desk) -> Desk:
    """An activated device whose refresh is due."""
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)
    desk.transport.requests.clear()
    return desk


def contacts(desk: Desk) -> int:
    """How many contacts there were: several attempts with one key are one."""
    return len({dict(request.headers)["Idempotency-Key"] for request in desk.transport.requests})


def upkeep_of(app: Carnet) -> Upkeep:
    assert app._upkeep is not None
    return app._upkeep


def problem_of(app: Carnet) -> str | None:
    return None if app.last_problem is None else app.last_problem.code


def look(app: Carnet) -> None:
    """Wake the background, as the time that it rests for would, and let it look."""
    assert app._bell is not None
    app._bell.ring()
    wait_for_background(app)


# ── while all is well ────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_34_an_app_that_runs_for_weeks_is_refreshed_at_the_policys_cadence_and_rests_in_between(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    with desk.app() as app:
        app.start()
        wait_for_background(app)
        rests = []
        for _ in range(10):
            plan = upkeep_of(app).next()
            assert isinstance(plan, Rest)
            assert plan.seconds is not None
            assert not plan.watches
            rests.append(plan.seconds)
            desk.pass_time(int(plan.seconds))
            look(app)
        assert contacts(desk) == 11
        assert all(DAY - 61 <= rest <= DAY + HOUR for rest in rests), "0 wake-ups more often than the cadence"
        assert len(set(rests)) > 5, "devices that were activated together do not stay together"


def test_a_device_without_a_license_rests_until_it_has_one(desk: Desk) -> None:
    with desk.app() as app:
        app.start()
        wait_for_background(app)
        assert upkeep_of(app).next() == Rest(seconds=None)
        app.activate(LICENSE_KEY)
        desk.pass_time(2 * DAY)
        look(app)
        assert [request.path for request in desk.transport.requests] == ["/v1/activate", "/v1/refresh"]


def test_air_gapped_there_is_no_background(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    app = Carnet(product="hustl", root=desk.app()._config.root, state=desk.state, device_id="line-4", clock=desk.clock)
    assert app.start().state == "active"
    assert app._bell is None
    app.network_changed()
    assert app.settle()


def test_a_grant_that_cannot_get_fresher_is_asked_for_once_a_cadence(due: Desk) -> None:
    """A clock that is years ahead: every artifact is due as soon as it is here."""
    due.clock.set_wall(NOW + 200 * DAY)
    with due.app() as app:
        app.start()
        for _ in range(5):
            look(app)
        assert contacts(due) <= 3, "the start's and its repetition with the signed time, and no loop"
        plan = upkeep_of(app).next()
        assert isinstance(plan, Rest)
        assert plan.seconds == DAY


# ── during an outage ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_rel_17_an_app_started_a_hundred_times_in_an_hour_of_outage_does_not_hammer(due: Desk) -> None:
    due.transport.online = False
    for _ in range(100):
        with due.app() as app:
            assert app.start().state == "active"
            wait_for_background(app)
            assert app.last_problem is not None
        due.pass_time(36)
    asked = contacts(due)
    assert FREE_STARTS < asked <= 14
    while contacts(due) == asked:  # until a pause has just begun: pauses are of any length, and one could end below
        due.pass_time(36)
        with due.app() as app:
            app.start()
            wait_for_background(app)
    due.transport.online = True
    with due.app() as app:
        app.start()
        wait_for_background(app)
        assert problem_of(app) == "asked_lately"
        assert "server_unreachable" in str(app.last_problem)
        assert app.refresh().state == "active", "what a person asks for is asked"
        assert problem_of(app) is None
    assert not (due.state / "hustl" / FILE).exists(), "all is forgotten"


def test_rel_17_an_app_that_crashes_while_it_asks_counts_as_one_that_failed(due: Desk) -> None:
    attempts = AttemptsFile(str(due.state / "hustl"))
    for _ in range(FREE_STARTS):
        claimed, _ = attempts.claim(
            due.clock.now(), "", is_start=True, is_nudged=False, is_asked_for=False, busy_seconds=5, chance=0.5
        )
        assert claimed == "ask"
        due.pass_time(6)
    with due.app() as app:
        app.start()
        wait_for_background(app)
        assert contacts(due) == 0
    due.pass_time(2 * HOUR)
    with due.app() as app:
        app.start()
        wait_for_background(app)
        assert contacts(due) == 1


def test_a_running_app_backs_off_and_comes_back_by_itself(due: Desk) -> None:
    due.transport.online = False
    with due.app() as app:
        app.start()
        wait_for_background(app)
        rests = []
        for _ in range(9):
            plan = upkeep_of(app).next()
            assert isinstance(plan, Rest)
            assert plan.seconds is not None
            assert plan.watches
            rests.append(plan.seconds)
            due.pass_time(int(plan.seconds))
            look(app)
        assert contacts(due) == 10
        assert rests[0] < 3 * MINUTE
        assert max(rests) <= 1.5 * HOUR
        assert sum(rests) > 2 * HOUR
        due.transport.online = True
        due.pass_time(2 * HOUR)
        look(app)
        assert app.last_problem is None
        assert app.check().renew_after > due.clock.now()  # type: ignore[operator]


def test_what_the_server_asks_for_is_kept_to_for_an_hour_at_most(due: Desk) -> None:
    asked = [40, 10**6]
    app = due.app(
        transport=MemoryTransport(lambda _: HttpAnswer(status=429, body=b"", retry_after_seconds=asked[0])),
        timeout_seconds=30,
    )
    with app:
        app.start()
        wait_for_background(app)
        memory = AttemptsFile(str(due.state / "hustl")).read()
        assert memory is not None
        assert memory.next_at >= memory.attempted_at + 40
        assert memory.code == "out_of_time"
        asked.pop(0)
        due.pass_time(2 * HOUR)
        look(app)
        memory = AttemptsFile(str(due.state / "hustl")).read()
        assert memory is not None
        assert HOUR <= memory.next_at - memory.attempted_at <= 2 * HOUR


# ── when the network comes back ──────────────────────────────────────────────────────────────────────────────────────


def test_r_34_five_minutes_of_another_network_are_enough(due: Desk) -> None:
    due.transport.online = False
    with due.app() as app:
        app.start()
        wait_for_background(app)
        upkeep = upkeep_of(app)
        upkeep.network = lambda: NONE
        for _ in range(12):
            due.pass_time(2 * HOUR)
            look(app)
        assert upkeep.network() == NONE
        tried = contacts(due)
        due.transport.online = True
        upkeep.network = lambda: "a working VPN"
        for _ in range(4):
            due.pass_time(MINUTE)
            look(app)
        assert contacts(due) == tried + 1
        assert app.last_problem is None


def test_a_network_that_flaps_is_no_reason_to_ask_more_than_once_a_minute(due: Desk) -> None:
    due.transport.online = False
    with due.app() as app:
        app.start()
        wait_for_background(app)
        upkeep, names = upkeep_of(app), iter(range(10_000))
        upkeep.network = lambda: f"network {next(names)}"
        upkeep.chance = lambda: 0.0
        for _ in range(600):
            due.pass_time(1)
            look(app)
        assert contacts(due) <= 12


def test_a_host_may_say_that_the_network_is_back(due: Desk) -> None:
    due.transport.online = False
    with due.app() as app:
        app.start()
        wait_for_background(app)
        upkeep_of(app).chance = lambda: 0.0
        for _ in range(8):
            due.pass_time(2 * HOUR)
            look(app)
        due.transport.online = True
        due.pass_time(MINUTE)
        look(app)
        assert problem_of(app) is not None, "its time has not come"
        app.network_changed()
        wait_for_background(app)
        assert problem_of(app) is None


# ── one flight ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Gate(MemoryTransport):
    """A network that answers when the test says so."""

    def __init__(self, answer: Callable[[HttpRequest], HttpAnswer]) -> None:
        super().__init__(answer)
        self.asked = threading.Event()
        self.go = threading.Event()

    def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        self.asked.set()
        assert self.go.wait(120)
        return super().send(request, timeout_seconds=timeout_seconds)


@pytest.mark.parametrize("is_reachable", [True, False])
def test_sixteen_threads_that_refresh_at_once_ask_once(
    due: Desk, monkeypatch: pytest.MonkeyPatch, *, is_reachable: bool
) -> None:
    def answer(request: HttpRequest) -> HttpAnswer:
        if not is_reachable:
            raise TransportError("server_unreachable", "No route.")
        return due.vendor.answer(request)

    waiting: set[int] = set()
    all_wait = threading.Event()

    def pause(seconds: float) -> Pause:
        waiting.add(threading.get_ident())
        if len(waiting) == 15:
            all_wait.set()
        return Pause(seconds=seconds)

    monkeypatch.setattr("carnet.client.turns.Pause", pause)
    gate = Gate(answer)
    apps = [due.app(transport=gate, timeout_seconds=60) for _ in range(4)]
    said: list[str] = []
    threads = [threading.Thread(target=lambda app=app: said.append(app.refresh().state)) for app in apps * 4]
    for thread in threads:
        thread.start()
    assert gate.asked.wait(120)
    assert all_wait.wait(120), "the others wait for the one"
    gate.go.set()
    for thread in threads:
        thread.join(120)
    assert said == ["active"] * 16
    keys = {dict(request.headers)["Idempotency-Key"] for request in gate.requests}
    assert len(keys) == 1
    assert all((app.last_problem is None) == is_reachable for app in apps)


def test_a_start_without_access_takes_over_what_another_one_is_fetching(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = threading.Event()

    def pause(seconds: float) -> Pause:
        waiting.set()
        return Pause(seconds=seconds)

    monkeypatch.setattr("carnet.client.turns.Pause", pause)
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(60 * DAY)
    gate = Gate(desk.vendor.answer)
    first, second = (desk.app(transport=gate, timeout_seconds=60) for _ in range(2))
    said: list[str] = []
    threads = [threading.Thread(target=lambda app=app: said.append(app.start().state)) for app in (first, second)]
    for thread in threads:
        thread.start()
    assert gate.asked.wait(120)
    assert waiting.wait(120)
    gate.go.set()
    for thread in threads:
        thread.join(120)
    assert said == ["active"] * 2
    assert len(gate.requests) == 1
    first.close()
    second.close()


def test_who_crashed_while_asking_keeps_nobody_for_long(due: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = AttemptsFile(str(due.state / "hustl"))
    crashed.claim(due.clock.now(), "", is_start=True, is_nudged=False, is_asked_for=False, busy_seconds=200, chance=0.0)
    waited: list[float] = []
    with monkeypatch.context() as quick:
        quick.setattr("carnet.client.driving.time.sleep", waited.append)
        app = due.app(timeout_seconds=50)
        assert app.refresh().state == "active"
    assert app.last_problem is None
    assert 24 < sum(each for each in waited if each == 0.05) < 26, "a person waits for half of the budget at most"
    due.pass_time(2 * DAY)
    crashed.claim(due.clock.now(), "", is_start=True, is_nudged=False, is_asked_for=False, busy_seconds=5, chance=0.0)
    due.pass_time(6)
    with due.app() as other:
        other.start()
        wait_for_background(other)
        assert other.last_problem is None


def test_a_memory_that_cannot_be_written_or_read_is_kept_by_the_process(due: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    attempts = AttemptsFile(str(tmp_path / "file" / "hustl"))
    given = {"is_start": False, "is_nudged": False, "is_asked_for": False, "busy_seconds": 5, "chance": 0.5}
    assert attempts.claim(NOW, "", **given)[0] == "ask"  # type: ignore[arg-type]
    attempts.end(NOW, "server_unreachable", wait_seconds=60)
    assert attempts.claim(NOW + 59, "", **given)[0] == "later"  # type: ignore[arg-type]
    assert attempts.claim(NOW + 60, "", **given)[0] == "ask"  # type: ignore[arg-type]
    for content in (b"", b"{}x", b'{"failures":-1}', b'{"code":7}', b"\xff" * 9000):
        (due.state / "hustl" / FILE).write_bytes(content)
        with due.app() as app:
            app.start()
            wait_for_background(app)
            assert app.last_problem is None
        due.pass_time(2 * DAY)


# ── a good guest ─────────────────────────────────────────────────────────────────────────────────────────────────────


def carnet_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("carnet")]


def test_closing_and_forgetting_end_the_thread(due: Desk) -> None:
    before = set(carnet_threads())
    app = due.app()
    app.start()
    (thread,) = set(carnet_threads()) - before
    assert thread.daemon
    app.close()
    thread.join(120)
    assert not thread.is_alive()
    forgotten = due.app()
    forgotten.start()
    wait_for_background(forgotten)
    (thread,) = set(carnet_threads()) - before
    del forgotten
    gc.collect()
    thread.join(120)
    assert not thread.is_alive(), "a plug-in that its host has unloaded leaves nothing behind"


def test_a_client_that_is_collected_in_the_middle_of_anything_ends_its_thread_too(due: Desk) -> None:
    """The collector of garbage may come on a thread that holds the bell's lock: nothing waits for itself."""
    before = set(carnet_threads())
    forgotten = due.app()
    forgotten.start()
    wait_for_background(forgotten)
    (thread,) = set(carnet_threads()) - before
    bell = forgotten._bell
    assert bell is not None
    apps = [forgotten]
    del forgotten

    def collected_while_locked() -> None:
        with bell._lock:
            apps.clear()
            gc.collect()

    collector = threading.Thread(target=collected_while_locked, daemon=True)
    collector.start()
    collector.join(120)
    assert not collector.is_alive()
    thread.join(120)
    assert not thread.is_alive()


def test_closing_while_a_refresh_is_under_way_is_quiet(due: Desk) -> None:
    gate = Gate(due.vendor.answer)
    app = due.app(transport=gate)
    app.start()
    assert gate.asked.wait(120)
    assert not app.settle(0.01)
    app.close()
    gate.go.set()
    assert app.settle(120)
    assert app.check().state == "active"


def test_hung_calls_are_bounded(due: Desk) -> None:
    gate, before = Gate(due.vendor.answer), set(carnet_threads())
    app = due.app(transport=gate, timeout_seconds=0.01)
    for _ in range(12):
        assert app.prepare_offline(days=3).state == "active"
        assert app.last_problem is not None
        assert app.last_problem.code == "out_of_time"
    assert len([thread for thread in set(carnet_threads()) - before if thread.name == "carnet-contact"]) <= 8
    gate.go.set()
    for thread in app._workers:
        thread.join(120)


def test_a_disk_that_fails_in_its_own_way_is_told_and_not_raised(due: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    with due.app() as app:
        app.start()
        wait_for_background(app)
        due.pass_time(2 * DAY)
        monkeypatch.setattr("carnet.client.attempts.AttemptsFile.read", broken)
        look(app)
        assert problem_of(app) == "background_failed"
        assert app.refresh().state == "active"
        assert problem_of(app) == "background_failed"
        monkeypatch.undo()
        assert app.refresh().state == "active"
        assert problem_of(app) is None


def test_a_forked_child_begins_anew(due: Desk) -> None:
    app = due.app()
    app.start()
    wait_for_background(app)
    due.pass_time(2 * DAY)
    with app._lock:  # as a thread of the parent may, at the moment of the fork
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            code = 1
            try:
                if app.check().state == "active" and app.start().state == "active" and app.settle(120):
                    code = 0 if app.last_problem is None and app.check().renew_after > due.clock.now() else 2  # type: ignore[operator]
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert app.check().renew_after > due.clock.now()  # type: ignore[operator]
    app.close()


def test_several_products_and_clients_live_beside_each_other(due: Desk) -> None:
    """Plug-ins in a host: each has its own thread, memory and problems."""
    apps = [due.app(), due.app(), due.app(product="inkwell"), due.app(state=due.state / "elsewhere")]
    due.transport.online = False
    for app in apps:
        app.start()
        wait_for_background(app)
    assert [app.last_problem is None for app in apps] == [False, False, True, True]
    apps[0].close()
    due.transport.online = True
    due.pass_time(3 * HOUR)
    look(apps[1])
    assert apps[1].last_problem is None
    for app in apps:
        app.close()


def test_users_ask_58_a_root_file_that_is_away_for_a_moment_does_not_end_the_background(
    due: Desk, tmp_path: Path
) -> None:
    root = tmp_path / "root.json"
    root.write_text(ROOT_TEXT)

    def updated_meanwhile(request: HttpRequest) -> HttpAnswer:
        root.unlink(missing_ok=True)
        return due.vendor.answer(request)

    with due.app(root=root, transport=MemoryTransport(updated_meanwhile)) as app:
        app.start()
        wait_for_background(app)
        assert not root.exists(), "the app's update took it away during the contact"
        assert problem_of(app) == "root_unreadable"
        root.write_text(ROOT_TEXT)
        due.pass_time(2 * DAY)
        look(app)
        assert contacts_through(app) == 2, "the background is still there"


def contacts_through(app: Carnet) -> int:
    transport = app._transport
    assert isinstance(transport, MemoryTransport)
    return len({dict(request.headers)["Idempotency-Key"] for request in transport.requests})

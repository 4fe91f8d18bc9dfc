"""Never slower than its budget, never on the host's nerves: networks that hang (REL-17, users-ask 54)."""

from __future__ import annotations

import threading

import pytest

from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.errors import TransportError
from carnet.core.instant import DAY
from carnet.errors import UsageError
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY
from support.sdk import Desk, wait_for_background


class Hanging(MemoryTransport):
    """A network that takes requests and answers when the test says so: a name look-up has no time limit."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.vendor.answer)
        self.go = threading.Event()

    def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        assert self.go.wait(120)
        return super().send(request, timeout_seconds=timeout_seconds)


@pytest.fixture
def expired(desk: Desk) -> Desk:
    """A device whose offline window and grace are over."""
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(40 * DAY)
    return desk


def test_users_ask_54_start_with_full_access_never_waits_for_the_network(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)
    network = Hanging(desk)
    app = desk.app(transport=network)
    before = set(threading.enumerate())
    assert app.start().state == "active"
    assert app.start().state == "active"
    assert network.requests == [], "it still hangs, and the app is running"
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["carnet"]
    network.go.set()
    wait_for_background(app)
    assert len(network.requests) == 1, "one refresh at a time"


def test_users_ask_54_start_without_access_waits_for_its_budget_and_no_longer(expired: Desk) -> None:
    network = Hanging(expired)
    app = expired.app(transport=network, timeout_seconds=0.2)
    decision = app.start()
    assert network.requests == [], "it still hangs, and the app is told"
    assert decision.state == "expired"
    assert [reason.code for reason in decision.reasons] == ["offline_window_over", "out_of_time"]
    assert app.last_problem is not None
    network.go.set()


def test_an_answer_that_comes_after_the_budget_is_still_taken_in(expired: Desk) -> None:
    network = Hanging(expired)
    app = expired.app(transport=network, timeout_seconds=0.2)
    assert app.start().state == "expired"
    network.go.set()
    for thread in threading.enumerate():
        if thread.name == "carnet-contact":
            thread.join(120)
    assert app.check().state == "active"


def test_retries_keep_to_the_budget_and_to_what_the_server_asks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("carnet.client.driving.time.sleep", pauses.append)
    transport = MemoryTransport(lambda _: HttpAnswer(status=503, body=b"{}", retry_after_seconds=3600))
    app = desk.app(transport=transport, timeout_seconds=50)
    app.activate(LICENSE_KEY)
    assert pauses == [], "nobody waits for what cannot come in time"
    assert len(transport.requests) == 1, "a minute is not in the budget"
    assert app.last_problem is not None
    assert app.last_problem.code == "out_of_time"


def test_users_ask_58_a_background_refresh_never_raises_into_the_host(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)

    def broken(_: HttpRequest) -> HttpAnswer:
        raise UsageError("odd", "A transport that raises what it should not.")

    app = desk.app(transport=MemoryTransport(broken))
    assert app.start().state == "active"
    wait_for_background(app)
    assert app.last_problem is not None
    assert app.last_problem.code == "odd"
    with pytest.raises(UsageError):
        app.refresh()


def test_a_transport_that_breaks_is_a_network_that_failed(desk: Desk) -> None:
    def broken(_: HttpRequest) -> HttpAnswer:
        raise RuntimeError("boom")

    app = desk.app(transport=MemoryTransport(broken))
    assert app.activate(LICENSE_KEY).state == "not_activated"
    assert isinstance(app.last_problem, TransportError)
    assert isinstance(app.last_problem.__cause__, RuntimeError)


def test_rel_17_pauses_between_attempts_are_jittered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("carnet.client.driving.time.sleep", pauses.append)
    transport = MemoryTransport(lambda _: HttpAnswer(status=503, body=b"{}"))
    for _ in range(6):
        desk.app(transport=transport).activate(LICENSE_KEY)
    assert len(pauses) == 12
    assert len(set(pauses)) > 6
    assert max(pauses) <= 0.8

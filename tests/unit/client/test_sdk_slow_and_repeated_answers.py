"""Answers that come late, twice, or not yet; and the hostile ones for an app on an event loop (REL-16, REL-19)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet, Decision
from carnet.client.flows import may_pass
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.errors import TransportError
from carnet.core.instant import DAY
from carnet.formats.strict_json import parse_object
from carnet.testing import MemoryTransport
from support.hostile_answers import FOR_GRANTS, HOSTILE, Twist
from support.issuing import LICENSE_KEY, ROOT_TEXT
from support.sdk import BUDGET_SECONDS, Desk

IN_FLIGHT = HttpAnswer(status=409, body=b'{"code":"request_in_flight","status":409,"retryable":true}')


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


def async_app(desk: Desk, answer: Callable[[HttpRequest], HttpAnswer]) -> AsyncCarnet:
    return AsyncCarnet(
        product="hustl",
        server="https://license.example.com",
        root=ROOT_TEXT,
        state=desk.state,
        device_id="line-4",
        clock=desk.clock,
        transport=MemoryTransport(answer),
        timeout_seconds=BUDGET_SECONDS,
    )


ASYNC_CALLS: dict[str, Callable[[AsyncCarnet], Awaitable[Any]]] = {
    "activate": lambda app: app.activate(LICENSE_KEY),
    "refresh": lambda app: app.refresh(),
    "deactivate": lambda app: app.deactivate(),
    "start": lambda app: app.start(),
    "prepare_offline": lambda app: app.prepare_offline(days=3),
}


@pytest.mark.parametrize(("name", "twist"), [*HOSTILE.items(), *FOR_GRANTS.items()], ids=[*HOSTILE, *FOR_GRANTS])
def test_rel_16_on_an_event_loop_a_hostile_answer_leaves_the_grant_as_it_was(
    desk: Desk, name: str, twist: Twist
) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(2 * DAY)
    decision = desk.app().check()
    before = desk.files()

    async def story() -> None:
        for call_name, call in ASYNC_CALLS.items():
            if name in FOR_GRANTS and call_name == "deactivate":
                continue  # an answer to it carries no artifacts
            async with async_app(desk, lambda request: twist(desk.vendor, request)) as app:
                assert await call(app) == decision, call_name
                assert await app.settle(120)
                assert app.last_problem is not None, call_name
                assert desk.files() == before, call_name

    asyncio.run(asyncio.wait_for(story(), 120))


@pytest.mark.parametrize("name", HOSTILE)
def test_rel_16_a_hostile_answer_gives_no_floating_seat_and_takes_no_grant(desk: Desk, name: str) -> None:
    desk.app().activate(LICENSE_KEY)
    before = desk.files()
    app = desk.app(transport=MemoryTransport(lambda request: HOSTILE[name](desk.vendor, request)))
    with app.lease() as seat:
        assert not seat
        assert seat.last_problem is not None or seat.reasons
    assert desk.files() == before
    assert desk.app().check().state == "active"


# ── not yet ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_that_is_still_being_answered_is_repeated_with_the_same_key(desk: Desk) -> None:
    """The first attempt's answer was lost; the server is still at it when the second one comes."""
    seen: list[HttpRequest] = []

    def busy(request: HttpRequest) -> HttpAnswer:
        seen.append(request)
        if len(seen) == 1:
            raise TransportError("server_unreachable", "Reset.")
        return IN_FLIGHT if len(seen) == 2 else desk.vendor.answer(request)

    app = desk.app(transport=MemoryTransport(busy))
    assert app.activate(LICENSE_KEY).state == "active"
    assert app.last_problem is None
    assert len({dict(request.headers)["Idempotency-Key"] for request in seen}) == 1
    assert len({request.body for request in seen}) == 1


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (IN_FLIGHT, True),
        (HttpAnswer(status=409, body=b'{"code":"seat_limit_reached"}'), False),
        (HttpAnswer(status=409, body=b'{"code":"request_in_flight","proof":"x"}'), False),
        (HttpAnswer(status=409, body=b'"request_in_flight"' + bytes(16 * 1024)), False),
        (HttpAnswer(status=403, body=IN_FLIGHT.body), False),
        (HttpAnswer(status=503, body=b""), True),
        (HttpAnswer(status=200, body=IN_FLIGHT.body), False),
    ],
)
def test_what_may_pass_is_repeated_and_nothing_else(answer: HttpAnswer, *, passes: bool) -> None:
    assert may_pass(answer) == passes


# ── late ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rel_19_a_slow_old_answer_does_not_undo_a_newer_one(desk: Desk) -> None:
    """An answer that was under way for a minute arrives after another process's newer one."""
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(DAY)
    newest: list[dict[str, bytes]] = []

    def slow(request: HttpRequest) -> HttpAnswer:
        late = desk.vendor.answer(request)
        desk.pass_time(60)
        other = desk.app()
        assert other.prepare_offline(days=60).days_left == 60
        newest.append(desk.files())
        return late

    app = desk.app(transport=MemoryTransport(slow))
    assert app.refresh().days_left == 60
    assert app.last_problem is None
    assert [desk.files()] == newest


@pytest.mark.parametrize("action", ["activate", "refresh", "deactivate"])
def test_sec_30_an_answer_to_an_earlier_question_of_this_very_device_is_worth_nothing(desk: Desk, action: str) -> None:
    """Genuine, for this device and product, minutes old: swapped in for the answer to the present question."""
    recorded: list[HttpAnswer] = []

    def record(request: HttpRequest) -> HttpAnswer:
        recorded.append(desk.vendor.answer(request))
        return recorded[-1]

    recorder = desk.app(transport=MemoryTransport(record))
    calls: dict[str, Callable[[Carnet], Decision]] = {
        "activate": lambda app: app.activate(LICENSE_KEY),
        "refresh": lambda app: app.refresh(),
        "deactivate": lambda app: app.deactivate(),
    }
    desk.app().activate(LICENSE_KEY)
    calls[action](recorder)
    desk.app().activate(LICENSE_KEY)
    before = desk.files()
    for call in calls.values():
        app = desk.app(transport=MemoryTransport(lambda _: recorded[0]))
        assert call(app).state == "active"
        assert app.last_problem is not None
        assert app.last_problem.code == "answer_not_authentic"
    assert desk.files() == before


def test_r_43_the_log_tells_whoever_looks_for_the_proxy_what_was_wrong_with_an_answer(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    for name in ("a login page", "a proof for another nonce", "a broken transport", "no network", "half a body"):
        twist = HOSTILE.get(name, HOSTILE["a transport that breaks"])
        desk.app(transport=MemoryTransport(partial(twist, desk.vendor))).refresh()
    told = [parse_object(line.encode(), max_bytes=1000, what="A line") for line in desk.journal()[1:]]
    assert [(line["code"], line.get("why")) for line in told] == [
        ("answer_not_authentic", "bad_json"),
        ("answer_not_authentic", "answer_not_bound"),
        ("transport_failed", "ZeroDivisionError"),
        ("server_unreachable", None),
        ("answer_not_authentic", "bad_json"),
    ]


def test_rel_17_a_seat_whose_server_is_away_asks_ever_more_seldom(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    seat = desk.app().lease()
    pauses = []
    for _ in range(8):
        seat.renew()
        pauses.append(seat.wait_seconds())
    assert 2 < pauses[0] < 9
    assert all(25 < pause < 100 for pause in pauses[4:])
    assert len({round(pause, 3) for pause in pauses[4:]}) == 4, "each in its own time"

"""`AsyncCarnet`: the same methods, the same decisions, on an event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core.instant import DAY
from carnet.errors import RefusedError, UsageError
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, ROOT_TEXT
from support.sdk import BUDGET_SECONDS, Desk


def on_loop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 120))


def app_of(desk: Desk, **settings: Any) -> AsyncCarnet:
    given: dict[str, Any] = {
        "product": "hustl",
        "server": "https://license.example.com",
        "root": ROOT_TEXT,
        "state": desk.state,
        "device_id": "line-4",
        "clock": desk.clock,
        "transport": desk.transport,
        "timeout_seconds": BUDGET_SECONDS,
    }
    return AsyncCarnet(**{**given, **settings})


def test_both_faces_have_the_same_methods_and_settings() -> None:
    def public(face: type) -> set[str]:
        return {name for name in dir(face) if not name.startswith("_")}

    assert public(AsyncCarnet) - public(Carnet) == {"aclose"}
    assert public(Carnet) - public(AsyncCarnet) == set()
    assert inspect.signature(Carnet.activate) == inspect.signature(AsyncCarnet.activate)
    assert list(inspect.signature(Carnet).parameters) == list(inspect.signature(AsyncCarnet).parameters)
    for name in ("start", "refresh", "deactivate", "prepare_offline", "require", "info", "check", "close"):
        assert inspect.iscoroutinefunction(getattr(AsyncCarnet, name))


def test_the_boarding_pass_on_an_event_loop(desk: Desk) -> None:
    async def story() -> None:
        async with app_of(desk) as app:
            assert (await app.check()).state == "not_activated"
            with pytest.raises(RefusedError):
                await app.require()
            assert (await app.activate(LICENSE_KEY, device_name="Studio")).state == "active"
            assert (await app.require()).allows("export-pdf")
            assert (await app.prepare_offline(days=60)).days_left == 60
            desk.transport.online = False
            assert (await app.refresh()).state == "active"
            assert app.last_problem is not None
            assert desk.app().check() == await app.check()
            desk.transport.online = True
            desk.vendor.status = "license_revoked"
            assert (await app.refresh()).state == "revoked"
            desk.vendor.status = "active"
            assert (await app.deactivate()).state == "not_activated"
            assert (await app.info()).activation_id is None
        with pytest.raises(UsageError) as caught:
            await app.refresh()
        assert caught.value.code == "closed"

    on_loop(story)


def test_start_refreshes_in_a_task_of_the_loop(desk: Desk) -> None:
    async def story() -> None:
        desk.app().activate(LICENSE_KEY)
        desk.pass_time(2 * DAY)
        app = app_of(desk)
        before = await app.start()
        assert await app.start() == before
        assert await app.settle()
        assert (await app.check()).offline_until != before.offline_until
        assert len(desk.transport.requests) == 2
        await app.start()
        assert len(desk.transport.requests) == 2
        await app.aclose()

    on_loop(story)


def test_start_activates_with_a_key_from_the_settings(desk: Desk) -> None:
    async def story() -> None:
        assert (await app_of(desk, license_key=LICENSE_KEY).start()).state == "active"

    on_loop(story)


class Hanging(MemoryTransport):
    """A network that takes requests and answers never."""

    def __init__(self) -> None:
        super().__init__(lambda _: HttpAnswer(status=200, body=b""))

    async def asend(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        del request, timeout_seconds
        await asyncio.Event().wait()
        raise AssertionError


def test_users_ask_54_a_network_that_hangs_costs_the_budget_and_no_more(desk: Desk) -> None:
    async def story() -> None:
        desk.app().activate(LICENSE_KEY)
        app = app_of(desk, transport=Hanging(), timeout_seconds=0.1)
        assert (await app.refresh()).state == "active"
        assert app.last_problem is not None
        assert app.last_problem.code == "out_of_time"

    on_loop(story)


def test_closing_ends_what_runs_in_the_background(desk: Desk) -> None:
    async def story() -> None:
        desk.app().activate(LICENSE_KEY)
        desk.pass_time(2 * DAY)
        app = app_of(desk, transport=Hanging(), timeout_seconds=60)
        assert (await app.start()).state == "active"
        await app.close()
        assert [task for task in asyncio.all_tasks() if task.get_name() == "carnet"] == []
        assert (await app.check()).state == "active"

    on_loop(story)


def test_users_ask_58_a_background_refresh_never_raises_into_the_host(desk: Desk) -> None:
    async def story() -> None:
        desk.app().activate(LICENSE_KEY)
        desk.pass_time(2 * DAY)

        def broken(_: HttpRequest) -> HttpAnswer:
            raise UsageError("odd", "A transport that raises what it should not.")

        app = app_of(desk, transport=MemoryTransport(broken))
        assert (await app.start()).state == "active"
        assert await app.settle()
        assert app.last_problem is not None
        assert app.last_problem.code == "odd"

    on_loop(story)

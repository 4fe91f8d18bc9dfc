"""
Drivers: they carry a flow's requests over a transport, wait when it asks to, and keep to a budget of seconds.

The same for every operation; the synchronous and the asynchronous one differ in `await` only. A budget is for
everything together: waiting, connecting, answering (users-ask 54).
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TypeVar

from carnet.client.flows import OUT_OF_TIME, Flow
from carnet.client.ports import AsyncTransport, Transport
from carnet.client.wire import HttpAnswer, HttpRequest, Pause
from carnet.core._base import Struct
from carnet.core.errors import CarnetError, TransportError

_T = TypeVar("_T")


class Done(Struct):
    """What a flow returned; `StopIteration` cannot cross threads and tasks."""

    value: object


def step(flow: Flow[_T], news: HttpAnswer | TransportError | None) -> HttpRequest | Pause | Done:
    """Let *flow* go on with *news* to its next request or its end."""
    try:
        if news is None:
            return next(flow)
        return flow.throw(news) if isinstance(news, TransportError) else flow.send(news)
    except StopIteration as end:
        return Done(value=end.value)


def drive(flow: Flow[_T], transport: Transport, budget_seconds: float) -> _T:
    """
    Run *flow* to its end.

    Args:
        flow: Which was not started yet.
        transport: Carries the requests.
        budget_seconds: For everything together.
    """
    deadline = time.monotonic() + budget_seconds
    news: HttpAnswer | TransportError | None = None
    try:
        while not isinstance(request := step(flow, news), Done):
            try:
                left = _time_left(deadline, request)
                if isinstance(request, Pause):
                    time.sleep(request.seconds)
                    news = None
                    continue
                if request.after_seconds:
                    time.sleep(request.after_seconds)
                news = transport.send(request, timeout_seconds=left)
            except TransportError as error:
                news = error
            except CarnetError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a transport of others throws is no answer
                news = _no_answer(error)
    except BaseException:
        flow.close()  # it lets go of what it holds now, not when it is forgotten
        raise
    return request.value  # type: ignore[return-value] # Done holds what the flow returned


async def adrive(flow: Flow[_T], transport: AsyncTransport, budget_seconds: float) -> _T:
    """As `drive`, on an event loop; the flow's own steps, which read and write files, run in a worker thread."""
    import asyncio

    deadline = time.monotonic() + budget_seconds
    news: HttpAnswer | TransportError | None = None
    try:
        while not isinstance(request := await asyncio.to_thread(step, flow, news), Done):
            try:
                left = _time_left(deadline, request)
                if isinstance(request, Pause):
                    await asyncio.sleep(request.seconds)
                    news = None
                    continue
                if request.after_seconds:
                    await asyncio.sleep(request.after_seconds)
                async with asyncio.timeout(left):
                    news = await transport.asend(request, timeout_seconds=left)
            except TransportError as error:
                news = error
            except TimeoutError:
                news = out_of_time()
            except CarnetError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a transport of others throws is no answer
                news = _no_answer(error)
    except BaseException:
        with suppress(ValueError):  # a step of it still runs in its thread, and ends by itself
            flow.close()
        raise
    return request.value  # type: ignore[return-value] # Done holds what the flow returned


def _time_left(deadline: float, request: HttpRequest | Pause) -> float:
    wait = request.seconds if isinstance(request, Pause) else request.after_seconds
    left = deadline - time.monotonic() - wait
    if left <= 0:
        raise out_of_time()
    return left


def out_of_time() -> TransportError:
    """The error that ends a wait, and a flow: ``out_of_time``."""
    return TransportError(
        OUT_OF_TIME,
        "The license server did not answer in time.",
        "Check the internet connection, then try again; the app goes on with what is stored on this device.",
    )


def _no_answer(error: Exception) -> TransportError:
    wrapped = TransportError("transport_failed", f"The transport failed ({type(error).__name__}).", "Try again.")
    wrapped.__cause__ = error
    return wrapped

"""
A floating seat on an event loop: `async with carnet.lease() as seat:`; the same seat as in `leases`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from carnet.client.driving import adrive
from carnet.client.flows import Flow
from carnet.client.leases import SeatCore
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from carnet.client.device import Device
    from carnet.client.ports import AsyncTransport


class AsyncSeat(SeatCore):
    """A floating seat; `AsyncCarnet.lease` makes one. Its renewals are a task of the loop that claimed it."""

    last_problem: CarnetError | None

    def __init__(
        self,
        device: Device,
        transport: Callable[[], AsyncTransport],
        timeout_seconds: float,
        on_lost: Callable[[AsyncSeat], None] | None,
        **options: Any,
    ) -> None:
        super().__init__(device, **options)
        self._transport = transport
        self._timeout_seconds = timeout_seconds
        self._on_lost = on_lost
        self._task: asyncio.Task[None] | None = None

    async def claim(self) -> Self:
        """As `Seat.claim`."""
        await self._adrive(self.claiming())
        if self.held:
            self._task = asyncio.create_task(self._keep_up(), name="carnet-lease")
        return self

    async def renew(self) -> bool:
        """As `Seat.renew`."""
        await self._adrive(self.renewing())
        return self.held

    async def release(self) -> None:
        """As `Seat.release`."""
        await self._end_task()
        await self._adrive(self.releasing())
        self._token = None

    async def __aenter__(self) -> Self:
        return await self.claim()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._borrow and self.held:
            await self._end_task()  # taken along: it is given back by release(), or runs out
        else:
            await self.release()

    async def _adrive(self, flow: Flow[None]) -> None:
        await adrive(flow, self._transport(), self._timeout_seconds)

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(self.wait_seconds())
            try:
                await self._adrive(self.renewing())
            except CarnetError as problem:  # never raised into a host from the background (users-ask 58)
                self.last_problem = problem
            if not self.held:
                if self._on_lost is not None:
                    with suppress(Exception):  # the host's own callback must not end in a task of ours
                        self._on_lost(self)
                return

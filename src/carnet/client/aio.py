"""
`AsyncCarnet`: the same methods as `Carnet`, on an event loop, over the same flows.

Reading and writing the state runs in worker threads, so that a slow disk never stops the loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Self

from carnet.client.aio_leases import AsyncSeat
from carnet.client.base import DEFAULT_TIMEOUT_SECONDS, Client, offline_seconds, required
from carnet.client.driving import adrive
from carnet.client.info import Info
from carnet.client.operations import Steps
from carnet.client.ports import AsyncTransport, Clock
from carnet.core.decision import Decision
from carnet.core.errors import CarnetError
from carnet.core.lease_terms import HolderKind


class AsyncCarnet(Client):
    """As `Carnet`; every method that asks or changes something is a coroutine and returns a `Decision`."""

    last_problem: CarnetError | None

    def __init__(
        self,
        *,
        product: str | None = None,
        server: str | None = None,
        root: str | bytes | os.PathLike[str] | None = None,
        license_key: str | None = None,
        state: str | os.PathLike[str] | None = None,
        device_id: str | None = None,
        app_version: str | None = None,
        edition: str | None = None,
        domain: str | None = None,
        max_offline_seconds: int | None = None,
        max_grace_seconds: int | None = None,
        clock: Clock | None = None,
        transport: AsyncTransport | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        """
        Take the settings; touches nothing. The arguments are those of `Client`, and:

        Args:
            transport: Carries requests to the server in place of HTTP: a proxy, a tunnel, or a fake in tests.
        """
        super().__init__(
            product=product,
            server=server,
            root=root,
            license_key=license_key,
            state=state,
            device_id=device_id,
            app_version=app_version,
            edition=edition,
            domain=domain,
            max_offline_seconds=max_offline_seconds,
            max_grace_seconds=max_grace_seconds,
            clock=clock,
            timeout_seconds=timeout_seconds,
        )
        self._transport = transport
        self._background: asyncio.Task[None] | None = None

    async def check(self) -> Decision:
        """As `Carnet.check`."""
        return await asyncio.to_thread(self._check)

    async def start(self) -> Decision:
        """As `Carnet.start`; the refresh in the background is a task of this loop."""
        decision, online = await asyncio.to_thread(self._due)
        if online is None:
            return decision
        if self._transport is None and (offline := self._without_server(decision)) is not None:
            return offline
        if decision.access != "full":
            return await self._run(online)
        self._check_open()
        if self._background is None or self._background.done():
            self._background = asyncio.create_task(self._in_background(online), name="carnet")
        return decision

    async def activate(self, license_key: str, *, device_name: str | None = None, user: str | None = None) -> Decision:
        """As `Carnet.activate`."""
        alone = await asyncio.to_thread(self._alone, license_key) if self._transport is None else None
        if alone is not None:
            return alone
        return await self._run(lambda: self._steps("activate", license_key, device_name=device_name, user=user))

    async def refresh(self) -> Decision:
        """As `Carnet.refresh`."""
        return await self._run(lambda: self._steps("refresh"))

    async def deactivate(self) -> Decision:
        """As `Carnet.deactivate`."""
        alone = await asyncio.to_thread(self._alone, None) if self._transport is None else None
        return await self._run(lambda: self._steps("deactivate")) if alone is None else alone

    async def prepare_offline(self, *, days: int | None = None, ttl_seconds: int | None = None) -> Decision:
        """As `Carnet.prepare_offline`."""
        seconds = offline_seconds(days, ttl_seconds)
        return await self._run(lambda: self._steps("refresh", ttl_seconds=seconds))

    def lease(
        self,
        *,
        kind: HolderKind = "device",
        holder_id: str | None = None,
        ttl_seconds: int | None = None,
        borrow: bool = False,
        name: str = "",
        license_key: str | None = None,
        on_lost: Callable[[AsyncSeat], None] | None = None,
    ) -> AsyncSeat:
        """As `Carnet.lease`, for an `async with`."""
        self._check_open()
        return AsyncSeat(
            self._device,
            self._connected,
            self._timeout_seconds,
            on_lost,
            kind=kind,
            holder_id=holder_id,
            ttl_seconds=ttl_seconds,
            borrow=borrow,
            name=name,
            license_key=license_key,
        )

    async def require(self) -> Decision:
        """As `Carnet.require`."""
        return required(await self.check())

    async def info(self) -> Info:
        """As `Carnet.info`."""
        return await asyncio.to_thread(self._info)

    async def aclose(self) -> None:
        """Stop what runs in the background and let go of connections; `check()` still works."""
        self._is_closed = True
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
        if self._transport is not None:
            await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, online: Callable[[], Steps]) -> Decision:
        transport = self._connected()
        outcome = await adrive(online(), transport, self._timeout_seconds)
        return self._learn(outcome)

    async def _in_background(self, online: Callable[[], Steps]) -> None:
        try:
            await self._run(online)
        except CarnetError as error:  # never raised into a host from the background (users-ask 58)
            self.last_problem = error

    def _connected(self) -> AsyncTransport:
        self._check_open()
        if self._transport is None:
            from carnet.client.transport import AsyncHttpTransport

            self._transport = AsyncHttpTransport(self._config.server_address())
        return self._transport

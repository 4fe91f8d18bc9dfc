"""
`AsyncCarnet`: the same methods as `Carnet`, on an event loop, over the same flows.

Reading and writing the state runs in worker threads, so that a slow disk never stops the loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from carnet.client.aio_background import AsyncBell, start
from carnet.client.aio_leases import AsyncSeat
from carnet.client.background import failure
from carnet.client.base import DEFAULT_TIMEOUT_SECONDS, Client, offline_seconds, required
from carnet.client.device import with_problem
from carnet.client.driving import adrive, out_of_time
from carnet.client.events import Listener, Listeners
from carnet.client.info import Info
from carnet.client.keychain import Keyring
from carnet.client.operations import Outcome, Steps
from carnet.client.ports import AsyncTransport, Clock
from carnet.client.upkeep import Upkeep
from carnet.core.decision import Decision
from carnet.core.errors import CarnetError, TransportError
from carnet.core.lease_terms import HolderKind

_DISK_SECONDS = 1.0
"""What reading and writing the state may take beside the budget for the network."""


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
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        keychain: bool | Literal["tpm"] | Keyring = False,
        status_lists: bytes | str | os.PathLike[str] | None = None,
        status_mirror: str | None = None,
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
            proxy=proxy,
            ca_file=ca_file,
            keychain=keychain,
            status_lists=status_lists,
            status_mirror=status_mirror,
            clock=clock,
            timeout_seconds=timeout_seconds,
        )
        self._transport = transport
        self._own_transport: AsyncTransport | None = None
        self._bell: AsyncBell | None = None
        self._late: set[asyncio.Task[Outcome]] = set()

    async def check(self) -> Decision:
        """As `Carnet.check`."""
        return await asyncio.to_thread(self._check)

    async def start(self) -> Decision:
        """As `Carnet.start`; the refreshes in the background are a task of this loop."""
        decision, online = await asyncio.to_thread(self._due)
        if online is not None:
            if self._transport is None and (offline := self._without_server(decision)) is not None:
                if (upkeep := self._plans()) is not None:  # for listeners, if there are any
                    self._keep(upkeep)
                return offline
            self._check_open()
            if decision.access != "full":
                decision = await self._run(online)
                if (upkeep := self._plans()) is not None:
                    await asyncio.to_thread(upkeep.contacted, is_answered=self.last_problem is None)
                    self._keep(upkeep)
                return decision
        if (upkeep := self._plans()) is not None:
            upkeep.starting()
            self._keep(upkeep)
        return decision

    async def activate(self, license_key: str, *, device_name: str | None = None, user: str | None = None) -> Decision:
        """As `Carnet.activate`."""
        from carnet.client.names import key_text

        license_key = key_text(license_key)
        alone = await asyncio.to_thread(self._alone, license_key) if self._transport is None else None
        if alone is not None:
            return alone
        return await self._run(lambda: self._steps("activate", license_key, device_name=device_name, user=user))

    async def refresh(self) -> Decision:
        """As `Carnet.refresh`."""
        return await self._run(self._refreshing)

    async def install(self, data: bytes | str | os.PathLike[str], *, license_key: str | None = None) -> Decision:
        """As `Carnet.install`."""
        return await asyncio.to_thread(self._installed, data, license_key)

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

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """As `Carnet.subscribe`; *listener* is a plain function, called on the event loop this is called on."""
        self._begin()
        remove = self._told().add(listener)
        if self._upkeep is not None:
            self._upkeep.listeners = self._listeners
        if self._bell is not None:
            self._bell.ring()
        return remove

    def network_changed(self) -> None:
        """As `Carnet.network_changed`; on the loop's thread."""
        if self._upkeep is not None and self._bell is not None and not self._is_forked():
            self._upkeep.nudge()
            self._bell.ring()

    async def settle(self, seconds: float | None = None) -> bool:
        """As `Carnet.settle`."""
        if self._bell is None or self._is_forked():
            return True
        return await self._bell.rested(self._timeout_seconds if seconds is None else seconds)

    async def close(self) -> None:
        """As `Carnet.close`; waits until what runs in the background has ended."""
        self._is_closed = True
        self._begin()
        if self._bell is not None:
            await self._bell.aclose()
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        for transport in (self._transport, self._own_transport):
            if transport is not None:
                await transport.aclose()

    async def aclose(self) -> None:
        """`close`, by the name that `contextlib.aclosing` looks for."""
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, online: Callable[[], Steps]) -> Decision:
        """Run an operation and wait for it within the budget; one that comes back late still takes its answer in."""
        self._check_open()
        self._begin()
        task = asyncio.create_task(self._drive(online), name="carnet")
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        # The operation keeps to the budget by itself; only a disk that hangs makes it late.
        await asyncio.wait({task}, timeout=self._timeout_seconds + _DISK_SECONDS)
        if not task.done():
            task.add_done_callback(_look_at)
            self.last_problem = out_of_time()
            return with_problem(await self.check(), self.last_problem)
        try:
            outcome = task.result()
        except TransportError as problem:  # not an answer, and nobody's mistake
            self.last_problem = problem
            return with_problem(await self.check(), problem)
        except CarnetError as error:
            self.last_problem = error
            raise
        except Exception as error:  # noqa: BLE001 - a disk or a library that fails in its own way is no answer
            self.last_problem = failure(error)
            return with_problem(await self.check(), self.last_problem)
        if self._bell is not None:
            self._bell.ring()
        return outcome.decision

    async def _drive(self, online: Callable[[], Steps]) -> Outcome:
        outcome = await adrive(online(), self._connected(), self._timeout_seconds)
        await asyncio.to_thread(self._learn, outcome)
        return outcome

    def _plans(self) -> Upkeep | None:
        """The plans of the background; None where there is none."""
        self._begin()
        if self._is_closed or (not self._listeners and not self._reaches_a_server()):
            return None
        return self._planned()

    def _keep(self, upkeep: Upkeep) -> None:
        """See to it that the background runs on this loop, and let it look."""
        if self._bell is not None and self._bell.is_running():
            self._bell.ring()
        else:
            self._bell = start(self, upkeep)

    async def _contact(self, online: Callable[[], Steps]) -> None:
        """For the background: run an operation on its task."""
        outcome = None
        try:
            outcome = await self._drive(online)
        except CarnetError as error:
            self.last_problem = error
        except Exception as error:  # noqa: BLE001 - never raised into a host from the background (users-ask 58)
            self.last_problem = failure(error)
        if self._upkeep is not None:
            is_answered = outcome is not None and outcome.problem is None
            await asyncio.to_thread(self._upkeep.contacted, is_answered=is_answered)

    def _told(self) -> Listeners:
        if self._listeners is None:
            loop = asyncio.get_running_loop()

            def post(call: Callable[[], None]) -> None:
                with suppress(RuntimeError):  # the loop was closed: nobody is there to be told
                    loop.call_soon_threadsafe(call)

            self._listeners = Listeners(post)
        return self._listeners

    def _begin(self) -> None:
        if self._is_forked():
            self._forget_parent()
            self._bell = self._own_transport = None
            self._late = set()

    def _has_transport(self) -> bool:
        return self._transport is not None

    def _connected(self) -> AsyncTransport:
        self._check_open()
        if self._transport is not None:
            return self._transport
        if self._own_transport is None:
            from carnet.client.transport import AsyncHttpTransport

            self._own_transport = AsyncHttpTransport(
                self._config.server_address(),
                proxy=self._config.proxy_address(),
                ca_file=self._config.authority_file(),
            )
        return self._own_transport


def _look_at(task: asyncio.Task[Outcome]) -> None:
    """A late one's exception was seen; the loop need not report it."""
    if not task.cancelled():
        task.exception()

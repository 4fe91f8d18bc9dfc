"""Real servers on port 0 for tests: any ASGI application, in a thread, with our protocol and our way to stop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from typing import Any

from carnet.server.accepting import Spare
from carnet.server.serve import Server, bind

Opening = Callable[[], AbstractAsyncContextManager[Any]]


class LiveServer:
    """A server that answers at `url`; `stop()` asks it to stop as SIGTERM does, and waits."""

    def __init__(self, opening: Opening) -> None:
        self._listening = bind("127.0.0.1", 0)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server: Server | None = None
        self.failure: BaseException | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._opening = opening
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live server", daemon=True)

    def start(self) -> None:
        """Answer requests from the return of this call on."""
        self._thread.start()
        assert self._started.wait(120), "the server did not start"
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """An orderly stop."""
        if self.server is not None:
            self.server.should_exit = True
        self._thread.join(120)
        assert not self._thread.is_alive(), "the server did not stop"

    def connect(self) -> socket.socket:
        """A raw connection, for saying what no HTTP client would say."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=120)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - told to the test that started it
            self.failure = failure
        finally:
            self._listening.close()
            self._started.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        with closing(Spare()) as spare:
            await self._answer(spare)

    async def _answer(self, spare: Spare) -> None:
        async with self._opening() as app:
            self.server = Server(app, spare)
            self.server.on_started = self._started.set
            await self.server.serve(sockets=[self._listening])


@contextmanager
def serving(opening: Opening) -> Iterator[LiveServer]:
    """A `LiveServer` for the length of a `with`."""
    live = LiveServer(opening)
    live.start()
    try:
        yield live
    finally:
        live.stop()


def application(app: Any) -> Opening:
    """What `serving` takes, for an application that needs no opening."""

    @asynccontextmanager
    async def opening() -> Any:
        yield app

    return opening

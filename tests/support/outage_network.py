"""The weather between a device and its license server: our own TCP proxy, whose faults a script chooses."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Literal, TypeAlias, get_args

Weather: TypeAlias = Literal[
    "up",
    "slow",
    "no network",
    "blocked",
    "captive portal",
    "login redirect",
    "gateway error",
    "too many requests",
    "cut request",
    "cut answer",
    "half-closed",
    "corrupt",
    "drips",
]
WEATHERS: Final[tuple[Weather, ...]] = get_args(Weather)
"""``blocked``: packets get lost and nobody says so. ``half-closed``: the network lets requests out and nothing in."""

_PAGE = b"<!DOCTYPE html><title>Welcome to Hotel Wi-Fi</title><p>Please accept our terms to go online."
_SLOW_SECONDS = 0.15


def _plain(status: str, body: bytes, *headers: str) -> bytes:
    head = (f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((*head, *headers, "", "")).encode() + body


_INSTEAD: Final[dict[str, bytes]] = {
    "captive portal": _plain("200 OK", _PAGE),
    "login redirect": _plain("302 Found", b"", "Location: http://login.hotel.example/?next=license"),
    "gateway error": _plain("502 Bad Gateway", b"<html><h1>502 Bad Gateway</h1>nginx</html>"),
    "too many requests": _plain("429 Too Many Requests", b"{}", "Retry-After: 3600"),
}


class Network:
    """
    What the device is connected to.

    Attributes:
        weather: What happens to connections from now on.
        address: Where the device finds its license server.
        met: How many connections met which weather.
    """

    def __init__(self, server_port: int) -> None:
        self.weather: Weather = "up"
        self.met: Counter[Weather] = Counter()
        self._server_port = server_port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="network", daemon=True)
        self.address = ""

    def start(self) -> None:
        """Carry connections from the return of this call on."""
        self._thread.start()
        assert self._ready.wait(120)

    def stop(self) -> None:
        """Cut everything."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(120)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._meet(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(met, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self.weather
        self.met[weather] += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._carry(weather, reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _carry(self, weather: Weather, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if weather == "no network":
            _reset(writer)
            return
        request = await _message(reader)
        if weather == "blocked":
            await reader.read()  # until the device gives up
            return
        if weather in _INSTEAD:
            writer.write(_INSTEAD[weather])
            await writer.drain()
            return
        answers, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            server.write(request[: len(request) // 2] if weather == "cut request" else request)
            await server.drain()
            if weather == "cut request":
                _reset(writer)
                return
            answer = await _message(answers)
        finally:
            server.close()
        if weather == "half-closed":
            writer.write_eof()
            await reader.read()
            return
        if weather == "slow":
            await asyncio.sleep(_SLOW_SECONDS)
        if weather == "corrupt":
            at = answer.rfind(b'"proof"') + 200
            answer = answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]
        if weather == "drips":
            for byte in answer[:2000]:  # five minutes
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(_SLOW_SECONDS)
            return
        writer.write(answer[: len(answer) // 2] if weather == "cut answer" else answer)
        await writer.drain()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One whole HTTP message."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
    return head + await reader.readexactly(int(length))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the end be a reset and not an orderly one."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def weathered(server_port: int) -> Iterator[Network]:
    """A `Network` for the length of a `with`."""
    network = Network(server_port)
    network.start()
    try:
        yield network
    finally:
        network.stop()

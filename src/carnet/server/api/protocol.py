"""
uvicorn's HTTP/1.1 protocol with the patience and the bounds that it leaves to others (SEC-49).

It also never changes protocol: offers of HTTP/2 or WebSocket are declined by answering in HTTP/1.1.

A request must arrive whole within `RECEIVE_SECONDS`, its head within `MAX_HEAD_BYTES`, and a refused body is drained
only up to `MAX_DRAINED_BYTES`; otherwise the connection is closed. An idle connection costs one timer and no thread, so
hundreds of slow ones do not stop anybody else.

A file to import may be larger, and has a second more for each 64 KiB of it that came.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from carnet.formats.limits import MAX_IMPORT_BODY

RECEIVE_SECONDS: Final = 20.0
"""16 KiB in 20 s is 7 kbit/s: slower than any link that activates software."""

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together; a device proof of 8 KiB and a long address fit many times."""

MAX_DRAINED_BYTES: Final = 8 * 1024 * 1024
"""
How much of a body is read at most. Bodies that are refused for their size are drained so far, so that the sender reads
the refusal instead of a reset connection (RFC 9112 §9.6).
"""

_FILES: Final = frozenset({b"/v1/admin/licenses/import"})
"""Where a body is a file: `MAX_IMPORT_BODY` of it, until it is answered."""

_SLOWEST_FILE: Final = 64 * 1024
"""Bytes a second."""

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    receive_seconds = RECEIVE_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = True
        self._unparsed_bytes = 0
        self._head_bytes = 0
        self._body_bytes = 0
        self._is_file = False
        self._refused = False
        self._receiving_since: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._client_since = 0.0

    @property
    def idle_since(self) -> float | None:
        """
        Since when it is the client's turn, by the loop's clock: a connection that may be ended to make room for others.

        None while a whole request waits for its answer, and at the end.
        """
        is_answering = bool(self.cycle) and not self.cycle.response_complete and not self.cycle.more_body
        return None if is_answering or self.transport.is_closing() else self._client_since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock: a client that connects and says nothing is slow, too."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows it to Transport
        self._receiving_since = self._client_since = self.loop.time()
        self._watch = self.loop.call_later(self.receive_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count, then parse."""
        if self._refused:
            return
        if self._receiving_since is None:
            self._receiving_since = self.loop.time()
        self._unparsed_bytes += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        # A head that is still growing; a complete one is measured in `on_headers_complete`.
        if self._in_head and self._unparsed_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LONG)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _decline_upgrade(self, rest: bytes) -> None:
        """
        Answer as HTTP/1.1 a request that offered to speak something else (RFC 9110 §7.8: a server may ignore it).

        The parser stops at such a head and would lose the body; Java's HTTP client, for one, offers h2c with the first
        POST. So the head is parsed once more without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This is no proxy.")
            return
        lines = [method + b" " + self.url + b" HTTP/1.1"]
        for name, value in self.headers:
            if name == b"connection":
                lines += [b"connection: close"] if b"close" in value.lower() else []
            elif name != b"upgrade":
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
        self._feed(b"\r\n".join([*lines, b"", b""]) + rest)

    def on_message_begin(self) -> None:
        """A request line starts."""
        self._in_head, self._head_bytes, self._body_bytes, self._is_file = True, 0, 0, False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Some of the address."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self.parser.should_upgrade():
            return
        self._in_head, self._unparsed_bytes = False, 0
        self._is_file = self.url.partition(b"?")[0] in _FILES
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LONG)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body, wanted or not."""
        if self.parser.should_upgrade():
            return
        self._body_bytes += len(body)
        is_taken = self._is_file and not (bool(self.cycle) and self.cycle.response_started)
        if self._body_bytes > (MAX_IMPORT_BODY + MAX_DRAINED_BYTES if is_taken else MAX_DRAINED_BYTES):
            self._refuse(b"")
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: from here it is our time, not the client's."""
        if self.parser.should_upgrade():
            return
        self._in_head, self._unparsed_bytes, self._receiving_since = True, 0, None
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is the client's turn again."""
        self._client_since = self.loop.time()
        super().on_response_complete()

    def _look(self) -> None:
        since = self._receiving_since
        now = self.loop.time()
        patience = self.receive_seconds + (self._body_bytes / _SLOWEST_FILE if self._is_file else 0)
        if since is not None and now - since >= patience:
            # `cycle` belongs to the last request whose head was whole; only an answer under way forbids another.
            answering = bool(self.cycle) and self.cycle.response_started and not self.cycle.response_complete
            self._refuse(b"" if answering else _TOO_SLOW)
            return
        wait = self.receive_seconds if since is None else since + patience - now
        # Soon enough also for a request that follows a file on the same connection.
        self._watch = self.loop.call_later(min(wait, self.receive_seconds), self._look)

    def _refuse(self, answer: bytes) -> None:
        self._refused = True
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

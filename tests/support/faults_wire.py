"""
One HTTP/1.1 connection for campaigns, at a tenth of what `http.client` costs; no answer is always an `OSError`.

It knows what our server sends and no more: a length, no chunks, no continuation.
"""

from __future__ import annotations

import socket
from typing import Final

_READ_BYTES: Final = 65_536


class CutOffError(ConnectionError):
    """The connection ended before the answer did."""


class Wire:
    """
    A connection to a port of this machine.

    Args:
        port: Where to connect.
        seconds: A silence of this length is a `TimeoutError`.

    Attributes:
        is_over: The server announced the end of the connection with its last answer.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self.is_over = False

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """
        One request; the status and body of its answer.

        Raises:
            OSError: No whole answer came.
        """
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._read()
        head = self._rest[:end].lower().split(b"\r\n")
        given = dict(line.split(b": ", 1) for line in head[1:])
        self.is_over = given.get(b"connection") == b"close"
        until = end + 4 + int(given.get(b"content-length", b"0"))
        while len(self._rest) < until:
            self._read()
        content, self._rest = self._rest[end + 4 : until], self._rest[until:]
        return int(head[0].split(b" ", 2)[1]), content

    def close(self) -> None:
        """Close it. Closing twice is fine."""
        self._socket.close()

    def _read(self) -> None:
        received = self._socket.recv(_READ_BYTES)
        if not received:
            raise CutOffError("the answer was cut off")
        self._rest += received

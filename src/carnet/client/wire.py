"""
What goes over the wire, as values: a request and an answer. No HTTP library here; who carries them is in `ports.py`.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that are read at most: a machine file, a token and a chain of roots fit many times over."""


class HttpRequest(Struct):
    """
    One request to the license server.

    Attributes:
        method: Upper case.
        path: Begins with ``/``; appended to the server's base address. Never holds a secret (SEC-33).
        headers: Beside those every request has.
        body: Bytes exactly as signed by the device key.
        after_seconds: How long the driver waits before it sends it; 0 for a first attempt.
        mirror: Another base address that the app named for what is public; None for the license server's.
    """

    method: Literal["POST", "GET", "PUT", "DELETE"]
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    after_seconds: float = 0.0
    mirror: str | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.path})"  # the body holds the license key


class HttpAnswer(Struct):
    """
    Whatever came back. Nothing in it is trusted: only a proof inside the body is (SEC-30).

    Attributes:
        status: HTTP status.
        body: At most `MAX_ANSWER` bytes, not decompressed.
        retry_after_seconds: ``Retry-After`` where it was a number of seconds.
    """

    status: int
    body: bytes
    retry_after_seconds: int | None = None

    def __repr__(self) -> str:
        return f"HttpAnswer(status={self.status}, {len(self.body)} bytes)"


class Pause(Struct):
    """A flow waits for somebody else, and sends nothing meanwhile."""

    seconds: float

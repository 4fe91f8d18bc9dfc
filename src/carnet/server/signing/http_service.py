"""
Key services that are asked by plain HTTP: Google KMS and Vault. One client, bounded answers, our own words.

By `httpx2`, which the SDK needs anyway: TLS by the system's own authorities, proxies from the environment.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from carnet._version import __version__
from carnet.core.errors import CarnetError, UsageError
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.signing.remote import Limits, unavailable

MAX_ANSWER: Final = 256 * 1024
"""A transit key with a thousand versions; a signature is a few hundred bytes."""

_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?/?", re.ASCII
)
_CONNECT_SECONDS: Final = 1.0
_READ_SECONDS: Final = 2.0


class Answer:
    """A status and the JSON object that came with it; empty where none did."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.body = body


class HttpService:
    """
    Asks one service.

    Args:
        what: Its name, for sentences.
        address: ``https://host[:port]``; plain ``http`` for this machine only, since a token is sent along.
        limits: How many connections.
        ca_file: Authorities besides the system's.
    """

    def __init__(self, what: str, address: str, limits: Limits, *, ca_file: str | None = None) -> None:
        self.what = what
        self.address = _checked(what, address)
        self._limits = limits
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._client: Any = None
        self._is_closed = False

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None) -> Answer:
        """
        One exchange; redirects are not followed.

        Raises:
            TransportError: ``signer_unavailable``: no answer, a 5xx or 429, or one that is no JSON object.
        """
        import httpx2

        content = None if body is None else dump_json(dict(body))
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        if content is not None:
            sent["Content-Type"] = "application/json"
        received = bytearray()
        until = time.monotonic() + self._limits.open_seconds
        try:
            with self._connected().stream(method, self.address + path, headers=sent, content=content) as answer:
                for part in answer.iter_raw():
                    received += part
                    if len(received) > MAX_ANSWER:
                        raise unavailable(self.what, "answered with more than a key and a signature")
                    if time.monotonic() > until:  # each byte within its time, and no end: it would keep the thread
                        raise unavailable(self.what, "did not come to the end of its answer")
                status = int(answer.status_code)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, RuntimeError) as error:
            raise unavailable(self.what, f"gave no answer ({type(error).__name__})") from None
        if status >= 500 or status in (408, 429):
            raise unavailable(self.what, f"cannot sign now (status {status})")
        try:
            return Answer(status, parse_object(bytes(received), max_bytes=MAX_ANSWER, what="The answer"))
        except CarnetError:
            if status >= 400:
                return Answer(status, {})
            raise self.unusable() from None

    def unusable(self) -> CarnetError:
        """The error for an answer that is not what the service's documentation says."""
        return unavailable(self.what, "gave no answer that can be used")

    def decoded(self, value: object) -> bytes:
        """
        A member in Base64, as these services write them.

        Raises:
            TransportError: ``signer_unavailable``: it is not.
        """
        if type(value) is not str:
            raise self.unusable()
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise self.unusable() from None

    def forked(self) -> None:
        """Forget the parent's connections without closing them."""
        self._lock = threading.Lock()
        self._client = None

    def close(self) -> None:
        """Close the connections; a call that was left behind opens no others."""
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        with self._lock:
            if self._is_closed:
                raise unavailable(self.what, "is not asked any more")
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        import httpx2

        trust = httpx2.create_ssl_context()
        if self._ca_file is not None:
            try:
                trust.load_verify_locations(self._ca_file)
            except OSError as error:  # ssl.SSLError is one: a file that holds no certificate
                raise UsageError(
                    "bad_ca_file",
                    f"{self._ca_file} cannot be read as certificates ({error.strerror or type(error).__name__}).",
                    "Give a PEM file with the certificates of the authority.",
                ) from None
        return httpx2.Client(
            follow_redirects=False,
            verify=trust,
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=self._limits.at_once, max_keepalive_connections=self._limits.at_once),
            headers={"User-Agent": f"carnet/{__version__}"},
        )


def _checked(what: str, address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    if found is None or (found["scheme"] == "http" and found["host"] not in ("localhost", "127.0.0.1", "[::1]")):
        raise UsageError(
            "bad_key_service",
            f"The address of {what} is not one that it can be asked at.",
            "Give https://host or https://host:port, without a path, a user or a query.",
        )
    return address.rstrip("/")

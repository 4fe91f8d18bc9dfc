"""
HTTP, the only module that knows a library for it; imported when a request is sent, never before (design.md §3).

Proxies come from the environment and the system, certificate authorities from the operating system's own store
(`httpx2` sees to that), so a firewall that inspects TLS needs no setting where the system knows its authority; both can
also be named (users-ask 55, docs/how-to/proxies-and-certificates.md). Redirects are not
followed and bodies are not decompressed: an answer proves itself by its signature or is none (SEC-30, REL-16).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

import httpx2

from carnet._version import __version__
from carnet.client.wire import MAX_ANSWER, HttpAnswer, HttpRequest
from carnet.core.errors import TransportError, UsageError

_HEADERS = {
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": f"carnet-python/{__version__}",
}

# Contacts are days apart: an idle connection would only be a file descriptor that the host application did not open.
_LIMITS = httpx2.Limits(max_keepalive_connections=0)

_Client = TypeVar("_Client", httpx2.Client, httpx2.AsyncClient)

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test", ".svc")
_PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


def check_server(server: str) -> str:
    """
    The base address of the license server, without a slash at its end.

    Args:
        server: ``https://…``. Plain ``http`` only for names and addresses that cannot be on the public internet
            (docs/decisions/0024): answers are signed, but a request carries the license key.

    Raises:
        UsageError: ``bad_server``.
    """
    try:
        parts = urlsplit(server.strip())
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    shown = server.strip().rpartition("@")[2][:100]  # without what may be a password
    if not host or parts.scheme not in {"https", "http"} or parts.query or parts.fragment or parts.username is not None:
        raise UsageError(
            "bad_server",
            f"{shown!r} is not the address of a license server.",
            "Give its base address, for example https://license.example.com.",
        )
    if parts.scheme == "http" and not _is_private(host):
        raise UsageError(
            "bad_server",
            f"The license server {host} would be asked over plain http, which shows the license key to others.",
            "Use https.",
        )
    return server.strip().rstrip("/")


def _base(server: str, request: HttpRequest) -> str:
    return server if request.mirror is None else check_server(request.mirror)


def _is_private(host: str) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)
    return any(address in ipaddress.ip_network(network) for network in _PRIVATE_NETWORKS)


def _made(kind: type[_Client], proxy: str | None, ca_file: str | None) -> _Client:
    options = _options(proxy, ca_file)
    try:
        return kind(**options)
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        # What the user's environment says of proxies is not the app's mistake: no answer, and the app goes on.
        raise TransportError(
            "proxy_unusable",
            f"The proxy that this system names cannot be used ({type(error).__name__}).",
            "Correct HTTPS_PROXY and ALL_PROXY, or set CARNET_PROXY to http://host:port, or to nothing for no proxy.",
        ) from error


def _options(proxy: str | None, ca_file: str | None) -> dict[str, Any]:
    """What both clients are made with."""
    trust = httpx2.create_ssl_context()
    if ca_file is not None:
        try:
            trust.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one: a file that holds no certificate
            raise UsageError(
                "bad_ca_file",
                f"{ca_file} cannot be read as certificates ({error.strerror or type(error).__name__}).",
                "Give a PEM file with the certificates of the authority.",
            ) from error
    options: dict[str, Any] = {"follow_redirects": False, "limits": _LIMITS, "verify": trust}
    if proxy is None:
        return options
    options["trust_env"] = False
    if proxy:
        options["proxy"] = _check_proxy(proxy)
    return options


def _check_proxy(proxy: str) -> str:
    try:
        parts = urlsplit(proxy.strip())
        is_right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise UsageError(
            "bad_proxy",
            "That is not the address of a proxy.",  # it may hold a password, so it is not repeated
            "Give it as http://host:port, or http://user:password@host:port.",
        )
    return proxy.strip()


class HttpTransport:
    """Requests over `httpx2`. Safe to use from several threads; connects when it first sends."""

    def __init__(
        self,
        server: str,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        """
        Args:
            server: Base address of the license server.
            proxy: A proxy's address; an empty text for none; None for what the environment and the system say.
            ca_file: Certificates of an authority that is trusted beside the system's.
            client: An own client, for what these do not say.

        Raises:
            UsageError: ``bad_server``, ``bad_proxy``, ``bad_ca_file``.
        """
        self._server = check_server(server)
        self._client = client or _made(httpx2.Client, proxy, ca_file)

    def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        """As `carnet.client.ports.Transport.send`; `TransportError` ``server_unreachable`` or ``answer_too_large``."""
        deadline = time.monotonic() + timeout_seconds
        try:
            with (
                _Limit(timeout_seconds) as limit,
                self._client.stream(
                    request.method,
                    _base(self._server, request) + request.path,
                    headers={**_HEADERS, **dict(request.headers)},
                    content=request.body,
                    timeout=timeout_seconds,
                    follow_redirects=False,
                    extensions={"trace": limit.trace},
                ) as response,
            ):
                body = bytearray()
                for chunk in response.iter_raw():
                    _collect(body, chunk, deadline)
                return _answer(response, bytes(body))
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            _unreachable(error)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class AsyncHttpTransport:
    """As `HttpTransport`, on an event loop."""

    def __init__(
        self,
        server: str,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        client: httpx2.AsyncClient | None = None,
    ) -> None:
        """As `HttpTransport`."""
        self._server = check_server(server)
        self._client = client or _made(httpx2.AsyncClient, proxy, ca_file)

    async def asend(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        """As `carnet.client.ports.AsyncTransport.asend`."""
        import asyncio

        deadline = time.monotonic() + timeout_seconds
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._client.stream(
                    request.method,
                    _base(self._server, request) + request.path,
                    headers={**_HEADERS, **dict(request.headers)},
                    content=request.body,
                    timeout=timeout_seconds,
                    follow_redirects=False,
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_raw():
                    _collect(body, chunk, deadline)
                return _answer(response, bytes(body))
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            httpx2.StreamError,
            OSError,
        ) as error:  # TimeoutError is an OSError
            _unreachable(error)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _Limit:
    """
    Ends a connection when its time is over.

    The library's time limits are for each read, so a handshake or a head that drips byte by byte would never end.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lines: list[socket.socket] = []

    def trace(self, event: str, facts: Mapping[str, Any]) -> None:
        """Called by the library with what it does."""
        if event.endswith("connect_tcp.complete"):
            line = facts["return_value"].get_extra_info("socket")
            # A descriptor of its own: TLS takes the socket over, and this is the same connection.
            self._lines.append(line.dup())

    def __enter__(self) -> Self:
        self._timer = threading.Timer(self._seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for line in self._lines:
            line.close()

    def _cut(self) -> None:
        for line in tuple(self._lines):
            with suppress(OSError):  # it has ended by itself
                line.shutdown(socket.SHUT_RDWR)


def _collect(body: bytearray, chunk: bytes, deadline: float) -> None:
    body += chunk
    if len(body) > MAX_ANSWER:
        raise TransportError(
            "answer_too_large",
            f"The answer is larger than {MAX_ANSWER} bytes, so it is not the license server's.",
            "Check the server's address, and whether a proxy or a login page is in between.",
        )
    if time.monotonic() > deadline:
        # The library's time limits are for each read; an answer that drips has to end too.
        raise TransportError("server_unreachable", "The license server answered too slowly.", _FIX)


def _answer(response: httpx2.Response, body: bytes) -> HttpAnswer:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        body = b""  # asked for plain and got something else: not our server, and not worth unpacking
    retry_after: Any = response.headers.get("Retry-After", "")
    seconds = int(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 7 else None
    return HttpAnswer(status=response.status_code, body=body, retry_after_seconds=seconds)


_FIX = "Check the internet connection, the proxy settings and the server's address, then try again."


def _unreachable(error: Exception) -> NoReturn:
    kind = "in time" if isinstance(error, httpx2.TimeoutException | TimeoutError) else f"({type(error).__name__})"
    raise TransportError("server_unreachable", f"The license server could not be reached {kind}.", _FIX) from error

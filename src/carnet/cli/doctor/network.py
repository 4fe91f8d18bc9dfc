"""Mistakes between the server and its clients: the port, and the address that clients are told (users-ask 2)."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from carnet.cli.doctor.finding import Finding, ok, problem, warning
from carnet.cli.vendor import server_extra
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from carnet.server.settings import Settings

TIMEOUT_SECONDS: Final = 3.0
_MAX_ROOT: Final = 512_000


def look_at_network(settings: Settings, anchor: str | None) -> Iterator[Finding]:
    """
    The port, and what answers at the public address.

    Args:
        settings: Where it listens and what clients are told.
        anchor: Of this installation's root file, to know its answers by; None where it did not open.
    """
    yield _port(settings)
    yield from _address(settings, anchor)


def _port(settings: Settings) -> Finding:
    try:
        status, _, _ = _get("http", settings.host, settings.port, "/livez")
    except (OSError, http.client.HTTPException):
        status = None
    if status == http.client.OK:
        return ok("port", f"a server answers on {settings.host}:{settings.port}")
    with server_extra():
        from carnet.server.serve import bind
    try:
        bind(settings.host, settings.port).close()
    except CarnetError as error:
        return problem("port", error.message, error.fix)
    return ok("port", f"{settings.host}:{settings.port} is free; no server is running")


def _address(settings: Settings, anchor: str | None) -> Iterator[Finding]:
    if settings.public_url is None:
        if _is_local(settings.host):
            yield ok("address", f"clients reach it at {settings.base_url}; any host name is answered")
        else:
            fix = "Set it to how clients reach this server, for example https://license.example.com"
            yield warning("address", "CARNET_PUBLIC_URL is not set, so artifacts name the listening address.", fix)
        return
    parts = urlsplit(settings.public_url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not _is_local(host):
        fix = "Put a reverse proxy with a certificate in front, and set CARNET_PUBLIC_URL to its https address."
        yield warning("encryption", f"{settings.public_url} is not https: keys cross the network in clear.", fix)
    else:
        yield ok("encryption", "the public address is https, or only of this machine")
    yield _reached(settings.public_url, parts, anchor)


def _reached(url: str, parts: SplitResult, anchor: str | None) -> Finding:
    fix = "Check DNS, the reverse proxy and CARNET_PUBLIC_URL; it must lead to this server."
    try:
        status, location, body = _get(parts.scheme, parts.hostname or "", parts.port, f"{parts.path}/v1/root/1")
    except ssl.SSLError as error:
        fix = "Renew the certificate, or add its authority to this machine's trusted ones."
        return problem("address", f"The certificate of {url} is not accepted: {error.reason}.", fix)
    except (OSError, http.client.HTTPException) as error:
        return warning("address", f"Nothing answers at {url} from here ({error}).", fix)
    if location is not None:
        return problem("address", f"{url} redirects to {location[:200]}; clients do not follow.", fix)
    if status != http.client.OK:
        return problem("address", f"{url} answers {status} where the root file should be.", fix)
    return _is_ours(url, body, anchor, fix)


def _is_ours(url: str, body: bytes, anchor: str | None, fix: str) -> Finding:
    from carnet.formats.root import anchor as anchor_of

    if anchor is None:
        return ok("address", f"something answers at {url}")
    try:
        same = anchor_of(body) == anchor
    except CarnetError:
        same = False
    if same:
        return ok("address", f"clients reach this installation at {url}; any host name is answered")
    return problem("address", f"{url} leads to another installation.", fix)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _get(scheme: str, host: str, port: int | None, path: str) -> tuple[int, str | None, bytes]:
    """Status, `Location` and body of one request; nothing is followed."""
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        location = answer.getheader("Location") if 300 <= answer.status < 400 else None
        return answer.status, location, answer.read(_MAX_ROOT)
    finally:
        connection.close()

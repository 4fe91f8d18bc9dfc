"""
`carnet doctor`: real checks of this installation, each with what to do about it (users-ask 2).

Looks and tries; changes nothing, except that opening an installation may upgrade its database, as `serve` would.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from carnet._version import __version__
from carnet.cli import exits
from carnet.cli.output import Output, Style, plain, when
from carnet.cli.parser import Parser
from carnet.cli.vendor import add_installation_options, administer, server_extra, settings_of
from carnet.core._base import Struct
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, MINUTE, Instant

if TYPE_CHECKING:
    from carnet.server.installation import Installation
    from carnet.server.settings import Settings

Health = Literal["ok", "warning", "problem"]

MIN_FREE_BYTES = 100 * 1024 * 1024
ROOT_WARNING_SECONDS = 90 * DAY
CLOCK_TOLERANCE_SECONDS = 5 * MINUTE
"""The server refuses to sign when its clock is further behind its own last signature (SEC-31)."""

_COLORS: dict[Health, Style] = {"ok": "green", "warning": "yellow", "problem": "red"}


class Finding(Struct):
    """One thing that was looked at."""

    name: str
    health: Health
    message: str
    fix: str = ""


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_doctor)
    add_installation_options(parser)


def _doctor(options: argparse.Namespace, out: Output) -> int:
    settings = settings_of(options)
    findings: list[Finding] = []
    for finding in _look(settings, options, out):
        findings.append(finding)
        mark = out.style(f"{finding.health:<8}", _COLORS[finding.health])
        if not out.json:
            out.data({}, f"{mark} {finding.name}: {plain(finding.message)}")
            if finding.fix:
                out.data({}, f"         {plain(finding.fix)}")
    healthy = all(finding.health != "problem" for finding in findings)
    if out.json:
        checks = [{"name": f.name, "health": f.health, "message": f.message, "fix": f.fix} for f in findings]
        out.data({"ok": healthy, "version": __version__, "checks": checks})
    return exits.OK if healthy else exits.FAILED


def _look(settings: Settings, options: argparse.Namespace, out: Output) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(name="program", health="ok", message=f"Carnet {__version__} on Python {version}")
    data = settings.data
    if not data.is_dir():
        yield Finding(
            name="data",
            health="problem",
            message=f"There is no directory {data}.",
            fix="Set CARNET_DATA to where the installation is, or make one: carnet init",
        )
        return
    yield _writable(data)
    yield from _permissions(data)
    yield _space(data)
    yield from _opened(options, out)
    yield _port(settings)
    yield _address(settings)


def _writable(data: Path) -> Finding:
    if os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return Finding(name="data", health="ok", message=f"{data} can be read and written")
    fix = f"Run as the user who owns it, or give this user access: chown -R $USER {data}"
    return Finding(name="data", health="problem", message=f"{data} cannot be read and written by this user.", fix=fix)


def _permissions(data: Path) -> Iterator[Finding]:
    if os.name == "nt":
        return
    secret = [data / "carnet.db", *(data / "keys").rglob("*"), *(data / "secrets").rglob("*")]
    loose = [path for path in secret if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if loose:
        fix = f"Close them: chmod -R go-rwx {data}"
        names = ", ".join(str(path.relative_to(data)) for path in loose[:3])
        yield Finding(name="permissions", health="problem", message=f"Others may open {names}.", fix=fix)
    else:
        yield Finding(name="permissions", health="ok", message="keys, secrets and database are the owner's only")
    misplaced = [path for path in data.rglob("*") if "root" in path.name and "key" in path.name]
    if misplaced:
        fix = "Move the root keys to a safe place away from this computer; the server never needs them."
        yield Finding(name="root keys", health="problem", message=f"{misplaced[0]} is a root key.", fix=fix)


def _space(data: Path) -> Finding:
    free = shutil.disk_usage(data).free
    size = f"{free // (1024 * 1024):,} MiB"
    if free < MIN_FREE_BYTES:
        return Finding(name="space", health="problem", message=f"Only {size} are free.", fix="Make room on this disk.")
    return Finding(name="space", health="ok", message=f"{size} free")


def _opened(options: argparse.Namespace, out: Output) -> Iterator[Finding]:
    """Open the installation and look inside."""

    async def look(installation: Installation) -> list[Finding]:
        findings = [Finding(name="keys", health="ok", message="the signing keys open and fit the root file")]
        for check in await installation.checks():
            health: Health = "ok" if check.ok else "problem"
            message = "works" if check.ok else check.problem
            fix = "" if check.ok else "Read the problem; restart the server when it is gone."
            findings.append(Finding(name=check.name, health=health, message=message, fix=fix))
        findings += [_root(installation), await _clock(installation)]
        return findings

    try:
        yield from administer(options, out, look)
    except CarnetError as error:
        yield Finding(name="installation", health="problem", message=error.message, fix=error.fix)


def _root(installation: Installation) -> Finding:
    from carnet.formats.root import read_root

    root = read_root(installation.roots[-1].encode())
    left = root.expires_at - int(time.time())
    message = f"root file version {root.version} is valid until {when(root.expires_at)}"
    if left < ROOT_WARNING_SECONDS:
        fix = "Make the next root file with the root keys; without one, clients accept no new signing keys."
        return Finding(name="root", health="problem" if left <= 0 else "warning", message=message, fix=fix)
    return Finding(name="root", health="ok", message=message)


async def _clock(installation: Installation) -> Finding:
    from carnet.server.domain.audit.commands import AuditFilter

    page = await installation.audit.list(AuditFilter(), limit=1)
    now = Instant(int(time.time()))
    latest = max((entry.at for entry in page.items), default=installation.created_at)
    if now < latest - CLOCK_TOLERANCE_SECONDS:
        fix = "Set this computer's clock; use NTP. A server behind its own signatures refuses to sign."
        return Finding(name="clock", health="problem", message=f"It says {when(now)}, which is already past.", fix=fix)
    return Finding(name="clock", health="ok", message=f"{when(now)}")


def _port(settings: Settings) -> Finding:
    name = "port"
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=3)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        answer = None
    finally:
        connection.close()
    if answer == http.client.OK:
        return Finding(name=name, health="ok", message=f"a server answers on {settings.host}:{settings.port}")
    with server_extra():
        from carnet.server.serve import bind
    try:
        bind(settings.host, settings.port).close()
    except CarnetError as error:
        return Finding(name=name, health="problem", message=error.message, fix=error.fix)
    return Finding(name=name, health="ok", message=f"{settings.host}:{settings.port} is free; no server is running")


def _address(settings: Settings) -> Finding:
    if settings.public_url is None and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        return Finding(
            name="address",
            health="warning",
            message="CARNET_PUBLIC_URL is not set, so links in artifacts use the listening address.",
            fix="Set it to how clients reach this server, for example https://license.example.com",
        )
    return Finding(
        name="address", health="ok", message=f"clients reach it at {settings.base_url}; any host name is answered"
    )

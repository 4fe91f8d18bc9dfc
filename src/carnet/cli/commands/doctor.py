"""
`carnet doctor`: real checks of this installation, each with what to do about it (users-ask 2).

Looks and tries; changes nothing, except that opening an installation may upgrade its database, as `serve` would.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carnet._version import __version__
from carnet.cli import exits
from carnet.cli.doctor.data import look_at_data
from carnet.cli.doctor.environment import look_at_environment, look_at_process
from carnet.cli.doctor.finding import Finding, Health, ok, problem
from carnet.cli.doctor.inside import look_inside
from carnet.cli.doctor.network import look_at_network
from carnet.cli.output import Output, Style, plain
from carnet.cli.parser import Parser
from carnet.cli.vendor import add_installation_options, administer, settings_of
from carnet.core.errors import CarnetError

if TYPE_CHECKING:
    from carnet.server.installation import Installation

_COLORS: dict[Health, Style] = {"ok": "green", "warning": "yellow", "problem": "red"}


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_doctor)
    add_installation_options(parser)


def _doctor(options: argparse.Namespace, out: Output) -> int:
    findings: list[Finding] = []
    for finding in _look(options, out):
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


def _look(options: argparse.Namespace, out: Output) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield ok("program", f"Carnet {__version__} on Python {version}")
    yield from look_at_environment(os.environ)
    yield from look_at_process()
    try:
        settings = settings_of(options)
    except CarnetError as error:
        yield problem("settings", error.message, error.fix)
        return
    yield from look_at_data(settings.data)
    if not settings.data.is_dir():
        return
    anchor, findings = _opened(options, out)
    yield from findings
    yield from look_at_network(settings, anchor)


def _opened(options: argparse.Namespace, out: Output) -> tuple[str | None, list[Finding]]:
    """The anchor of the installation, if it opens, and what is found inside."""

    async def look(installation: Installation) -> tuple[str, list[Finding]]:
        from carnet.formats.root import anchor

        return anchor(installation.roots[0].encode()), await look_inside(installation)

    try:
        return administer(options, out, look)
    except CarnetError as error:
        return None, [problem("installation", error.message, error.fix)]

"""
`carnet doctor`: real checks of this installation, each with what to do about it (users-ask 2); or of a device.

Looks and tries; changes nothing, except that opening an installation may upgrade its database, as `serve` would. On a
device it ends with the support code, and `--explain` says what such a code means (specs/support-code.md).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carnet._version import __version__
from carnet.cli import exits
from carnet.cli.device import add_device_options, carnet_of, setting
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
    parser.add_argument("--device", action="store_true", help="look at this device's license, not at an installation")
    add_device_options(parser)
    parser.add_argument("--explain", metavar="CODE", help="say what a support code means, and look at nothing")


def _doctor(options: argparse.Namespace, out: Output) -> int:
    if options.explain is not None:
        return _explain(options.explain, out)
    if _is_device(options):
        return _look_at_device(options, out)
    findings: list[Finding] = []
    for finding in _look(options, out):
        findings.append(finding)
        _show(finding, out)
    return _conclude(findings, out)


def _is_device(options: argparse.Namespace) -> bool:
    """Asked for; or a product is named, and no installation is."""
    if options.device:
        return True
    has_installation = options.data is not None or bool(os.environ.get("CARNET_DATA")) or os.path.isdir("carnet-data")  # noqa: PTH112 - a name
    return setting(options, "product") is not None and not has_installation


def _look_at_device(options: argparse.Namespace, out: Output) -> int:
    from carnet.cli.doctor.device import look_at_device

    with carnet_of(options) as carnet:
        found, code = look_at_device(carnet)
    findings = [_program(), *found]
    for finding in findings:
        _show(finding, out)
    exit_code = _conclude(findings, out, support_code=code)
    if not out.json:
        out.data({}, f"\nSupport code: {out.style(code, 'bold')}")
    return exit_code


def _explain(code: str, out: Output) -> int:
    from carnet.cli.doctor.device import explained
    from carnet.formats.support_code import read_support_code

    told = explained(read_support_code(code))
    width = max(map(len, told))
    lines = (f"{name.replace('_', ' '):<{width}}  {_word(value)}" for name, value in told.items())
    out.data(told, "\n".join(lines))
    return exits.OK


def _word(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _show(finding: Finding, out: Output) -> None:
    if not out.json:
        mark = out.style(f"{finding.health:<8}", _COLORS[finding.health])
        out.data({}, f"{mark} {finding.name}: {plain(finding.message)}")
        if finding.fix:
            out.data({}, f"         {plain(finding.fix)}")


def _conclude(findings: list[Finding], out: Output, **more: str) -> int:
    healthy = all(finding.health != "problem" for finding in findings)
    if out.json:
        checks = [{"name": f.name, "health": f.health, "message": f.message, "fix": f.fix} for f in findings]
        out.data({"ok": healthy, "version": __version__, **more, "checks": checks})
    return exits.OK if healthy else exits.FAILED


def _program() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return ok("program", f"Carnet {__version__} on Python {version}")


def _look(options: argparse.Namespace, out: Output) -> Iterator[Finding]:
    yield _program()
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

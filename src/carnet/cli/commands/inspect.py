"""
`carnet inspect FILE`: what a file says of itself, line by line, without believing it. For support and the curious.

Decides nothing. License keys in it are shown as their last four characters; what is encrypted stays so. Times are told
as they stand; how far away they are is told only where a moment to count from is named.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carnet.cli import exits
from carnet.cli.device import read_artifact
from carnet.cli.output import Output, plain
from carnet.cli.parser import Parser
from carnet.cli.words import instant

if TYPE_CHECKING:
    from carnet.cli.inspection.lines import Explained
    from carnet.core.instant import Instant

_NOW = "now"


def configure(parser: Parser) -> None:
    """Add the arguments."""
    parser.set_defaults(run=_inspect)
    parser.add_argument("file", metavar="FILE", help="any artifact of Carnet's, a license key too; - reads stdin")
    parser.add_argument(
        "--relative-to",
        type=_moment,
        metavar="TIME",
        help="add how far each time is from TIME, RFC 3339, or now, by this computer's clock",
    )


def _moment(text: str) -> Instant | str:
    return text if text == _NOW else instant(text)


def _inspect(options: argparse.Namespace, out: Output) -> int:
    from carnet.cli.inspection.readers import as_json, explain
    from carnet.formats.encoding import sha256_hex

    data = read_artifact(options.file)
    kind, explained = explain(data, _clock() if options.relative_to == _NOW else options.relative_to)
    document = {"bytes": len(data), "sha256": sha256_hex(data), **as_json(kind, explained)}
    head = f"{out.style(explained.title, 'bold')}\n{kind}, {len(data)} bytes, SHA-256 {document['sha256']}"
    out.data(document, f"{head}\n{_text(explained, out)}")
    out.say("\nNothing of this is verified; carnet verify does that.")
    return exits.OK if explained.members and "errors" not in explained.members else exits.FAILED


def _text(explained: Explained, out: Output, indent: str = "  ") -> str:
    width = max((len(plain(line.name)) for line in explained.lines), default=0)
    rows: list[str] = []
    for line in explained.lines:
        rows.append(_one_line(f"{indent}{plain(line.name):<{width}}  {plain(line.value)}"))
        rows.append(f"{indent}{'':<{width}}  {out.style(plain(line.meaning), 'dim')}")
    if not explained.parts:
        rows += [
            _one_line(f"{indent}{out.style('Would be refused:', 'yellow')} {plain(problem.message)} ({problem.code})")
            for problem in explained.problems
        ]
    for name, part in explained.parts:
        rows += ["", f"{indent}{out.style(plain(name), 'bold')}", _text(part, out, indent + "  ")]
    return "\n".join(rows)


def _one_line(text: str) -> str:
    """What a file says about itself must not look like a line that we wrote (SEC-39)."""
    return text.replace("\n", " ")


def _clock() -> Instant:
    from carnet.client.clock import SystemClock

    return SystemClock().now()

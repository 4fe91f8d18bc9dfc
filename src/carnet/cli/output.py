"""
Where words go: stdout is data, stderr is talk; JSON for programs, text for people.

Everything that others may have written (device names, reasons, file names) passes `plain`, so that it cannot move the
cursor or colour the terminal (SEC-39); JSON is ASCII for the same reason. This module decides nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TextIO

from carnet.cli import exits
from carnet.cli.redaction import redact
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError
from carnet.core.instant import Instant

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
_SGR: dict[Style, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def plain(text: str) -> str:
    """*text* with every character that a terminal could obey, or that reverses reading order, made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def when(instant: Instant | None, otherwise: str = "never") -> str:
    """*instant* as people read it: `2026-11-22 09:30 UTC`."""
    return otherwise if instant is None else f"{str(instant)[:16].replace('T', ' ')} UTC"


class Output:
    """
    One run's two streams and how to write on them.

    Args:
        json: Data and errors as JSON.
        stdout: For data.
        stderr: For talk.
        color: Whether colour is wanted; None asks the stream, `NO_COLOR` and `TERM`.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        color: bool | None = None,
    ) -> None:
        self.json = json
        self.stdout = stdout or sys.stdout or _nowhere()
        self.stderr = stderr or sys.stderr or _nowhere()
        self._color = color

    def colored(self, stream: TextIO) -> bool:
        """Whether *stream* shows colour: a terminal, and nobody said `NO_COLOR` (no-color.org: set and not empty)."""
        if self._color is not None:
            return self._color
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def can_draw(self, stream: TextIO) -> bool:
        """Whether *stream* can carry box-drawing characters."""
        try:
            "┌⚠🔒".encode(stream.encoding or "utf-8")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def style(self, text: str, *styles: Style, stream: TextIO | None = None) -> str:
        """*text* in *styles* where the stream shows colour, else unchanged."""
        if not styles or not self.colored(stream if stream is not None else self.stdout):
            return text
        return f"\x1b[{';'.join(_SGR[style] for style in styles)}m{text}\x1b[0m"

    def data(self, value: Mapping[str, Any], text: str | None = None) -> None:
        """Print the result: *value* as one line of JSON, or *text* for people."""
        if self.json:
            self._write(self.stdout, as_json(value))
        elif text is not None:
            self._write(self.stdout, text)

    def say(self, text: str) -> None:
        """Talk to the person at the terminal; never data, and silent in JSON mode."""
        if not self.json:
            self._write(self.stderr, text)

    def problem(self, code: str, detail: str, fix: str = "", *, retryable: bool = False, **more: Any) -> None:
        """Say on stderr what went wrong and what to do: two sentences, or an RFC 9457 object."""
        if self.json:
            document = {"type": "about:blank", "title": "carnet", "code": code, "detail": detail, "fix": fix}
            self._write(self.stderr, as_json({**document, "retryable": retryable, **more}))
            return
        mark = self.style("carnet:", "red", "bold", stream=self.stderr)
        self._write(self.stderr, f"{mark} {plain(detail)}")
        if fix:
            self._write(self.stderr, f"        {plain(fix)}")

    def error(self, error: CarnetError) -> int:
        """Report *error*; returns its exit code."""
        self.problem(error.code, redact(error.message), error.fix, retryable=error.retryable)
        return exits.of_error(error)

    def refused(self, refused: Refused) -> int:
        """Report a refusal with every reason; returns its exit code."""
        reasons = [{"code": r.code, "message": r.message, "fix": r.fix} for r in refused.reasons]
        main = refused.reasons[0]
        holders = [
            {"activation_id": h.activation_id, "device_name": h.device_name, "activated_at": str(h.activated_at)}
            for h in refused.holders
        ]
        more: dict[str, Any] = {"reasons": reasons, **({"holders": holders} if holders else {})}
        self.problem(refused.code, main.message, main.fix, retryable=refused.retryable, **more)
        for reason in refused.reasons[1:]:
            self.say(f"        Also: {plain(reason.message)} {plain(reason.fix)}".rstrip())
        for holder in refused.holders:
            self.say(f"        Seat: {plain(holder.device_name)}, since {when(holder.activated_at)}")
        return exits.of_code(refused.code, exits.DENIED)

    def _write(self, stream: TextIO, text: str) -> None:
        encoding = stream.encoding or "utf-8"
        safe = text.encode(encoding, "replace").decode(encoding)
        stream.write(f"{safe}\n")
        stream.flush()


def _nowhere() -> TextIO:
    """For a stream that this process was started without (`>&-`, or no console on Windows)."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open until the process ends


def as_json(value: object) -> str:
    """One line of ASCII JSON, members in the order given."""
    import json

    return json.dumps(value, ensure_ascii=True, separators=(", ", ": "))


def facts(rows: Iterable[tuple[str, object]]) -> str:
    """Named values under each other, the names in one column; None is left out."""
    kept = [(name, plain(str(value))) for name, value in rows if value is not None]
    width = max((len(name) for name, _ in kept), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in kept)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> str:
    """Rows under headings, as wide as their content; *empty* when there are none."""
    if not rows:
        return empty
    cells = [[plain("-" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(len(column), *(len(row[i]) for row in cells)) for i, column in enumerate(columns)]
    lines = [columns, *cells]
    return "\n".join("  ".join(cell.ljust(widths[i]) for i, cell in enumerate(line)).rstrip() for line in lines)

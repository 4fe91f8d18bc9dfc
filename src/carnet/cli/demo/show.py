"""
How the story looks: with colour and progress in a terminal, plain in a pipe, one JSON object a line for programs.

Knows nothing of what a step does. A decision arrives in its JSON form, as `carnet status --json` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from textwrap import fill, indent
from typing import Any

from carnet.cli.notice import box, headline
from carnet.cli.output import Output, Style, as_json, plain
from carnet.core._base import Struct
from carnet.core.decision import Notice
from carnet.core.errors import CarnetError

_WIDTH = 88
_COLORS: dict[str, Style] = {"full": "green", "limited": "yellow", "none": "red"}


class Scene(Struct):
    """
    What came of a step.

    Attributes:
        happened: What a person should know.
        shown: A text of its own line: a key, an anchor.
        commands: What was run, as a person would have typed it.
        decision: The decision it ended with, in JSON form, or None.
    """

    happened: str
    shown: str = ""
    commands: tuple[str, ...] = ()
    decision: Mapping[str, Any] | None = None


class Show:
    """Presents steps on *out*, all *total* of them."""

    def __init__(self, out: Output, total: int) -> None:
        self._out = out
        self._total = total
        self._draws = out.can_draw(out.stdout)

    def opening(self, title: str, *told: str) -> None:
        """The title and what is real."""
        self._line(self._out.style(title, "bold"))
        for line in told:
            self._line(line)

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """The heading of a step, and a sign of life in a terminal while it runs."""
        rule = "──" if self._draws else "--"
        self._line("")
        self._line(self._out.style(f"{rule} {number} of {self._total} {rule} {title}", "bold", "cyan"))
        if self._out.json or not self._out.colored(self._out.stdout):
            yield
            return
        from rich.console import Console

        with Console(file=self._out.stdout).status("working …", spinner="dots"):
            yield

    def scene(self, number: int, title: str, scene: Scene) -> None:
        """What came of a step that is in order."""
        if self._out.json:
            document: dict[str, Any] = {"step": number, "title": title, "ok": True}
            self._json(document if scene.decision is None else {**document, "decision": scene.decision})
            return
        for command in scene.commands:
            self._line(self._out.style(f"   $ {command}", "dim"))
        self._line(indent(fill(plain(scene.happened), _WIDTH), "   "))
        if scene.shown:
            self._line(f"     {self._out.style(plain(scene.shown), 'bold')}")
        if scene.decision is not None:
            self._decision(scene.decision)

    def failed(self, number: int, title: str, error: CarnetError) -> None:
        """What came of a step that is not in order."""
        if self._out.json:
            detail = {"code": error.code, "detail": error.message, "fix": error.fix}
            self._json({"step": number, "title": title, "ok": False, "problem": detail})
            return
        self._line(self._out.style(f"   This did not work: {plain(error.message)}", "red", "bold"))
        self._line(f"   {plain(error.fix)}")

    def done(self, *, ok: bool) -> None:
        """The end."""
        if self._out.json:
            self._json({"done": ok})
        elif ok:
            self._line("")
            self._line(self._out.style("That is the whole story; every step checked itself.", "green", "bold"))

    def _decision(self, decision: Mapping[str, Any]) -> None:
        color: Style = "yellow" if decision["state"] == "expiring" else _COLORS[decision["access"]]
        arrow = "→" if self._draws else "->"
        self._line(self._out.style(f"   {arrow} {headline(decision['state'], decision['access'])}", color, "bold"))
        for reason in decision["reasons"]:
            self._line(f"     {plain(reason['message'])} ({reason['code']})")
        notice = decision["notice"]
        if notice is not None:
            drawn = box(
                Notice(
                    code=notice["code"],
                    severity=notice["severity"],
                    title=notice["title"],
                    text=notice["text"],
                    actions=tuple(notice["actions"]),
                ),
                unicode=self._draws,
            )
            for line in drawn.splitlines():
                self._line(f"   {self._out.style(line, color)}")

    def _line(self, text: str) -> None:
        if not self._out.json:
            self._out.data({}, text)

    def _json(self, document: Mapping[str, Any]) -> None:
        self._out.stdout.write(f"{as_json(document)}\n")
        self._out.stdout.flush()

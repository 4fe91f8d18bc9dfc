"""One line of the report, and how the report is printed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """
    A figure with its bound, what it aims for, and what it is made of.

    Attributes:
        name: What was measured.
        value: The figure.
        reach: What it must be: at most, or with `at_least` at least; None does not judge it.
        aim: What it should become.
        detail: The parts of the figure, the limit beside it among them.
        at_least: More is better.
    """

    name: str
    value: float
    reach: float | None = None
    aim: float | None = None
    detail: str = ""
    at_least: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the figure keeps its bound; a figure without one does."""
        if self.reach is None:
            return True
        return self.value >= self.reach if self.at_least else self.value <= self.reach

    def line(self) -> str:
        """The row as text; a figure that does not reach its bound says so."""
        sign = "≥" if self.at_least else "≤"
        bound = "" if self.reach is None else f"{sign} {self.reach:g}"
        aim = "" if self.aim is None else f"(aim {self.aim:g})"
        verdict = "" if self.reach is None else ("reached" if self.is_reached else "NOT REACHED")
        value = f"{self.value:8.0f}" if abs(self.value) >= 1000 else f"{self.value:8.3f}"
        return f"{self.name:<70} {value}  {bound:<7} {aim:<10} {verdict:<12} {self.detail}"


def print_rows(rows: Iterable[Row]) -> int:
    """Print *rows* as they come; 0 if every bound was reached, else 1."""
    missed = 0
    for row in rows:
        print(row.line(), flush=True)
        missed += not row.is_reached
    return int(missed > 0)

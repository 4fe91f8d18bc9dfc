"""One line of the report, and how the report is printed."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A figure with what it should reach (at most), what it aims for, and what it is made of."""

    name: str
    value: float
    reach: float | None = None
    aim: float | None = None
    detail: str = ""

    def line(self) -> str:
        """The row as text; a figure that does not reach its bound says so."""
        bound = "" if self.reach is None else f"≤ {self.reach:g}"
        aim = "" if self.aim is None else f"(aim {self.aim:g})"
        verdict = "" if self.reach is None else ("reached" if self.value <= self.reach else "NOT REACHED")
        return f"{self.name:<70} {self.value:8.3f}  {bound:<7} {aim:<10} {verdict:<12} {self.detail}"

"""
The tables of docs/explanation/clock.md, from the scenarios that the tests play.

`python tools/docs_clock.py` writes them into the page; `tests/unit/client/test_clock_scenarios.py` compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from support.clock_scenarios import SCENARIOS, Kind, Scenario  # noqa: E402 - found on the path that is set above

PAGE = ROOT / "docs" / "explanation" / "clock.md"
KINDS: tuple[Kind, ...] = ("honest", "strict", "cheat")


def table(kind: Kind) -> str:
    """The scenarios of one kind: a row for each, its days in order."""
    rows = [f"| {scenario.name} | {_days(scenario)} |\n" for scenario in SCENARIOS if scenario.kind == kind]
    return "| what happens | day by day, and what the user sees |\n|---|---|\n" + "".join(rows)


def page(text: str) -> str:
    """*text* with its tables made anew."""
    for kind in KINDS:
        begin, end = f"<!-- {kind}: made by tools/docs_clock.py -->\n", f"<!-- end of {kind} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{table(kind)}{end}{after}"
    return text


def _days(scenario: Scenario) -> str:
    return " → ".join(f"{day.told}: *{day.sees}*" for day in scenario.days)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    print(PAGE.relative_to(ROOT))

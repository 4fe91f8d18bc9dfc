"""The page of license models names tests that exist, and every condition (style.md §2 principle 17)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from carnet.core.conditions import Conditions

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "license-models.md").read_text("utf-8")
SPEC = (ROOT / "specs" / "decision.md").read_text("utf-8")
SERVICES = ROOT / "tests" / "integration" / "services"


def test_every_row_of_the_page_is_walked_by_the_test_that_it_names() -> None:
    functions = {
        node.name
        for path in SERVICES.glob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    files = {path.name for path in SERVICES.glob("test_*.py")}
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "| test |" not in line]
    named = [re.findall(r"`(test_\w+(?:\.py)?)`", row) for row in rows]
    assert len(rows) > 20
    assert all(len(tests) == 1 for tests in named)
    assert {test for (test,) in named} - functions - files == set()


def test_every_condition_is_specified_with_its_default() -> None:
    section = SPEC.partition("### 7.1 ")[2].partition("### 7.2 ")[0]
    cells = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    defaults = {member: row[2] for row in cells for member in re.findall(r"`(\w+)`", row[1])}
    for member, default in Conditions.__defaults__.items():
        plain = {None: "null", True: "true", (): "[]"}.get(default, str(default))
        assert plain in defaults[member].replace("`", ""), member

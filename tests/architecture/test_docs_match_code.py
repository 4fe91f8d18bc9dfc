"""What the documentation says is what the code does (style.md §2 principle 17)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools import docs_codes, make_docs

from carnet.cli.catalog import CATALOG
from carnet.cli.exits import MEANINGS
from carnet.core.reasons import REASONS, REFUSALS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "carnet"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_pages_made_from_the_code_are_as_committed() -> None:
    for path, text in make_docs.pages().items():
        assert path.is_file(), f"{path.name} is missing: make docs"
        assert path.read_text(encoding="utf-8") == text, f"{path.name} fell behind: make docs"


def test_every_error_code_can_be_read_from_the_source() -> None:
    raised, unreadable = docs_codes.scan()
    assert unreadable == []
    assert len({error.code for error in raised}) > 100


def test_every_error_code_is_snake_case_and_documented() -> None:
    page = (ROOT / "docs" / "reference" / "codes.md").read_text(encoding="utf-8")
    for error in docs_codes.scan()[0]:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", error.code), error
        assert f"| `{error.code}` |" in page
    for code in {*REASONS, *REFUSALS}:
        assert f"| `{code}` |" in page


def test_the_scan_finds_codes_wherever_they_stand(tmp_path: Path) -> None:
    """Directly, behind a condition, through a helper, and through a table; and it reports what it cannot read."""
    (tmp_path / "module.py").write_text(
        """
_TEXTS = {"by_table": "From a table."}
def direct(): raise UsageError("by_hand", "Sentence.", "Fix.")
def either(x): raise MalformedError("yes" if x else "no", f"It is {x}.")
def helper(code, what): raise StateError(code, _TEXTS[code])
def caller(): helper("by_table", 1)
def passed_on(error): raise RefusedError(error.code, "…")
def hidden(): raise UsageError(make(), "…")
""",
        encoding="utf-8",
    )
    raised, unreadable = docs_codes.scan(tmp_path)
    assert {(error.code, error.branch, error.message) for error in raised} == {
        ("by_hand", "UsageError", "Sentence."),
        ("yes", "MalformedError", "It is …."),
        ("no", "MalformedError", "It is …."),
        ("by_table", "StateError", "From a table."),
    }
    assert [place.split(":")[1] for place in unreadable] == ["8"]


def _named() -> list[str]:
    return sorted(set(re.findall(r"`((?:core|formats|client|server|cli|testing|ui)/[^`]*)`", ARCHITECTURE)))


def test_every_module_and_name_of_the_architecture_page_exists() -> None:
    for named in _named():
        path, _, name = named.partition(": ")
        assert (SOURCE / path).exists(), path
        if name:
            _find(path, name)


def _find(path: str, name: str) -> None:
    body: list[ast.stmt] = ast.parse((SOURCE / path).read_text(encoding="utf-8")).body
    for part in name.split("."):
        found = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        body = next((node.body for node in found if node.name == part), [])
        assert body, f"{path} has no {name}"


def test_the_architecture_page_names_every_room_and_every_module_of_core_and_every_artifact() -> None:
    assert len(_named()) > 50
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert rooms == {"core", "formats", "client", "server", "cli", "testing", "ui"}
    assert all(f"`{room}/`" in ARCHITECTURE for room in rooms)


def test_the_command_page_has_every_command_and_every_exit_code() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for command in CATALOG:
        assert f"`carnet {command.name}" in page
    for code, meaning in MEANINGS:
        assert f"| {code} | {meaning} |" in page


def test_no_committed_text_names_a_machine_or_a_workplace() -> None:
    words = re.compile(r"(?<!\w)/(root|work|home|tmp)/\w", re.IGNORECASE)
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "specs").rglob("*.md")]
    assert len(pages) > 10
    assert [page.name for page in pages if words.search(page.read_text(encoding="utf-8"))] == []

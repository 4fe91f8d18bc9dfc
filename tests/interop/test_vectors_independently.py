"""The independent checker sees the vectors as the specs and our readers do, and notices one that is wrong."""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = (ROOT / "tools" / "check_vectors.py", *(ROOT / "tools").glob("independent_*.py"))


@pytest.fixture(scope="module")
def checker() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("tools.check_vectors")


def test_the_checker_imports_nothing_of_ours() -> None:
    names = set()
    for node in (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
    assert {"nacl.signing", "json"} <= names
    assert len(SOURCES) == 9
    assert not any(name.split(".")[0] in ("carnet", "support", "interop", "") for name in names)


@pytest.mark.parametrize(
    ("folder", "least"),
    [
        ("keys", 134),
        ("license-token", 185),
        ("token-profiles", 507),
        ("answer", 30),
        ("time", 41),
        ("device-proof", 34),
        ("root", 35),
        ("root-draft", 45),
        ("checkpoint", 65),
        ("log-proof", 70),
        ("machine-file", 321),
    ],
)
def test_an_independent_reader_agrees_with_every_vector_that_it_judges(
    checker: ModuleType, folder: str, least: int
) -> None:
    counts, differing = checker.run(folder)
    assert differing == []
    judged = counts.total() - counts["not judged"]
    assert judged >= least
    assert folder == "machine-file" or counts["not judged"] == 0
    assert min(counts["ok"], counts["malformed"], counts["not_genuine"]) >= 2


def test_it_computes_every_vector_of_the_clock_itself(checker: ModuleType) -> None:
    counts, differing = checker.run("clock")
    assert differing == []
    assert counts["ok"] == counts.total() >= 40


INPUTS: Final = {
    "time": "time",
    "device-proof": "proof",
    "root": "root",
    "machine-file": "file",
    "root-draft": "draft",
    "checkpoint": "note",
    "log-proof": "proof",
}


def wrong_vectors(folder: str) -> list[dict[str, Any]]:
    case = {"token-profiles": "keyforge-genuine", "root-draft": "enough"}.get(folder, "genuine")
    vector = json.loads((ROOT / "specs" / "vectors" / folder / f"{case}.json").read_text("utf-8"))
    name = INPUTS.get(folder, "token")
    text = vector["input"][name]
    middle = len(text) // 2
    changed = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
    return [
        {**vector, "expect": {"outcome": "not_genuine", "code": "bad_signature"}},
        {**vector, "input": {**vector["input"], name: changed}},
    ]


@pytest.mark.parametrize("folder", ["license-token", "token-profiles", *INPUTS])
def test_a_wrong_vector_is_noticed(
    checker: ModuleType, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir()
    for number, vector in enumerate(wrong_vectors(folder)):
        (tmp_path / folder / f"{number}.json").write_text(json.dumps(vector), "utf-8")
    monkeypatch.setattr(checker, "VECTORS", tmp_path)
    counts, differing = checker.run(folder)
    assert counts.total() == 0
    assert len(differing) == 2


def test_wrong_values_are_noticed(checker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the independent reader computes what a vector expects, it compares every value and not just the outcome."""
    wrong = 0
    folders = ("keys", "token-profiles", "root-draft", "checkpoint", "log-proof")
    for folder in folders:
        (tmp_path / folder).mkdir()
        for path in (ROOT / "specs" / "vectors" / folder).glob("*.json"):
            vector = json.loads(path.read_text("utf-8"))
            if "value" in vector["expect"]:
                value = vector["expect"]["value"]
                name = "kid" if folder in folders[:2] or not isinstance(value, dict) else next(reversed(value))
                vector["expect"]["value"] = {**value, name: "x"} if isinstance(value, dict) else not value
                (tmp_path / folder / path.name).write_text(json.dumps(vector), "utf-8")
                wrong += 1
    monkeypatch.setattr(checker, "VECTORS", tmp_path)
    assert sum(len(checker.run(folder)[1]) for folder in folders) == wrong > 250

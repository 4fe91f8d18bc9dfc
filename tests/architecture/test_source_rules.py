"""House rules that matter, as small lints over the syntax tree (style.md §11)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "carnet"

IMPURE = {
    "time",
    "random",
    "secrets",
    "os",
    "socket",
    "pathlib",
    "io",
    "subprocess",
    "threading",
    "asyncio",
    "ssl",
    "uuid",
}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "time_ns"}
PLACES = {"sys.executable", "sys.argv", "sys.path", "sys.prefix", "os.popen", "os.system", "os.getcwd"}
JSON_READERS = {("json", "loads"), ("json", "load"), ("msgspec", "decode"), ("json", "decode"), ("orjson", "loads")}


def modules(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (SOURCE / room).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Calls as (what, attribute): `json.loads(…)` is ("json", "loads"), `open(…)` is ("", "open")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            yield name, node.func.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield "", node.func.id


def impurities(tree: ast.AST) -> list[str]:
    """What makes a module of core impure: an import that reaches outside, a clock, an open file, print."""
    found = [name for name in imports(tree) if name.split(".")[0] in IMPURE]
    found += [
        f"{owner}.{name}" for owner, name in calls(tree) if owner in {"datetime", "date", "time"} and name in CLOCKS
    ]
    return found + [name for owner, name in calls(tree) if not owner and name in {"open", "print", "input"}]


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_core_is_pure_and_needs_only_the_standard_library() -> None:
    for path in modules("core"):
        tree = tree_of(path)
        assert impurities(tree) == [], named(path)
        foreign = {name.split(".")[0] for name in imports(tree)} - set(sys.stdlib_module_names) - {"carnet"}
        assert foreign == set(), named(path)
        assert all(name.startswith("carnet.core") for name in imports(tree) if name.startswith("carnet")), named(path)


def test_the_purity_rule_has_teeth() -> None:
    for planted in ("import time", "from os import path", "datetime.now()", "open('x')", "import random as r"):
        assert impurities(ast.parse(planted)), planted
    assert impurities(ast.parse("from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)")) == []


def test_sec_09_the_strict_reader_is_the_only_json_entry_point() -> None:
    readers = [named(path) for path in modules(".") if not JSON_READERS.isdisjoint(calls(tree_of(path)))]
    assert readers == []
    assert not JSON_READERS.isdisjoint(calls(ast.parse("msgspec.json.decode(b'')")))


def test_what_apps_embed_never_imports_what_is_heavy() -> None:
    heavy = {"json", "dataclasses", "logging", "pydantic", "importlib.metadata"}
    for path in modules("core", "formats", "client"):
        # json.decoder and json.encoder, where the C scanner is missing
        banned = heavy - {"json"} if path.name == "strict_json.py" else heavy
        assert banned.isdisjoint(imports(tree_of(path))), named(path)


def names_of_a_place(tree: ast.AST) -> list[str]:
    """
    What ties a module to where and how its program was installed: its own file, the interpreter's, packaged data,
    source text, another process (R-90, libraries.md 1.3).
    """
    modules = {"subprocess", "multiprocessing", "importlib.resources", "importlib.metadata", "inspect", "pkgutil"}
    found = [name for name in imports(tree) if name in modules or name.startswith("multiprocessing.")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in {"__file__", "__path__", "__spec__", "__loader__"}:
            found.append(node.id)
        elif isinstance(node, ast.Attribute) and (node.attr in {"__file__", "__path__", "_MEIPASS"}):
            found.append(node.attr)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            if name in PLACES or name.startswith(("os.exec", "os.spawn", "os.posix_spawn", "os.fork")):
                found.append(name)
    return found


def test_r_90_the_sdk_starts_no_process_and_knows_no_place_of_its_own() -> None:
    for path in modules("client", "core", "formats", "testing", "ui"):
        assert names_of_a_place(tree_of(path)) == [], named(path)


def test_the_rule_against_places_has_teeth() -> None:
    for planted in (
        "import subprocess",
        "from importlib.resources import files",
        "open(__file__)",
        "import sys; sys.executable",
        "os.path.join(os.getcwd(), 'state')",
        "os.system('cat')",
        "os.spawnv(1, 'a', [])",
        "sys._MEIPASS",
        "carnet.__file__",
    ):
        assert names_of_a_place(ast.parse(planted)), planted
    assert names_of_a_place(ast.parse("import os, sys; os.path.join(sys.platform, 'a')")) == []


def test_sec_47_nothing_evaluates_or_unpickles() -> None:
    for path in modules("."):
        tree = tree_of(path)
        assert {"pickle", "marshal", "shelve", "yaml"}.isdisjoint(imports(tree)), named(path)
        found = {("", "eval"), ("", "exec"), ("", "compile")} & set(calls(tree))
        # The value base writes constructors from its own classes' field names, as `dataclasses` does.
        assert found <= ({("", "exec")} if named(path) == "core/_base.py" else set()), named(path)


def test_every_module_says_what_it_is_and_postpones_annotations() -> None:
    for path in modules("."):
        tree = tree_of(path)
        assert ast.get_docstring(tree), f"{named(path)}: a module docstring says what belongs here"
        if any(not isinstance(node, ast.Expr | ast.Assign) for node in tree.body):
            future = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
            assert future, f"{named(path)}: from __future__ import annotations"


def test_a_file_fits_in_the_head() -> None:
    assert {named(p): n for p in modules(".") if (n := len(p.read_text(encoding="utf-8").splitlines())) > 500} == {}

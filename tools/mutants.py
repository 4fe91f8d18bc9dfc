"""
Plant one fault at a time into `carnet.core` and `carnet.formats` and see whether the tests notice (REL-23).

    python tools/mutants.py --sample 60          # what a release runs; prints caught / total and the survivors
    python tools/mutants.py --sample 5 --only formats/jws.py
    python tools/mutants.py --sample 12 --quick --only core/leases,core/dates   # the tests that import them, no others

A mutant is one change of the syntax tree: a comparison turned or moved by its boundary, a number ± 1, `and` for `or`, a
condition denied, a statement dropped, another value returned. The sample is drawn with a fixed seed: the same tree and
seed give the same mutants. Each is tried in a copy of the tree, against the tests that are named after its module, then
those that import it, then all fast tests of both rooms; the first failure ends it.
Mutants that change nothing anybody could see are listed and argued in tests/mutation/equivalent.toml.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue
from random import Random
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
ROOMS: Final = ("core", "formats")
EQUIVALENT: Final = ROOT / "tests" / "mutation" / "equivalent.toml"
COPIED: Final = ("src", "tests", "specs", "docs", "tools", "bench")
FAST_TESTS: Final = (*(f"tests/{kind}/{room}" for kind in ("unit", "property") for room in ROOMS), "tests/mutation")
OURSELVES: Final = "tests/mutation/test_mutants.py"
NEAR_CPU_SECONDS: Final = 100
ALL_CPU_SECONDS: Final = 900
"""What a run may take before its mutant counts as caught, in time of a core: a busy machine catches nothing."""

TIMEOUT_SECONDS: Final = 3600
PLUGINS: Final = ("pytest_timeout", "_hypothesis_pytestplugin")
"""All that the tests of both rooms need; loading the others takes longer than most of these tests."""

GOAL: Final = 0.95
EXHAUSTIVE: Final = "not substituted and not every_byte and not flipped and not truncat and not one_other"
"""What the first try leaves out: tests that look at every byte take longer than all the others together."""

_LIMITED: Final = """
import resource, sys, pytest
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(pytest.main(sys.argv[2:]))
"""

_TURNED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_SWAPPED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}


class Site(NamedTuple):
    """Where a fault can be planted: the node's number in the walk over the module's tree, and which of its changes."""

    module: str
    node: int
    change: int


class Mutant(NamedTuple):
    """One planted fault: where it is, what stood there, what stands there now, and the whole text with it."""

    module: str
    line: int
    statement: str
    before: str
    after: str
    text: str

    @property
    def name(self) -> str:
        """What identifies it in the list of equivalents, whatever moves above it."""
        return f"{self.module}: {self.statement}: {self.before} -> {self.after}"


# ── planting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sites_of(source: str, module: str) -> list[Site]:
    """Every place for a fault in one module."""
    tree = ast.parse(source)
    spared = _spared(tree)
    return [
        Site(module, number, place)
        for number, node in enumerate(ast.walk(tree))
        if node not in spared
        for place, _ in enumerate(_changes(node))
    ]


def plant(source: str, site: Site) -> Mutant:
    """The mutant at *site* of *source*."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    node = nodes[site.node]
    statement = node
    while not isinstance(statement, ast.stmt):
        statement = next(each for each in nodes if statement in ast.iter_child_nodes(each))
    line, written, before = statement.lineno, _brief(statement)[:60], _brief(node)
    replaced = list(_changes(node))[site.change](copy.deepcopy(node))
    changed = ast.fix_missing_locations(_Replace(node, replaced).visit(tree))
    return Mutant(site.module, line, written, before, _brief(replaced), ast.unparse(changed))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _brief(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:100]


def _spared(tree: ast.AST) -> set[ast.AST]:
    """What is no behaviour: docstrings, annotations, imports for types, sentences of errors."""
    spared: set[ast.AST] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts.append(node.annotation)
        if isinstance(node, ast.FunctionDef):
            parts.append(node.returns)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts.append(node)
        if isinstance(node, ast.FormattedValue | ast.JoinedStr):
            parts.append(node)
        if isinstance(node, ast.FunctionDef) and node.name == "__repr__":
            parts.append(node)
        for part in parts:
            if part is not None:
                spared.update(ast.walk(part))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            spared.update((node, node.value))
    return spared


_Change = Callable[[Any], ast.AST]


def _changes(node: ast.AST) -> Iterator[_Change]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _TURNED[type(operator)]:
                yield partial(_turned, place=place, other=other)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield lambda target: ast.Constant(not target.value)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield lambda target: ast.Constant(target.value + 1)
        yield lambda target: ast.Constant(target.value - 1)
    elif isinstance(node, ast.BoolOp):
        yield lambda target: ast.BoolOp(ast.Or() if isinstance(target.op, ast.And) else ast.And(), target.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda target: target.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _SWAPPED:
        yield lambda target: ast.BinOp(target.left, _SWAPPED[type(target.op)](), target.right)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield _denied
    elif isinstance(node, ast.Raise | ast.AugAssign | ast.Continue | ast.Break) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield lambda _: ast.Pass()
    elif isinstance(node, ast.Return) and ast.unparse(node) not in {"return", "return None"}:
        yield lambda _: ast.Return(ast.Constant(None))


def _turned(target: Any, *, place: int, other: type[ast.cmpop]) -> ast.AST:
    return ast.Compare(target.left, [*target.ops[:place], other(), *target.ops[place + 1 :]], target.comparators)


def _denied(target: Any) -> ast.AST:
    target.test = ast.UnaryOp(ast.Not(), target.test)
    changed: ast.AST = target
    return changed


def source_of(module: str) -> str:
    """The text of ``formats/jws.py``."""
    return (ROOT / "src" / "carnet" / module).read_text("utf-8")


def all_sites(only: str = "", without: tuple[str, ...] = ()) -> list[Site]:
    """Every place in both rooms, or in the modules whose path holds one of *only* (a,b,c) and is none of *without*."""
    package = ROOT / "src" / "carnet"
    modules = [
        path.relative_to(package).as_posix() for room in ROOMS for path in sorted((package / room).rglob("*.py"))
    ]
    parts = only.split(",")
    chosen = [module for module in modules if module not in without and any(part in module for part in parts)]
    return [site for module in chosen for site in sites_of(source_of(module), module)]


def equivalents() -> dict[str, str]:
    """The mutants that change nothing, by name, with the argument."""
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8")).get("mutant", [])
    return {entry["name"]: entry["why"] for entry in listed}


# ── trying ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def relevant_tests(module: str, root: Path = ROOT) -> list[str]:
    """The test files that import *module*, those named after it first; where none does, those of its importers."""
    found = _importing(module, root)
    if not found:
        package = root / "src" / "carnet"
        users = [
            path.relative_to(package).as_posix()
            for path in sorted(package.rglob("*.py"))
            if f"{_dotted(module)} import" in path.read_text("utf-8")
        ]
        found = sorted({test for user in users for test in _importing(user, root)})
    return found


def _importing(module: str, root: Path) -> list[str]:
    found = [
        path.relative_to(root).as_posix()
        for folder in (*FAST_TESTS, "tests/attacks")
        for path in sorted((root / folder).glob("test_*.py"))
        if f"{_dotted(module)} import" in path.read_text("utf-8")
    ]
    return sorted(found, key=lambda path: (not _is_named_after(path, module), "property" in path, "vectors" in path))


def _dotted(module: str) -> str:
    return "carnet." + module.removesuffix(".py").replace("/", ".")


def _is_named_after(test: str, module: str) -> bool:
    return Path(module).stem in Path(test).stem


def make_copy(place: Path) -> None:
    """A copy of the tree in which a mutant can live."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".hypothesis")
            shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / file, place)


def is_caught(mutant: Mutant, place: Path, *, quick: bool = False) -> bool:
    """
    Whether a test fails, or runs into the time limit, once *mutant* is in the copy at *place*.

    With *quick*, only tests that import its module are tried, and none that looks at every byte: an answer "no" then
    says less.
    """
    target = place / "src" / "carnet" / mutant.module
    genuine = target.read_text("utf-8")
    target.write_text(mutant.text, "utf-8")
    try:
        relevant = relevant_tests(mutant.module, place)
        own = [test for test in relevant if _is_named_after(test, mutant.module)]
        others = [test for test in relevant if test not in own]
        near = any(fails(place, tests, NEAR_CPU_SECONDS, skip=EXHAUSTIVE) for tests in (own, others) if tests)
        return near or (not quick and fails(place, list(FAST_TESTS), ALL_CPU_SECONDS))
    finally:
        target.write_text(genuine, "utf-8")


def fails(place: Path, tests: list[str], cpu_seconds: int, *, skip: str = "") -> bool:
    """Whether one of *tests* fails in the copy at *place*, or all of them take longer than *cpu_seconds* of a core."""
    vectors = os.environ.get("CARNET_VECTORS") or str(ROOT.parent / "shared" / "vectors")
    environment = {**os.environ, "PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.update(CARNET_VECTORS=vectors, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    environment.pop("CARNET_LONG", None)
    options = [*(part for plugin in PLUGINS for part in ("-p", plugin)), "-o", "timeout=0", "-p", "no:cacheprovider"]
    options += ["-x", "-q", "-m", "not long", "--no-header", "--tb=no"]
    options += ["--ignore", OURSELVES, *(("-k", skip) if skip else ())]
    command = [sys.executable, "-c", _LIMITED, str(cpu_seconds), *options, *tests]
    try:
        done = subprocess.run(  # noqa: S603 - our own tests
            command, cwd=place, env=environment, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main() -> int:
    """Draw the sample, try each, print what happened; 1 where fewer than 95 % were caught."""
    options = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    options.add_argument("--sample", type=int, default=60, help="how many mutants to try (200 before a release)")
    options.add_argument("--seed", type=int, default=23)
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--only", default="", help="modules whose path holds one of these: core/leases,core/dates")
    options.add_argument("--without", default="", help="modules that are left out: core/leases.py,core/tallies.py")
    options.add_argument("--list", action="store_true", help="show the sample, try nothing")
    options.add_argument("--quick", action="store_true", help="try only the tests that import the module")
    told = options.parse_args()
    known = equivalents()
    every = all_sites(told.only, tuple(told.without.split(",")))
    sites = Random(told.seed).sample(every, min(told.sample, len(every)))  # noqa: S311 - the same sample every time
    drawn = [plant(source_of(site.module), site) for site in sites]
    print(f"{len(drawn)} of {len(every)} mutants", flush=True)
    if told.list:
        for mutant in drawn:
            print(f"{mutant.module}:{mutant.line}: {mutant.before} -> {mutant.after}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        places: Queue[Path] = Queue()
        for number in range(told.jobs):
            place = Path(folder) / str(number)
            make_copy(place)
            places.put(place)
        relevant = {test for mutant in drawn for test in relevant_tests(mutant.module, place)}
        whole = [*FAST_TESTS, *(test for test in relevant if not test.startswith(FAST_TESTS))]
        skip = EXHAUSTIVE if told.quick else ""
        if fails(place, sorted(relevant) if told.quick else sorted(whole), ALL_CPU_SECONDS, skip=skip):
            print("The tests fail without any mutant; nothing can be said.")
            return 2

        def tried(mutant: Mutant) -> bool:
            place = places.get()
            try:
                caught = is_caught(mutant, place, quick=told.quick)
            finally:
                places.put(place)
            word = "caught" if caught else "equivalent" if mutant.name in known else "SURVIVED"
            print(f"{word}  {mutant.module}:{mutant.line}: {mutant.before} -> {mutant.after}", flush=True)
            return caught

        with ThreadPoolExecutor(told.jobs) as pool:
            outcomes = list(pool.map(tried, drawn))
    caught = sum(outcomes)
    survived = [mutant for mutant, was in zip(drawn, outcomes, strict=True) if not was and mutant.name not in known]
    counted = caught + len(survived)
    print(f"{caught} of {counted} caught ({caught / max(counted, 1):.1%}); {len(drawn) - counted} equivalent")
    return int(caught < GOAL * counted)


if __name__ == "__main__":
    sys.exit(main())

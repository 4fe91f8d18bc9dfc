"""
Find every error code in the source, for docs/reference/codes.md.

Reads the syntax tree, so that no code can be raised without being documented. A code must stand in the source as a
literal: at the raise, or where a helper that builds the error is called. `unreadable` lists the places that break this.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from carnet.core import errors
from carnet.core._base import Struct

FAMILIES: dict[str, tuple[str, ...]] = {
    "carnet/cli/device.py": ("product_required", "server_required", "root_required"),  # f"{name}_required"
    "carnet/client/config.py": ("product_required", "server_required", "root_required"),  # f"{name}_required"
    "carnet/client/evidence.py": ("license_key_required", "device_fingerprint_required"),
    "carnet/formats/keys.py": ("retired_key", "compromised_key"),  # f"{state}_key"
    "carnet/formats/strict_json.py": ("bad_number", "duplicate_name"),  # found by a hook of the scanner
}
"""Codes that are put together at run time, by the file that does it."""

SOURCE = Path(__file__).resolve().parent.parent / "src" / "carnet"

BRANCHES: dict[str, str] = {
    name: (kind.__doc__ or "").strip()
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CarnetError) and kind is not errors.CarnetError
}


class Raised(Struct):
    """One place that makes an error: its branch, code, sentence and fix (parts only known at run time are `…`)."""

    branch: str
    code: str
    message: str
    fix: str


class Helper(Struct):
    """A function that builds an error from a code it is given: where its code, message and fix parameters stand."""

    name: str
    branch: str
    code: int
    message: ast.expr | int | None
    fix: ast.expr | int | None


@functools.cache
def scan(source: Path = SOURCE) -> tuple[list[Raised], list[str]]:
    """Every error made in *source*, and the places whose code cannot be read."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(source.rglob("*.py"))}
    constants = {name: value for tree in trees.values() for name, value in _constants(tree)}
    found: list[Raised] = []
    unreadable: list[str] = []
    for path, tree in trees.items():
        module = str(path.relative_to(source.parent))
        text = _Text(constants | dict(_constants(tree)))
        helpers: dict[str, Helper] = {}
        for function, call in _error_calls(tree):
            branch, arguments = _name(call.func), _arguments(call, ("code", "message", "fix"))
            codes = text.codes(arguments.get("code"))
            helper = None if codes else _helper(function, branch, arguments)
            if helper is not None:
                helpers[helper.name] = helper
            if not codes and module in FAMILIES:
                codes = list(FAMILIES[module])
            if not codes and helper is None and not _passes_on(arguments.get("code")):
                unreadable.append(f"{module}:{call.lineno}")
            found += text.raised(branch, codes, arguments.get("message"), arguments.get("fix"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            known = helpers.get(_name(call.func))
            if known is None:
                continue
            codes = text.codes(_nth(call, known.code))
            if not codes and module not in FAMILIES:
                unreadable.append(f"{module}:{call.lineno}")
            message = _nth(call, known.message) if isinstance(known.message, int) else known.message
            fix = _nth(call, known.fix) if isinstance(known.fix, int) else known.fix
            found += text.raised(known.branch, codes, message, fix)
    return found, unreadable


def _error_calls(tree: ast.AST) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Calls that construct an error of the tree, each with the function it stands in."""

    def visit(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
        if isinstance(node, ast.FunctionDef):
            function = node
        if isinstance(node, ast.Call) and _name(node.func) in BRANCHES:
            yield function, node
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    yield from visit(tree, None)


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _arguments(call: ast.Call, names: tuple[str, ...]) -> dict[str, ast.expr]:
    found = dict(zip(names, call.args, strict=False))
    found.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    return found


def _nth(call: ast.Call, position: int) -> ast.expr | None:
    return call.args[position] if position < len(call.args) else None


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Module-level names that stand for a text or a table of texts."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


class _Text:
    """Reads the text that an expression stands for, with `…` for what is only known at run time."""

    def __init__(self, constants: dict[str, ast.expr]) -> None:
        self._constants = constants

    def codes(self, node: ast.expr | None) -> list[str]:
        """The codes that *node* can be, when all of them stand in the source."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value]
        if isinstance(node, ast.IfExp):
            either, other = self.codes(node.body), self.codes(node.orelse)
            return either + other if either and other else []
        if isinstance(node, ast.Name) and node.id.isupper() and node.id in self._constants:
            return self.codes(self._constants[node.id])
        return []

    def raised(self, branch: str, codes: list[str], message: ast.expr | None, fix: ast.expr | None) -> Iterator[Raised]:
        for code in codes:
            yield Raised(branch=branch, code=code, message=self(message, code), fix=self(fix, code))

    def __call__(self, node: ast.expr | None, code: str) -> str:
        if node is None:
            return ""
        if isinstance(node, ast.Constant):
            return re.sub(r"\{\w*\}", "…", node.value) if isinstance(node.value, str) else "…"
        if isinstance(node, ast.JoinedStr):
            return "".join(self(p, code) if isinstance(p, ast.Constant) else "…" for p in node.values)
        if isinstance(node, ast.IfExp):
            return self(node.body, code)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self(node.left, code) + self(node.right, code)
        if isinstance(node, ast.Name) and node.id in self._constants:
            return self(self._constants[node.id], code)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("format"):
            return self(node.func.value, code)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._entry(self._constants.get(node.value.id), code)
        return "…"

    def _entry(self, table: ast.expr | None, code: str) -> str:
        if isinstance(table, ast.Dict):
            for key, value in zip(table.keys, table.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == code:
                    return self(value, code)
        return "…"


def _helper(function: ast.FunctionDef | None, branch: str, arguments: dict[str, ast.expr]) -> Helper | None:
    if function is None:
        return None
    parameters = [argument.arg for argument in function.args.args if argument.arg not in {"self", "cls"}]

    def position(name: str) -> int | None:
        node = arguments.get(name)
        return parameters.index(node.id) if isinstance(node, ast.Name) and node.id in parameters else None

    code = position("code")
    if code is None:
        return None
    message, fix = position("message"), position("fix")
    return Helper(
        name=function.name,
        branch=branch,
        code=code,
        message=arguments.get("message") if message is None else message,
        fix=arguments.get("fix") if fix is None else fix,
    )


def _passes_on(node: ast.expr | None) -> bool:
    """Whether *node* is `something.code`: an error or refusal that was documented where it was first made."""
    return isinstance(node, ast.Attribute) and node.attr == "code"

"""
Exact branch coverage from the standard library alone: which conditional jumps of a module were not taken both ways.

Works on bytecode (`sys.settrace` with opcode events), so that `a and b` counts as two branches. For small modules.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any


def untaken_branches(modules: list[ModuleType], run: Callable[[], object]) -> list[str]:
    """Run *run*; return every function that was not entered and every jump that went one way only, as readable text."""
    codes = {code for module in modules for code in _codes(module)}
    entered: set[CodeType] = set()
    taken: set[tuple[CodeType, int, int]] = set()

    def on_call(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code not in codes:
            return None
        entered.add(frame.f_code)
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        previous = -1

        def on_opcode(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal previous
            if event == "opcode":
                taken.add((frame.f_code, previous, frame.f_lasti))
                previous = frame.f_lasti
            return on_opcode

        return on_opcode

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        run()
    finally:
        sys.settrace(before)
    missing = [f"{code.co_qualname} was not entered" for code in codes - entered]
    for code in entered:
        for line, source, ways in _jumps(code):
            missing += [
                f"{code.co_filename.rpartition('/')[2]}:{line} {code.co_qualname}: never {what}"
                for what, target in ways.items()
                if (code, source, target) not in taken
            ]
    return sorted(missing)


def _codes(module: ModuleType) -> Iterator[CodeType]:
    for value in vars(module).values():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield from _nested(value.__code__)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _jumps(code: CodeType) -> Iterator[tuple[int, int, dict[str, int]]]:
    instructions = list(dis.get_instructions(code))
    line = code.co_firstlineno
    for instruction, following in pairwise(instructions):
        if instruction.starts_line:
            position = instruction.positions
            line = position.lineno if position is not None and position.lineno is not None else line
        if "JUMP_IF" in instruction.opname or instruction.opname == "FOR_ITER":
            yield line, instruction.offset, {"jumps": instruction.argval, "falls through": following.offset}

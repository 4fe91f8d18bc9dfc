"""The published vectors of the clock: made again, run, and judged by a reader written from specs/clock.md alone."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.clock_vectors import run_vector

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "specs" / "vectors" / "clock"
VECTORS: list[dict[str, Any]] = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_vectors_are_what_the_generator_makes() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == loaded("vectors_clock").made()


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_the_sdk_does_what_the_clock_vectors_expect(vector: dict[str, Any]) -> None:
    assert run_vector(vector) == vector["expect"]


def test_an_independent_reader_agrees_with_every_vector_and_notices_each_changed_value() -> None:
    judge = loaded("independent_clock").clock
    changed = 0
    for vector in VECTORS:
        assert judge(vector) == "ok"
        value = vector["expect"]["value"]
        for place in value if isinstance(value, list) else [value, value["after"]]:
            for name, right in list(place.items()):
                if isinstance(right, dict):
                    continue
                place[name] = f"{right}x" if isinstance(right, str) else (right or 0) + 1
                with pytest.raises(AssertionError):
                    judge(vector)
                place[name] = right
                changed += 1
    assert changed > 400

"""The published vectors of the decision: made again, run, and enough to take every branch of the rules (REL-24)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from carnet.core import domains, facts, notices, reasons, revocation, rules, seats, terms, versions
from support.branches import untaken_branches
from support.decisions import run_scenario
from support.situations import FACTS

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "specs" / "vectors" / "decision"


def _vectors() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


VECTORS = _vectors()


def test_the_vectors_are_what_the_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("vectors_decision", ROOT / "tools" / "vectors_decision.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == generator.rendered()


@pytest.mark.parametrize("name", VECTORS)
def test_the_rules_do_what_the_vector_expects(name: str) -> None:
    assert run_scenario(VECTORS[name]) == VECTORS[name]["expect"]


def test_rel_24_the_vectors_take_every_branch_of_the_rules_both_ways() -> None:
    modules = [rules, seats, facts, revocation, notices, reasons, terms, domains, versions]
    assert untaken_branches(modules, lambda: [run_scenario(vector) for vector in VECTORS.values()]) == []


def test_the_branch_counter_can_fail() -> None:
    only = {"decision/active": VECTORS["active"]}
    missing = untaken_branches([rules], lambda: [run_scenario(vector) for vector in only.values()])
    assert any("_end was not entered" in line for line in missing)
    assert any("decide: never" in line for line in missing)


def test_the_vectors_show_every_state() -> None:
    decisions = [vector["expect"].get("decision") for vector in VECTORS.values()]
    states = {decision["state"] for decision in decisions if decision is not None}
    assert states == {"not_genuine", *FACTS, "active"}


def test_the_vectors_show_every_reason_and_every_notice() -> None:
    shown: set[str] = set()
    noticed: set[str] = set()
    for vector in VECTORS.values():
        decision = vector["expect"].get("decision")
        if decision is not None:
            shown |= {reason["code"] for reason in decision["reasons"]}
            noticed |= {decision["notice"]["code"]} if decision["notice"] is not None else set()
    assert set(reasons.REASONS) - shown == set()
    assert set(notices.NOTICES) - noticed == set()

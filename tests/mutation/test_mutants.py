"""The mutation tool itself, a sample of 6 in every run, and one of 60 in long runs: REL-23."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tools import mutants

ROOT = Path(__file__).resolve().parents[2]


SOURCE = '''
"""What it does."""
LIMIT = 3
def allowed(count: int, *, open: bool = True) -> bool:
    """Whether."""
    if not open:
        raise ValueError("closed")
    return 0 < count <= LIMIT and count != 2
'''


def planted(source: str) -> list[mutants.Mutant]:
    return [mutants.plant(source, site) for site in mutants.sites_of(source, "core/x.py")]


def test_each_operator_plants_its_fault_and_nothing_else() -> None:
    found = {(mutant.before, mutant.after) for mutant in planted(SOURCE)}
    comparison = "0 < count <= LIMIT"
    assert {
        ("3", "4"),
        ("3", "2"),
        ("True", "False"),
        ("not open", "open"),
        ("raise ValueError('closed')", "pass"),
        (comparison, "0 <= count <= LIMIT"),
        (comparison, "0 >= count <= LIMIT"),
        (comparison, "0 < count < LIMIT"),
        (comparison, "0 < count > LIMIT"),
        (f"{comparison} and count != 2", f"{comparison} or count != 2"),
        ("count != 2", "count == 2"),
        (f"return {comparison} and count != 2", "return None"),
    } <= found
    assert not any("Whether" in mutant.before or "What it does" in mutant.before for mutant in planted(SOURCE))
    for mutant in planted(SOURCE):
        assert ast.unparse(ast.parse(SOURCE)) != mutant.text
        compile(mutant.text, "planted", "exec")


def test_every_site_of_both_rooms_can_be_planted() -> None:
    sites = mutants.all_sites()
    assert len(sites) > 3000
    for site in sites[::97]:
        source = mutants.source_of(site.module)
        mutant = mutants.plant(source, site)
        assert mutant.text != ast.unparse(ast.parse(source)), mutant.name


def test_the_listed_equivalents_exist_and_are_argued() -> None:
    for name, why in mutants.equivalents().items():
        module = name.split(":", 1)[0]
        source = mutants.source_of(module)
        names = {mutants.plant(source, site).name for site in mutants.sites_of(source, module)}
        assert name in names, f"{name} is not there any more"
        assert len(why) > 30, name


def test_the_tests_of_a_module_are_found_its_own_first() -> None:
    assert mutants.relevant_tests("formats/jws.py")[0] == "tests/unit/formats/test_jws.py"
    assert mutants.relevant_tests("core/rules.py")


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "mutants.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_most_of_six_planted_faults_are_caught_by_the_tests_of_their_modules() -> None:
    """A smoke test of REL-23 in less than a minute: the rate is measured by the long run below, and by a release."""
    done = run_tool("--sample", "6", "--quick", "--only", "formats/r")
    outcomes = [line.partition(" ")[0] for line in done.stdout.splitlines()]
    assert outcomes.count("caught") >= 4, done.stdout + done.stderr
    assert outcomes.count("caught") + outcomes.count("equivalent") + outcomes.count("SURVIVED") == 6


@pytest.mark.long
@pytest.mark.timeout(0)
def test_rel_23_at_least_95_percent_of_60_planted_faults_are_caught() -> None:
    done = run_tool("--sample", "60", "--jobs", "2")
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]

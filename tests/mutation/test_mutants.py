"""The mutation tool itself, a sample of 24 in every run, and one of 60 in long runs: REL-23."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
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


SEAT_AND_TIME = (
    *("admission", "conditions", "enrolment", "lease_slots", "lease_terms", "leases", "metering", "overage"),
    *("progress", "seats", "starts", "tallies"),
)
SAMPLED = ",".join([*(f"core/{name}.py" for name in SEAT_AND_TIME), "formats/lease.py", "formats/root.py"])
"""Seats, leases, terms, and two formats: modules whose own tests take a second or two, so that all of it takes 30."""


def test_rel_23_nearly_all_of_24_planted_faults_are_caught_by_the_tests_of_their_modules() -> None:
    """In half a minute of a core: the rate over all modules is measured by the long run below, and by a release."""
    done = run_tool("--sample", "24", "--quick", "--only", SAMPLED)
    outcomes = Counter(line.partition(" ")[0] for line in done.stdout.splitlines())
    assert outcomes["caught"] + outcomes["equivalent"] + outcomes["SURVIVED"] == 24, done.stdout + done.stderr
    assert outcomes["SURVIVED"] <= 2, done.stdout


def test_a_sample_is_drawn_from_each_named_module_and_no_other() -> None:
    drawn = {site.module for site in mutants.all_sites(SAMPLED)}
    assert drawn == set(SAMPLED.split(","))
    assert {site.module for site in mutants.all_sites(SAMPLED, ("core/leases.py",))} == drawn - {"core/leases.py"}


def test_a_run_that_takes_too_long_by_the_time_of_a_core_has_failed(tmp_path: Path) -> None:
    (tmp_path / "test_ends.py").write_text("def test_it() -> None:\n    assert True\n", "utf-8")
    (tmp_path / "test_never_ends.py").write_text("def test_it() -> None:\n    while True:\n        pass\n", "utf-8")
    assert not mutants.fails(tmp_path, ["test_ends.py"], 60)
    assert mutants.fails(tmp_path, ["test_never_ends.py"], 3)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_rel_23_at_least_95_percent_of_60_planted_faults_are_caught() -> None:
    done = run_tool("--sample", "60", "--jobs", "2")
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]

"""The published vectors of token profiles: made again, run, complete, and as the contracts have them."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from typing import Any

import pytest

from carnet.core.errors import MalformedError
from carnet.core.instant import parse_instant
from carnet.formats.profiles import hosts, keyforge, traffic_orchestrator, verdicts
from support.branches import untaken_branches
from support.profile_tokens import KEYFORGE_FACTS, KEYFORGE_TOKEN, ORCHESTRATOR_FACTS, ORCHESTRATOR_TOKEN
from support.profile_vectors import facts_to_json, run_vector
from support.sealed_vectors import VECTORS, rendered

FOLDER = VECTORS / "token-profiles"
PAGE = VECTORS.parent / "token-profiles.md"
ALL: dict[str, Any] = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
TABLE = {
    "example.com": True,
    "EXAMPLE.COM": True,
    "example.com.": True,
    "example.com:8443": True,
    "www.example.com": False,
    "notexample.com": False,
    "example.com.evil.net": False,
    "a.apps.example.org": True,
    "a.b.apps.example.org": True,
    "apps.example.org": False,
    "evilapps.example.org": False,
    "a.apps.example.org.evil.net": False,
    "other.test": False,
    None: False,
}
"""contracts/traffic-orchestrator.md §4.6, the column "ours", copied by hand."""


def test_the_vectors_are_what_the_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("g", VECTORS.parents[1] / "tools" / "vectors_token_profiles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = rendered(module.PARTS)
    assert {f"token-profiles/{path.name}": path.read_text("utf-8") for path in FOLDER.iterdir()} == made


@pytest.mark.parametrize("group", ["keyforge", "orchestrator", "spelling", "pattern", "covers"])
def test_the_profiles_do_what_the_vectors_expect(group: str) -> None:
    names = [name for name in ALL if name.startswith(f"{group}-")]
    assert len(names) >= 20
    for name in names:
        assert run_vector(ALL[name]) == ALL[name]["expect"], name


def test_the_contracts_tokens_and_hosts_are_among_the_vectors() -> None:
    for name, token, facts in (
        ("keyforge-contract", KEYFORGE_TOKEN, KEYFORGE_FACTS),
        ("orchestrator-contract", ORCHESTRATOR_TOKEN, ORCHESTRATOR_FACTS),
    ):
        assert ALL[name]["input"]["token"] == token
        assert ALL[name]["expect"] == {"outcome": "ok", "value": facts_to_json(facts)}
    named = {
        vector["input"]["domain"]: vector["expect"]["outcome"] == "ok"
        for name, vector in ALL.items()
        if name.startswith("orchestrator-host-") and "ignore_domain" not in vector["input"]
    }
    assert TABLE.items() <= named.items()


def test_rel_24_every_code_and_reason_that_the_page_names_has_a_vector() -> None:
    page = PAGE.read_text("utf-8").split("## 8. MUST reject\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in page.splitlines() if line.startswith("|") and "`" in line]
    codes = {code for line in rows for code in re.findall("`([a-z0-9_]+)`", line.rstrip("| ").rpartition("|")[2])}
    codes |= set(re.findall("`([a-z0-9_]+)`", page.partition("An issuer refuses")[2]))
    assert {vector["expect"].get("code") for vector in ALL.values()} == {None, *codes}
    reasons = {code for vector in ALL.values() for code in (reasons_of(vector) or ())}
    judging = PAGE.read_text("utf-8").split("Every fact against the token is told", 1)[1].split("\n", 1)[0]
    assert reasons == set(re.findall("`([a-z0-9_]+)`", judging))


def reasons_of(vector: dict[str, Any]) -> list[str] | None:
    value = vector["expect"].get("value")
    return value.get("reasons") if isinstance(value, dict) else None


def test_boundaries_come_in_threes_a_second_apart() -> None:
    threes = [name.removesuffix("-at") for name in ALL if name.endswith("-at") and "now" in ALL[name]]
    threes = [stem for stem in threes if f"{stem}-before" in ALL and not stem.endswith("days")]
    assert len(threes) >= 12
    changed: Counter[bool] = Counter()
    for stem in threes:
        before, at, after = (ALL[f"{stem}-{word}"] for word in ("before", "at", "after"))
        if before["now"] != at["now"]:
            times = [parse_instant(vector["now"]) for vector in (before, at, after)]
            assert (times[1] - times[0], times[2] - times[1]) == (1, 1)
            changed[before["expect"]["outcome"] != at["expect"]["outcome"]] += 1
            assert at["expect"]["outcome"] == after["expect"]["outcome"], stem
    assert changed[True] >= 10


def test_a_vector_that_says_something_else_fails() -> None:
    for name in ("keyforge-genuine", "orchestrator-issue-perpetual", "spelling-upper", "keyforge-judged-every-reason"):
        vector = json.loads(json.dumps(ALL[name]))
        vector["expect"]["value"] = {}
        assert run_vector(vector) != vector["expect"]


def test_rel_24_the_vectors_take_every_branch_of_the_profiles_both_ways() -> None:
    def run() -> None:
        for vector in ALL.values():
            run_vector(vector)
        with pytest.raises(MalformedError):
            verdicts.a_text({}, "name")

    assert untaken_branches([hosts, keyforge, traffic_orchestrator, verdicts], run) == []

"""The published vectors of keys, strict JSON, tokens, answers, roots, bundles, logs: made again, run, checked twice."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from carnet.core.instant import parse_instant
from carnet.formats.root import read_root
from support.format_scenarios import VECTORS, rendered
from support.format_vectors import run_format_vector, text_of
from support.token_oracle import Refused
from support.token_oracle import verify as verify_by_the_book
from support.vector_keys import ring_of

TOOLS = VECTORS.parents[1] / "tools"
GENERATORS = {
    "vectors_keys": ("keys",),
    "vectors_formats": ("strict-json", "bundle"),
    "vectors_license_token": ("license-token",),
    "vectors_answer_root": ("answer", "root"),
    "vectors_time": ("time", "device-proof"),
    "vectors_lease": ("lease",),
    "vectors_status_list": ("status-list",),
    "vectors_logs": ("checkpoint", "log-proof", "root-draft"),
}
PAGES = {
    "device-proof": ("answer", "Device proofs\n"),
    "checkpoint": ("transparency", "### 4.5 MUST reject\n"),
    "log-proof": ("transparency", "### 5.2 MUST reject\n"),
    "root-draft": ("root", "### 8.3 MUST reject\n"),
}
"""Where the table of a folder stands, if not under this title on the page of the same name."""
FOLDERS = [folder for folders in GENERATORS.values() for folder in folders]
ALL = {
    f"{folder}/{path.stem}": json.loads(path.read_text("utf-8"))
    for folder in FOLDERS
    for path in sorted((VECTORS / folder).glob("*.json"))
}
TOKENS = {name: vector for name, vector in ALL.items() if name.startswith("license-token/")}
NATIVE = {
    name: vector
    for name, vector in TOKENS.items()
    if all(key["kty"] == "OKP" for keys in vector["keys"].values() for key in keys)
}
"""Those whose keys the second verifier knows; it has one algorithm. The others are for tools/check_vectors.py."""


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", GENERATORS)
def test_the_vectors_are_what_the_generator_makes(name: str) -> None:
    made = rendered(generator(name).PARTS)
    files = [path for folder in GENERATORS[name] for path in (VECTORS / folder).iterdir()]
    assert {f"{path.parent.name}/{path.name}": path.read_text("utf-8") for path in files} == made


@pytest.mark.parametrize("name", ALL)
def test_the_formats_do_what_the_vector_expects(name: str) -> None:
    assert run_format_vector(ALL[name]) == ALL[name]["expect"]


@pytest.mark.parametrize("name", NATIVE)
def test_a_second_verifier_reads_the_license_token_vectors_alike(name: str) -> None:
    vector = TOKENS[name]
    keys = {key.kid: key.raw for key in ring_of(vector).usable("token")}
    try:
        claims = verify_by_the_book(text_of(vector["input"]["token"]).encode(), keys)
    except Refused as refused:
        assert vector["expect"]["outcome"] == str(refused)  # noqa: PT017 - one of two good ends
    else:
        assert vector["expect"]["outcome"] == "ok" or "decision" in vector["expect"]
        if "value" in vector["expect"]:
            assert parse_instant(vector["expect"]["value"]["offline_until"]) == claims["exp"]


@pytest.mark.parametrize("name", [name for name, vector in TOKENS.items() if "root" in vector["input"]])
def test_the_root_of_a_token_vector_trusts_the_vectors_keys(name: str) -> None:
    ring = read_root(TOKENS[name]["input"]["root"]).ring()
    assert ring.usable("token") == ring_of(TOKENS[name]).usable("token")


def codes_of(folder: str) -> set[str]:
    return {
        vector["expect"].get("code", vector["expect"]["outcome"])
        for name, vector in ALL.items()
        if name.startswith(f"{folder}/")
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_rel_24_every_code_that_a_page_lists_has_a_vector(folder: str) -> None:
    """The `MUST reject` table of each page and its vectors name the same codes."""
    page, heading = PAGES.get(folder, (folder, "MUST reject\n"))
    text = (VECTORS.parent / f"{page}.md").read_text("utf-8")
    table = text.split(heading, 1)[1].split("\n## ", 1)[0].partition("| input | code |")[2]
    rows = [line for line in table.splitlines() if line.startswith("|") and "`" in line]
    listed = {code.strip("`") for line in rows for code in line.rstrip("| ").rpartition("|")[2].strip().split(", ")}
    shown = codes_of(folder) - {"ok"} - {code for code in codes_of(folder) if code.startswith("refused:")}
    assert shown == listed


def test_boundaries_come_in_threes() -> None:
    decided: dict[str, dict[str, Any]] = {}
    for name, vector in TOKENS.items():
        if "now" in vector:
            stem, _, word = name.rpartition("-")
            decided.setdefault(stem, {})[word] = vector
    threes = [vectors for vectors in decided.values() if {"before", "at", "after"} <= set(vectors)]
    assert len(threes) >= 6
    for vectors in threes:
        before, at, after = (parse_instant(vectors[word]["now"]) for word in ("before", "at", "after"))
        assert (at - before, after - at) == (1, 1)
        assert vectors["before"]["expect"]["decision"]["state"] != vectors["at"]["expect"]["decision"]["state"]
        assert vectors["at"]["expect"]["decision"]["state"] == vectors["after"]["expect"]["decision"]["state"]


def test_the_folder_of_vectors_is_found() -> None:
    assert Path(VECTORS, "schema.json").is_file()
    assert len(ALL) > 250

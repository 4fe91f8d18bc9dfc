"""Where a display or a token cannot be prepared, that is said, nothing breaks, and the next time it is tried again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREPARED = {"display": ("a virtual display", "xvfb"), "softhsm": ("SoftHSM", "softhsm2")}
"""By name: what it is called, and the first package that it wants."""

pytestmark = pytest.mark.parametrize("name", PREPARED)


def prepare(name: str, place: Path, path: str) -> tuple[str, dict[str, object]]:
    command = [sys.executable, str(ROOT / "tools" / f"prepare_{name}.py"), str(place)]
    done = subprocess.run(command, env={"PATH": path}, check=True, capture_output=True, text=True)
    return done.stdout, json.loads((place / name / f"{name}.json").read_text(encoding="utf-8"))


def test_without_debians_tools_the_reason_is_kept_for_the_tests(name: str, tmp_path: Path) -> None:
    for _ in range(2):
        said, record = prepare(name, tmp_path, "/nonexistent")
        assert f"not here: {PREPARED[name][0]} is only prepared on Debian and its relatives" in said
        assert set(record) == {"missing"}


def test_package_sources_that_give_nothing_are_told_too(name: str, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("apt-get", "dpkg-deb"):
        (tools / tool).write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
        (tools / tool).chmod(0o755)
    said, record = prepare(name, tmp_path, f"{tools}:/usr/bin:/bin")
    assert "no network" in said
    assert f"gave no {PREPARED[name][1]}" in str(record["missing"])


def test_what_is_prepared_already_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    source = (ROOT / "tools" / f"prepare_{name}.py").read_text()
    version = next(line for line in source.splitlines() if line.startswith("VERSION"))
    record = {"version": int(version.split("=")[1])}
    (tmp_path / name / f"{name}.json").write_text(json.dumps(record))
    assert prepare(name, tmp_path, "/nonexistent") == ("", record)

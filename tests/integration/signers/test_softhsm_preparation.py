"""Where SoftHSM cannot be prepared, that is said, nothing breaks, and the next time it is tried again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def prepare(place: Path, path: str) -> tuple[str, dict[str, object]]:
    command = [sys.executable, str(ROOT / "tools" / "prepare_softhsm.py"), str(place)]
    done = subprocess.run(command, env={"PATH": path}, check=True, capture_output=True, text=True)
    return done.stdout, json.loads((place / "softhsm" / "softhsm.json").read_text(encoding="utf-8"))


def test_without_debians_tools_the_reason_is_kept_for_the_tests(tmp_path: Path) -> None:
    for _ in range(2):
        said, record = prepare(tmp_path, "/nonexistent")
        assert "not here: SoftHSM is only prepared on Debian and its relatives" in said
        assert set(record) == {"missing"}


def test_package_sources_that_give_nothing_are_told_too(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("apt-get", "dpkg-deb"):
        (tools / name).write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
        (tools / name).chmod(0o755)
    said, record = prepare(tmp_path, f"{tools}:/usr/bin:/bin")
    assert "no network" in said
    assert "gave no softhsm2" in str(record["missing"])


def test_what_is_prepared_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "softhsm").mkdir()
    source = (ROOT / "tools" / "prepare_softhsm.py").read_text()
    version = next(line for line in source.splitlines() if line.startswith("VERSION"))
    record = {"version": int(version.split("=")[1])}
    (tmp_path / "softhsm" / "softhsm.json").write_text(json.dumps(record))
    assert prepare(tmp_path, "/nonexistent") == ("", record)

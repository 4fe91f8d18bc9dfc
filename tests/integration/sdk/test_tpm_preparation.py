"""Where a software TPM cannot be prepared, that is said, nothing breaks, and the next time it is tried again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PREPARE = ROOT / "tools" / "prepare_tpm.py"


def prepare(place: Path, path: Path) -> tuple[str, dict[str, object]]:
    command = [sys.executable, str(PREPARE), str(place)]
    done = subprocess.run(command, env={"PATH": str(path)}, check=True, capture_output=True, text=True)
    return done.stdout, json.loads((place / "tpm" / "tpm.json").read_text(encoding="utf-8"))


def programs(tmp_path: Path, *names: str) -> Path:
    """A directory with programs that only fail."""
    directory = tmp_path / "bin"
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
        (directory / name).chmod(0o755)
    return directory


def test_without_a_compiler_the_reason_is_kept_for_the_tests(tmp_path: Path) -> None:
    for _ in range(2):
        said, record = prepare(tmp_path, programs(tmp_path))
        assert "not here: the binding to the TPM is built from source, and there is no cc" in said
        assert set(record) == {"missing"}


def test_other_systems_are_told_too(tmp_path: Path) -> None:
    _, record = prepare(tmp_path, programs(tmp_path, "cc", "pkg-config"))
    assert record == {"missing": "a software TPM is only prepared on Debian and its relatives (apt-get and dpkg-deb)."}


def test_package_sources_that_give_nothing_are_told_as_well(tmp_path: Path) -> None:
    _, record = prepare(tmp_path, programs(tmp_path, "cc", "pkg-config", "apt-get", "dpkg-deb"))
    assert "gave no swtpm" in str(record["missing"])
    assert "no network" in str(record["missing"])


def test_what_was_prepared_already_stays_until_the_lock_changes(tmp_path: Path) -> None:
    version = next(line for line in PREPARE.read_text().splitlines() if line.startswith("VERSION"))
    lock = hashlib.sha256((ROOT / "requirements-tpm.lock").read_bytes()).hexdigest()
    record = {"version": int(version.split("=")[1]), "lock": lock}
    (tmp_path / "tpm").mkdir()
    (tmp_path / "tpm" / "tpm.json").write_text(json.dumps(record))
    assert prepare(tmp_path, programs(tmp_path)) == ("", record)
    (tmp_path / "tpm" / "tpm.json").write_text(json.dumps({**record, "lock": "another"}))
    assert set(prepare(tmp_path, programs(tmp_path))[1]) == {"missing"}


def test_the_lock_of_what_building_needs_is_the_lock_without_the_binding() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tools.prepare_tpm import BINDING, LOCK, without\n"
        "print(without(LOCK.read_text(), BINDING))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    lock = (ROOT / "requirements-tpm.lock").read_text()
    names = [line.split("==")[0] for line in lock.splitlines() if "==" in line]
    left = [line.split("==")[0] for line in done.stdout.splitlines() if "==" in line]
    assert "tpm2-pytss" in names
    assert left == [name for name in names if name != "tpm2-pytss"]
    assert done.stdout.count("--hash=sha256:") < lock.count("--hash=sha256:")

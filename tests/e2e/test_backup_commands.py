"""The backup commands as an operator uses them: make, check, lose everything, put back, serve again."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.cli_runs import carnet


def test_rel_11_an_operator_loses_the_machine_and_serves_again(tmp_path: Path) -> None:
    here = {"CARNET_DATA": str(tmp_path / "here")}
    there = {"CARNET_DATA": str(tmp_path / "there")}
    assert carnet("init", "--root-keys", tmp_path / "root", "--json", env=here).code == 0
    assert carnet("product", "create", "hustl", env=here).code == 0
    sold = carnet("license", "create", "--product", "hustl", "--policy", "consumer", "--json", env=here).json

    made = carnet("backup", "create", "--output", tmp_path, "--json", env=here)
    assert made.code == 0
    file = Path(made.json["file"])
    assert file.parent == tmp_path
    assert file.stat().st_mode & 0o777 == 0o600
    checked = carnet("backup", "verify", file, "--json", env=here).json
    assert checked["ok"] is True
    assert checked["rows"]["licenses"] == 1

    for kept in ("keys", "secrets"):
        shutil.copytree(tmp_path / "here" / kept, tmp_path / "there" / kept)
    shutil.rmtree(tmp_path / "here")

    assert carnet("backup", "restore", file, env=there).code == 0
    refused = carnet("license", "list", "--json", env=there)
    assert refused.code == 1
    assert refused.problem["code"] == "restored"
    assert "--new-epoch" in refused.problem["fix"]
    begun = carnet("backup", "restore", "--new-epoch", "--json", env=there).json
    assert begun["epoch"] > 1_700_000_000
    (license_,) = carnet("license", "list", "--json", env=there).json["items"]
    assert license_["id"] == sold["id"]
    actions = [entry["action"] for entry in carnet("audit", "list", "--json", env=there).json["items"]]
    assert "installation.epoch_begun" in actions


def test_the_backup_commands_say_what_is_wrong(tmp_path: Path) -> None:
    here = {"CARNET_DATA": str(tmp_path / "here")}
    assert carnet("init", "--root-keys", tmp_path / "root", env=here).code == 0
    odd = tmp_path / "odd.backup"
    odd.write_text("carnet-backup/9\n")
    for words, exit_code, code in (
        (("backup", "restore"), 2, "bad_usage"),
        (("backup", "verify", tmp_path / "none"), 1, "backup_not_readable"),
        (("backup", "verify", odd), 1, "not_a_backup"),
        (("backup", "create", "--output", odd), 2, "file_exists"),
        (("backup", "restore", odd, "--replace"), 1, "not_a_backup"),
    ):
        run = carnet(*words, "--json", env=here)
        assert (run.code, run.problem["code"]) == (exit_code, code), words
        assert run.problem["fix"]

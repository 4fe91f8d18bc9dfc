"""`carnet license import` and `export`, by transcript: keys verbatim, every bad line told, nothing silently half."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from carnet.cli import exits
from support.shop import Shop

GOOD = [f"LEGACY-{number:02d}-Hq7Zp-Lm3Rt-Vb8Ns" for number in range(4)]


def imported(shop: Shop, file: Path, *words: str) -> tuple[int, Any, str]:
    run = shop.run("license", "import", file, *words, "--json")
    return run.code, run.json, run.err


def test_licenses_of_another_system_are_taken_over_and_written_out_again(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "legacy.csv"
    file.write_text("key,policy,type,duration_seconds\n" + "\n".join(f"{key},consumer,timed,86400" for key in GOOD))
    code, made, _ = imported(shop, file)
    assert (code, made["done"], made["imported"]) == (exits.OK, True, 4)
    out = tmp_path / "all.jsonl"
    run = shop.run("license", "export", "--output", out, "--with-keys", "--product", "hustl", "--json")
    assert run.code == exits.OK, run.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert set(GOOD) <= {each["key"] for each in records}
    assert run.json["exported"] == len(records)
    assert any(each["action"] == "license.keys_exported" for each in shop.vendor("audit", "list")["items"])
    plain = tmp_path / "plain.csv"
    assert shop.run("license", "export", "--output", plain, "--json").json["exported"] == len(records)
    assert not any(key in plain.read_text() for key in GOOD)
    again = shop.run("license", "export", "--output", plain)
    assert again.code != exits.OK
    assert "already" in again.err


def test_bad_lines_are_told_and_nothing_is_imported(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("key,policy\nweak,consumer\nTRULY-90-Hq7Zp-Lm3Rt-Vb8Ns,consumer\nTRULY-91-Hq7Zp-Lm3Rt-Vb8Ns,none\n")
    code, made, _ = imported(shop, file)
    assert (code, made["done"], made["imported"]) == (exits.FAILED, False, 0)
    assert [(each["line"], each["code"]) for each in made["bad"]] == [(2, "weak_license_key"), (4, "policy_not_found")]
    talk = shop.run("license", "import", file).err
    assert "line 2:" in talk
    assert "Nothing was imported." in talk
    code, made, _ = imported(shop, file, "--skip-bad")
    assert (code, made["imported"], made["bad_total"]) == (exits.FAILED, 1, 2)
    code, made, _ = imported(shop, file, "--skip-bad", "--skip-known")
    assert (code, made["imported"], made["skipped"]) == (exits.FAILED, 0, 1)


def test_a_dry_run_only_looks(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "look.jsonl"
    file.write_text(json.dumps({"key": "DRYRUN-1-Hq7Zp-Lm3Rt-Vb8Ns", "policy": "consumer"}) + "\n")
    for _ in range(2):
        code, made, _ = imported(shop, file, "--dry-run")
        assert (code, made["imported"], made["bad_total"]) == (exits.OK, 0, 0)


def test_a_file_that_is_none_is_a_sentence(shop: Shop, tmp_path: Path) -> None:
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    for name in (tmp_path / "missing.csv", tmp_path, binary):
        run = shop.run("license", "import", name)
        assert run.code == exits.USAGE
        assert "Traceback" not in run.err
    assert shop.run("license", "export").code == exits.USAGE

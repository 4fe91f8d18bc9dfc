"""`carnet manifest`: sealed at the vendor's, checked on a device, and audited (R-42)."""

from __future__ import annotations

from pathlib import Path

from support.shop import Shop


def test_a_release_is_sealed_shipped_and_compared(office: Shop, tmp_path: Path) -> None:
    release, manifest = tmp_path / "release", tmp_path / "app.manifest"
    (release / "lib").mkdir(parents=True)
    (release / "app").write_bytes(b"program")
    (release / "lib" / "code").write_bytes(b"library")
    (release / "debug.log").write_bytes(b"noise")
    made = office.vendor(
        *("manifest", "create", release, "--product", "hustl", "--app-version", "2.1"),
        *("--exclude", "*.log", "--output", manifest),
    )
    assert (made["files"], made["version"]) == (2, "2.1")
    audited = office.vendor("audit", "list", "--action", "product.manifest_sealed")["items"]
    assert [each["details"] for each in audited if each["details"]["version"] == "2.1"] == [
        {"version": "2.1", "files": 2}
    ]

    device = office.device()
    check = ("manifest", "check", manifest, release, "--json")
    (release / "debug.log").write_bytes(b"more noise")
    fine = office.on(device, *check, "--app-version", "2.1")
    assert (fine.code, fine.json["result"], fine.json["checked"]) == (0, "unchanged", 2)

    (release / "lib" / "code").write_bytes(b"patched")
    (release / "app").unlink()
    changed = office.on(device, *check)
    assert (changed.code, changed.json["changed"], changed.json["missing"]) == (1, ["lib/code"], ["app"])
    text = office.on(device, "manifest", "check", manifest, release).out
    assert text == "changed\nchanged  lib/code\nmissing  app\n"

    older = office.on(device, *check, "--app-version", "2.2")
    assert (older.code, older.json["result"]) == (1, "not genuine")
    assert "wrong_manifest" in older.err


def test_what_cannot_be_sealed_says_why(office: Shop, tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    words = ("manifest", "create", tmp_path / "release", "--product", "hustl", "--app-version", "1")
    empty = office.run(*words, "--output", tmp_path / "out", "--json")
    assert "bad_manifest" in empty.err
    (tmp_path / "release" / "app").write_bytes(b"x")
    assert office.run(*words, "--output", tmp_path / "out").code == 0
    again = office.run(*words, "--output", tmp_path / "out", "--json")
    assert "output_exists" in again.err
    nowhere = office.run(
        "manifest", "create", tmp_path / "no", "--product", "hustl", "--app-version", "1", "--output", "o", "--json"
    )
    assert "folder_not_found" in nowhere.err
    other = office.run(*words[:4], "other", *words[5:], "--output", tmp_path / "o2", "--json")
    assert "product_not_found" in other.err
    (tmp_path / "release" / "gone").symlink_to(tmp_path / "nowhere")
    dangling = office.run(*words, "--output", tmp_path / "o3", "--json")
    assert "file_not_readable" in dangling.err

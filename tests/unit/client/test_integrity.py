"""R-42: the files of an app against its manifest: accidents are found, and nothing is ever stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnet.client.integrity import Integrity, check_files, check_in_background, digest_of, files_below
from carnet.core.errors import UsageError
from carnet.formats.app_manifest import ROLE, AppManifest, issue_app_manifest
from carnet.testing import Lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A released app."""
    root = tmp_path / "Flight Log"
    for path, content in {"flightlog": b"\x7fELF", "lib/Überflug.so": b"code", "lib/deep/empty": b""}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def manifest_of(lab: Lab, folder: Path, *, product: str = "hustl", version: str = "2.1") -> bytes:
    files = tuple((path, digest_of(str(folder / path)) or "") for path in files_below(str(folder)))
    told = AppManifest(issuer="i", product=product, version=version, issued_at=lab.now, files=files)
    return issue_app_manifest(told, lab.server._signers[ROLE])


def test_r_42_a_release_that_nobody_touched_is_unchanged(carnet_lab: Lab, folder: Path) -> None:
    manifest = manifest_of(carnet_lab, folder)
    (folder / "plug-in.so").write_bytes(b"the user's own")
    found = check_files(carnet_lab.app(), manifest, folder, version="2.1")
    assert found == Integrity(result="unchanged", checked=3, version="2.1")
    assert found


def test_r_42_what_changed_and_what_is_missing_is_named(carnet_lab: Lab, folder: Path) -> None:
    manifest = manifest_of(carnet_lab, folder)
    (folder / "flightlog").write_bytes(b"\x7fELG")
    (folder / "lib/deep/empty").unlink()
    (folder / "lib/Überflug.so").unlink()
    (folder / "lib/Überflug.so").mkdir()
    found = check_files(carnet_lab.app(), manifest, folder)
    assert not found
    assert (found.result, found.changed, found.changed_count) == ("changed", ("flightlog",), 1)
    assert (sorted(found.missing), found.missing_count) == (["lib/deep/empty", "lib/Überflug.so"], 2)


def test_a_thousand_missing_files_are_counted_and_not_all_named(carnet_lab: Lab, tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}").write_bytes(b"")
    manifest = manifest_of(carnet_lab, tmp_path)
    found = check_files(carnet_lab.app(), manifest, tmp_path / "elsewhere")
    assert (found.missing_count, len(found.missing)) == (300, 100)


def test_a_manifest_that_cannot_be_believed_says_so_and_reads_no_file(carnet_lab: Lab, folder: Path) -> None:
    app = carnet_lab.app()
    genuine = manifest_of(carnet_lab, folder)
    stranger = Lab(folder.parent / "other")
    for manifest, code in (
        (b"", "bad_manifest"),
        (genuine[:-1], "manifest_altered"),
        (manifest_of(stranger, folder), "unknown_key"),
        (manifest_of(carnet_lab, folder, product="another"), "wrong_manifest"),
    ):
        found = check_files(app, manifest, folder)
        assert (found.result, found.checked) == ("not genuine", 0)
        assert found.problem is not None
        assert found.problem.code == code
    another = check_files(app, genuine, folder, version="2.2")
    assert another.problem is not None
    assert (another.problem.code, another.version) == ("wrong_manifest", "2.1")


def test_in_the_background_it_tells_and_decides_nothing(carnet_lab: Lab, folder: Path) -> None:
    manifest = manifest_of(carnet_lab, folder)
    (folder / "flightlog").write_bytes(b"patched")
    carnet_lab.activate()
    told: list[Integrity] = []
    app = carnet_lab.app()
    thread = check_in_background(app, manifest, folder, told.append, version="2.1")
    thread.join(120)
    assert thread.daemon
    assert [found.result for found in told] == ["changed"]
    assert app.check().access == "full"


def test_a_wrong_setting_is_told_where_the_app_can_hear_it(carnet_lab: Lab, folder: Path) -> None:
    with pytest.raises(UsageError):
        check_in_background(carnet_lab.app(product="Not An Id"), b"", folder, lambda _: None)

"""`carnet status-list` on a real installation: files for a CDN and for an app, which verify there (R-15, R-83)."""

from __future__ import annotations

from pathlib import Path

from carnet.cli import exits
from carnet.formats.bundle import read_bundle
from carnet.formats.root import read_root
from carnet.formats.status_list import verify_status_list
from support.shop import Shop


def test_r_83_the_vendor_exports_what_a_cdn_serves_and_an_app_brings_along(office: Shop, tmp_path: Path) -> None:
    license_ = office.license()
    office.vendor("license", "revoke", license_["id"])
    folder = tmp_path / "public"
    made = office.vendor("status-list", "export", folder)
    assert (made["lists"], made["files"]) == (1, ["v1/status/0", "status-lists.carnet"])
    ring = read_root((office.stage.data / "root.json").read_bytes()).ring()
    listed = verify_status_list((folder / "v1" / "status" / "0").read_bytes(), ring)
    assert listed.statuses.count(0) == len(listed.statuses) - 1
    bundle = read_bundle((folder / "status-lists.carnet").read_bytes())
    assert bundle.status_lists == ((folder / "v1" / "status" / "0").read_text("ascii"),)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["0", "status-lists.carnet"]

    (item,) = office.vendor("status-list", "list")["items"]
    assert item["version"] == list(listed.version)
    shown = office.run("status-list", "list").out
    assert "PUBLISHED" in shown
    assert f"{listed.version[0]}.{listed.version[1]}" in shown

    # A second export publishes what changed meanwhile, and replaces the files.
    other = office.license()
    office.vendor("license", "suspend", other["id"])
    office.vendor("status-list", "export", folder)
    again = verify_status_list((folder / "v1" / "status" / "0").read_bytes(), ring)
    assert again.version > listed.version
    assert again.bits == 2


def test_a_folder_that_cannot_be_written_is_told(office: Shop, tmp_path: Path) -> None:
    office.license()
    (tmp_path / "file").write_text("x")
    refused = office.run("status-list", "export", tmp_path / "file", "--json")
    assert (refused.code, refused.problem["code"]) == (exits.USAGE, "folder_not_writable")

"""
R-90: an app that PyInstaller put together activates at a real server, goes offline, and decides.

The build is moved away from where it was made, and runs without this Python, its packages, or a PATH.
"""

from __future__ import annotations

import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PyInstaller.archive.readers import CArchiveReader

from carnet._freezing import get_hook_dirs, nuitka_configuration
from support.campaigns import LONG
from support.shop import Shop

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "examples" / "cli" / "flightlog.py"
PAGE = ROOT / "docs" / "how-to" / "freeze-your-app.md"
ONE_FOLDER = next(
    line
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("pyinstaller") and "exclude" in line
)
"""The page's own command."""

SOURCE = ROOT / "src" / "carnet"
WANTED = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for room in ("client", "core", "formats")
    for path in (SOURCE / room).rglob("*.py")
}
BUILDS = ["onedir", "onefile"] if LONG else ["onedir"]


@pytest.fixture(scope="module", params=BUILDS)
def frozen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The built program, in a folder where nothing else of ours is."""
    folder = tmp_path_factory.mktemp("freezing")
    words = shlex.split(ONE_FOLDER.replace("--onedir", f"--{request.param}"))[1:-1]
    # Of this project's own environment, which holds more than an app's.
    more = [word for name in ("_pytest", "sqlite3") for word in ("--exclude-module", name)]
    places = [word for name in ("dist", "work", "spec") for word in (f"--{name}path", str(folder / name))]
    command = [
        sys.executable,
        "-m",
        "PyInstaller",
        "--noconfirm",
        "--log-level",
        "ERROR",
        *words,
        *more,
        *places,
        str(APP),
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    elsewhere = tmp_path_factory.mktemp("programs") / "Flight Log 2"
    shutil.copytree(folder / "dist", elsewhere)
    shutil.rmtree(folder)
    name = elsewhere / "flightlog"
    yield name / "flightlog" if name.is_dir() else name
    shutil.rmtree(elsewhere)


def run(program: Path, shop: Shop, home: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The program as a user starts it: from anywhere, with next to no environment."""
    environment = {
        "HOME": str(home),
        "CARNET_SERVER": shop.stage.url,
        "CARNET_ROOT": shop.stage.root_path.read_text(encoding="utf-8"),
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.run(
        [str(program), *words],
        input=stdin,
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_r_90_a_frozen_app_activates_goes_offline_and_decides(frozen: Path, shop: Shop, tmp_path: Path) -> None:
    assert run(frozen, shop, tmp_path, "print").returncode == 0  # the free part, before any license
    bare = run(frozen, shop, tmp_path, "export")
    assert (bare.returncode, bare.stdout) == (5, "")
    assert "activate" in bare.stderr.lower()

    key = shop.license("--set", 'entitlements=["export-pdf"]')["key"]
    activated = run(frozen, shop, tmp_path, "activate", stdin=key)
    assert (activated.returncode, activated.stderr) == (0, ""), activated.stderr

    shop.stage.stop_server()
    try:
        status = run(frozen, shop, tmp_path, "status")
        assert (status.returncode, status.stderr) == (0, "")
        assert status.stdout.startswith("active: full access, offline until 20")
        assert run(frozen, shop, tmp_path, "export").stdout.startswith("%PDF-1.7 LIS-FRA")
    finally:
        shop.stage.start_server()

    # Where its state is: with the user's, readable by nobody else, and nothing beside the program.
    kept = tmp_path / ".local" / "state" / "carnet" / "hustl"
    assert {path.name for path in kept.iterdir()} >= {"state.0", "state.1"}
    assert stat.S_IMODE((kept / "state.0").stat().st_mode) == 0o600
    assert not [path for path in frozen.parent.rglob("*") if path.name.startswith("state.")]


def test_r_90_a_key_that_is_refused_says_so_in_a_frozen_app_too(frozen: Path, shop: Shop, tmp_path: Path) -> None:
    refused = run(frozen, shop, tmp_path, "activate", stdin="XXXXX-XXXXX-XXXXX-XXXXX-XXXXX")
    assert refused.returncode == 5
    assert "Traceback" not in refused.stderr
    assert refused.stderr


def test_the_build_holds_all_of_the_device_and_nothing_of_the_server(frozen: Path) -> None:
    archive = CArchiveReader(str(frozen)).open_embedded_archive("PYZ.pyz")
    held = {name for name in archive.toc if name.partition(".")[0] == "carnet"}
    assert held >= WANTED
    assert {name.split(".")[1] for name in held if "." in name} >= {"client", "core", "formats"}
    assert not {"server", "cli", "testing"} & {name.split(".")[1] for name in held if "." in name}


def test_the_hook_is_where_the_entry_point_says_and_nuitkas_file_names_what_exists() -> None:
    assert [(Path(folder) / "hook-carnet.py").is_file() for folder in get_hook_dirs()] == [True]
    text = Path(nuitka_configuration()).read_text(encoding="utf-8")
    named = re.findall(r"'(carnet(?:\.\w+)*)(?:\.\*)?'", text)
    assert len(named) == 9
    assert all((ROOT / "src" / name.replace(".", "/")).is_dir() for name in named)

"""The examples run as they stand, each against real servers (users-ask 16, 33, 52, 53; conventions 2.1)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.shop import Shop
from support.vendor import Vendor, vendor_at

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DOCKERFILE = (EXAMPLES / "web_service" / "Dockerfile").read_text(encoding="utf-8")


def test_every_example_is_on_the_page_and_every_one_on_the_page_exists() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w/.]+)\)", page))
    assert all((EXAMPLES / path).exists() for path in linked)
    assert {path.split("/")[0] for path in linked} == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


# ── a host with the plug-ins of two vendors ──────────────────────────────────────────────────────────────────────────


class Studio:
    """A copy of the host with its plug-ins as two vendors released them, and those vendors."""

    def __init__(self, folder: Path, fjord: Vendor, kiln: Vendor) -> None:
        self.folder = folder / "studio"
        shutil.copytree(EXAMPLES / "plugin_host", self.folder)
        self.vendors = {"fjord_reverb": fjord, "kiln_grains": kiln}
        self.licenses: dict[str, Any] = {}
        for name, vendor in self.vendors.items():
            product = name.replace("_", "-")
            vendor.made("/products", {"id": product})
            self.licenses[name] = vendor.license(product)
            constants = f"SERVER = {vendor.live.url!r}\nROOT = {vendor.installation.roots[0]!r}\n"
            (self.folder / "plugins" / name / "_vendor.py").write_text(constants, encoding="utf-8")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("vendors")
    with vendor_at(folder / "fjord") as fjord, vendor_at(folder / "kiln") as kiln:
        yield Studio(folder, fjord, kiln)


@contextmanager
def session(studio: Studio, monkeypatch: pytest.MonkeyPatch, state: Path) -> Iterator[list[Any]]:
    """The host, in this process, with its plug-ins loaded."""
    monkeypatch.setenv("CARNET_STATE", str(state))
    monkeypatch.syspath_prepend(str(studio.folder))
    import host  # type: ignore[import-not-found,unused-ignore]

    plugins = host.load(studio.folder / "plugins")
    try:
        yield plugins
    finally:
        for plugin in plugins:
            plugin.close()
        for name in [name for name in sys.modules if name == "host" or name.startswith("plugin_")]:
            del sys.modules[name]


def seats_used(studio: Studio, name: str) -> int:
    answer = studio.vendors[name].admin("GET", f"/licenses/{studio.licenses[name]['id']}")
    return int(answer.json()["seats"]["used"])


def test_two_vendors_plug_ins_live_in_one_process_and_know_nothing_of_each_other(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = dict(os.environ)
    with session(studio, monkeypatch, tmp_path) as (reverb, grains):
        assert reverb.process((0.0, 1.0)) == (0.0, 1.0)  # dry
        assert reverb.message()
        assert "activate" in grains.message().lower()

        assert "Thank you" in reverb.activate(studio.licenses["fjord_reverb"]["key"])
        assert reverb.process((0.0, 1.0)) == (0.0, 0.8)
        assert grains.message()  # still without
        # One vendor's key is no key of the other's.
        assert "yours" not in grains.activate(studio.licenses["fjord_reverb"]["key"])
        assert "yours" in grains.activate(studio.licenses["kiln_grains"]["key"])

    assert {path.name for path in tmp_path.iterdir()} >= {"fjord-reverb", "kiln-grains"}
    assert [seats_used(studio, name) for name in studio.vendors] == [1, 1]
    assert dict(os.environ) == {**environment, "CARNET_STATE": str(tmp_path)}

    # The next session, with one license taken back: the other plug-in does not notice.
    revoked = studio.licenses["kiln_grains"]["id"]
    assert studio.vendors["kiln_grains"].admin("POST", f"/licenses/{revoked}/revoke", {}).is_success
    with session(studio, monkeypatch, tmp_path) as (reverb, grains):
        assert reverb.process((0.0, 1.0)) == (0.0, 0.8)
        grains._carnet.refresh()
        assert not grains._carnet.check()
        assert reverb._carnet.check().state == "active"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("carnet") and not thread.daemon]


def test_the_host_runs_as_a_program(studio: Studio, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "host.py", "plugins"],
        cwd=studio.folder,
        env={**os.environ, "CARNET_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert run.stderr == ""
    assert run.stdout.count("activate") + run.stdout.count("Activate") >= 1
    assert run.stdout.splitlines()[-1] == "out: 0.5 1.0 0.5 0.0"  # dry through the first, the demo of the second


# ── a service in a container ─────────────────────────────────────────────────────────────────────────────────────────


class Container:
    """What `docker run` would do with the image: the Dockerfile's ENV, its CMD, and nothing of this computer's."""

    def __init__(self, volume: Path, **environ: str) -> None:
        self.volume = volume
        told = dict(re.findall(r"^ENV (\w+)=(.*)$", DOCKERFILE, re.MULTILINE))
        assert told["CARNET_STATE"].startswith("/var/lib/reports")
        state = told["CARNET_STATE"].replace("/var/lib/reports", str(volume))
        (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
        program, script = json.loads(command)
        assert program == "python"
        words = [sys.executable, script.replace("/app", str(EXAMPLES / "web_service"))]
        ours = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}
        self.process = subprocess.Popen(
            words,
            env={
                **ours,
                **told,
                "CARNET_STATE": state,
                "PORT": "0",
                "NO_PROXY": "127.0.0.1",
                "container": "docker",
                **environ,
            },
            cwd=volume,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        self.port = int(re.findall(r"port (\d+)", self.said)[0])

    def get(self, path: str) -> tuple[int, Any]:
        """What a request is answered."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def stop(self) -> str:
        """SIGTERM, as an orchestrator does; returns what it wrote to its log."""
        self.process.terminate()
        _, log = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, log
        return log


def test_users_ask_16_a_service_in_a_container_keeps_its_seat_and_never_its_health(shop: Shop, tmp_path: Path) -> None:
    made = shop.license("--set", 'entitlements=["reports"]', "--set", "seat_limit=1")
    environ = {
        "CARNET_SERVER": shop.stage.url,
        "CARNET_ROOT": shop.stage.root_path.read_text(encoding="utf-8"),
        "CARNET_LICENSE_KEY": made["key"],
        "CARNET_DEVICE_ID": "default/reports-0",
    }
    volumes = [tmp_path / name for name in ("first", "lost", "other")]
    for volume in volumes:
        volume.mkdir()

    first = Container(volumes[0], **environ)
    assert first.get("/healthz") == (200, {"ok": True})
    assert first.get("/reports")[0] == 200
    assert first.get("/license")[1]["state"] == "active"
    assert first.get("/elsewhere")[0] == 404
    assert first.stop() == ""

    # The volume is lost: the same id takes the same seat, of one.
    again = Container(volumes[1], **environ)
    assert again.get("/reports")[0] == 200
    assert again.stop() == ""

    # Another replica finds no seat, says why, and is as healthy as the first.
    other = Container(volumes[2], **{**environ, "CARNET_DEVICE_ID": "default/reports-1"})
    assert other.get("/healthz")[0] == 200
    status, body = other.get("/reports")
    assert status == 402
    assert body["reasons"]
    assert "seat" in other.stop()

    # The license server is away: nothing changes.
    shop.stage.stop_server()
    try:
        offline = Container(volumes[1], **environ)
        assert offline.get("/reports")[0] == 200
        assert offline.stop() == ""
    finally:
        shop.stage.start_server()


def test_users_ask_32_a_container_without_an_identity_is_told_what_to_do(shop: Shop, tmp_path: Path) -> None:
    container = Container(tmp_path, CARNET_SERVER=shop.stage.url, CARNET_ROOT=str(shop.stage.root_path))
    assert container.get("/healthz")[0] == 200
    assert container.get("/reports")[0] == 402
    assert "CARNET_DEVICE_ID" in container.stop()


def test_the_kubernetes_file_names_a_replica_by_what_outlives_its_pods() -> None:
    text = (EXAMPLES / "web_service" / "kubernetes.yaml").read_text(encoding="utf-8")
    assert "kind: StatefulSet" in text
    assert re.search(r'CARNET_DEVICE_ID\n\s+value: "\$\(POD_NAMESPACE\)/\$\(POD_NAME\)"', text)
    assert "metadata.uid" not in text


# ── a command-line app ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_line_app_sells_one_of_its_commands(shop: Shop, tmp_path: Path) -> None:
    """The same program that `test_frozen_app.py` builds, as a script."""
    environ = {"CARNET_SERVER": shop.stage.url, "CARNET_ROOT": str(shop.stage.root_path), "CARNET_STATE": str(tmp_path)}

    def flightlog(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLES / "cli" / "flightlog.py"), *words]
        return subprocess.run(
            command,
            input=stdin,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert flightlog("fly").returncode == 2
    assert flightlog("print").stdout.startswith("LIS-FRA")
    assert flightlog("export").returncode == 5
    key = shop.license("--set", 'entitlements=["export-pdf"]')["key"]
    assert flightlog("activate", stdin=key).returncode == 0
    assert flightlog("export").stdout.startswith("%PDF")
    assert flightlog("status").stdout.startswith("active: full access")

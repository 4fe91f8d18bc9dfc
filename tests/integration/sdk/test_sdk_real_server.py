"""The SDK against a real server process on loopback: the boarding pass, end to end (issue 2, REL-16, R-24)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet, Decision
from carnet.core._base import replace
from carnet.core.instant import Instant
from support.issuing import ROOT_TEXT

CARNET = [sys.executable, "-m", "carnet.cli"]


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def timeless(decision: Decision) -> Decision:
    """*decision* without the second in which it was made."""
    return replace(decision, checked_at=Instant(0))


def problem(app: Carnet) -> str | None:
    return None if app.last_problem is None else app.last_problem.code


class Vendor:
    """A vendor with an installation, a product, and a server process that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CARNET_DATA": str(folder / "data"),
            "PYTHONWARNINGS": "error",
        }
        self.process: subprocess.Popen[str] | None = None
        self.address = ""
        report = self.run("init", "--root-keys", str(folder / "root-keys"))
        self.root = Path(report["root_path"]).read_text()
        self.run("product", "create", "hustl", "--name", "Hustl")

    def run(self, *arguments: str) -> Any:
        """A vendor command; its JSON."""
        done = subprocess.run(
            [*CARNET, *arguments, "--json"], check=False, capture_output=True, text=True, env=self.environment
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def license(self, *options: str) -> Any:
        """A new license."""
        return self.run("license", "create", "--product", "hustl", "--policy", "consumer", *options)

    def start(self) -> None:
        """Start the server on a free port."""
        self.process = subprocess.Popen(
            [*CARNET, "serve", "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )
        assert self.process.stdout is not None
        self.address = json.loads(self.process.stdout.readline())["address"]

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(120)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def app(self, state: Path, **settings: Any) -> Carnet:
        """The app on a device."""
        given: dict[str, Any] = {"device_id": "line-4", "timeout_seconds": 20, **settings}
        return Carnet(product="hustl", server=self.address, root=self.root, state=state, **given)


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    made = Vendor(tmp_path_factory.mktemp("vendor"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)


def test_the_boarding_pass_end_to_end(vendor: Vendor, tmp_path: Path) -> None:
    license_ = vendor.license()
    app = vendor.app(tmp_path / "device")
    granted = app.activate(license_["key"], device_name="Studio")
    assert problem(app) is None
    assert (granted.state, granted.access, granted.license_id) == ("active", "full", license_["id"])
    assert granted.days_left == 30

    vendor.stop()
    assert timeless(vendor.app(tmp_path / "device").check()) == timeless(granted)
    assert timeless(app.refresh()) == timeless(granted)
    assert problem(app) == "server_unreachable"

    shutil.copytree(tmp_path / "device", tmp_path / "copied")
    copied = vendor.app(tmp_path / "copied", device_id="line-5").check()
    assert (copied.state, copied.access) == ("wrong_device", "none")

    (tmp_path / "device" / "hustl" / "state.0").write_bytes(b"damaged")
    assert timeless(vendor.app(tmp_path / "device").check()) == timeless(granted)

    vendor.start()
    app = vendor.app(tmp_path / "device")
    refreshed = app.refresh()
    assert problem(app) is None
    assert refreshed.evidence_ids != granted.evidence_ids
    assert set(app.info().copies) == {"open"}

    vendor.run("license", "revoke", license_["id"])
    assert app.check().state == "active", "nobody has told this device yet"
    refused = app.refresh()
    assert (refused.state, codes(refused)[0]) == ("revoked", "license_revoked")
    vendor.stop()
    assert vendor.app(tmp_path / "device").check().state == "revoked"
    vendor.start()


def test_the_same_on_an_event_loop(vendor: Vendor, tmp_path: Path) -> None:
    key = vendor.license()["key"]

    async def story() -> None:
        async with AsyncCarnet(
            product="hustl",
            server=vendor.address,
            root=vendor.root,
            state=tmp_path,
            device_id="line-4",
            timeout_seconds=120,
        ) as app:
            assert (await app.activate(key)).state == "active"
            assert (await app.refresh()).state == "active"
            assert app.last_problem is None
            assert (await app.deactivate()).state == "not_activated"
            assert app.last_problem is None

    asyncio.run(story())


def test_a_suspended_license_is_refused_and_comes_back(vendor: Vendor, tmp_path: Path) -> None:
    license_ = vendor.license()
    app = vendor.app(tmp_path)
    app.activate(license_["key"])
    vendor.run("license", "suspend", license_["id"])
    assert app.refresh().state == "suspended"
    vendor.run("license", "reinstate", license_["id"])
    assert app.start().state == "active"


def test_seats_are_given_back_and_counted(vendor: Vendor, tmp_path: Path) -> None:
    key = vendor.license()["key"]
    apps = [vendor.app(tmp_path / name, device_id=name) for name in ("one", "two", "three")]
    assert [app.activate(key).state for app in apps] == ["active", "active", "not_activated"]
    assert codes(apps[2].activate(key)) == ["seat_limit_reached"]
    assert apps[0].deactivate().state == "not_activated"
    assert apps[2].activate(key).state == "active"


def test_a_mistyped_key_is_proposed(vendor: Vendor, tmp_path: Path) -> None:
    key = vendor.license()["key"]
    typed = ("7" if key[0] != "7" else "8") + key[1:]
    app = vendor.app(tmp_path)
    assert f"Did you mean {key}?" in app.activate(typed).reasons[0].fix
    assert app.activate(key.lower().replace("-", " ")).state == "active"


def test_a_seat_freed_by_the_vendor_is_told_at_the_next_contact(vendor: Vendor, tmp_path: Path) -> None:
    license_ = vendor.license()
    app = vendor.app(tmp_path)
    app.activate(license_["key"])
    activation = app.info().activation_id
    assert activation is not None
    vendor.run("activation", "deactivate", activation)
    decision = app.refresh()
    assert decision.state == "not_activated"
    assert codes(decision)[0] in {"deactivated", "activation_not_found"}
    assert app.activate(license_["key"]).state == "active"


def test_two_users_of_one_machine_share_its_seat_and_both_stay_alive(vendor: Vendor, tmp_path: Path) -> None:
    key = vendor.license("--set", "seat_limit=1")["key"]
    anna, ben = vendor.app(tmp_path / "anna"), vendor.app(tmp_path / "ben")
    assert anna.activate(key).state == "active"
    assert ben.activate(key).state == "active"
    for app in (anna, ben, anna):
        assert app.refresh().state == "active"
        assert app.last_problem is None


def test_a_lost_state_costs_no_second_seat(vendor: Vendor, tmp_path: Path) -> None:
    key = vendor.license("--set", "seat_limit=1")["key"]
    assert vendor.app(tmp_path / "state").activate(key).state == "active"
    shutil.rmtree(tmp_path / "state")
    assert vendor.app(tmp_path / "state", license_key=key).start().state == "active"


def test_an_app_of_another_product_or_vendor_gets_nothing(vendor: Vendor, tmp_path: Path) -> None:
    key = vendor.license()["key"]
    other = Carnet(
        product="inkwell",
        server=vendor.address,
        root=vendor.root,
        state=tmp_path,
        device_id="line-4",
        timeout_seconds=120,
    )
    assert not other.activate(key)
    app = Carnet(
        product="hustl", server=vendor.address, root=ROOT_TEXT, state=tmp_path, device_id="line-4", timeout_seconds=120
    )
    assert not app.activate(key)
    assert problem(app) == "answer_not_authentic"

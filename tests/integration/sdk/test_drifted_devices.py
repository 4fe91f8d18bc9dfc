"""SEC-19, R-38, users-ask 30 and 36: computers that change, with the SDK on recordings of them and a real server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet import Carnet
from carnet.client.transport import HttpTransport
from carnet.client.wire import HttpAnswer, HttpRequest
from support.machines import RecordedMachine, expected_parts, recorded
from support.vendor import Vendor, fingerprint, vendor_at

NEW_SYSTEM = {"etc/machine-id": "a1b2c3d4e5f60718293a4b5c6d7e8f90"}


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor_at(tmp_path_factory.mktemp("drift")) as vendor:
        yield vendor


class Tapped:
    """The wire, with everything that goes over it written down."""

    def __init__(self, url: str) -> None:
        self._inner = HttpTransport(url)
        self.sent = b""

    def send(self, request: HttpRequest, *, timeout_seconds: float) -> HttpAnswer:
        self.sent += repr((request.path, request.headers)).encode() + request.body
        return self._inner.send(request, timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """It outlives the app, for the next one."""


def app_on(machine: RecordedMachine, vendor: Vendor, license_: Any, state: Path, wire: Tapped | None = None) -> Carnet:
    """The app, on a recorded computer."""
    app = Carnet(
        product=license_["product"],
        server=vendor.live.url,
        root=vendor.installation.roots[0],
        state=state,
        timeout_seconds=120,
        transport=wire,
    )
    app._device.machine = machine
    return app


def used(vendor: Vendor, license_: Any) -> int:
    return int(vendor.admin("GET", f"/licenses/{license_['id']}").json()["seats"]["used"])


def test_r_38_a_year_of_a_laptop(vendor: Vendor, tmp_path: Path) -> None:
    sold = vendor.license(overrides={"seat_limit": 1})
    wire = Tapped(vendor.live.url)
    with app_on(recorded("linux-laptop"), vendor, sold, tmp_path / "home", wire) as app:
        assert app.activate(sold["key"]).state == "active"

    # A dock, a new disk, a network card: nothing to be told, offline.
    changed = {"sys/block/nvme0n1/device/serial": "NEW-DISK-1", "sys/class/net/enp0s31f6/address": "84:a9:38:00:00:07"}
    with app_on(recorded("linux-laptop", **changed), vendor, sold, tmp_path / "home") as app:
        assert app.check().state == "active"
        assert app.refresh().state == "active"  # and the server knows the new parts from now on

    # The system is installed anew: the state is gone, the license key is typed again, and it is the same seat.
    with app_on(recorded("linux-laptop", **changed, **NEW_SYSTEM), vendor, sold, tmp_path / "new home", wire) as app:
        assert app.check().state == "not_activated"
        assert app.activate(sold["key"]).state == "active"
    assert used(vendor, sold) == 1

    # Nothing raw ever went over the wire.
    raw = [value for _, value in expected_parts("linux-laptop")] + [*changed.values(), *NEW_SYSTEM.values()]
    assert b"components" in wire.sent
    assert [value for value in raw if value.encode().lower() in wire.sent.lower()] == []


def test_users_ask_36_a_copied_state_is_another_device_there_and_gets_no_seat_of_it(
    vendor: Vendor, tmp_path: Path
) -> None:
    sold = vendor.license(overrides={"seat_limit": 1})
    with app_on(recorded("linux-laptop"), vendor, sold, tmp_path / "home") as app:
        app.activate(sold["key"])
    shutil.copytree(tmp_path / "home", tmp_path / "stolen")

    same_model = recorded(
        "linux-laptop",
        **NEW_SYSTEM,
        **{"sys/block/nvme0n1/device/serial": "OTHER-DISK", "sys/class/net/enp0s31f6/address": "84:a9:38:77:77:77"},
    )
    for other in (same_model, recorded("linux-workstation"), recorded("windows-laptop"), recorded("macbook")):
        with app_on(other, vendor, sold, tmp_path / "stolen") as app:
            assert app.check().state == "wrong_device"
            assert app.activate(sold["key"]).reasons[0].code == "seat_limit_reached"
            assert app.check().state == "wrong_device"
    with app_on(recorded("linux-laptop"), vendor, sold, tmp_path / "home") as app:
        assert app.refresh().state == "active"
    assert used(vendor, sold) == 1


@pytest.mark.parametrize("name", ["windows-laptop", "macbook", "linux-ec2", "linux-laptop-root"])
def test_r_38_every_system_activates_comes_back_and_is_one_seat(vendor: Vendor, tmp_path: Path, name: str) -> None:
    sold = vendor.license(overrides={"seat_limit": 1})
    for state in ("first", "lost and made anew"):
        with app_on(recorded(name), vendor, sold, tmp_path / state) as app:
            assert app.activate(sold["key"]).state == "active"
            assert app.refresh().state == "active"
    assert used(vendor, sold) == 1


def test_windows_installed_anew_keeps_its_seat_and_its_old_state_is_no_ones(vendor: Vendor, tmp_path: Path) -> None:
    sold = vendor.license(overrides={"seat_limit": 1})
    with app_on(recorded("windows-laptop"), vendor, sold, tmp_path / "a") as app:
        app.activate(sold["key"])
    guid = {"SOFTWARE\\Microsoft\\Cryptography\\MachineGuid": "0f0f1e1e-2d2d-4c4c-9b9b-5a5a69697878"}
    with app_on(recorded("windows-laptop", **guid), vendor, sold, tmp_path / "a") as app:
        assert app.check().state == "active"  # the firmware's UUID opens the state: nobody is asked anything
    with app_on(recorded("windows-laptop", **guid), vendor, sold, tmp_path / "b") as app:
        assert app.activate(sold["key"]).state == "active"
    assert used(vendor, sold) == 1


@pytest.mark.parametrize("name", ["docker", "podman-fedora"])
def test_users_ask_32_containers_of_an_image_are_never_recognised_by_their_host(
    vendor: Vendor, tmp_path: Path, name: str
) -> None:
    sold = vendor.license(overrides={"seat_limit": 2})
    wire = Tapped(vendor.live.url)
    with app_on(recorded(name), vendor, sold, tmp_path, wire) as app:
        assert app.activate(sold["key"]).state == "active"
        assert "CARNET_DEVICE_ID" in app.info().identity.advice
    assert b"disk-serial" not in wire.sent
    assert b"model" not in wire.sent


def test_rel_08_a_repeated_request_of_a_changed_device_is_one_change(vendor: Vendor, tmp_path: Path) -> None:
    sold = vendor.license(overrides={"seat_limit": 1})
    parts = [{"kind": "disk-serial", "digest": "a" * 32}, {"kind": "model", "digest": "b" * 32}]
    before = vendor.ask("activate", sold, {"fingerprint": fingerprint("old"), "components": parts}).json()
    device = {"fingerprint": fingerprint("new"), "components": parts}
    body = {"license_key": sold["key"], "product": sold["product"], "device": device}
    answers = [vendor.http.post("/v1/activate", json=body, headers={"Idempotency-Key": "again"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["activation"]["id"] for answer in answers} == {before["activation"]["id"]}
    assert {answer.json()["activation"]["device"] for answer in answers} == {fingerprint("new")}
    audited = vendor.admin("GET", f"/audit?object_id={before['activation']['id']}").json()["items"]
    assert [entry["action"] for entry in audited].count("activation.rebound") == 1

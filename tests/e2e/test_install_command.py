"""`carnet install` on a device without a network: what a real server issued."""

from __future__ import annotations

from pathlib import Path

from carnet import Carnet
from carnet.cli import exits
from carnet.formats.bundle import Bundle, write_bundle
from support.shop import Shop


def test_sec_22_a_device_without_a_network_takes_a_bundle_in(shop: Shop, tmp_path: Path) -> None:
    """What one state of a device got from the server, mailed to another state of it."""
    device, made = shop.activated()
    own = shop.stage.device_environment(device)
    root = Path(own["CARNET_ROOT"]).read_text(encoding="utf-8")
    with Carnet(product="hustl", root=root, state=own["CARNET_STATE"], device_id=device.id) as app:
        state = app._device.look().state
    bundle = tmp_path / "line-4.carnet"
    parts = Bundle(roots=(root,), token=state.token, machine_file=state.machine_file)
    bundle.write_text(write_bundle(parts), encoding="utf-8")
    away = {"CARNET_STATE": str(tmp_path / "state"), "CARNET_SERVER": "http://127.0.0.1:1"}
    before = shop.on(device, "install", bundle, "--json", **away)
    assert before.json["state"] == "not_activated"
    assert "license_key_required" in before.err
    taken = shop.on(device, "install", bundle, "--license-key-stdin", "--json", stdin=made["key"], **away)
    assert (taken.code, taken.json["access"]) == (exits.OK, "full")
    assert shop.on(device, "status", **away).code == exits.OK
    again = shop.on(device, "install", "-", stdin=bundle.read_text(encoding="utf-8"), **away)
    assert again.code == exits.OK
    assert "taken in" in again.err + again.out


def test_what_is_no_bundle_is_said(office: Shop, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Dear customer,")
    device = office.device()
    run = office.on(device, "install", file)
    assert run.code != exits.OK
    assert "none of Carnet's artifacts" in run.err
    assert office.on(device, "install", tmp_path / "nowhere").code == exits.NOT_FOUND
    both = office.on(device, "install", "-", "--license-key-stdin")
    assert both.code == exits.USAGE

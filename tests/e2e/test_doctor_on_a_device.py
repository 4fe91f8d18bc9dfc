"""`carnet doctor` on a customer's device: what it finds, and a code that support can read (issue 5, R-42)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet
from carnet.cli.demo.stage import Device
from carnet.client.support import support_code, symptoms_of
from carnet.core.instant import DAY
from carnet.formats.support_code import read_support_code
from carnet.testing import Lab
from support.cli_runs import carnet
from support.shop import Shop


def checks(json: Mapping[str, Any]) -> dict[str, str]:
    return {check["name"]: check["health"] for check in json["checks"]}


def examined(shop: Shop, device: Device, **env: str) -> tuple[int, Mapping[str, Any], Mapping[str, Any]]:
    """Exit code, what the doctor found, and what support reads from the code."""
    run = shop.on(device, "doctor", "--device", "--json", **env)
    explained = carnet("doctor", "--explain", run.json["support_code"], "--json", env={})
    assert explained.code == 0
    return run.code, run.json, explained.json


def test_a_device_from_nothing_to_offline(shop: Shop) -> None:
    device = shop.device()
    code, found, told = examined(shop, device)
    assert (code, checks(found)["state"], checks(found)["license"]) == (1, "warning", "problem")
    assert (checks(found)["server"], checks(found)["identity"]) == ("ok", "ok")
    assert (told["state"], told["has_key"], told["contact"], told["has_server"]) == (
        "not_activated",
        False,
        "never",
        True,
    )

    device, _ = shop.activated()
    code, found, told = examined(shop, device)
    assert (code, set(checks(found).values())) == (0, {"ok"})
    assert (told["state"], told["access"], told["condition"]) == ("active", "full", "open")
    assert (told["strength"], told["clock"], told["contact"], told["problem"]) == (
        "declared",
        "right",
        "an hour",
        "none",
    )

    code, found, told = examined(shop, device, CARNET_SERVER="http://127.0.0.1:9")
    assert (code, checks(found)["server"]) == (1, "problem")
    assert (told["state"], told["problem"]) == ("active", "server_unreachable")


def test_what_is_wrong_with_the_state_is_said_and_coded(shop: Shop) -> None:
    device, _ = shop.activated()
    state = device.state / "hustl"
    (state / "state.0").write_bytes(b"carnet-state scribble")
    code, found, told = examined(shop, device)
    assert (code, checks(found)["state"], told["one_copy_damaged"]) == (0, "warning", True)

    _, found, told = examined(shop, device, CARNET_DEVICE_ID="another")
    assert (checks(found)["state"], told["condition"], told["state"]) == ("problem", "foreign", "wrong_device")
    (said,) = (check for check in found["checks"] if check["name"] == "state")
    assert "declared is another here" in said["message"]  # users-ask 36: what differs is named
    assert "keeps its seat" in said["fix"]

    (state / "state.1").write_bytes(b"carnet-state scribble")
    code, found, told = examined(shop, device)
    assert (code, checks(found)["state"], told["condition"]) == (1, "problem", "damaged")


def test_somebody_else_at_the_servers_address_is_not_the_vendor(shop: Shop, office: Shop) -> None:
    device, _ = shop.activated()
    run = shop.on(device, "doctor", "--device", "--json", CARNET_ROOT=str(office.stage.root_path))
    server = next(check for check in run.json["checks"] if check["name"] == "server")
    assert server["health"] == "problem"


def test_the_doctor_is_the_devices_where_a_product_is_named_and_no_installation(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, _ = shop.activated()
    monkeypatch.chdir(tmp_path)
    text = shop.on(device, "doctor").out
    assert "license: active" in text
    code = text.splitlines()[-1].removeprefix("Support code: ")
    assert read_support_code(code).state == "active"
    shown = carnet("doctor", "--explain", code.lower().replace("-", ""), env={})
    assert "state             active" in shown.out
    (tmp_path / "carnet-data").mkdir()
    assert "Support code" not in shop.on(device, "doctor").out


def test_a_code_that_was_misheard_is_refused_with_advice() -> None:
    run = carnet("doctor", "--explain", "4TAN-3P3H-G0H8", env={})
    assert run.code != 0
    assert "group of four" in run.err


def test_no_secret_and_no_identity_is_in_what_the_doctor_says(shop: Shop) -> None:
    device, made = shop.activated()
    run = shop.on(device, "doctor", "--device", "--json")
    assert made["key"] not in run.out + run.err
    elsewhere = shop.on(device, "doctor", "--device", "--json", CARNET_DEVICE_ID="basement-rack-7")
    assert "basement-rack-7" not in elsewhere.out + elsewhere.err
    other, _ = shop.activated()
    assert shop.on(other, "doctor", "--device", "--json").json["support_code"] == run.json["support_code"]


# ── the same from inside an app ──────────────────────────────────────────────────────────────────────────────────────


def test_an_app_shows_its_own_code(carnet_lab: Lab) -> None:
    app = carnet_lab.in_state("grace")
    told = read_support_code(support_code(app, integrity="unchanged"))
    assert (told.state, told.access, told.contact, told.days_left) == ("grace", "limited", "3 months", "7")
    assert (told.integrity, told.frozen, told.clock) == ("unchanged", False, "right")
    app.refresh()
    assert symptoms_of(app).problem == "server_unreachable"


def test_the_clock_is_told_against_what_is_proven(carnet_lab: Lab) -> None:
    app = carnet_lab.app()
    assert symptoms_of(app).clock == "unknown"
    carnet_lab.activate()
    carnet_lab.clock.set_wall(carnet_lab.now - 2 * DAY)
    assert symptoms_of(app).clock == "behind"
    carnet_lab.clock.set_wall(carnet_lab.now + 500 * DAY)
    assert symptoms_of(app).clock == "ahead"


def test_an_asynchronous_app_has_one_too(carnet_lab: Lab) -> None:
    async def story() -> str:
        async with carnet_lab.async_app() as app:
            assert isinstance(app, AsyncCarnet)
            return support_code(app)

    assert read_support_code(asyncio.run(story())).state == "not_activated"

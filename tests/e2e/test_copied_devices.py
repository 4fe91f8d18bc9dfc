"""SEC-45 end to end: a device's state is copied; the vendor is told of it, and both copies go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from carnet.cli import exits
from support.shop import Shop


def forks(shop: Shop, license_id: str) -> int:
    (seat,) = shop.vendor("activation", "list", license_id)["items"]
    return int(seat["forks"])


def test_sec_45_a_copied_state_is_told_of_by_the_second_refresh_of_each(shop: Shop, tmp_path: Path) -> None:
    device, made = shop.activated()
    for _ in range(3):
        assert shop.on(device, "refresh").code == exits.OK
    assert forks(shop, made["id"]) == 0
    own = shop.stage.device_environment(device)["CARNET_STATE"]
    clone = tmp_path / "clone"
    shutil.copytree(own, clone)
    for state in (own, str(clone), own, str(clone)):
        assert shop.on(device, "refresh", CARNET_STATE=state).code == exits.OK
    assert forks(shop, made["id"]) >= 1
    assert shop.on(device, "status", CARNET_STATE=str(clone)).code == exits.OK
    events = shop.vendor("audit", "list", "--action", "activation.forked")["items"]
    assert {event["details"]["license"] for event in events} >= {made["id"]}


@pytest.mark.parametrize("times", [1, 4])
def test_sec_45_a_state_put_back_from_a_backup_is_told_of_once_at_most(shop: Shop, tmp_path: Path, times: int) -> None:
    device, made = shop.activated()
    own = Path(shop.stage.device_environment(device)["CARNET_STATE"])
    backup = tmp_path / "backup"
    shutil.copytree(own, backup)
    for _ in range(times):
        assert shop.on(device, "refresh").code == exits.OK
    shutil.rmtree(own)
    shutil.copytree(backup, own)
    for _ in range(3):
        assert shop.on(device, "refresh").code == exits.OK
    assert forks(shop, made["id"]) == (times > 1)


def test_sec_45_a_device_that_activates_again_is_nobodys_copy(shop: Shop) -> None:
    device, made = shop.activated()
    own = Path(shop.stage.device_environment(device)["CARNET_STATE"])
    for _ in range(2):
        assert shop.on(device, "refresh").code == exits.OK
        shutil.rmtree(own / "hustl")
        assert shop.on(device, "activate", "--license-key-stdin", stdin=made["key"]).code == exits.OK
    assert shop.on(device, "refresh").code == exits.OK
    assert forks(shop, made["id"]) == 0

"""R-37, REL-22: an app that asks for a TPM, on a device without one, or without the extra: as if it had not asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carnet.client import tpm
from carnet.client.keychain import Keychain
from carnet.client.tpm import FILE, Tpm, TpmError
from support.issuing import LICENSE_KEY
from support.sdk import Desk

SEED = bytes(range(32))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux with a TPM at this path, or not."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tpm, "NODE", str(tmp_path / "tpmrm0"))
    return tmp_path / "tpmrm0"


def test_rel_22_without_a_device_node_the_state_file_holds_the_key(desk: Desk, node: Path) -> None:
    assert desk.app(keychain="tpm").activate(LICENSE_KEY).state == "active"
    state = desk.app()._device.look().state
    assert state.device_seed is not None
    assert state.device_seed_in is None
    assert not (desk.state / "hustl" / FILE).exists()


def test_rel_22_no_library_is_loaded_where_there_is_no_node(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tpm, "import_module", lambda _: pytest.fail("loaded"))
    with pytest.raises(TpmError):
        Tpm(str(tmp_path)).set_password("carnet/hustl", "device", "x" * 43)


def test_rel_22_a_node_that_this_user_may_not_use_is_none(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not Keychain("hustl", Tpm(str(tmp_path))).keep("device", SEED)


def test_rel_22_without_the_extra_the_tpm_is_none(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node.touch()
    monkeypatch.setitem(sys.modules, "tpm2_pytss", None)
    assert not Keychain("hustl", Tpm(str(tmp_path))).keep("device", SEED)
    assert Keychain("hustl", Tpm(str(tmp_path))).read("device") is None


def test_rel_22_a_node_that_is_no_tpm_is_none(node: Path, tmp_path: Path) -> None:
    """With the extra the libraries find out; without it nothing is loaded."""
    node.write_bytes(b"")
    assert not Keychain("hustl", Tpm(str(tmp_path))).keep("device", SEED)


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_other_systems_have_none(node: Path, tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    node.touch()
    monkeypatch.setattr(sys, "platform", system)
    assert not Keychain("hustl", Tpm(str(tmp_path))).keep("device", SEED)


def test_a_state_whose_key_is_in_a_tpm_that_is_gone_keeps_its_seat(desk: Desk, node: Path) -> None:
    from carnet.client.driving import drive
    from carnet.client.operations import refresh
    from carnet.client.state import Loaded
    from carnet.client.state_file import DeviceState
    from carnet.core._base import replace

    desk.app().activate(LICENSE_KEY)
    device = desk.app(keychain="tpm")._device
    view = device.look()

    def lose(found: Loaded) -> DeviceState:
        return replace(found.state, device_seed=None, device_seed_in="tpm")

    device.store.update(view.identity.anchors, lose)
    assert desk.app(keychain="tpm").check().state == "active"
    assert drive(refresh(desk.app(keychain="tpm")._device), desk.transport, 5).problem is None
    assert len(desk.vendor.seats) == 1
    assert desk.app()._device.look().state.device_seed is not None


def test_importing_the_sdk_and_checking_load_no_tss(tmp_path: Path) -> None:
    code = (
        "import sys; from carnet import Carnet; from support.issuing import ROOT_TEXT\n"
        f"Carnet(product='hustl', root=ROOT_TEXT, state={str(tmp_path)!r}, keychain='tpm').check()\n"
        "assert not [name for name in sys.modules if name.startswith(('tpm2_pytss', 'carnet.client.tpm'))]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

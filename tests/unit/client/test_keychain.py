"""The device key in a keychain, where an app asks for it (R-37): a real backend of `keyring`, in this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked, PasswordSetError

from carnet.client.driving import drive
from carnet.client.keychain import BACKENDS, Keychain, Keyring
from carnet.client.operations import deactivate, refresh
from carnet.client.state_file import DeviceState
from support.issuing import LICENSE_KEY
from support.sdk import Desk

SEED = bytes(range(32))
NONE: Keyring = fail.Keyring()  # type: ignore[no-untyped-call]


class InProcess(KeyringBackend):
    """A keychain as `keyring` knows them, that counts how often it is asked, and can be locked or full."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        self.is_locked = False
        self.is_full = False

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append("get")
        if self.is_locked:
            raise KeyringLocked("the user said no")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.asked.append("set")
        if self.is_locked or self.is_full:
            raise PasswordSetError("the stub received bad data")
        self.entries[(service, username)] = password


@pytest.fixture
def backend() -> InProcess:
    return InProcess()


def state_of(desk: Desk) -> DeviceState:
    return desk.app()._device.look().state


def contact(desk: Desk, **settings: Any) -> None:
    outcome = drive(refresh(desk.app(**settings)._device), desk.transport, 5)
    assert outcome.problem is None


def test_a_seed_that_was_kept_is_read_back_and_the_system_is_asked_once(backend: InProcess) -> None:
    keychain = Keychain("hustl", backend)
    assert keychain.read("device") is None
    assert keychain.keep("device", SEED)
    assert keychain.keep("device", SEED)
    assert keychain.read("device") == SEED
    assert backend.asked == ["get", "set", "get"]
    assert Keychain("hustl", backend).read("device") == SEED
    assert Keychain("inkwell", backend).read("device") is None
    ((service, name), value) = next(iter(backend.entries.items()))
    assert (service, name) == ("carnet/hustl", "device")
    assert len(value) == 43, "one short secret: Windows keeps 1,250 characters at most"


@pytest.mark.parametrize("trouble", ["is_locked", "is_full"])
def test_a_keychain_that_refuses_is_asked_once_and_not_again(backend: InProcess, trouble: str) -> None:
    setattr(backend, trouble, True)
    keychain = Keychain("hustl", backend)
    for _ in range(3):
        assert not keychain.keep("device", SEED)
    assert backend.asked == ["get", "set"]


@pytest.mark.parametrize("text", ["", "x", "AAAA", "ä" * 43, "=" * 44])
def test_an_entry_that_is_no_seed_is_none(backend: InProcess, text: str) -> None:
    backend.entries["carnet/hustl", "device"] = text
    assert Keychain("hustl", backend).read("device") is None


def test_a_keychain_that_forgets_at_once_does_not_hold_it(backend: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "set_password", lambda *_: None)
    assert not Keychain("hustl", backend).keep("device", SEED)


def test_keyrings_own_backend_for_no_backend_is_ordinary() -> None:
    keychain = Keychain("hustl", NONE)
    assert keychain.read("device") is None
    assert not keychain.keep("device", SEED)


@pytest.mark.parametrize("system", [*BACKENDS, "freebsd14"])
def test_a_system_whose_keychain_is_missing_does_without(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No session bus here, and the other systems' modules cannot be used: each of these is a machine without."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    keychain = Keychain("hustl")
    assert keychain.read("device") is None
    assert not keychain.keep("device", SEED)


@pytest.fixture
def system(backend: InProcess, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """A Linux whose keychain is *backend*."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "keyring.backends.SecretService", SimpleNamespace(Keyring=lambda: backend))
    return backend


def test_each_system_has_its_backend_by_name_and_none_is_looked_for(system: InProcess) -> None:
    assert Keychain("hustl").keep("device", SEED)
    assert len(system.entries) == 1


# ── on a device ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_37_without_being_asked_for_nothing_touches_a_keychain(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keychain, "_opened", lambda _: pytest.fail("touched"))
    desk.app().activate(LICENSE_KEY)
    contact(desk)
    assert state_of(desk).device_seed is not None
    assert state_of(desk).device_seed_in is None


def test_r_37_the_device_key_is_in_the_keychain_and_not_in_the_file(desk: Desk, backend: InProcess) -> None:
    assert desk.app(keychain=backend).activate(LICENSE_KEY).state == "active"
    state = state_of(desk)
    assert (state.device_seed, state.device_seed_in) == (None, "keychain")
    assert len(backend.entries) == 1
    contact(desk, keychain=backend)
    assert len(desk.vendor.used_proofs) == 1, "the proof was by the key in the keychain"
    assert len(desk.vendor.seats) == 1
    assert [body for body in desk.vendor.bodies if "license_key" in body] == desk.vendor.bodies[:1]


def test_r_37_a_check_never_opens_the_keychain(desk: Desk, backend: InProcess) -> None:
    desk.app(keychain=backend).activate(LICENSE_KEY)
    backend.asked.clear()
    app = desk.app(keychain=backend)
    assert app.check().state == "active"
    assert app.info().condition == "open"
    assert backend.asked == []


@pytest.mark.parametrize("trouble", ["locked", "emptied", "gone"])
def test_r_37_a_keychain_that_no_longer_gives_the_key_stops_nobody(
    desk: Desk, backend: InProcess, trouble: str
) -> None:
    desk.app(keychain=backend).activate(LICENSE_KEY)
    settings: dict[str, Any] = {"keychain": backend}
    if trouble == "locked":
        backend.is_locked = True
    elif trouble == "emptied":
        backend.entries.clear()
    else:
        settings = {"keychain": NONE}
    assert desk.app(**settings).check().state == "active"
    contact(desk, **settings)
    assert len(desk.vendor.seats) == 1, "activated again: the same device keeps its seat"
    state = state_of(desk)
    assert (state.device_seed is None) is (trouble == "emptied")
    contact(desk, **settings)
    assert desk.app(**settings).check().state == "active"
    assert drive(deactivate(desk.app(**settings)._device), desk.transport, 5).problem is None
    assert desk.vendor.seats == {}


def test_r_37_an_app_that_takes_the_keychain_up_or_gives_it_up_moves_the_key(desk: Desk, system: InProcess) -> None:
    desk.app().activate(LICENSE_KEY)
    seed = state_of(desk).device_seed
    contact(desk, keychain=True)
    assert (state_of(desk).device_seed, state_of(desk).device_seed_in) == (None, "keychain")
    assert Keychain("hustl", system).read(desk.app().info().fingerprint or "") == seed
    contact(desk, keychain=False)
    assert (state_of(desk).device_seed, state_of(desk).device_seed_in) == (seed, None)
    assert not [body for body in desk.vendor.bodies[1:] if "license_key" in body], "nobody had to activate again"


def test_r_37_a_copied_directory_has_no_device_key(desk: Desk, backend: InProcess) -> None:
    """What it is for: a backup, or a thief, with the directory and all that identifies the device."""
    desk.app(keychain=backend).activate(LICENSE_KEY)
    thief = desk.app(keychain=InProcess())
    assert thief.check().state == "active", "on the device's own anchors it opens"
    key = Keychain("hustl", backend).read(thief.info().fingerprint or "")
    assert thief._device.device_seed(thief._device.look()) != key


def test_importing_the_sdk_and_checking_load_no_keyring(tmp_path: Path) -> None:
    code = (
        "import sys; from carnet import Carnet; from support.issuing import ROOT_TEXT\n"
        f"Carnet(product='hustl', root=ROOT_TEXT, state={str(tmp_path)!r}, keychain=True).check()\n"
        "assert not [name for name in sys.modules if name.startswith(('keyring', 'importlib.metadata'))]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

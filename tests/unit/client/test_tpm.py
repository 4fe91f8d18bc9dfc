"""
R-37, REL-22: the device key sealed by a TPM, on real software TPMs (swtpm), and every way in which one may fail.

They run where `make test-long` has prepared a software TPM; what needs none is in test_no_tpm.py beside this file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from carnet.client import tpm
from carnet.client.driving import drive
from carnet.client.keychain import Keychain
from carnet.client.operations import deactivate, refresh
from carnet.client.state_file import DeviceState
from carnet.client.tpm import FILE, Tpm, TpmError
from carnet.formats.encoding import b64url_decode, b64url_encode
from support.campaigns import LONG
from support.issuing import LICENSE_KEY
from support.sdk import Desk
from support.tpm import MISSING, BadChip, Bus, SoftTpm, connection_to

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not run here: {MISSING}")

SEED = bytes(range(32))


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[SoftTpm]:
    with SoftTpm(tmp_path / "chip") as running:
        yield running


def keychain(directory: Path, chip: SoftTpm) -> Keychain:
    """As after a new start."""
    return Keychain("hustl", Tpm(str(directory), chip.connection))


def test_r_37_a_seed_that_was_sealed_is_opened_by_the_same_chip_also_after_it_was_started_again(tmp_path: Path) -> None:
    with SoftTpm(tmp_path / "chip") as chip:
        assert keychain(tmp_path, chip).read("device") is None
        assert keychain(tmp_path, chip).keep("device", SEED)
        assert keychain(tmp_path, chip).read("device") == SEED
        assert keychain(tmp_path, chip).read("other device") is None
    with SoftTpm(tmp_path / "chip") as again:
        assert keychain(tmp_path, again).read("device") == SEED
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_r_37_neither_the_seed_nor_its_text_is_in_the_file(tmp_path: Path, chip: SoftTpm) -> None:
    assert keychain(tmp_path, chip).keep("device", SEED)
    kept = (tmp_path / FILE).read_bytes()
    assert len(kept) < 600
    assert SEED[:8] not in kept
    assert b"AAECAwQF" not in kept


def test_r_37_another_chip_refuses_and_the_right_one_still_opens(tmp_path: Path, chip: SoftTpm) -> None:
    assert keychain(tmp_path, chip).keep("device", SEED)
    with SoftTpm(tmp_path / "other") as other:
        assert keychain(tmp_path, other).read("device") is None
    assert keychain(tmp_path, chip).read("device") == SEED


def test_r_37_a_chip_that_was_cleared_refuses_and_seals_anew(tmp_path: Path, chip: SoftTpm) -> None:
    assert keychain(tmp_path, chip).keep("device", SEED)
    chip.do("clear", "LOCKOUT")
    assert keychain(tmp_path, chip).read("device") is None
    assert keychain(tmp_path, chip).keep("device", SEED)
    assert keychain(tmp_path, chip).read("device") == SEED


def test_rel_22_a_chip_in_lockout_by_others_wrong_passwords_still_opens(tmp_path: Path, chip: SoftTpm) -> None:
    assert keychain(tmp_path, chip).keep("device", SEED)
    chip.do("dictionary_attack_parameters", 0, 1000, 1000, "LOCKOUT")  # no try is left
    assert keychain(tmp_path, chip).read("device") == SEED
    assert keychain(tmp_path, chip).keep("device", SEED[::-1])


def test_rel_22_a_chip_with_an_owners_password_is_no_chip_for_us(tmp_path: Path, chip: SoftTpm) -> None:
    chip.do("hierarchy_change_auth", "OWNER", b"a password")
    assert not keychain(tmp_path, chip).keep("device", SEED)
    assert keychain(tmp_path, chip).read("device") is None
    assert not (tmp_path / FILE).exists()


def test_nothing_stays_in_the_chip(tmp_path: Path, chip: SoftTpm) -> None:
    """A TPM without a resource manager holds three objects: one that stayed each time would soon be in the way."""
    assert keychain(tmp_path, chip).keep("device", SEED)
    for _ in range(10):
        assert keychain(tmp_path, chip).read("device") == SEED
        (tmp_path / "damaged").mkdir(exist_ok=True)
        (tmp_path / "damaged" / FILE).write_bytes(_altered(tmp_path / FILE, 100))
        assert keychain(tmp_path / "damaged", chip).read("device") is None


def test_r_37_who_listens_on_the_bus_of_the_chip_does_not_hear_the_seed(tmp_path: Path, chip: SoftTpm) -> None:
    with Bus(chip) as bus:
        assert Keychain("hustl", Tpm(str(tmp_path), bus.connection)).keep("device", SEED)
        assert Keychain("hustl", Tpm(str(tmp_path), bus.connection)).read("device") == SEED
    assert len(bus.seen) > 1000
    text = b64url_encode(SEED).encode()
    assert all(text[start : start + 6] not in bus.seen for start in range(len(text) - 5))


def _altered(path: Path, bit: int, name: str = "private") -> bytes:
    members = json.loads(path.read_bytes())
    part = bytearray(b64url_decode(members[name], "A part"))
    part[bit // 8] ^= 1 << bit % 8
    return json.dumps({**members, name: b64url_encode(bytes(part))}).encode()


@pytest.mark.parametrize("name", ["public", "private"])
def test_rel_18_no_altered_byte_of_the_sealed_parts_opens(
    tmp_path: Path, chip: SoftTpm, name: str, record_property: Callable[[str, object], None]
) -> None:
    assert keychain(tmp_path, chip).keep("device", SEED)
    length = len(b64url_decode(json.loads((tmp_path / FILE).read_bytes())[name], "A part"))
    bits = range(length * 8) if LONG else range(0, length * 8, 7)
    copy = tmp_path / "copy"
    copy.mkdir()
    opened = []
    for bit in bits:
        (copy / FILE).write_bytes(_altered(tmp_path / FILE, bit, name))
        if keychain(copy, chip).read("device") is not None:
            opened.append(bit)
    record_property(f"altered bits of the {name} part", len(bits))
    assert opened == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff" * 50, b"{" * 5000])
def test_a_file_that_holds_something_else_is_none_and_replaced(tmp_path: Path, chip: SoftTpm, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert keychain(tmp_path, chip).read("device") is None
    assert keychain(tmp_path, chip).keep("device", SEED)
    assert keychain(tmp_path, chip).read("device") == SEED


def test_rel_18_every_truncation_of_the_file_is_none(tmp_path: Path, chip: SoftTpm) -> None:
    assert keychain(tmp_path, chip).keep("device", SEED)
    whole = (tmp_path / FILE).read_bytes()
    for length in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:length])
        assert keychain(tmp_path, chip).read("device") is None


# ── planted faults ───────────────────────────────────────────────────────────────────────────────────────────────────


ANSWERS = {
    "hangs up": b"",
    "half a header": b"\x80\x01\x00",
    "too long": b"\x80\x01" + b"\xff" * 8,
    "shorter than its header": b"\x80\x01\x00\x00\x00\x02" + bytes(4),
    "success without content": bytes.fromhex("8001 0000000a 00000000"),
    "a failed self-test": bytes.fromhex("8001 0000000a 00000101"),
    "busy: try again": bytes.fromhex("8001 0000000a 00000922"),
    "in lockout": bytes.fromhex("8001 0000000a 00000921"),
    "not started": bytes.fromhex("8001 0000000a 00000100"),
    "noise": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("fault", ANSWERS)
def test_rel_22_a_chip_that_answers_wrongly_is_no_chip(tmp_path: Path, fault: str, desk: Desk) -> None:
    with BadChip(ANSWERS[fault]) as bad:
        backend = Tpm(str(tmp_path), bad.connection)
        assert not Keychain("hustl", backend).keep("device", SEED)
        assert bad.asked > 0
        assert not (tmp_path / FILE).exists()
        assert not list(tmp_path.glob("*.draft"))
        assert desk.app(keychain=backend).activate(LICENSE_KEY).state == "active"
        assert desk.app()._device.look().state.device_seed is not None, "the state file holds it"


def test_rel_22_a_chip_that_never_answers_is_given_up_and_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tpm, "LIMIT_SECONDS", 0.5)
    with BadChip(None) as bad:
        backend = Tpm(str(tmp_path), bad.connection)
        with pytest.raises(TpmError):
            backend.set_password("carnet/hustl", "device", "x" * 43)
        asked = bad.asked
        assert asked > 0
        assert not Keychain("hustl", backend).keep("device", SEED)
        assert bad.asked == asked


def test_rel_22_nobody_listens(tmp_path: Path) -> None:
    with BadChip(None) as bad:
        pass
    assert not Keychain("hustl", Tpm(str(tmp_path), bad.connection)).keep("device", SEED)


# ── on a device ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_chip(chip: SoftTpm, monkeypatch: pytest.MonkeyPatch) -> SoftTpm:
    """A device whose TPM is *chip*."""
    plug_in(chip, monkeypatch)
    return chip


def plug_in(chip: SoftTpm, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Tpm.__init__
    original: Any = getattr(real, "original", real)

    def opened(self: Tpm, directory: str, connection: str | None = None) -> None:
        original(self, directory, connection or chip.connection)

    opened.original = original  # type: ignore[attr-defined]
    monkeypatch.setattr(Tpm, "__init__", opened)


def state_of(desk: Desk) -> DeviceState:
    return desk.app()._device.look().state


def contact(desk: Desk, **settings: Any) -> None:
    outcome = drive(refresh(desk.app(**settings)._device), desk.transport, 5)
    assert outcome.problem is None


def test_r_37_the_device_key_is_sealed_and_proofs_are_made_with_it(desk: Desk, on_chip: SoftTpm) -> None:
    assert desk.app(keychain="tpm").activate(LICENSE_KEY).state == "active"
    state = state_of(desk)
    assert (state.device_seed, state.device_seed_in) == (None, "tpm")
    assert (desk.state / "hustl" / FILE).is_file()
    contact(desk, keychain="tpm")
    assert len(desk.vendor.used_proofs) == 1
    assert [body for body in desk.vendor.bodies if "license_key" in body] == desk.vendor.bodies[:1]
    assert drive(deactivate(desk.app(keychain="tpm")._device), desk.transport, 5).problem is None
    assert desk.vendor.seats == {}


def test_r_37_a_check_never_asks_the_chip(desk: Desk, on_chip: SoftTpm, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.app(keychain="tpm").activate(LICENSE_KEY)
    monkeypatch.setattr(Tpm, "get_password", lambda *_: pytest.fail("asked"))
    assert desk.app(keychain="tpm").check().state == "active"


def test_r_37_a_copied_disk_cannot_use_the_device_key(
    desk: Desk, on_chip: SoftTpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.app(keychain="tpm").activate(LICENSE_KEY)
    own = desk.app(keychain="tpm")._device
    seed = own.device_seed(own.look())
    shutil.copytree(desk.state, tmp_path / "copied")
    with SoftTpm(tmp_path / "thief") as other:
        plug_in(other, monkeypatch)
        thief = desk.app(keychain="tpm", state=tmp_path / "copied")._device
        assert thief.look().loaded.condition == "open", "on the device's own anchors it opens"
        assert thief.device_seed(thief.look()) != seed


@pytest.mark.parametrize("trouble", ["cleared", "other", "password", "gone", "file lost"])
def test_rel_22_a_chip_that_no_longer_opens_the_key_stops_nobody(
    desk: Desk, on_chip: SoftTpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    desk.app(keychain="tpm").activate(LICENSE_KEY)
    other = SoftTpm(tmp_path / "other")
    with other:
        if trouble == "cleared":
            on_chip.do("clear", "LOCKOUT")
        elif trouble == "other":
            plug_in(other, monkeypatch)
        elif trouble == "password":
            on_chip.do("hierarchy_change_auth", "OWNER", b"a password")
        elif trouble == "gone":
            monkeypatch.setattr(on_chip, "connection", connection_to(1))
        else:
            (desk.state / "hustl" / FILE).unlink()
        assert desk.app(keychain="tpm").check().state == "active"
        contact(desk, keychain="tpm")
        assert len(desk.vendor.seats) == 1, "activated again: the same device keeps its seat"
        assert (state_of(desk).device_seed is None) is (trouble in {"cleared", "other", "file lost"})
        contact(desk, keychain="tpm")
        assert desk.app(keychain="tpm").check().state == "active"
        assert drive(deactivate(desk.app(keychain="tpm")._device), desk.transport, 5).problem is None
    assert desk.vendor.seats == {}


def test_r_37_an_app_that_takes_the_chip_up_or_gives_it_up_moves_the_key(desk: Desk, on_chip: SoftTpm) -> None:
    desk.app().activate(LICENSE_KEY)
    seed = state_of(desk).device_seed
    contact(desk, keychain="tpm")
    assert (state_of(desk).device_seed, state_of(desk).device_seed_in) == (None, "tpm")
    contact(desk)
    assert (state_of(desk).device_seed, state_of(desk).device_seed_in) == (seed, None)
    assert not [body for body in desk.vendor.bodies[1:] if "license_key" in body], "nobody had to activate again"

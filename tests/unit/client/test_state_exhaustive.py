"""
Every flipped bit and every length, of either copy and of both, through the reader itself (REL-18).

The state is one that a real activation left. The campaigns run in memory, over the very functions that read the disk:
only the bytes come from a list. A sample of them is done again on a real disk, down to the decision.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from carnet.client.driving import drive
from carnet.client.fingerprint.values import Anchor
from carnet.client.operations import refresh
from carnet.client.state import COPIES, Loaded, StateStore
from carnet.client.state_file import CHECKSUM_BYTES, MAX_STATE, Condition, DeviceState
from carnet.core.instant import DAY
from carnet.formats.encoding import sha256
from carnet.formats.keys import Ed25519Signer, PublicKey
from support.campaigns import LONG
from support.clock_life import Life

ANCHORS = (Anchor(kind="declared", value="line-4", strength="declared"),)
Told = Callable[[str, object], None]


class InMemory(StateStore):
    """The reader over bytes that are given: `_read` is the only thing that is replaced."""

    def __init__(self) -> None:
        super().__init__("nowhere", "hustl")
        self.contents: list[bytes] = [b"", b""]

    def _read(self, name: str) -> tuple[Condition, bytes]:
        data = self.contents[COPIES.index(name)]
        return ("open" if data else "damaged"), data


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A device that was activated, refreshed, and used for a while."""
    life = Life(tmp_path_factory.mktemp("life"))
    life.activate()
    life.use(1)
    life.contact()
    life.use(0.5)
    return life


@pytest.fixture(scope="module")
def data(life: Life) -> bytes:
    first, second = (path.read_bytes() for path in sorted((life.desk.state / "hustl").glob("state.?")))
    assert first == second
    assert 3000 < len(first) < 5000, "large enough to be real, small enough to be exhaustive"
    return first


@pytest.fixture
def reader() -> InMemory:
    return InMemory()


@pytest.fixture
def whole(reader: InMemory, data: bytes) -> Loaded:
    reader.contents = [data, data]
    loaded = reader.load(ANCHORS)
    assert loaded.condition == "open"
    assert loaded.state.machine_file is not None
    return loaded


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def resealed(data: bytes) -> bytes:
    """With a checksum that fits, as somebody who edits the file would write it."""
    return data[:-CHECKSUM_BYTES] + sha256(data[:-CHECKSUM_BYTES])


@pytest.mark.parametrize("victim", [0, 1])
def test_rel_18_every_bit_of_one_copy_may_flip_and_the_other_answers(
    reader: InMemory, data: bytes, whole: Loaded, victim: int, record_property: Told
) -> None:
    for bit in range(len(data) * 8):
        reader.contents[victim] = flipped(data, bit)
        loaded = reader.load(ANCHORS)
        assert loaded.condition == "open", bit
        assert loaded.copies[victim] == "damaged", bit
        assert loaded.state == whole.state, bit
    record_property("bits", len(data) * 8)


def test_rel_18_every_bit_of_both_copies_may_flip_and_nothing_is_read(
    reader: InMemory, data: bytes, record_property: Told
) -> None:
    for bit in range(len(data) * 8):
        changed = flipped(data, bit)
        reader.contents = [changed, changed]
        assert reader.load(ANCHORS) == Loaded(condition="damaged", copies=("damaged", "damaged")), bit
    record_property("bits", len(data) * 8)


def test_sec_48_every_bit_under_a_checksum_that_fits_is_noticed_by_the_seal(
    reader: InMemory, data: bytes, record_property: Told
) -> None:
    """The checksum finds accidents; what finds somebody's edits is the seal."""
    outcomes: dict[str, int] = {}
    for bit in range((len(data) - CHECKSUM_BYTES) * 8):
        changed = resealed(flipped(data, bit))
        reader.contents = [changed, changed]
        loaded = reader.load(ANCHORS)
        assert loaded.condition != "open", bit
        assert loaded.state == DeviceState(), bit
        outcomes[loaded.condition] = outcomes.get(loaded.condition, 0) + 1
    assert outcomes.keys() == {"damaged", "foreign", "too_new"}
    for condition, count in sorted(outcomes.items()):
        record_property(condition, count)


@pytest.mark.parametrize("victim", [(0,), (1,), (0, 1)])
def test_rel_18_every_length_of_a_copy_or_of_both(
    reader: InMemory, data: bytes, whole: Loaded, victim: tuple[int, ...], record_property: Told
) -> None:
    for size in range(len(data)):
        for cut in (data[:size], data[:size] + bytes(len(data) - size)):  # cut off, and lost as zeros
            reader.contents = [cut if index in victim else data for index in (0, 1)]
            loaded = reader.load(ANCHORS)
            if cut == data:
                continue
            assert [loaded.copies[index] for index in victim] == ["damaged"] * len(victim), size
            assert loaded.state == (DeviceState() if len(victim) == 2 else whole.state), size
    record_property("lengths, each cut off and lost as zeros", len(data))


def test_rel_18_any_two_halves_of_two_states_are_no_state(reader: InMemory, data: bytes, life: Life) -> None:
    """A disk that wrote the one to here and the other from here on."""
    life.desk.app()._device.store.update(ANCHORS, lambda found: found.state)
    newer = (life.desk.state / "hustl" / "state.0").read_bytes()
    assert newer != data
    for at in range(1, min(len(data), len(newer))):
        mixed = newer[:at] + data[at:]
        reader.contents = [mixed, mixed]
        assert reader.load(ANCHORS).condition != "open" or mixed in (data, newer), at


def test_rel_18_swapped_copies_and_an_older_one_in_either_place(reader: InMemory, data: bytes, life: Life) -> None:
    life.desk.app()._device.store.update(ANCHORS, lambda found: found.state)
    newer = (life.desk.state / "hustl" / "state.0").read_bytes()
    sequences = []
    for contents in ([data, newer], [newer, data]):
        reader.contents = contents
        loaded = reader.load(ANCHORS)
        assert loaded.copies == ("open", "open")
        sequences.append(loaded.sequence)
    reader.contents = [data, data]
    assert sequences == [sequences[0]] * 2
    assert sequences[0] > reader.load(ANCHORS).sequence


# ── a sample, on a real disk and down to the decision ────────────────────────────────────────────────────────────────


def test_rel_18_on_a_real_disk_one_damaged_copy_changes_no_decision(life: Life, record_property: Told) -> None:
    folder = life.desk.state / "hustl"
    good = (folder / "state.0").read_bytes()
    right = life.look()
    assert right.state == "active"
    step = 7 if LONG else 97
    done = 0
    for bit in range(0, len(good) * 8, step):
        for name in COPIES:
            (folder / name).write_bytes(flipped(good, bit) if bit % 3 else good[: bit // 8])
            assert life.look() == right, (name, bit)
            (folder / name).write_bytes(good)
            done += 1
    record_property("damages", done)


def test_rel_18_on_a_real_disk_two_damaged_copies_grant_nothing_and_activating_mends_them(
    life: Life, record_property: Told
) -> None:
    folder = life.desk.state / "hustl"
    good = (folder / "state.0").read_bytes()
    step = 61 if LONG else 997
    done = 0
    for bit in range(0, len(good) * 8, step):
        for name in COPIES:
            (folder / name).write_bytes(resealed(flipped(good, bit)) if bit % 2 else good[: bit // 8])
        decision = life.look()
        assert decision.access == "none", bit
        assert decision.state in {"not_activated", "wrong_device"}, bit
        done += 1
    for name in COPIES:
        (folder / name).write_bytes(good[:-1])
    life.activate()
    assert life.look().state == "active"
    record_property("damages", done)


@pytest.mark.parametrize("how", ["emptied", "unreadable", "a directory", "missing", "four megabytes more"])
@pytest.mark.parametrize("victims", [("state.0",), ("state.1",), COPIES])
def test_rel_18_what_else_happens_to_copies(
    life: Life, how: str, victims: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(life.desk.state, kept)
    right = life.look()
    for name in victims:
        path = life.desk.state / "hustl" / name
        if how == "emptied":
            path.write_bytes(b"")
        elif how == "four megabytes more":
            path.write_bytes(path.read_bytes() + bytes(MAX_STATE))
        elif how == "unreadable":
            _refuse(monkeypatch, victims)
        else:
            path.unlink()
            if how == "a directory":
                path.mkdir()
    decision = life.look()
    if len(victims) == 1:
        assert decision == right
    else:
        assert (decision.state, decision.access) == ("not_activated", "none")
    monkeypatch.undo()
    shutil.rmtree(life.desk.state)
    shutil.copytree(kept, life.desk.state)


def _refuse(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]) -> None:
    """Root may read anything, so the right to read is taken away where the file is opened."""
    import os

    plain = os.open

    def refused(path: str, flags: int, mode: int = 0o777) -> int:
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied")
        return plain(path, flags, mode)

    monkeypatch.setattr(os, "open", refused)


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["0.1"])
def test_a_state_that_an_earlier_version_wrote_opens_and_is_written_in_the_new_form(
    version: str, tmp_path: Path
) -> None:
    """Recorded with that version: an activation, a window of 20 days that was prepared, a clock that fell behind."""
    life = Life(tmp_path)
    folder = life.desk.state / "hustl"
    folder.mkdir(parents=True)
    for name in COPIES:
        shutil.copy(Path(__file__).parent / "recorded" / version / name, folder / name)
    life.desk.clock.advance(31 * 3600)
    life.desk.true_time.advance(31 * 3600)
    before = life.desk.app().info()
    assert before.copies == ("open", "open")
    facts = life.desk.app()._device.look().clock
    assert (facts.boot, facts.signed_by, facts.falls) == ("boot-1", None, 0)
    assert before.trusted_at == life.desk.true_time.now()
    assert before.prepared_until == before.last_contact_at + 20 * DAY  # type: ignore[operator]
    assert life.look().state == "active"
    assert life.desk.app()._device.look().clock.falls == 0, "a clock that is right again ends the countdown"
    seed = life.desk.app()._device.look().state.device_seed
    life.desk.vendor.seats = {before.fingerprint or "": _public(seed)}
    outcome = drive(refresh(life.desk.app()._device), life.desk.transport, 5)
    assert outcome.problem is None
    after = life.desk.app()._device.look()
    assert after.clock.signed_by is not None
    assert (after.state.device_seed, after.fingerprint) == (seed, before.fingerprint)
    assert after.state.contacts == 3
    assert life.look().state == "active"


def _public(seed: bytes | None) -> PublicKey:
    assert seed is not None
    return Ed25519Signer(seed).public_key

"""
Disks that fail and processes that die, at every single call (REL-18): never a crash, never half a state.

Root may do anything in any directory, and CI runs as root: so rights are taken away by calls that fail.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carnet.client import state_locking
from carnet.client.driving import drive
from carnet.client.fingerprint.values import Anchor
from carnet.client.operations import refresh
from carnet.client.state import COPIES, Loaded, StateStore
from carnet.client.state_file import DeviceState
from carnet.core._base import replace
from carnet.core.errors import StateError
from carnet.core.instant import DAY
from support.issuing import LICENSE_KEY
from support.sdk import Desk
from support.state_faults import CALLS, Calls, Fault, dies, full_after, killed, killed_amid_write, raising

HERE = (Anchor(kind="linux-machine-id", value="9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88", strength="strong"),)
MEMORY = Path("/dev/shm")  # noqa: S108 - memory where there is one: these disks fail as they are told
Told = Callable[[str, object], None]

OLD, NEW = "old-key", "new-key"


@pytest.fixture
def store() -> Iterator[StateStore]:
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield StateStore(str(folder / "state" / "hustl"), "hustl")
    shutil.rmtree(folder)


def with_key(key: str) -> Callable[[Loaded], DeviceState]:
    return lambda loaded: replace(loaded.state, license_key=key)


def prepare(store: StateStore, before: str) -> None:
    """The directory as it is *before* a write: absent, whole, or with one copy damaged or gone."""
    shutil.rmtree(Path(store.directory).parent, ignore_errors=True)
    if before == "absent":
        return
    store.update(HERE, with_key(OLD))
    if before.startswith("damaged"):
        path = Path(store.directory) / f"state.{before[-1]}"
        path.write_bytes(path.read_bytes()[:-5])
    elif before.startswith("gone"):
        (Path(store.directory) / f"state.{before[-1]}").unlink()


BEFORE = ("absent", "whole", "damaged 0", "damaged 1", "gone 0", "gone 1")


def key_of(store: StateStore) -> str | None:
    loaded = store.load(HERE)
    assert loaded.condition in {"open", "absent"}, loaded
    return loaded.state.license_key


def files(store: StateStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(store.directory).iterdir()}


def problem_of_a_write(store: StateStore) -> StateError | None:
    try:
        store.update(HERE, with_key(NEW))
    except StateError as problem:
        return problem
    return None


def calls_of_a_write(store: StateStore, before: str) -> list[str]:
    prepare(store, before)
    calls = Calls()
    with calls.counted():
        store.update(HERE, with_key(NEW))
    return list(calls.made)


@pytest.mark.parametrize("before", BEFORE)
def test_rel_18_a_process_killed_before_or_after_any_call_leaves_a_whole_state(
    store: StateStore, before: str, record_property: Told
) -> None:
    made = calls_of_a_write(store, before)
    whole = {None, NEW} if before == "absent" else {OLD, NEW}
    kills, seen = 0, set()
    for number in range(1, len(made) + 1):
        faults = [killed(after=False), killed(after=True)]
        if made[number - 1] == "write":
            faults += [killed_amid_write(size) for size in (1, 20, 300)]
        for fault in faults:
            prepare(store, before)

            def die(number: int = number, fault: Fault = fault) -> None:
                with Calls().under(number, fault):
                    store.update(HERE, with_key(NEW))

            assert dies(die)
            kills += 1
            seen.add(key_of(store))
            assert seen <= whole
            store.update(HERE, with_key("next"))
            assert key_of(store) == "next"
            assert sorted(files(store)) == ["lock", "state.0", "state.1"], "drafts of the dead are swept"
    assert seen == whole
    record_property("calls", len(made))
    record_property("kills", kills)


@pytest.mark.parametrize("before", BEFORE)
def test_rel_18_any_one_call_may_fail_and_the_state_is_the_old_or_the_new_one(
    store: StateStore, before: str, record_property: Told
) -> None:
    made = calls_of_a_write(store, before)
    told = written = 0
    for number in (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.ESTALE):
        for place in range(1, len(made) + 1):
            prepare(store, before)
            with Calls().under(place, raising(number), last=place):
                problem = problem_of_a_write(store)
            if problem is None:
                written += 1
                assert key_of(store) == NEW
            else:
                told += 1
                assert problem.code == "state_not_writable"
                assert key_of(store) == (None if before == "absent" else OLD), "what is told is so"
            store.update(HERE, with_key("next"))
            assert key_of(store) == "next"
            assert sorted(files(store)) == ["lock", "state.0", "state.1"]
    assert told
    assert written
    record_property("failing calls", told + written)


@pytest.mark.parametrize("before", BEFORE)
def test_rel_18_a_disk_that_is_full_from_any_write_on_keeps_the_old_state(
    store: StateStore, before: str, record_property: Told
) -> None:
    prepare(store, before)
    calls = Calls(("write", "fsync"))
    with calls.counted():
        store.update(HERE, with_key(NEW))
    full = 0
    for room in (0, 1, 100, 600):
        for place in range(1, len(calls.made) + 1):
            prepare(store, before)
            with Calls(("write", "fsync")).under(place, full_after(room)):
                problem = problem_of_a_write(store)
            full += 1
            if problem is None:
                assert key_of(store) == NEW
            else:
                assert problem.code == "state_not_writable"
                assert "No space left" in problem.message
                assert key_of(store) == (None if before == "absent" else OLD), "what is told is so"
            assert not [name for name in files(store) if name.endswith(".draft")]
    record_property("full disks", full)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ELOOP, errno.EMFILE])
def test_rel_18_any_call_of_a_read_may_fail_and_the_other_copy_answers(store: StateStore, number: int) -> None:
    prepare(store, "whole")
    calls = Calls()
    with calls.counted():
        store.load(HERE)
    assert set(calls.made) <= set(CALLS)
    for place, name in enumerate(calls.made, 1):
        with Calls().under(place, raising(number), last=place):
            if name == "close":
                continue
            assert key_of(store) == OLD, (place, name)
    with Calls(("open",)).under(1, raising(number)):
        assert store.load(HERE) == Loaded(condition="unreadable", copies=("unreadable", "unreadable"))


def test_rel_18_reads_that_bring_a_few_bytes_at_a_time_bring_the_state(store: StateStore) -> None:
    prepare(store, "whole")

    def few(_: str, real: Callable[..., bytes], arguments: tuple[int, int]) -> bytes:
        return real(arguments[0], min(arguments[1], 97))

    with Calls(("read",)).under(1, few):
        assert key_of(store) == OLD


def test_rel_18_something_else_than_a_file_in_a_copys_place_never_makes_a_check_wait(store: StateStore) -> None:
    prepare(store, "whole")
    for name in COPIES:
        path = Path(store.directory) / name
        path.unlink()
        os.mkfifo(path)
    assert store.load(HERE).copies == ("damaged", "damaged")
    store.update(HERE, with_key(NEW))
    assert key_of(store) == NEW


# ── file systems without locks ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refused(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refused)


def test_rel_19_a_file_system_without_locks_keeps_states_all_the_same(store: StateStore, without_locks: None) -> None:
    for number in range(5):
        store.update(HERE, with_key(f"key-{number}"))
    assert key_of(store) == "key-4"
    assert state_locking.MARKER not in files(store)


def test_rel_19_there_a_marker_is_a_lock(store: StateStore, without_locks: None) -> None:
    prepare(store, "whole")

    def meanwhile(_: Loaded) -> DeviceState | None:
        with pytest.raises(StateError) as caught:
            store.update(HERE, with_key(NEW), lock_seconds=0)
        assert caught.value.code == "state_busy"
        assert key_of(store) == OLD, "reading needs no lock"
        return None

    store.update(HERE, meanwhile)
    store.update(HERE, with_key(NEW))
    assert key_of(store) == NEW


def test_rel_19_an_app_on_a_file_system_without_locks_activates_refreshes_and_decides(
    without_locks: None, tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "state")
    assert desk.app().activate(LICENSE_KEY).state == "active"
    desk.pass_time(2 * DAY)
    assert drive(refresh(desk.app()._device), desk.transport, 5).problem is None
    decision = desk.app().check()
    assert decision.state == "active"
    assert decision.offline_until == desk.true_time.now() + 30 * DAY - 60


def test_rel_19_a_lock_that_cannot_be_opened_is_told_and_nothing_is_written_beside_it(store: StateStore) -> None:
    """A marker would not keep those out who can open it."""
    prepare(store, "whole")
    lock = Path(store.directory) / "lock"
    lock.unlink()
    lock.mkdir()
    problem = problem_of_a_write(store)
    assert problem is not None
    assert problem.code == "state_not_writable"
    assert key_of(store) == OLD


@pytest.mark.parametrize(("age", "taken"), [(-1, False), (0, False), (1, True)])
def test_rel_19_a_marker_that_a_crashed_machine_left_is_taken_away_after_ten_minutes(
    store: StateStore, without_locks: None, age: int, *, taken: bool
) -> None:
    prepare(store, "whole")
    marker = Path(store.directory) / state_locking.MARKER
    marker.write_text("4711\nanother-host\n")
    now = marker.stat().st_mtime
    written = now - state_locking.ABANDONED_SECONDS - (age - 0.5) * 60
    os.utime(marker, (written, written))
    if taken:
        store.update(HERE, with_key(NEW), lock_seconds=0)
        assert key_of(store) == NEW
    else:
        with pytest.raises(StateError) as caught:
            store.update(HERE, with_key(NEW), lock_seconds=0)
        assert caught.value.code == "state_busy"
        assert key_of(store) == OLD


def test_rel_18_bytes_are_on_the_disk_before_their_name_is(store: StateStore) -> None:
    """What a power cut needs: a name never stands for bytes that were not synced."""
    made = calls_of_a_write(store, "whole")
    one = ["open", "write", "fsync", "close", "replace", "open", "fsync", "close"]
    assert made[-16:] == one * 2

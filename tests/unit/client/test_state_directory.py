"""The state directory: two copies, atomic, owner-only, locked; disks and processes that fail (REL-18, REL-19)."""

from __future__ import annotations

import errno
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from carnet.client import state_writing
from carnet.client.fingerprint.values import Anchor
from carnet.client.state import COPIES, Loaded, StateStore, state_root
from carnet.client.state_file import MAX_SEQUENCE, MAX_STATE, DeviceState
from carnet.client.state_sealing import seal_copy
from carnet.core._base import replace
from carnet.core.errors import StateError, UsageError

HERE = (Anchor(kind="linux-machine-id", value="9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88", strength="strong"),)
ELSEWHERE = (Anchor(kind="linux-machine-id", value="11112222333344445555666677778888", strength="strong"),)


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(str(tmp_path / "state" / "hustl"), "hustl")


def set_key(key: str) -> Callable[[Loaded], DeviceState]:
    return lambda loaded: replace(loaded.state, license_key=key)


def add_one(loaded: Loaded) -> DeviceState:
    return replace(loaded.state, contacts=loaded.state.contacts + 1)


def files(store: StateStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(store.directory).iterdir()}


def test_looking_at_a_state_that_is_not_there_creates_nothing(store: StateStore, tmp_path: Path) -> None:
    assert store.load(HERE) == Loaded(condition="absent", copies=("absent", "absent"))
    assert list(tmp_path.iterdir()) == []


def test_a_write_leaves_two_equal_copies_and_nothing_else(store: StateStore) -> None:
    written = store.update(HERE, set_key("K"))
    assert written.state.license_key == "K"
    loaded = store.load(HERE)
    assert loaded == replace(written, copies=("open", "open"))
    assert loaded.sequence == 0
    contents = files(store)
    assert sorted(contents) == ["lock", "state.0", "state.1"]
    assert contents["state.0"] == contents["state.1"]


def test_sec_48_files_and_directories_are_the_owners_only(store: StateStore, tmp_path: Path) -> None:
    store.update(HERE, set_key("K"))
    for path in [Path(store.directory), Path(store.directory).parent]:
        assert path.stat().st_mode & 0o777 == 0o700
    for path in Path(store.directory).iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    Path(store.directory).chmod(0o755)
    store.update(HERE, set_key("L"))
    assert Path(store.directory).stat().st_mode & 0o777 == 0o700


def test_sec_48_a_planted_link_is_not_followed(store: StateStore, tmp_path: Path) -> None:
    store.update(HERE, set_key("K"))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in COPIES:
        (Path(store.directory) / name).unlink()
        (Path(store.directory) / name).symlink_to(victim)
    store.update(HERE, set_key("L"))
    assert victim.read_text() == "precious"
    assert store.load(HERE).state.license_key == "L"


def test_a_state_copied_to_another_device_is_foreign(store: StateStore) -> None:
    store.update(HERE, set_key("K"))
    loaded = store.load(ELSEWHERE)
    assert (loaded.condition, loaded.state, loaded.copies) == ("foreign", DeviceState(), ("foreign", "foreign"))
    assert store.load(()).condition == "foreign"


def test_a_change_that_declines_leaves_the_files_as_they_are(store: StateStore) -> None:
    store.update(HERE, set_key("K"))
    before = files(store)
    assert store.update(ELSEWHERE, lambda _: None).condition == "foreign"
    assert files(store) == before


def test_a_device_that_takes_over_a_foreign_state_starts_its_own(store: StateStore) -> None:
    store.update(HERE, set_key("K"))
    taken = store.update(ELSEWHERE, add_one)
    assert (taken.state.license_key, taken.state.contacts, taken.sequence) == (None, 1, 1)
    assert store.load(HERE).condition == "foreign"


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(data[:-1])
    elif how == "flipped":
        path.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    elif how == "foreign":
        path.write_bytes(b"\x7fELF" + data)
    elif how == "huge":
        path.write_bytes(data + bytes(MAX_STATE))
    elif how == "directory":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "flipped", "foreign", "huge", "directory"])
@pytest.mark.parametrize("victim", [0, 1])
def test_rel_18_one_damaged_copy_costs_nothing_and_is_mended_by_the_next_write(
    store: StateStore, how: str, victim: int
) -> None:
    store.update(HERE, set_key("K"))
    path = Path(store.directory) / COPIES[victim]
    damage(path, how)
    loaded = store.load(HERE)
    assert (loaded.condition, loaded.state.license_key) == ("open", "K")
    assert loaded.copies[1 - victim] == "open"
    assert loaded.copies[victim] != "open"
    store.update(HERE, set_key("L"))
    if how != "directory":
        assert store.load(HERE).copies == ("open", "open")
    path_of_other = Path(store.directory) / COPIES[1 - victim]
    assert path_of_other.is_file()
    assert store.load(HERE).state.license_key == "L"


@pytest.mark.parametrize("first", ["missing", "empty", "truncated", "flipped", "foreign", "huge", "directory"])
@pytest.mark.parametrize("second", ["empty", "truncated", "flipped", "foreign"])
def test_rel_18_two_damaged_copies_are_said_so_and_grant_nothing(store: StateStore, first: str, second: str) -> None:
    store.update(HERE, set_key("K"))
    damage(Path(store.directory) / COPIES[0], first)
    damage(Path(store.directory) / COPIES[1], second)
    loaded = store.load(HERE)
    assert loaded.condition == ("unreadable" if first == "directory" else "damaged")
    assert loaded.state == DeviceState()


def test_rel_18_every_bit_of_both_files_may_flip_and_the_other_copy_answers(store: StateStore) -> None:
    store.update(HERE, add_one)
    paths = [Path(store.directory) / name for name in COPIES]
    data = paths[0].read_bytes()
    for path in paths:
        for position in range(len(data)):
            bit = 1 << (position % 8)
            path.write_bytes(data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :])
            assert store.load(HERE).state.contacts == 1
        for size in range(len(data)):
            path.write_bytes(data[:size])
            assert store.load(HERE).state.contacts == 1
        path.write_bytes(data)
    assert store.load(HERE).copies == ("open", "open")


def test_rel_18_swapped_copies_are_the_same_state(store: StateStore) -> None:
    store.update(HERE, set_key("old"))
    old = (Path(store.directory) / COPIES[0]).read_bytes()
    store.update(HERE, set_key("new"))
    for older, newer in (COPIES, COPIES[::-1]):
        new = (Path(store.directory) / newer).read_bytes()
        (Path(store.directory) / older).write_bytes(old)
        loaded = store.load(HERE)
        assert loaded.state.license_key == "new", "the higher sequence wins, whatever the file is called"
        (Path(store.directory) / older).write_bytes(new)


def test_the_better_copy_stays_until_the_new_bytes_are_on_the_disk(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.update(HERE, set_key("old"))
    for victim in COPIES:
        path = Path(store.directory) / victim
        good = path.read_bytes()
        path.write_bytes(good[:-1])
        order: list[str] = []
        plain = state_writing._rename
        monkeypatch.setattr(state_writing, "_rename", lambda a, b, o=order, p=plain: (o.append(Path(b).name), p(a, b)))
        store.update(HERE, set_key("new"))
        monkeypatch.setattr(state_writing, "_rename", plain)
        assert order[0] == victim


def test_an_edited_sequence_number_wins_nothing(store: StateStore) -> None:
    store.update(HERE, set_key("old"))
    old = (Path(store.directory) / COPIES[0]).read_bytes()
    store.update(HERE, set_key("new"))
    from carnet.formats.encoding import sha256

    edited = old[:-32].replace(b'"sequence":0', b'"sequence":%d' % MAX_SEQUENCE)
    (Path(store.directory) / COPIES[0]).write_bytes(edited + sha256(edited))
    assert store.load(HERE).state.license_key == "new"
    store.update(HERE, set_key("newer"))
    assert store.load(HERE).state.license_key == "newer"


def test_users_ask_59_a_newer_versions_state_is_not_overwritten(store: StateStore) -> None:
    from carnet.formats.encoding import sha256

    store.update(HERE, set_key("K"))
    for name in COPIES:
        path = Path(store.directory) / name
        newer = path.read_bytes()[:-32].replace(b"carnet-state 1\n", b"carnet-state 2\n")
        path.write_bytes(newer + sha256(newer))
    before = files(store)
    assert store.load(HERE).condition == "too_new"
    with pytest.raises(StateError) as caught:
        store.update(HERE, set_key("L"))
    assert caught.value.code == "state_too_new"
    assert files(store) == before


# ── disks that fail ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("call", ["write", "fsync", "open", "replace"])
@pytest.mark.parametrize("nth", [1, 2])
def test_rel_18_a_write_that_fails_once_at_any_step_loses_nothing(
    store: StateStore, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    store.update(HERE, set_key("old"))
    plain = getattr(os, call)
    count = 0

    def failing(*arguments: object, **options: object) -> object:
        nonlocal count
        count += ".draft" in str(arguments[0]) if call in {"open", "replace"} else 1
        if count == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        store.update(HERE, set_key("new"))  # the other copy takes it
    assert count >= nth
    loaded = store.load(HERE)
    assert (loaded.condition, loaded.state.license_key) == ("open", "new")
    assert sorted(files(store)) == ["lock", "state.0", "state.1"]


@pytest.mark.parametrize("call", ["write", "fsync", "open", "replace"])
def test_rel_18_a_disk_that_stays_full_is_a_state_error_and_the_old_state_stays(
    store: StateStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store.update(HERE, set_key("old"))
    before = files(store)
    plain = getattr(os, call)

    def failing(*arguments: object, **options: object) -> object:
        if call in {"open", "replace"} and ".draft" not in str(arguments[0]):
            return plain(*arguments, **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        with pytest.raises(StateError) as caught:
            store.update(HERE, set_key("new"))
    assert caught.value.code == "state_not_writable"
    assert "No space left" in caught.value.message
    assert files(store) == before


def test_rel_18_a_process_killed_at_any_step_leaves_a_whole_state(store: StateStore) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    store.update(HERE, set_key("old"))
    steps = ("write", "fsync", "replace")
    for step in steps:
        for nth in (1, 2):
            child = os.fork()
            if child == 0:
                plain = getattr(os, step)
                left = [nth]

                def dying(*arguments: object, plain: object = plain, left: list[int] = left) -> object:
                    left[0] -= 1
                    if not left[0]:
                        os._exit(9)
                    return plain(*arguments)  # type: ignore[operator]

                setattr(os, step, dying)
                store.update(HERE, set_key("new"))
                os._exit(0)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 9, (step, nth)
            loaded = store.load(HERE)
            assert loaded.condition == "open", (step, nth)
            assert loaded.state.license_key in {"old", "new"}
            store.update(HERE, set_key("old"))
            assert sorted(files(store)) == ["lock", "state.0", "state.1"], "drafts of the dead are swept"


def test_a_directory_that_cannot_be_made_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateError) as caught:
        StateStore(str(tmp_path / "file" / "hustl"), "hustl").update(HERE, set_key("K"))
    assert caught.value.code == "state_not_writable"
    assert "CARNET_STATE" in caught.value.fix


def test_files_of_another_user_are_unreadable_and_said_so(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.update(HERE, set_key("K"))

    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert store.load(HERE).condition == "unreadable"


def test_a_disk_that_fails_while_it_is_read_is_unreadable(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.update(HERE, set_key("K"))

    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", failing)
    assert store.load(HERE).condition == "unreadable"


def test_without_an_identity_nothing_is_written(store: StateStore, tmp_path: Path) -> None:
    with pytest.raises(StateError) as caught:
        store.update((), set_key("K"))
    assert caught.value.code == "no_device_identity"
    assert list(tmp_path.iterdir()) == []


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lock_that_stays_taken_is_a_state_error(store: StateStore) -> None:
    from filelock import FileLock

    store.update(HERE, add_one)
    with FileLock(os.path.join(store.directory, "lock")), pytest.raises(StateError) as caught:  # noqa: PTH118
        store.update(HERE, add_one, lock_seconds=0)
    assert caught.value.code == "state_busy"
    assert store.load(HERE).state.contacts == 1


def test_rel_19_threads_lose_no_update(store: StateStore) -> None:
    store.update(HERE, add_one)
    threads = [threading.Thread(target=lambda: [store.update(HERE, add_one) for _ in range(5)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load(HERE).state.contacts == 31


def _count(directory: str, times: int) -> None:
    for _ in range(times):
        StateStore(directory, "hustl").update(HERE, add_one, lock_seconds=60)


def test_rel_19_processes_lose_no_update_and_readers_never_see_half_a_state(store: StateStore) -> None:
    times, workers = (250, 16) if os.environ.get("CARNET_LONG") else (10, 4)
    store.update(HERE, add_one)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(store.directory, times)) for _ in range(workers)]
    for process in processes:
        process.start()
    seen = 0
    while any(process.is_alive() for process in processes):
        loaded = store.load(HERE)
        assert loaded.condition == "open"
        assert loaded.state.contacts >= seen
        seen = loaded.state.contacts
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert store.load(HERE).state.contacts == times * workers + 1


# ── where it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_state_root_is_what_was_given_or_this_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert state_root("relative/place") == str(Path.cwd() / "relative" / "place")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert state_root(None) == f"{tmp_path}/.local/state/carnet"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/me")
    assert state_root(None) == "/var/lib/me/carnet"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert state_root(None) == f"{tmp_path}/Library/Application Support/carnet"


def test_a_user_without_a_home_is_told_to_set_carnet_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda _: "~")
    with pytest.raises(UsageError) as caught:
        state_root(None)
    assert caught.value.code == "no_state_directory"
    assert "CARNET_STATE" in caught.value.fix


def test_another_system_asks_platformdirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert Path(state_root(None)).name == "carnet"


def test_a_copy_from_a_repeated_write_is_never_the_same_bytes(store: StateStore) -> None:
    store.update(HERE, set_key("K"))
    first = files(store)["state.0"]
    store.update(HERE, set_key("K"))
    assert files(store)["state.0"] != first
    assert seal_copy(
        DeviceState(), product="p", sequence=0, key=bytes(32), anchors=HERE, kept=(), entropy=bytes(32)
    ).startswith(b"carnet-state 1\n")

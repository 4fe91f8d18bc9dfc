"""What the app says when its state is copied, damaged, unreadable, newer, or written by two at once (REL-18, 19)."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from carnet import Decision
from carnet.client import journal
from carnet.client.clock import CHECKPOINT_SECONDS, ClockFacts
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.instant import DAY
from carnet.formats.encoding import sha256
from carnet.testing import FakeClock, MemoryTransport
from support.issuing import LICENSE_KEY, NOW
from support.sdk import Desk, wait_for_background


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


@pytest.fixture
def active(desk: Desk) -> Desk:
    """A device that is activated and then cut off."""
    desk.app().activate(LICENSE_KEY)
    desk.transport.online = False
    return desk


def test_a_state_copied_to_another_device_says_wrong_device(active: Desk) -> None:
    there = active.app(device_id="line-5")
    decision = there.check()
    assert (decision.state, decision.access, codes(decision)) == ("wrong_device", "none", ["wrong_device"])
    assert there.info().condition == "foreign"
    assert there.info().license_key_hint is None
    assert active.app().check().state == "active", "looking at it there changed nothing"


def test_the_same_copy_under_another_machine_id_says_wrong_device(active: Desk, tmp_path: Path) -> None:
    """Without a declared id the machine's own anchors count, and none of them opens the copy."""
    assert active.app(device_id=None).check().state == "wrong_device"


def test_another_device_that_activates_takes_the_directory_over(active: Desk) -> None:
    active.transport.online = True
    there = active.app(device_id="line-5")
    assert there.activate("STUDENT-2026").state == "not_activated"
    assert active.app().check().state == "active", "a refused activation does not give the other's state up"
    assert there.activate(LICENSE_KEY).state == "active"
    assert len(active.vendor.seats) == 2
    assert active.app().check().state == "wrong_device"


@pytest.mark.parametrize("victim", ["state.0", "state.1"])
def test_one_damaged_copy_is_not_noticed(active: Desk, victim: str) -> None:
    path = active.state / "hustl" / victim
    path.write_bytes(path.read_bytes()[:-7])
    assert active.app().check().state == "active"
    assert "damaged" in active.app().info().copies


def test_two_damaged_copies_are_said_and_mended_by_activating_again(active: Desk) -> None:
    for path in (active.state / "hustl").glob("state.*"):
        path.write_bytes(b"\0" * 100)
    decision = active.app().check()
    assert (decision.state, codes(decision)) == ("not_activated", ["not_activated", "state_damaged"])
    assert "keeps its seat" in decision.reasons[1].fix
    active.transport.online = True
    assert active.app().activate(LICENSE_KEY).state == "active"
    assert len(active.vendor.seats) == 1


def test_a_damaged_state_with_a_key_in_the_environment_mends_itself_at_start(active: Desk) -> None:
    for path in (active.state / "hustl").glob("state.*"):
        path.write_bytes(b"")
    active.transport.online = True
    assert active.app(license_key=LICENSE_KEY).start().state == "active"


def test_a_newer_versions_state_is_left_alone_and_said(active: Desk) -> None:
    for path in (active.state / "hustl").glob("state.*"):
        data = path.read_bytes()[:-32].replace(b"carnet-state 1\n", b"carnet-state 2\n")
        path.write_bytes(data + sha256(data))
    before = active.files()
    active.transport.online = True
    app = active.app()
    assert codes(app.check()) == ["not_activated", "state_too_new"]
    assert codes(app.activate(LICENSE_KEY)) == ["not_activated", "state_too_new"]
    assert active.files() == before
    assert len(active.transport.requests) == 1, "no seat is asked for what could not be kept"


def test_a_state_of_another_user_is_said(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.open

    def refused(path: str, flags: int, mode: int = 0o777) -> int:
        if "state." in str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return plain(path, flags, mode)

    monkeypatch.setattr(os, "open", refused)
    assert codes(active.app().check()) == ["not_activated", "state_unreadable"]


def test_a_device_without_identity_says_so_and_activates_by_the_state_volume(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carnet.client.fingerprint.linux.MACHINE_ID_FILES", ())
    monkeypatch.setattr("carnet.client.fingerprint.linux.PRODUCT_UUID_FILE", "nonexistent")
    app = desk.app(device_id=None)
    assert codes(app.check()) == ["not_activated", "no_device_identity"]
    assert "CARNET_DEVICE_ID" in app.check().reasons[1].fix
    assert not desk.state.exists()
    assert app.activate(LICENSE_KEY).state == "active"
    assert app.info().identity.anchors[0].kind == "volume-id"
    assert desk.app(device_id=None).check().state == "active"


def test_a_full_disk_before_an_activation_takes_no_seat(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    app = desk.app()
    assert codes(app.activate(LICENSE_KEY)) == ["not_activated", "state_not_writable"]
    assert desk.vendor.seats == {}


def test_a_disk_that_fills_up_during_a_refresh_leaves_the_grant(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.app().activate(LICENSE_KEY)
    before = desk.files()

    def answer_and_fill(request: HttpRequest) -> HttpAnswer:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        return desk.vendor.answer(request)

    app = desk.app(transport=MemoryTransport(answer_and_fill))
    assert app.refresh().state == "active"
    assert app.last_problem is not None
    assert app.last_problem.code == "state_not_writable"
    assert desk.files() == before


@pytest.mark.parametrize("machine_file", [None, "garbage"])
def test_the_token_carries_on_where_the_machine_file_does_not_open(active: Desk, machine_file: str | None) -> None:
    device = active.app()._device
    anchors = device.look().identity.anchors
    device.store.update(anchors, lambda found: replace(found.state, machine_file=machine_file))
    decision = active.app().check()
    assert (decision.state, decision.access) == ("active", "full")
    assert decision.offline_until == NOW - 60 + 7 * DAY, "the token's own, shorter window"
    active.pass_time(8 * DAY)
    assert active.app().check().state == "grace"


def test_without_any_artifact_that_passes_nothing_is_granted(active: Desk) -> None:
    device = active.app()._device
    anchors = device.look().identity.anchors
    device.store.update(anchors, lambda found: replace(found.state, machine_file="garbage", token="garbage"))
    assert active.app().check().state == "not_genuine"


# ── two at once ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rel_19_a_slow_old_answer_never_overwrites_a_newer_one(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(DAY)
    faster = desk.app()

    def slow(request: HttpRequest) -> HttpAnswer:
        late = desk.vendor.answer(request)  # made now, delivered after the other one
        desk.pass_time(60)
        assert faster.refresh().state == "active"
        return late

    slower = desk.app(transport=MemoryTransport(slow))
    newer = slower.refresh()
    assert newer.offline_until == NOW + DAY + 60 + 30 * DAY - 60
    assert desk.app().check().offline_until == newer.offline_until


def test_rel_19_a_slow_old_grant_does_not_undo_a_newer_refusal(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    desk.pass_time(DAY)

    def slow(request: HttpRequest) -> HttpAnswer:
        late = desk.vendor.answer(request)
        desk.pass_time(60)
        desk.vendor.status = "license_revoked"
        assert desk.app().refresh().state == "revoked"
        return late

    assert desk.app(transport=MemoryTransport(slow)).refresh().state == "revoked"
    assert desk.app().check().state == "revoked"


def test_rel_19_a_late_refresh_does_not_bring_a_replaced_license_back(desk: Desk) -> None:
    desk.app().activate(LICENSE_KEY)
    new_key = "A-bought-Again_key.w7Qz8vXk2mNp"

    def slow(request: HttpRequest) -> HttpAnswer:
        late = desk.vendor.answer(request)
        desk.vendor.license_key = new_key
        assert desk.app().activate(new_key).state == "active"
        return late

    app = desk.app(transport=MemoryTransport(slow))
    app.refresh()
    assert desk.app().info().license_key_hint == new_key[-4:]
    assert desk.app().check().state == "active"


def test_a_servers_clock_that_was_set_back_is_still_heard(desk: Desk) -> None:
    """Its answers are older than what we have seen, but each answers our own fresh nonce."""
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.true_time.set_wall(NOW - 3 * DAY)
    before = desk.files()
    app.refresh()
    assert app.last_problem is None
    assert desk.files() != before


# ── what check() writes ──────────────────────────────────────────────────────────────────────────────────────────────


def test_check_writes_nothing_but_proven_time_and_that_seldom(active: Desk) -> None:
    before = active.files()
    for _ in range(5):
        active.pass_time(CHECKPOINT_SECONDS // 5 - 1)
        active.app().check()
    assert active.files() == before
    active.pass_time(60)
    active.app().check()
    recorded = active.files()
    assert recorded != before
    active.app().check()
    assert active.files() == recorded


def test_check_on_a_disk_that_cannot_be_written_still_decides(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    active.pass_time(2 * CHECKPOINT_SECONDS)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "makedirs", read_only)
    assert active.app().check().state == "active"


def test_check_never_waits_for_another_process(active: Desk) -> None:
    from filelock import FileLock

    active.pass_time(2 * CHECKPOINT_SECONDS)
    before = active.files()
    with FileLock(active.state / "hustl" / "lock"):
        assert active.app().check().state == "active"
    assert active.files() == before


def test_a_reboot_is_recorded_once_and_running_time_counts_from_there(active: Desk) -> None:
    active.clock.reboot()
    active.app().check()
    for _ in range(50):
        active.clock.advance(DAY)
        active.clock.set_wall(NOW)
        state = active.app().check().state
    assert state == "expired"


def test_sec_29_artifacts_tell_the_time_where_nothing_else_is_remembered(active: Desk) -> None:
    """A dead clock battery, and a state whose knowledge of time is gone: the signed issue time is still a fact."""
    device = active.app()._device
    anchors = device.look().identity.anchors
    device.store.update(anchors, lambda found: replace(found.state, clock=ClockFacts()))
    active.clock.set_wall(0)
    decision = active.app().check()
    assert decision.state == "active"
    assert decision.checked_at == NOW - 60


def test_rel_22_a_system_without_a_running_clock_works_as_well(desk: Desk) -> None:
    desk.clock = FakeClock(NOW, has_uptime=False)
    assert desk.app().activate(LICENSE_KEY).state == "active"
    desk.clock.advance(31 * DAY)
    assert desk.app().check().state == "grace"


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_43_each_contact_leaves_a_line_and_no_secret(desk: Desk) -> None:
    app = desk.app()
    app.activate(LICENSE_KEY)
    desk.transport.online = False
    app.refresh()
    desk.transport.online = True
    desk.vendor.status = "license_suspended"
    app.start()
    wait_for_background(app)
    app.refresh()
    lines = [json.loads(line) for line in desk.journal()]
    assert [(line["event"], line["outcome"], line["code"]) for line in lines] == [
        ("activate", "granted", None),
        ("refresh", "problem", "server_unreachable"),
        ("refresh", "refused", "license_suspended"),
    ]
    assert (desk.state / "hustl" / "log.jsonl").stat().st_mode & 0o777 == 0o600


def test_r_43_the_log_is_bounded_and_keeps_whole_lines(tmp_path: Path) -> None:
    for index in range(1200):
        journal.note(str(tmp_path), NOW, "refresh", "problem", f"code_{index}")
    text = (tmp_path / "log.jsonl").read_text()
    assert len(text) <= journal.MAX_BYTES
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[-1]["code"] == "code_1199"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl"]


def test_r_43_a_log_that_cannot_be_written_is_let_go(tmp_path: Path) -> None:
    journal.note(str(tmp_path / "nowhere"), NOW, "refresh", "problem")
    shutil.rmtree(tmp_path)
    journal.note(str(tmp_path), NOW, "refresh", "problem")

"""What was shown and put off survives a restart, and nothing on the disk can do more than cost a notice."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.client.reminders import FILE, MAX_BYTES, Reminders
from carnet.core.attention import REMEMBERED, Shown, may_show, remember
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.rules import decide
from support.decisions import HOST, at, evidence, grant

WARNED = decide(evidence(grant()), at(20 * DAY), HOST)
SNOOZED = remember((), WARNED, snoozed_until=at(23 * DAY))
INSTANTS = st.builds(Instant, st.integers(0, MAX_INSTANT))
NOW = Instant(MAX_INSTANT)


@given(
    st.lists(
        st.builds(
            Shown,
            code=st.text("abc_", min_size=1, max_size=64),
            urgency=st.integers(0, 8),
            shown_at=INSTANTS,
            not_before=INSTANTS,
            snoozed_until=st.one_of(st.none(), INSTANTS),
        ),
        max_size=REMEMBERED,
        unique_by=lambda shown: shown.code,
    )
)
def test_what_is_remembered_comes_back_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory, shown: list[Shown]
) -> None:
    directory = str(tmp_path_factory.mktemp("state"))
    Reminders(directory).save(tuple(shown), NOW)
    assert sorted(Reminders(directory).load(NOW), key=lambda each: each.code) == sorted(
        shown, key=lambda each: each.code
    )
    assert [path.name for path in Path(directory).iterdir()] == [FILE]
    assert Path(directory, FILE).stat().st_size <= MAX_BYTES


def test_a_snooze_holds_in_the_next_start_and_ends_on_its_day(tmp_path: Path) -> None:
    Reminders(str(tmp_path)).save(SNOOZED, NOW)
    memory = Reminders(str(tmp_path)).load(NOW)
    for day, expected in ((21, False), (22, False), (25, True)):
        again = decide(evidence(grant()), at(day * DAY), HOST)
        assert may_show(again, memory, occasion="start") is expected


def test_sec_48_the_file_is_its_owners_and_holds_codes_and_times_only(tmp_path: Path) -> None:
    Reminders(str(tmp_path)).save(SNOOZED, NOW)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert (tmp_path / FILE).read_text() == (
        '{"shown":[{"code":"offline_window_ending","not_before":"2026-06-26T00:00:00Z",'
        '"shown_at":"2026-06-21T00:00:00Z","snoozed_until":"2026-06-24T00:00:00Z","urgency":1}],"v":1}\n'
    )


GOOD = (
    '{"code":"x","not_before":"2026-06-26T00:00:00Z","shown_at":"2026-06-21T00:00:00Z",'
    '"snoozed_until":null,"urgency":1}'
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"v":2,"shown":[]}',
        '{"v":1,"shown":{}}',
        '{"v":1,"shown":[1]}',
        '{"v":1,"shown":[{}]}',
        '{"v":1,"shown":[' + GOOD.replace("2026-06-26", "2026-06-31") + "]}",
        '{"v":1,"shown":[' + GOOD.replace('"urgency":1', '"urgency":"1"') + "]}",
        '{"v":1,"shown":[' + GOOD.replace('"urgency":1', '"urgency":true') + "]}",
        '{"v":1,"shown":[' + GOOD.replace('"code":"x"', '"code":null') + "]}",
        '{"v":1,"shown":[' + GOOD.replace('"code":"x"', f'"code":"{"x" * 65}"') + "]}",
        '{"v":1,"shown":[' + GOOD.replace('"snoozed_until":null', '"snoozed_until":5') + "]}",
        '{"v":1,"shown":[' + GOOD + "]}" + " " * MAX_BYTES,
        "\x00" * 100,
    ],
)
def test_a_damaged_memory_is_an_empty_one_and_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    reminders = Reminders(str(tmp_path))
    assert reminders.load(NOW) == ()
    reminders.save(SNOOZED, NOW)
    assert Reminders(str(tmp_path)).load(NOW) == SNOOZED


def test_the_damage_above_is_damage(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"v":1,"shown":[' + GOOD + "]}")
    assert [shown.code for shown in Reminders(str(tmp_path)).load(NOW)] == ["x"]


def test_what_cannot_be_written_is_remembered_until_the_process_ends(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "absent")
    reminders = Reminders(nowhere)
    reminders.save(SNOOZED, NOW)
    assert reminders.load(NOW) == SNOOZED
    assert not (tmp_path / "absent").exists()
    (tmp_path / FILE).mkdir()  # another kind of obstacle: a directory where the file should be
    blocked = Reminders(str(tmp_path))
    blocked.save(SNOOZED, NOW)
    assert blocked.load(NOW) == SNOOZED
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_processes_do_not_forget_each_others_notices(tmp_path: Path) -> None:
    one, other = Reminders(str(tmp_path)), Reminders(str(tmp_path))
    grace = decide(evidence(grant()), at(31 * DAY), HOST)
    assert one.load(NOW) == other.load(NOW) == ()
    one.save(SNOOZED, NOW)
    other.save(remember((), grace), NOW)
    for reader in (one, Reminders(str(tmp_path))):
        assert {shown.code for shown in reader.load(NOW)} == {"offline_window_ending", "offline_grace"}
    later = remember((), decide(evidence(grant()), at(26 * DAY), HOST))
    other.save(later, NOW)
    assert next(s for s in one.load(NOW) if s.code == "offline_window_ending") == later[0]


def test_what_a_clock_that_ran_ahead_left_behind_is_forgotten(tmp_path: Path) -> None:
    ahead = remember((), decide(evidence(grant(offline_until=at(4000 * DAY))), at(3990 * DAY), HOST))
    reminders = Reminders(str(tmp_path))
    reminders.save(ahead, at(3990 * DAY))
    assert reminders.load(at(20 * DAY)) == ()
    reminders.save(SNOOZED, at(20 * DAY))
    assert Reminders(str(tmp_path)).load(at(3990 * DAY)) == SNOOZED

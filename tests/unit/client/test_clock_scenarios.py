"""Wrong clocks, day by day, on the real SDK: what each does to a user (SEC-29, R-36, REL-22, users-ask 39 to 41)."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carnet.client.clock import CHECKPOINT_SECONDS, SystemClock
from carnet.core.instant import DAY, HOUR
from support.clock_life import Life, seen
from support.clock_scenarios import SCENARIOS, Scenario

MEMORY = Path("/dev/shm")  # noqa: S108 - memory where there is one: the disk is not what is tested here


@pytest.fixture
def life() -> Iterator[Life]:
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield Life(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_sec_29_what_a_user_sees_day_by_day(
    scenario: Scenario, life: Life, record_property: Callable[[str, object], None]
) -> None:
    told = []
    for day in scenario.days:
        day.do(life)
        found = seen(life.look())
        told.append(f"{day.told}: {found}")
        assert found == day.sees, "\n".join(told)
    if scenario is SCENARIOS[0]:
        record_property("scenarios", len(SCENARIOS))
        record_property("days told", sum(len(each.days) for each in SCENARIOS))


def test_there_are_at_least_thirty_scenarios_and_no_two_of_one_name() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    assert len(names) == len(SCENARIOS) >= 30
    assert {scenario.kind for scenario in SCENARIOS} == {"honest", "strict", "cheat"}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin", "XYZ-14:30"])
def test_sec_29_the_time_zone_of_the_process_does_not_matter(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    before = SystemClock().now()
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert 0 <= SystemClock().now() - before <= 60
    finally:
        monkeypatch.undo()
        time.tzset()


# ── what is counted twice by none ─────────────────────────────────────────────────────────────────────────────────────


def test_sec_29_a_slow_process_does_not_count_time_that_another_has_counted(life: Life) -> None:
    """It looked, was stopped for a day, and writes down what it saw: by then others have written, and know more."""
    life.activate()
    slow = life.desk.app()._device
    life.desk.pass_time(2 * HOUR)
    view = slow.look()
    life.use(1)
    slow.checkpoint(view)
    life.use(1)
    bound = life.desk.app().info().trusted_at
    assert bound is not None
    assert bound <= life.desk.true_time.now(), "the bound is never later than the truth"
    assert life.desk.true_time.now() - bound <= CHECKPOINT_SECONDS


def test_sec_29_an_exchange_that_takes_a_day_does_not_count_that_day_twice(life: Life) -> None:
    """A laptop is closed between question and answer: the signed time is from the end of the wait."""
    from carnet.client.wire import HttpAnswer, HttpRequest
    from carnet.testing import MemoryTransport

    life.activate()

    def late(request: HttpRequest) -> HttpAnswer:
        life.desk.pass_time(DAY)
        return life.desk.vendor.answer(request)

    life.desk.app(transport=MemoryTransport(late), timeout_seconds=60).refresh()
    assert life.desk.app().info().trusted_at == life.desk.true_time.now()


def test_sec_29_a_clock_that_falls_behind_is_counted_and_noted_once_each_time(life: Life) -> None:
    life.activate()
    for _ in range(3):
        life.wall(-5)
        life.use(1)
        life.wall(0)
        life.use(1)
    assert life.desk.app()._device.look().clock.falls == 3
    noted = [line for line in life.desk.journal() if '"event":"clock"' in line]
    assert [('"behind"' in line, '"right"' in line) for line in noted] == [(True, False), (False, True)] * 3


def test_the_page_for_vendors_tells_these_scenarios() -> None:
    root = Path(__file__).resolve().parents[3]
    spec = importlib.util.spec_from_file_location("docs_clock", root / "tools" / "docs_clock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text("utf-8")
    assert module.page(text) == text, "run tools/docs_clock.py"
    assert all(scenario.name in text for scenario in SCENARIOS)

"""
The LicenseSeat seed's travellers, day by day: a real server process, a network with weather, the real SDK (issue 5).

`pytest -s` prints what each of them saw; `docs/explanation/outages.md` holds the same tables, and is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.outage_network import WEATHERS, Weather
from support.outages import Journey, Server, journey

FINE = "nothing: it just works"
PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "outages.md").read_text(encoding="utf-8")
_BAD: tuple[Weather, ...] = tuple(weather for weather in WEATHERS if weather not in {"up", "slow"})


@pytest.fixture(autouse=True)
def _quick_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnet.client.flows._PAUSE_SECONDS", 0.001)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("vendor"))
    yield running
    running.stop()


@pytest.fixture
def lab(server: Server, tmp_path: Path) -> Iterator[Journey]:
    with journey(server, tmp_path) as made:
        yield made


def test_the_fourteen_hour_flight(lab: Journey) -> None:
    """Sarah, Hustl, 30 + 7 days."""
    lab.open("up")
    lab.app.activate(lab.server.license("consumer"))
    lab.until(days=3)
    lab.open("up")
    lab.note("the evening before", "opens Hustl at home; it refreshes in the background")
    assert lab.app.check().days_left == 30
    weathers: tuple[Weather, ...] = ("captive portal", "blocked", "drips", "no network", "login redirect")
    for hour in range(1, 15):
        lab.until(days=3, hours=16 + hour)
        lab.open(weathers[hour % len(weathers)])
        row = lab.note(f"hour {hour} in the air", "opens Hustl")
        assert (row.state, row.saw) == ("active", FINE)
        assert lab.app.require().access == "full"
    assert lab.tried == 7, "from hour 8 on a refresh is due, and is tried"
    lab.until(days=4, hours=10)
    lab.open("captive portal")
    lab.note("Tokyo, hotel", "opens Hustl before logging in to the Wi-Fi")
    before = lab.app.check().offline_until
    lab.other_network("slow", minutes=4)
    lab.note("Tokyo, logged in", "Hustl is running; it notices the network")
    assert lab.app.last_problem is None
    assert (lab.app.check().offline_until or 0) > (before or 0)
    assert lab.tell("Sarah's flight") in PAGE, "docs/explanation/outages.md tells another story"
    assert {row.saw for row in lab.rows} == {FINE}, "she did not even notice"


def test_the_music_producers_month(lab: Journey) -> None:
    """Alex, a plug-in with 30 days offline; China, where the network is anything but one."""
    lab.open("up")
    lab.app.activate(lab.server.license("consumer"))
    lab.until(days=1)
    lab.open("up")
    assert lab.app.prepare_offline(days=30).days_left == 30
    lab.note("before the trip", "clicks “Prepare for Offline”")
    for day in range(1, 31):
        if day == 25:
            continue
        lab.until(days=1 + day)
        lab.open("no network" if day >= 26 else _BAD[day % len(_BAD)])
        row = lab.note(f"day {day}", "performs")
        assert row.state == ("expiring" if 20 <= day < 25 else "active")
        assert lab.app.check().access == "full"
        if day == 24:
            _the_vpn_works_for_five_minutes(lab)
    assert lab.tell("Alex's month in China") in PAGE, "docs/explanation/outages.md tells another story"
    warned = [(row.when, row.saw) for row in lab.rows if row.saw != FINE]
    assert warned == [
        *((f"day {day}", f"Offline license expires in {30 - day} days") for day in range(20, 25)),
        ("day 25, morning", "Offline license expires in 5 days"),
    ]
    assert lab.tried == 29, "it was tried, each day"


def _the_vpn_works_for_five_minutes(lab: Journey) -> None:
    lab.until(days=26)
    lab.open("blocked")
    assert lab.note("day 25, morning", "performs").days_left == 5
    lab.until(days=26, hours=6)
    lab.other_network("up", minutes=5)
    row = lab.note("day 25, noon", "a VPN works for five minutes; the plug-in is open")
    assert (row.state, row.days_left) == ("active", 30)
    lab.quit()


def test_the_365_day_machine(lab: Journey) -> None:
    """A robot at a remote site: 365 + 30 days; a technician comes with a phone on day 350."""
    lab.open("up")
    lab.app.activate(lab.server.license("enterprise"))
    assert lab.app.settle(120)
    lab.note("at HQ", "is provisioned")
    lab.network.weather = "no network"
    for day in range(1, 366):
        lab.until(days=day)
        if day == 350:
            lab.open("up")
            row = lab.note("day 350", "a technician lends the network of a phone")
            assert lab.app.settle(120)
            assert lab.note("day 350, later", "goes on").days_left == 365
            continue
        if day % 7 == 0:
            lab.power_cycle(hours=0)
            lab.open("no network")
        decision = lab.app.check()
        assert decision.access == "full"
        row = lab.note(f"day {day}", "works")
        is_warned = 300 <= day < 350
        assert (row.state == "expiring") == is_warned, day
        assert (row.saw == FINE) != is_warned, day
    days = {row.when: row for row in lab.rows}
    assert days["day 299"].saw == FINE
    assert days["day 300"].saw == "Offline license expires in 65 days"
    assert days["day 349"].saw == "Offline license expires in 16 days"
    assert days["day 365"].saw == FINE
    shown = (1, 90, 180, 299, 300, 330, 349, 351, 365)
    lab.rows[:] = [
        row for row in lab.rows if row.when in {"at HQ", "day 350", "day 350, later"} or _day(row.when) in shown
    ]
    assert lab.tell("A machine far away, for a year") in PAGE, "docs/explanation/outages.md tells another story"


def test_the_machine_that_nobody_visits(lab: Journey) -> None:
    """The same, and nobody comes: it warns for 65 days, works with limits for 30, then asks for a connection."""
    lab.open("up")
    lab.app.activate(lab.server.license("enterprise"))
    for day in (299, 300, 364, 365, 394, 395, 500):
        lab.until(days=day)
        lab.open("no network")
        lab.note(f"day {day}", "works" if day < 365 else "works with limits" if day < 395 else "stands")
    lab.until(days=501)
    decision = lab.open("up")
    lab.note("day 501", "a technician comes with a phone", decision)
    assert lab.tell("A machine that nobody visits") in PAGE, "docs/explanation/outages.md tells another story"
    assert [(row.state, row.saw) for row in lab.rows] == [
        ("active", FINE),
        ("expiring", "Offline license expires in 65 days"),
        ("expiring", "Offline license expires in 1 day"),
        ("grace", "Offline license expired"),
        ("grace", "Offline license expired"),
        ("expired", "License validation required"),
        ("expired", "License validation required"),
        ("active", FINE),
    ]


def _day(when: str) -> int:
    digits = when.removeprefix("day ")
    return int(digits) if digits.isdigit() else 0

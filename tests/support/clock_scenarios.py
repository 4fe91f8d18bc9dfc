"""
What happens to a device's clock, day by day, and what its user sees (SEC-29, R-36): the table.

The window is 30 days, with a warning for the last 10 and 7 days of grace; the app looks four times a day. Each day says
what happened, how it is done, and what is seen then. `test_clock_scenarios.py` plays them on the real SDK;
docs/explanation/clock.md tells them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from carnet.core._base import Struct
from support.clock_life import Life

Kind = Literal["honest", "strict", "cheat"]


class Day(Struct):
    """What happened, how it is done, and what the user sees then."""

    told: str
    do: Callable[[Life], object]
    sees: str


class Scenario(Struct):
    """A story in some days, of somebody honest, under a policy that asks for the countdown, or of a cheat."""

    name: str
    kind: Kind
    days: tuple[Day, ...]


RUNS = "runs"
GRACE = "limited: offline window over"
STOPPED = "stopped: offline window over"
COUNTED = "runs, warns: clock countdown"
SUSPECT = "limited: clock suspect"


def ends(days: int) -> str:
    """The ordinary warning before the window's end."""
    return f"runs, warns: offline window ending, {days} days left"


def day(told: str, do: Callable[[Life], object], sees: str = RUNS) -> Day:
    """One row."""
    return Day(told=told, do=do, sees=sees)


def honest(name: str, *days: Day) -> Scenario:
    """Somebody whose clock is as it is."""
    return Scenario(name=name, kind="honest", days=(day("activates online", Life.activate), *days))


def strict(name: str, *days: Day) -> Scenario:
    """The same, where the policy asks for the countdown."""

    def activate(life: Life) -> None:
        life.strict()
        life.activate()

    return Scenario(name=name, kind="strict", days=(day("activates; the policy is strict", activate), *days))


def cheat(name: str, *days: Day) -> Scenario:
    """Somebody who wants more than the window."""
    return Scenario(name=name, kind="cheat", days=(day("activates online", Life.activate), *days))


def also(*steps: Callable[[Life], object]) -> Callable[[Life], None]:
    """Several things after each other."""

    def do(life: Life) -> None:
        for step in steps:
            step(life)

    return do


def times(count: int, *steps: Callable[[Life], object]) -> Callable[[Life], None]:
    """Several things, again and again."""
    return also(*steps * count)


HONEST = (
    honest(
        "a right clock, offline for long",
        day("19 days pass", lambda life: life.use(19)),
        day("2 more", lambda life: life.use(2), ends(9)),
        day("9 more", lambda life: life.use(9), GRACE),
        day("7 more", lambda life: life.use(7), STOPPED),
        day("connects", Life.contact),
    ),
    honest(
        "a dead clock battery, online once a week",
        *(
            day(
                f"week {week}: 8 hours a day, each boot in 1970, then online",
                also(lambda life: life.off_days(7, battery=False), Life.contact),
            )
            for week in range(1, 9)
        ),
    ),
    honest(
        "a dead clock battery, offline for 40 days of 8 hours",
        day("40 days, each boot in 1970", lambda life: life.off_days(40, battery=False)),
        day("connects", Life.contact),
    ),
    honest(
        "a dead clock battery and no battery of its own: off after each hour",
        day("60 boots in 1970, an hour each", times(60, lambda life: life.off_days(1, battery=False, hours=1))),
    ),
    honest(
        "activated while the clock showed 1970",
        day("the clock shows 1970", lambda life: life.desk.clock.set_wall(5)),
        day("activates once more", Life.activate),
        day("19 days pass", lambda life: life.use(19)),
        day("the clock is set right", lambda life: life.wall(0)),
        day("2 more days", lambda life: life.use(2), ends(9)),
    ),
    honest(
        "the clock is 3 hours behind: the wrong time zone",
        day("3 hours behind", lambda life: life.wall(-3 / 24)),
        day("19 days pass", lambda life: life.use(19)),
    ),
    honest(
        "the clock is 14 hours ahead: the wrong time zone",
        day("14 hours ahead", lambda life: life.wall(14 / 24)),
        day("19 days pass", lambda life: life.use(19)),
        day("1 more: the warning comes 14 hours early", lambda life: life.use(1), ends(10)),
    ),
    honest(
        "two systems on one machine: the other leaves local time in the clock",
        *(
            day(
                f"boot {boot}: 2 hours ahead until the network tells",
                also(lambda life: life.off(0.1), lambda life: life.wall(2 / 24), Life.look, lambda life: life.wall(0)),
            )
            for boot in (1, 2, 3)
        ),
    ),
    honest(
        "daylight saving time begins and ends",
        day("an hour ahead", lambda life: life.wall(1 / 24)),
        day("150 days, online every 10", times(15, lambda life: life.use(10), Life.contact)),
        day("an hour back", lambda life: life.wall(0)),
    ),
    honest(
        "the network's time steps back two seconds, again and again",
        day("100 times", times(100, lambda life: life.use(0.1), lambda life: life.wall(-2 / 86400))),
    ),
    honest(
        "set ten years ahead for an hour, and back",
        day("ten years ahead", lambda life: life.wall(3650), STOPPED),
        day("an hour later", lambda life: life.use(1 / 24), STOPPED),
        day("set right", lambda life: life.wall(0)),
        day("19 days in all", lambda life: life.use(18.9)),
    ),
    honest(
        "set ten years ahead for a week, with a reboot, and back",
        day("a week with a wrong clock", also(lambda life: life.wall(3650), lambda life: life.use(7)), STOPPED),
        day("reboots", lambda life: life.off(0.01), STOPPED),
        day("set right", lambda life: life.wall(0)),
    ),
    honest(
        "online while the clock is ten years ahead",
        day("ten years ahead", lambda life: life.wall(3650), STOPPED),
        day("connects, which gives 30 days from the true time", Life.contact, STOPPED),
        day("set right", lambda life: life.wall(0)),
        day("19 days pass", lambda life: life.use(19)),
    ),
    honest(
        "set to the year 9999, and back",
        day("year 9999", lambda life: life.desk.clock.set_wall(253402300799), STOPPED),
        day("set right", lambda life: life.wall(0)),
    ),
    honest(
        "set back a year by mistake, and never put right",
        day("a year back", lambda life: life.wall(-365)),
        day("19 days pass", lambda life: life.use(19)),
        day("2 more: the warning comes in time all the same", lambda life: life.use(2), ends(9)),
        day("connects", Life.contact),
    ),
    honest(
        "asleep for 12 days",
        day("the lid is closed for 12 days", lambda life: life.sleep(12)),
        day("asleep for 10 more", lambda life: life.sleep(10), ends(8)),
    ),
    honest("asleep for 38 days", day("the lid is opened", lambda life: life.sleep(38), STOPPED)),
    honest("a reboot every day", day("19 days", times(19, lambda life: life.off_days(1)))),
    honest(
        "a sandbox without a running clock or an id of the boot",
        day("the running clock is hidden", lambda life: life.running_clock(there=False)),
        day("19 days pass", lambda life: life.use(19)),
        day("the clock shows 1970", lambda life: life.desk.clock.set_wall(9)),
        day("and right again", lambda life: life.wall(0)),
    ),
    honest(
        "a running clock that comes and goes with the sandbox",
        *(
            day(
                f"update {number}",
                also(
                    lambda life: life.running_clock(there=False),
                    lambda life: life.use(2),
                    lambda life: life.running_clock(there=True),
                    lambda life: life.use(2),
                ),
            )
            for number in range(1, 5)
        ),
    ),
    honest(
        "a container that moves to a host which has been up for a year",
        day("moves", lambda life: life.move(365)),
        day("18 days there", lambda life: life.use(18)),
        day("moves again", lambda life: life.move(900)),
    ),
    honest(
        "a virtual machine that its host paused",
        day("paused for 12 days", lambda life: life.pause(12)),
        day("paused for 10 more", lambda life: life.pause(10), ends(8)),
    ),
    honest(
        "a virtual machine that is set back to a snapshot, with its disk",
        day("a snapshot", Life.snapshot),
        day("5 days", lambda life: life.use(5)),
        day("set back", Life.set_back),
        day("14 days more", lambda life: life.use(14)),
        day("2 more", lambda life: life.use(2), ends(9)),
    ),
    honest(
        "a virtual machine that is set back, the state on another disk",
        day("a snapshot", lambda life: life.snapshot(disk=False)),
        day("5 days", lambda life: life.use(5)),
        day("set back", lambda life: life.set_back(disk=False)),
        day("14 days more", lambda life: life.use(14)),
        day("2 more", lambda life: life.use(2), ends(9)),
    ),
    honest(
        "a backup of the home directory is put back",
        day("a backup", Life.keep_copy),
        day("5 days, then online", also(lambda life: life.use(5), Life.contact)),
        day("put back", Life.put_back),
        day("14 days more", lambda life: life.use(14)),
        day("2 more: 21 days since what the backup knows", lambda life: life.use(2), ends(9)),
    ),
    honest(
        "past the end of 32-bit time, in 2038",
        day("to the day before", lambda life: life.desk.pass_time(2**31 - 86400 - life.desk.true_time.now()), STOPPED),
        day("connects", Life.contact),
        day("2 days, over the end", lambda life: life.use(2)),
    ),
    honest(
        "the server's clock is 3 days behind for a while",
        day("connects to it", also(lambda life: life.server_clock(-3), Life.contact)),
        day("15 days pass", lambda life: life.use(15)),
        day("2 more: the window began 3 days early", lambda life: life.use(2), ends(10)),
    ),
    honest(
        "the server's clock was ten years ahead once, and the vendor takes that back",
        day("connects to it: dates of 2040", also(lambda life: life.server_clock(3650), Life.contact)),
        day(
            "the server's clock is set right; connects",
            also(lambda life: life.server_clock(0), Life.contact),
            STOPPED,
        ),
        day(
            "the vendor has new keys, and a root without the old ones; connects",
            also(Life.drop_keys, Life.contact),
        ),
        day("19 days pass by the true time", lambda life: life.use(19)),
        day("2 more", lambda life: life.use(2), ends(9)),
    ),
)

STRICT = (
    strict(
        "strict: a dead clock battery",
        day("a boot in 1970", lambda life: life.off(0.5, battery=False)),
        day("the app looks again", Life.look, COUNTED),
        day("2 days more", lambda life: life.use(2), COUNTED),
        day("1 more: 72 hours", lambda life: life.use(1), SUSPECT),
        day("connects", Life.contact, SUSPECT),
        day("the clock is set right", lambda life: life.wall(0)),
    ),
    strict(
        "strict: 23 hours behind",
        day("23 hours behind", lambda life: life.wall(-23 / 24)),
        day("10 days", lambda life: life.use(10)),
    ),
    strict(
        "strict: behind for 2 days, then right",
        day("2 days with a clock a year behind", also(lambda life: life.wall(-365), lambda life: life.use(2)), COUNTED),
        day("set right", lambda life: life.wall(0)),
        day("10 days", lambda life: life.use(10)),
    ),
    strict(
        "strict: switched off for a month with a right clock",
        day("comes back", lambda life: life.off(19)),
    ),
    strict(
        "strict: set back in turns of 2 days",
        *(
            day(
                f"turn {turn}: 2 days behind, then right",
                also(lambda life: life.wall(-365), lambda life: life.use(2), lambda life: life.wall(0), Life.look),
            )
            for turn in (1, 2, 3)
        ),
    ),
)

CHEATS = (
    cheat(
        "sets the clock back every morning",
        day("20 mornings", times(20, lambda life: life.wall(-20), lambda life: life.use(1)), ends(10)),
        day("10 more", times(10, lambda life: life.wall(-40), lambda life: life.use(1)), GRACE),
        day("7 more", times(7, lambda life: life.wall(-40), lambda life: life.use(1)), STOPPED),
    ),
    cheat(
        "keeps the clock on the day of the activation",
        day("30 days, always set back", times(30, lambda life: life.use(1), lambda life: life.wall(-30)), GRACE),
        day("7 more", times(7, lambda life: life.use(1), lambda life: life.wall(-37)), STOPPED),
    ),
    cheat(
        "sleeps through the window with the clock set back",
        day("38 days asleep, then set back", also(lambda life: life.sleep(38), lambda life: life.wall(-38)), STOPPED),
    ),
    cheat(
        "off every night, and the clock set back every morning: gains the nights",
        day(
            "59 days of 8 hours",
            times(59, lambda life: life.off_days(1), lambda life: life.wall(-60), Life.look),
        ),
        day(
            "61 more: 40 days of running",
            times(61, lambda life: life.off_days(1), lambda life: life.wall(-120)),
            STOPPED,
        ),
    ),
    cheat(
        "puts a copy of the state back every day, without a reboot: gains nothing",
        day("a copy", Life.keep_copy),
        day(
            "30 days, each ending with the copy of the first",
            times(30, lambda life: life.use(1), Life.put_back, lambda life: life.wall(-30)),
            GRACE,
        ),
        day("7 more", times(7, lambda life: life.use(1), Life.put_back, lambda life: life.wall(-37)), STOPPED),
    ),
    cheat(
        "puts a copy back after a reboot: as if off since the copy was made",
        day("a copy", Life.keep_copy),
        day("38 days", lambda life: life.use(38), STOPPED),
        day(
            "reboots, puts it back, sets the clock back",
            also(lambda life: life.off(0), Life.put_back, lambda life: life.wall(-38)),
        ),
        day("30 days in this boot", times(30, lambda life: life.use(1), lambda life: life.wall(-60)), GRACE),
    ),
    cheat(
        "deletes what is remembered",
        day(
            "the directory is gone",
            Life.forget,
            "stopped: not activated",
        ),
    ),
    cheat(
        "hides the running clock and keeps the wall clock back: until the next contact",
        day("hides it", also(lambda life: life.running_clock(there=False), lambda life: life.wall(-1))),
        day("25 days", times(25, lambda life: life.use(1), lambda life: life.wall(-40))),
        day("shows it again: counts on from here", lambda life: life.running_clock(there=True)),
        day("30 days", times(30, lambda life: life.use(1), lambda life: life.wall(-70)), GRACE),
    ),
)

SCENARIOS = (*HONEST, *STRICT, *CHEATS)

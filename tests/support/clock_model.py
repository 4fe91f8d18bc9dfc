"""
A small model of what is true about a device's time, for histories that `test_clock_model.py` plays.

It is written in true time: every copy of the state remembers how far its bound lags behind the truth. The rules under
test know nothing of that; they see a wall clock, a running clock and what they wrote down themselves.
"""

from __future__ import annotations

import random

from carnet.client.clock import (
    CHECKPOINT_SECONDS,
    ClockFacts,
    Uptime,
    is_checkpoint_due,
    is_suspect,
    observe,
    trusted_now,
)
from carnet.core._base import Struct
from carnet.core.instant import DAY, HOUR, MINUTE, Instant

START = 1_900_000_000

Event = tuple[str, int]
"""What happens, and how much of it."""

EVENTS: dict[str, tuple[int, ...]] = {
    "run": (1, MINUTE, 50 * MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY),
    "look": (0,),
    "set_wall": (-3650 * DAY, -2 * DAY, -DAY - 1, -DAY, -HOUR, 0, HOUR, 3650 * DAY),  # from the truth
    "switch_off": (1, HOUR, 16 * HOUR, 30 * DAY),
    "contact": (0, 1, 30),  # so many seconds old is the signed time when it is taken in
    "old_answer": (DAY, 40 * DAY),
    "keep_copy": (0,),
    "put_back": (0, 1, 2),
    "set_machine_back": (MINUTE, 3 * HOUR),  # its running clock only; the disk stays
    "lose_running_clock": (0,),
    "find_running_clock": (0,),
}
"""Everything that can happen to a device, with figures at and around each border."""


class Known(Struct):
    """What the model says that the state remembers: by true times, not by clocks."""

    lag: int | None = None
    recorded_at: int = 0
    boot: int | None = None
    lost: int = 0
    behind_since: int | None = None
    falls: int = 0


class World:
    """The truth, the device's clocks, what the real rules remember, and what the model says that they do."""

    def __init__(self) -> None:
        self.now = START
        self.wall_offset = 0
        self.boot = 1
        self.booted_at = START - 1000
        self.lost = 0
        self.has_running_clock = True
        self.facts = ClockFacts()
        self.known = Known()
        self.copies: list[tuple[ClockFacts, Known]] = []
        self.looks = 0

    # ── the clocks ───────────────────────────────────────────────────────────────────────────────────────────────────

    def uptime(self) -> Uptime | None:
        seconds = self.now - self.booted_at - self.lost
        return Uptime(boot=f"boot-{self.boot}", seconds=seconds) if self.has_running_clock else None

    def wall(self) -> Instant:
        return Instant(max(self.now + self.wall_offset, 0))

    # ── what the model says ──────────────────────────────────────────────────────────────────────────────────────────

    def bound(self) -> int | None:
        known = self.known
        if known.lag is None:
            return None
        passed = 0
        if self.has_running_clock and known.boot == self.boot:
            passed = max(self.now - known.recorded_at - (self.lost - known.lost), 0)
        return known.recorded_at - known.lag + passed

    def check(self) -> None:
        """The rules say what the model says, and never that it is later than it is."""
        self.looks += 1
        bound = self.bound()
        assert trusted_now(self.facts, self.uptime()) == bound
        assert bound is None or bound <= self.now, "no honest user is ever judged too late"
        far = bound is not None and self.wall() < bound - DAY
        since = self.known.behind_since
        suspect = far and since is not None and bound is not None and bound >= since + 72 * HOUR
        assert is_suspect(self.facts, trusted_now(self.facts, self.uptime()), self.wall()) is suspect
        assert self.facts.falls == self.known.falls

    def write_down(self, signed_at: int | None = None) -> None:
        bound = self.bound()
        if signed_at is not None and (bound is None or signed_at > bound):
            bound = signed_at
        self.facts = observe(
            self.facts, self.uptime(), self.wall(), None if signed_at is None else Instant(signed_at), "key"
        )
        if bound is None:
            return
        far = self.wall() < bound - DAY
        since = self.known.behind_since
        self.known = Known(
            lag=self.now - bound,
            recorded_at=self.now,
            boot=self.boot if self.has_running_clock else None,
            lost=self.lost,
            behind_since=None if not far else bound if since is None else since,
            falls=self.known.falls + (far and since is None),
        )

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def play(self, event: Event) -> None:
        name, amount = event
        getattr(self, name)(amount)
        self.check()

    def run(self, seconds: int) -> None:
        self.now += seconds

    def look(self, _: int = 0) -> None:
        if is_checkpoint_due(self.facts, self.uptime(), self.wall()):
            self.write_down()

    def set_wall(self, offset: int) -> None:
        self.wall_offset = offset

    def switch_off(self, seconds: int) -> None:
        self.now += seconds
        self.boot += 1
        self.booted_at, self.lost = self.now, 0

    def contact(self, age: int) -> None:
        self.write_down(self.now - age)

    def old_answer(self, age: int) -> None:
        self.write_down(self.now - age)

    def keep_copy(self, _: int) -> None:
        self.copies.append((self.facts, self.known))

    def put_back(self, index: int) -> None:
        if index < len(self.copies):
            self.facts, self.known = self.copies[-1 - index]

    def set_machine_back(self, seconds: int) -> None:
        self.lost += min(seconds, self.now - self.booted_at - self.lost)

    def lose_running_clock(self, _: int) -> None:
        self.has_running_clock = False

    def find_running_clock(self, _: int) -> None:
        self.has_running_clock = True


def history(seed: int, length: int) -> list[Event]:
    """A random history."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    names = list(EVENTS)
    return [(name, dice.choice(EVENTS[name])) for name in dice.choices(names, k=length)]


def fails(events: list[Event]) -> bool:
    """Whether the rules and the model come apart."""
    world = World()
    try:
        for event in events:
            world.play(event)
    except AssertionError:
        return True
    return False


def shortest(events: list[Event]) -> list[Event]:
    """*events*, which fail, without those that are not needed for that."""
    index = 0
    while index < len(events):
        fewer = events[:index] + events[index + 1 :]
        if fails(fewer):
            events = fewer
        else:
            index += 1
    return events


# ── what a cheat gains ───────────────────────────────────────────────────────────────────────────────────────────────


class Cheat:
    """
    Somebody who keeps the wall clock behind, to use an app for longer than its window.

    The app looks at least hourly while it is used. `gained` is for how long it ran that the device never heard of;
    `allowed` is what specs/clock.md §8 says that it may be.
    """

    def __init__(self) -> None:
        self.world = World()
        self.world.contact(0)
        self.allowed = 0
        self.powered_off = 0
        self.switched = 0
        self._since_written = 0
        self._copies: list[tuple[ClockFacts, int, int, int]] = []

    @property
    def gained(self) -> int:
        bound = trusted_now(self.world.facts, self.world.uptime())
        assert bound is not None
        return self.world.now - bound

    def use(self, seconds: int) -> None:
        """The app runs for so long, and looks at the clock at least hourly."""
        while seconds > 0:
            step = min(seconds, HOUR)
            self.world.run(step)
            self._look()
            seconds -= step

    def _look(self) -> None:
        before = self.world.facts
        self.world.look()
        if self.world.facts != before:
            self._since_written = self.world.now

    def set_wall(self, to: int) -> None:
        self.world.wall_offset = to - self.world.now
        self._look()

    def switch_off(self, seconds: int, idle: int = 0) -> None:
        """Off for *seconds*, on again, and *idle* until the app is started."""
        self.allowed += seconds + idle + CHECKPOINT_SECONDS
        self.powered_off += seconds
        self.switched += 1
        self.world.switch_off(seconds)
        self.world.run(idle)
        self._look()

    def keep_copy(self) -> None:
        self._copies.append((self.world.facts, self.world.boot, self.world.now, self.allowed))

    def put_back(self, index: int) -> None:
        if index >= len(self._copies):
            return
        self.world.facts, boot, at, allowed = self._copies[-1 - index]
        if boot == self.world.boot:
            self.allowed = allowed
        else:
            self.allowed = allowed + (self.world.now - at) + CHECKPOINT_SECONDS
        self._look()

    def play_randomly(self, dice: random.Random, length: int, *, copies_of_other_boots: bool) -> None:
        """*length* moves of somebody without a plan."""
        for _ in range(length):
            move = dice.choice(["use", "use", "set_wall", "switch_off", "keep_copy", "put_back"])
            if move == "use":
                self.use(dice.choice([MINUTE, 59 * MINUTE, HOUR, 7 * HOUR, 3 * DAY]))
            elif move == "set_wall":
                self.set_wall(dice.choice([0, START, START - DAY, self.world.now - DAY, self.world.now]))
            elif move == "switch_off":
                self.switch_off(dice.choice([1, HOUR, 16 * HOUR]), dice.choice([0, 0, 30, 2 * HOUR]))
            elif move == "keep_copy":
                self.keep_copy()
            else:
                index = dice.randrange(3)
                if index < len(self._copies) and (
                    copies_of_other_boots or self._copies[-1 - index][1] == self.world.boot
                ):
                    self.put_back(index)


def described(seconds: int) -> str:
    """A figure of seconds for people."""
    return f"{seconds / DAY:.1f} d" if seconds >= DAY else f"{seconds / HOUR:.2f} h"

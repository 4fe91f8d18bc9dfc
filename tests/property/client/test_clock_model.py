"""The clock's rules against a model of the truth, and what a cheat gains (SEC-29, specs/clock.md §8)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from carnet.client import clock
from carnet.client.clock import CHECKPOINT_SECONDS, ClockFacts, Uptime
from carnet.core._base import replace
from carnet.core.instant import DAY, HOUR, MINUTE, Instant
from support import clock_model
from support.campaigns import LONG
from support.clock_model import EVENTS, Cheat, World, described, fails, history, shortest

HISTORIES, LENGTH = (100_000, 60) if LONG else (2_500, 40)
CHEATS = 20_000 if LONG else 1_000


def test_sec_29_the_rules_and_the_model_agree_through_random_histories(
    record_property: Callable[[str, object], None],
) -> None:
    looks, played = 0, dict.fromkeys(EVENTS, 0)
    for seed in range(HISTORIES):
        events = history(seed, LENGTH)
        world = World()
        try:
            for event in events:
                world.play(event)
                played[event[0]] += 1
        except AssertionError:
            pytest.fail(f"history {seed} comes apart: {shortest(events)}")
        looks += world.looks
    assert min(played.values()) > HISTORIES
    record_property("histories", HISTORIES)
    record_property("events", sum(played.values()))
    record_property("looks compared", looks)


def _remembers_the_wall(
    facts: ClockFacts,
    uptime: Uptime | None,
    wall: Instant,
    signed_at: Instant | None = None,
    signed_by: str | None = None,
) -> ClockFacts:
    seen = clock.observe(facts, uptime, wall, signed_at, signed_by)
    return seen if seen.trusted_at is None else replace(seen, trusted_at=max(seen.trusted_at, wall))


def _counts_the_whole_boot(facts: ClockFacts, uptime: Uptime | None) -> Instant | None:
    bound = clock.trusted_now(facts, uptime)
    if bound is None or uptime is None or uptime.boot == facts.boot:
        return bound
    return Instant(bound + uptime.seconds)


def _goes_back_with_the_machine(facts: ClockFacts, uptime: Uptime | None) -> Instant | None:
    if facts.trusted_at is None or uptime is None or uptime.boot != facts.boot:
        return facts.trusted_at
    return Instant(facts.trusted_at + uptime.seconds - facts.uptime_seconds)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("observe", _remembers_the_wall),
        ("observe", lambda facts, *_, **__: facts),
        ("trusted_now", _counts_the_whole_boot),
        ("trusted_now", _goes_back_with_the_machine),
        ("trusted_now", lambda facts, _: facts.trusted_at),
        ("is_suspect", lambda *_: False),
    ],
)
def test_the_model_notices_a_rule_that_is_broken_and_says_so_shortly(
    name: str, wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_model, name, wrong)
    seed = next(seed for seed in range(500) if fails(history(seed, LENGTH)))
    assert 1 <= len(shortest(history(seed, LENGTH))) <= 8


def test_sec_29_a_cheat_gains_what_is_published_and_no_more(record_property: Callable[[str, object], None]) -> None:
    """Wall clocks, switching off, and copies of the state put back: of this boot, then of any."""
    most = 0.0
    for seed in range(CHEATS):
        dice = random.Random(seed)  # noqa: S311 - a test's dice
        cheat = Cheat()
        cheat.play_randomly(dice, 40, copies_of_other_boots=bool(seed % 2))
        assert 0 <= cheat.gained <= cheat.allowed, seed
        most = max(most, cheat.gained / max(cheat.allowed, 1))
    assert most > 0.5, "a bound that is never come near proves little"
    record_property("cheats, each within the bound", CHEATS)
    record_property("the best had of it", f"{most:.0%}")


def _set_back_daily(cheat: Cheat) -> None:
    for _ in range(30):
        cheat.use(DAY)
        cheat.set_wall(0)


def _set_back_every_minute(cheat: Cheat) -> None:
    for minute in range(2000):
        cheat.use(MINUTE)
        cheat.set_wall(clock_model.START - minute)


def _ahead_and_back(cheat: Cheat) -> None:
    for _ in range(10):
        cheat.set_wall(cheat.world.now + 3650 * DAY)
        cheat.use(3 * HOUR)
        cheat.set_wall(clock_model.START)


def _copies_within_a_boot(cheat: Cheat) -> None:
    cheat.keep_copy()
    for _ in range(200):
        cheat.use(3 * HOUR)
        cheat.put_back(0)


def _off_every_night(cheat: Cheat) -> None:
    for _ in range(30):
        cheat.use(8 * HOUR)
        cheat.switch_off(16 * HOUR)
        cheat.set_wall(0)


def _off_every_hour(cheat: Cheat) -> None:
    for _ in range(100):
        cheat.use(HOUR - 1)
        cheat.switch_off(60)


def _copies_across_boots(cheat: Cheat) -> None:
    cheat.keep_copy()
    for _ in range(20):
        cheat.use(DAY)
        cheat.switch_off(60)
        cheat.put_back(0)


@pytest.mark.parametrize(
    ("plan", "gains"),
    [
        (_set_back_daily, 0),
        (_set_back_every_minute, 0),
        (_ahead_and_back, 0),
        (_copies_within_a_boot, 0),
        (_off_every_night, 30 * 16 * HOUR),
        (_off_every_hour, 100 * (HOUR - 1 + 60)),
        (_copies_across_boots, 20 * (DAY + 60)),
    ],
)
def test_sec_29_what_each_plan_gains_is_as_published(
    plan: Callable[[Cheat], None], gains: int, record_property: Callable[[str, object], None]
) -> None:
    cheat = Cheat()
    cheat.set_wall(0)
    plan(cheat)
    assert cheat.gained == gains
    assert cheat.gained <= cheat.allowed
    if plan is not _copies_across_boots:
        assert cheat.gained <= cheat.powered_off + cheat.switched * CHECKPOINT_SECONDS
    record_property("gains", described(cheat.gained))
    record_property("was off", described(cheat.powered_off))

"""SEC-45, specs/answer.md §7: copies of a device show stamps that give them away; what befalls one device does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.refresh_stamps import (
    MAX_NUMBER,
    MAX_STAMP,
    Stamps,
    is_newer_stamp,
    make_stamp,
    next_stamp,
    number_of,
)
from support.campaigns import LONG

NUMBERS = itertools.count(1)


def random() -> str:
    """Sixteen characters that were never used before."""
    return f"{next(NUMBERS):016d}"


class Server:
    """One activation at a server."""

    def __init__(self) -> None:
        self.stamps = Stamps()
        self.given: list[str] = []

    def grant(self, shown: str | None, *, at_once: bool = False) -> str:
        self.stamps, _ = next_stamp(self.stamps, shown, random(), at_once=at_once)
        assert self.stamps.newest is not None
        self.given.append(self.stamps.newest)
        return self.stamps.newest


class Copy:
    """A device, or a copy of one."""

    def __init__(self, stamp: str | None) -> None:
        self.stamp = stamp

    def takes(self, stamp: str) -> None:
        if is_newer_stamp(stamp, self.stamp):
            self.stamp = stamp


# ── one device ───────────────────────────────────────────────────────────────────────────────────────────────────────


class OneDevice(RuleBasedStateMachine):
    """Whatever befalls one device and its server, one exchange after the other: never a fork."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.device = Copy(self.server.grant(None))
        self.backup = self.server.stamps

    @rule(is_lost=st.lists(st.booleans(), min_size=1, max_size=4), at_once=st.booleans())
    def refreshes(self, is_lost: list[bool], *, at_once: bool) -> None:
        for lost in is_lost:
            stamp = self.server.grant(self.device.stamp, at_once=at_once)
            if not lost:
                self.device.takes(stamp)

    @rule(come=st.lists(st.booleans(), min_size=2, max_size=4))
    def asks_at_once_from_several_programs(self, come: list[bool]) -> None:
        answers = [self.server.grant(self.device.stamp, at_once=True) for _ in come]
        for stamp, comes in zip(answers, come, strict=True):
            if comes:
                self.device.takes(stamp)

    @rule(is_lost=st.booleans())
    def activates_again(self, *, is_lost: bool) -> None:
        stamp = self.server.grant(None)
        if not is_lost:
            self.device.stamp = stamp

    @rule(is_lost=st.booleans())
    def loses_its_state_and_activates(self, *, is_lost: bool) -> None:
        self.device.stamp = None
        self.activates_again(is_lost=is_lost)

    @rule()
    def is_downgraded_and_comes_without(self) -> None:
        self.server.grant(None)

    @rule()
    def the_server_is_backed_up(self) -> None:
        self.backup = self.server.stamps

    @invariant()
    def no_fork(self) -> None:
        assert self.server.stamps.forks == 0
        assert len(set(self.server.given)) == len(self.server.given)
        numbers = [number_of(stamp) or 0 for stamp in self.server.given]
        assert numbers == sorted(set(numbers))


TestOneDevice = OneDevice.TestCase
TestOneDevice.settings = settings(max_examples=2_000 if LONG else 60, deadline=None)


# ── copies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    before=st.lists(st.booleans(), max_size=5),
    order=st.permutations(["one", "one", "two", "two"]),
    more=st.lists(st.sampled_from(["one", "two"]), max_size=6),
)
def test_sec_45_two_copies_are_seen_by_the_second_refresh_of_each(
    before: list[bool], order: list[str], more: list[str]
) -> None:
    """Whatever happened before the state was copied, and whoever comes first."""
    server = Server()
    device = Copy(server.grant(None))
    for is_lost in before:
        stamp = server.grant(device.stamp)
        if not is_lost:
            device.takes(stamp)
    copies = {"one": Copy(device.stamp), "two": Copy(device.stamp)}
    for name in order:
        copies[name].takes(server.grant(copies[name].stamp))
    assert server.stamps.forks >= 1
    for name in more:
        copies[name].takes(server.grant(copies[name].stamp))
    assert server.stamps.forks <= len(order) + len(more)


@given(st.integers(1, 6), st.integers(1, 6))
def test_a_state_that_was_put_back_is_told_once(between: int, after: int) -> None:
    server = Server()
    device = Copy(server.grant(None))
    device.takes(server.grant(device.stamp))
    kept = device.stamp
    for _ in range(between):
        device.takes(server.grant(device.stamp))
    device.stamp = kept
    for _ in range(after):
        device.takes(server.grant(device.stamp))
    assert server.stamps.forks == (between > 1)


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_server_that_was_put_back_takes_its_own_loss_for_nobodys_copy(before: int, lost: int) -> None:
    server = Server()
    device = Copy(server.grant(None))
    for _ in range(before):
        device.takes(server.grant(device.stamp))
    backup = server.stamps
    for _ in range(lost):
        device.takes(server.grant(device.stamp))
    server.stamps = backup
    for _ in range(4):
        device.takes(server.grant(device.stamp))
    assert server.stamps.forks == 0


@given(
    st.lists(
        st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), unique=True))),
        max_size=8,
    )
)
def test_sec_45_of_requests_at_once_any_answers_may_be_lost(rounds: list[tuple[int, list[int]]]) -> None:
    """One device, several of its programs: they ask at once, and of the answers some come, in any order."""
    server = Server()
    device = Copy(server.grant(None))
    for asked, come in rounds:
        answers = [server.grant(device.stamp, at_once=number > 0) for number in range(asked)]
        for number in come:
            device.takes(answers[number])
        assert server.stamps.forks == 0
    device.takes(server.grant(device.stamp))
    assert server.stamps.forks == 0


def test_an_earlier_answer_counts_only_if_both_were_asked_for_at_once() -> None:
    """Hours later, another program of the same device does not ask with the same stamp: a copy does."""
    for at_once in (True, False):
        server = Server()
        device = Copy(server.grant(None))
        first, _ = server.grant(device.stamp), server.grant(device.stamp, at_once=at_once)
        device.takes(first)
        for _ in range(5):
            device.takes(server.grant(device.stamp))
        assert server.stamps.forks == (not at_once)


@given(order=st.permutations(["one", "one", "two", "two"]), at_once=st.lists(st.booleans(), min_size=4, max_size=4))
def test_sec_45_copies_that_ask_at_once_are_seen_as_soon(order: list[str], at_once: list[bool]) -> None:
    server = Server()
    stamp = server.grant(None)
    copies = {"one": Copy(stamp), "two": Copy(stamp)}
    for name, soon in zip(order, at_once, strict=True):
        copies[name].takes(server.grant(copies[name].stamp, at_once=soon))
    assert server.stamps.forks >= 1


# ── the table, row by row ────────────────────────────────────────────────────────────────────────────────────────────

A, B, C = "3.aaaaaaaaaaaaaaaa", "4.bbbbbbbbbbbbbbbb", "4.cccccccccccccccc"
HELD = Stamps(newest=B, shown=A, forks=7)


@pytest.mark.parametrize(
    ("held", "shown", "is_fork", "number"),
    [
        (HELD, None, False, 5),
        (HELD, B, False, 5),
        (HELD, A, False, 5),
        (replace(HELD, shown=None), C, False, 5),
        (HELD, "9.dddddddddddddddd", False, 10),
        (HELD, "5.dddddddddddddddd", False, 6),
        (HELD, C, True, 5),
        (HELD, "3.bbbbbbbbbbbbbbbb", False, 5),
        (HELD, "5.bbbbbbbbbbbbbbbb", False, 6),
        (HELD, "3.cccccccccccccccc", True, 5),
        (HELD, "1.dddddddddddddddd", True, 5),
        (HELD, "garbage", False, 5),
        (Stamps(), A, False, 4),
        (Stamps(), None, False, 1),
        (replace(HELD, newest=f"{MAX_NUMBER}.aaaaaaaaaaaaaaaa"), A, False, MAX_NUMBER),
    ],
)
def test_every_row_of_the_table(held: Stamps, shown: str | None, number: int, *, is_fork: bool) -> None:
    after, told = next_stamp(held, shown, "e" * 16)
    beside, also = next_stamp(held, shown, "e" * 16, at_once=True)
    assert also == told == is_fork
    random_beside = "b" * 16 if shown == A and held is HELD else "e" * 16
    assert beside == replace(after, newest=f"{number}.{random_beside}"), (
        "beside the newest only where that is asked for"
    )
    assert after.newest == f"{number}.{'e' * 16}"
    assert after.shown == (shown if shown is not None and number_of(shown) else None)
    assert after.forks == held.forks + is_fork


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.", ".aaaaaaaaaaaaaaaa", "0.aaaaaaaaaaaaaaaa", "01.aaaaaaaaaaaaaaaa", "-1.aaaaaaaaaaaaaaaa",
     "1.aaaaaaaaaaaaaaa", "1.aaaaaaaaaaaaaaaaa", "1.aaaaaaaaaaaaaaa=", "\u0661.aaaaaaaaaaaaaaaa", "1 .aaaaaaaaaaaaaaaa",
     f"{MAX_NUMBER + 1}.aaaaaaaaaaaaaaaa", f"{'9' * 5000}.aaaaaaaaaaaaaaaa", "1.aaaaaaaa.aaaaaaa"],
)  # fmt: skip
def test_what_is_no_stamp_counts_for_nothing(text: str) -> None:
    assert number_of(text) is None
    assert next_stamp(HELD, text, "e" * 16) == next_stamp(HELD, None, "e" * 16)


def test_stamps_at_their_bounds() -> None:
    assert number_of(make_stamp(1, "-_" * 8)) == 1
    longest = make_stamp(MAX_NUMBER, "Z" * 16)
    assert (number_of(longest), len(longest)) == (MAX_NUMBER, MAX_STAMP)
    for number in (0, MAX_NUMBER + 1, -1):
        with pytest.raises(UsageError, match="A stamp is"):
            make_stamp(number, "a" * 16)


RULES: dict[str, Callable[[Stamps, str | None], bool]] = {
    "never a fork": lambda _held, _shown: False,
    "everything but the newest": lambda held, shown: shown not in {held.newest, None},
    "only what is long past": lambda held, shown: (
        (number_of(shown or "") or 9**9) < (number_of(held.newest or "") or 0) - 1
    ),
    "a lower number": lambda held, shown: (number_of(shown or "") or 9**9) < (number_of(held.newest or "") or 0),
}


@pytest.mark.parametrize("planted", RULES.values(), ids=RULES)
def test_another_rule_would_be_noticed(planted: Callable[[Stamps, str | None], bool]) -> None:
    """Each of these is wrong about an honest device or about a copy."""

    def told(scenario: list[tuple[str, bool]]) -> bool:
        server, copies = Server(), {"one": Copy(None), "two": Copy(None)}
        copies["one"].takes(server.grant(None))
        copies["two"].stamp = copies["one"].stamp
        found = False
        for name, is_lost in scenario:
            found |= planted(server.stamps, copies[name].stamp)
            stamp = server.grant(copies[name].stamp)
            if not is_lost:
                copies[name].takes(stamp)
        return found

    honest = [("one", False), ("one", True), ("one", True), ("one", False), ("one", False)]
    copied = [("one", False), ("two", False), ("one", False), ("two", False)]
    assert (told(honest), told(copied)) != (False, True)

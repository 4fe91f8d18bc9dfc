"""
Which groups of a typed key are wrong, from their checks alone: the cheapest way to cut the text into groups;
specs/signed-license-key.md §4.

Belongs here: the shape of groups and the search. Does not belong here: symbols and how checks are computed
(`base32_groups`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from carnet.core._base import Struct

GROUP_SYMBOLS: Final = 8
DATA_SYMBOLS: Final = GROUP_SYMBOLS - 1

LAST: Final = 31
"""Added to the check of the last group."""

WHOLE: Final = (0, 2, 4, 5, 7)
"""How many symbols beyond a multiple of eight whole bytes take (RFC 4648 §6)."""

_WRONG: Final = 10
_SHIFTED: Final = 11
_MOVED: Final = 12
_CUT_OFF: Final = 9
"""What each error costs: a wrong symbol is likelier than one too many, and that than a whole group."""

_DRIFT: Final = 3 * GROUP_SYMBOLS
"""How many symbols the search may be ahead of or behind the groups it counted."""

Problem = Literal["mistyped", "symbol_missing", "symbol_extra", "group_missing", "group_extra", "end_missing"]


class Found(Struct):
    """
    One error: *problem* with group number *group*, counted from 0, in the symbols from *start* to before *stop*.
    """

    group: int
    problem: Problem
    start: int
    stop: int


def cheapest_errors(raw: list[int]) -> list[Found]:
    """
    The errors on the cheapest way through a text, by group; of several ways, one.

    Args:
        raw: For each symbol, the check of the group that starts there, less what its symbols make of it: a group's
            number modulo 32 where it fits, and `LAST` more for the last; 32 where a symbol cannot be read.
    """
    found: list[Found] = []
    place = _end_of_cheapest_way(raw)
    while place.before is not None:
        before = place.before
        if place.problem is not None:
            found.append(Found(group=before.group, problem=place.problem, start=before.start, stop=place.start))
        place = before
    return found[::-1]


class _Place:
    """Group number *group* is due at symbol *start*: what it cost to come here, from where, and with what problem."""

    __slots__ = ("before", "cost", "group", "problem", "start")

    def __init__(self, group: int, start: int, cost: int, before: _Place | None, problem: Problem | None) -> None:
        self.group, self.start, self.cost, self.before, self.problem = group, start, cost, before, problem


def _end_of_cheapest_way(raw: list[int]) -> _Place:
    """Dijkstra's algorithm over places, by the costs of the specification's table."""
    known: set[tuple[int, int]] = set()
    waiting: dict[int, list[_Place]] = {0: [_Place(0, 0, 0, None, None)]}
    best: _Place | None = None
    cost = 0
    while best is None or cost < best.cost:
        for came in waiting.pop(cost, ()):
            here = _behind_fitting_groups(came, raw)
            if (here.group, here.start) in known:
                continue
            known.add((here.group, here.start))
            end = _end(here, raw)
            if best is None or end.cost < best.cost:
                best = end
            for symbols, groups, more, problem in _errors_at(here, len(raw) - here.start):
                start, group, total = here.start + symbols, here.group + groups, cost + more
                if total < best.cost and (group, start) not in known:
                    waiting.setdefault(total, []).append(_Place(group, start, total, here, problem))
        cost += 1
    return best


def _behind_fitting_groups(place: _Place, raw: list[int]) -> _Place:
    """
    The place behind all groups in a row that fit.

    None of them is worth breaking up: after an error in a fitting group, symbols and numbers have moved against each
    other by as much as after the same error in the group behind it, so that a way through the former costs no less.
    """
    group, start = place.group, place.start
    while start + GROUP_SYMBOLS <= len(raw) and raw[start] == group % 32:
        group, start = group + 1, start + GROUP_SYMBOLS
    return place if group == place.group else _Place(group, start, place.cost, place, None)


def _errors_at(here: _Place, left: int) -> Iterator[tuple[int, int, int, Problem]]:
    """What may be wrong at *here*, with *left* symbols ahead and no group that fits: symbols, groups, cost, problem."""
    ahead = here.start - GROUP_SYMBOLS * here.group
    if left >= GROUP_SYMBOLS:
        yield GROUP_SYMBOLS, 1, _WRONG, "mistyped"
    if left >= GROUP_SYMBOLS - 1 and ahead > -_DRIFT:
        yield GROUP_SYMBOLS - 1, 1, _SHIFTED, "symbol_missing"
    if left > GROUP_SYMBOLS and ahead < _DRIFT:
        yield GROUP_SYMBOLS + 1, 1, _SHIFTED, "symbol_extra"
    if left > GROUP_SYMBOLS and ahead <= _DRIFT - GROUP_SYMBOLS:
        yield GROUP_SYMBOLS, 0, _MOVED, "group_extra"
    if left and ahead >= GROUP_SYMBOLS - _DRIFT:
        yield 0, 1, _MOVED, "group_missing"


def _end(here: _Place, raw: list[int]) -> _Place:
    """The text ends with what is left at *here*: in the last group, or before it."""
    left = len(raw) - here.start
    is_whole = (DATA_SYMBOLS * here.group + left - 1) % 8 in WHOLE
    if 1 < left <= GROUP_SYMBOLS and is_whole and raw[here.start] == here.group % 32 ^ LAST:
        return here
    problem: Problem = "mistyped"
    cost = _WRONG
    if not left:
        problem, cost = "end_missing", _CUT_OFF
    elif left > GROUP_SYMBOLS:
        problem, cost = "symbol_extra", _SHIFTED * (left - GROUP_SYMBOLS)
    return _Place(here.group + 1, len(raw), here.cost + cost, here, problem)

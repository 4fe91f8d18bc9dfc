"""
A pool is numbered slots, not a count: which slot belongs to whom, and how a pool settles after its terms changed.

Slots 0, 1, … below the limit. The first ones are the groups', in order; the rest, the general area, is everybody's. A
live lease sits in one slot, and a slot holds one lease, by the database's own unique key: so the number of live leases
cannot pass the limit, and nothing has to be counted (docs/decisions/0043).

Pure. Terms that change may leave a live lease outside of where it may sit: beyond a lowered limit, or in a slot that is
reserved for others now. It stays (users-ask 10), and `settle` moves it into a free slot before anybody new gets one.
"""

from __future__ import annotations

from heapq import heappop, heappush

from carnet.core._base import Struct
from carnet.core.lease_terms import LeaseHolder, LeaseTerms

GENERAL = ""
"""The name of the area that everybody may use."""


class Area(Struct):
    """Slots *first* ≤ n < *end* (None: without end), of the group `name`, or `GENERAL`."""

    name: str
    first: int
    end: int | None

    def holds(self, slot: int) -> bool:
        """Whether *slot* is one of these."""
        return self.first <= slot and (self.end is None or slot < self.end)


class Slot(Struct):
    """One row of a pool: its number, the area it was last filed under, and who holds it live; None: it is free."""

    number: int
    area: str | None
    holder: LeaseHolder | None = None


class Move(Struct):
    """A slot's row gets another number and area. `number` None: the row goes away. `old` None: a free row is made."""

    old: int | None
    number: int | None
    area: str | None


class Settled(Struct):
    """
    What changes in a pool, and whether everybody sits where they may.

    Moves are in the order in which they can be written: a number that a row moves to is without a row by then.
    """

    moves: tuple[Move, ...]
    is_settled: bool


def areas(terms: LeaseTerms) -> tuple[Area, ...]:
    """The areas of a pool under *terms*, by number; the general one is last and may be empty."""
    found, first = [], 0
    for group in terms.groups:
        found.append(Area(name=group.name, first=first, end=first + group.slots))
        first += group.slots
    return (*found, Area(name=GENERAL, first=first, end=terms.limit))


def areas_for(terms: LeaseTerms, holder: LeaseHolder) -> tuple[Area, ...]:
    """Where *holder* may sit, its own group's area first."""
    group = terms.group_of(holder)
    own = None if group is None else group.name
    every = areas(terms)
    return tuple(area for area in every if area.name == own and own != GENERAL) + every[-1:]


def settle(terms: LeaseTerms, slots: tuple[Slot, ...]) -> Settled:
    """
    Bring a pool into the order of *terms*, as far as its live leases allow.

    Afterwards every free row's number is within the limit and its area is filed rightly, no number below an area's
    highest is without a row, and, where it is possible, nobody sits beyond the limit or in another's area. Whoever is
    over the limit takes any free slot, whosesoever it is: while one is over, nobody new gets in.

    Args:
        terms: The terms in force.
        slots: Every row of the pool.

    Returns:
        The changes; `is_settled` False while a live lease sits where it may not.
    """
    pool = _Pool(terms, slots)
    while misplaced := pool.misplaced():
        moved = [pool.move_into(number, pool.allowed(number)) for number in misplaced]
        if not any(moved):
            # A group's holder on a general seat makes room by going home.
            moved = [pool.move_into(number, home) for number, home in pool.away()]
        if not any(moved):
            break
    for number in pool.misplaced():
        if pool.area_of(number) is None:
            pool.move_into(number, pool.every)
    return Settled(moves=pool.moves(), is_settled=not pool.misplaced())


class _Pool:
    """A pool while it settles: who sits where, what is free, and every change so far."""

    def __init__(self, terms: LeaseTerms, slots: tuple[Slot, ...]) -> None:
        self.every = areas(terms)
        self._named = {area.name: area for area in self.every if area.name != GENERAL}
        self._group_of = {name: group.name for group in terms.groups for name in group.holders}
        self._places = {slot.number: slot.holder for slot in slots if slot.holder is not None}
        self._rows = {slot.number: slot.area for slot in slots}
        self._next = {area.first: area.first for area in self.every}
        self._left: dict[int, list[int]] = {area.first: [] for area in self.every}
        self._moves: list[Move] = []

    def area_of(self, number: int) -> Area | None:
        """The area of a slot; None: beyond the limit."""
        return next((area for area in self.every if area.holds(number)), None)

    def allowed(self, number: int) -> tuple[Area, ...]:
        """Where the holder of slot *number* may sit, as `areas_for`."""
        home = self._named.get(self._group_of.get(str(self._places[number]), GENERAL))
        return self.every[-1:] if home is None else (home, self.every[-1])

    def misplaced(self) -> list[int]:
        """Taken slots whose holders may not sit there: those over the limit first."""
        wrong = [number for number in self._places if self.area_of(number) not in self.allowed(number)]
        return sorted(wrong, key=lambda number: (self.area_of(number) is not None, number))

    def away(self) -> list[tuple[int, tuple[Area, ...]]]:
        """Taken general slots whose holders have an area of their own, and that area."""
        general = self.every[-1]
        found = [(number, self.allowed(number)[:-1]) for number in sorted(self._places) if general.holds(number)]
        return [(number, home) for number, home in found if home]

    def move_into(self, number: int, where: tuple[Area, ...]) -> bool:
        """Move the holder of slot *number* into a free slot of the first area that has one; False: none has."""
        for area in where:
            free = self._free_in(area)
            if free is not None:
                if free in self._rows:
                    self._moves.append(Move(old=free, number=None, area=None))
                self._moves.append(Move(old=number, number=free, area=area.name))
                self._places[free] = self._places.pop(number)
                del self._rows[number]
                self._rows[free] = area.name
                old = self.area_of(number)
                if old is not None:
                    heappush(self._left[old.first], number)
                return True
        return False

    def moves(self) -> tuple[Move, ...]:
        """Every change: the moves made, then free rows beyond the limit away, gaps filled, areas filed."""
        for number in sorted(self._rows.keys() - self._places.keys()):
            if self.area_of(number) is None:
                self._moves.append(Move(old=number, number=None, area=None))
                del self._rows[number]
        for area in self.every:
            highest = max(filter(area.holds, self._rows), default=area.first - 1)
            for number in range(area.first, highest + 1):
                if number not in self._rows:
                    self._moves.append(Move(old=None, number=number, area=area.name))
                elif self._rows[number] != area.name:
                    self._moves.append(Move(old=number, number=number, area=area.name))
        for number in sorted(self._places):
            if self.area_of(number) is None and self._rows[number] is not None:
                self._moves.append(Move(old=number, number=number, area=None))
        return tuple(self._moves)

    def _free_in(self, area: Area) -> int | None:
        left = self._left[area.first]
        while left:
            number = heappop(left)
            if number not in self._places:
                return number
        number = self._next[area.first]
        while number in self._places:
            number += 1
        self._next[area.first] = number
        return number if area.holds(number) else None

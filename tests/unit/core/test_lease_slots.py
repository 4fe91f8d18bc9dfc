"""A pool is numbered slots: where holders may sit, and how a pool settles after its terms changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.errors import UsageError
from carnet.core.lease_slots import Area, Move, Slot, areas, areas_for, settle
from carnet.core.lease_terms import (
    LeaseGroup,
    LeaseHolder,
    LeaseTerms,
    check_lease_terms,
    lease_terms_from_json,
    lease_terms_to_json,
)


def holder(number: int) -> LeaseHolder:
    return LeaseHolder(kind="process", id=str(number))


def group(name: str, slots: int, *members: int) -> LeaseGroup:
    return LeaseGroup(name=name, slots=slots, holders=tuple(str(holder(number)) for number in members))


TERMS = st.builds(
    lambda limit, a, b: LeaseTerms(
        limit=None if limit is None else limit + a + b,
        groups=tuple(each for each in (group("a", a, 0, 1, 2), group("b", b, 3, 4)) if each.slots),
    ),
    st.none() | st.integers(0, 6),
    st.integers(0, 3),
    st.integers(0, 3),
).filter(lambda terms: terms.limit != 0)

POOLS = st.dictionaries(
    st.integers(0, 12),
    st.tuples(st.sampled_from([None, "", "a", "b"]), st.none() | st.integers(0, 9)),
    max_size=10,
).map(
    lambda rows: tuple(
        Slot(number=number, area=area, holder=None if who is None else holder(who))
        for number, (area, who) in sorted(rows.items())
    )
)


def distinct(pool: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """The pool with each holder once, as the database has it."""
    seen: set[LeaseHolder] = set()
    kept = []
    for slot in pool:
        again = slot.holder is not None and slot.holder in seen
        kept.append(Slot(number=slot.number, area=slot.area) if again else slot)
        if slot.holder is not None:
            seen.add(slot.holder)
    return tuple(kept)


def written(pool: tuple[Slot, ...], moves: tuple[Move, ...]) -> dict[int, tuple[str | None, LeaseHolder | None]]:
    """The rows after *moves*, each written as the database would: a number that is taken refuses."""
    rows = {slot.number: (slot.area, slot.holder) for slot in pool}
    for move in moves:
        if move.old is None:
            assert move.number is not None
            assert move.number not in rows
            rows[move.number] = (move.area, None)
            continue
        _, who = rows.pop(move.old)
        if move.number is None:
            assert who is None, "a live lease went away"
        else:
            assert move.number not in rows
            rows[move.number] = (move.area, who)
    return rows


@given(TERMS, POOLS.map(distinct))
def test_users_ask_10_settling_loses_nobody_and_leaves_nobody_over_while_a_slot_is_free(
    terms: LeaseTerms, pool: tuple[Slot, ...]
) -> None:
    settled = settle(terms, pool)
    rows = written(pool, settled.moves)
    every = areas(terms)
    assert {who for _, who in rows.values() if who} == {slot.holder for slot in pool if slot.holder}
    for number, (area, who) in rows.items():
        within = next((each.name for each in every if each.holds(number)), None)
        assert area == within
        assert within is not None or who is not None  # no free row beyond the limit
    for each in every:  # no gaps: the next new slot is the one after the highest
        there = sorted(number for number in rows if each.holds(number))
        assert there == list(range(each.first, each.first + len(there)))
    over = [who for area, who in rows.values() if area is None]
    misplaced = [
        number
        for number, (_, who) in rows.items()
        if who is not None and not any(each.holds(number) for each in areas_for(terms, who))
    ]
    assert settled.is_settled == (misplaced == [])
    taken = sum(who is not None for _, who in rows.values())
    if over:
        assert terms.limit is not None
        assert taken - len(over) == terms.limit  # every slot of the pool is taken
    for number in misplaced:
        who = rows[number][1]
        assert who is not None
        for each in areas_for(terms, who):  # it would sit there, if there were room
            assert each.end is not None
            assert all(slot in rows and rows[slot][1] is not None for slot in range(each.first, each.end))
    assert settle(terms, tuple(Slot(number=n, area=a, holder=w) for n, (a, w) in sorted(rows.items()))).moves == ()


def test_users_ask_24_a_groups_holders_have_their_own_slots_first_and_the_general_ones_after() -> None:
    terms = LeaseTerms(limit=5, groups=(group("farm", 2, 1, 2),))
    assert areas(terms) == (Area(name="farm", first=0, end=2), Area(name="", first=2, end=5))
    assert [area.name for area in areas_for(terms, holder(1))] == ["farm", ""]
    assert [area.name for area in areas_for(terms, holder(9))] == [""]


@pytest.mark.parametrize(("slot", "holds"), [(1, False), (2, True), (4, True), (5, False)])
def test_an_area_ends_before_its_end(slot: int, holds: bool) -> None:  # noqa: FBT001 - a table
    assert Area(name="", first=2, end=5).holds(slot) == holds


@pytest.mark.parametrize(
    "changes",
    [
        {"limit": 0},
        {"limit": "2"},
        {"min_ttl_seconds": 0},
        {"max_ttl_seconds": 599},
        {"default_ttl_seconds": 3601},
        {"max_borrow_seconds": -1},
        {"kinds": ()},
        {"kinds": ("device", "device")},
        {"kinds": ("robot",)},
        {"registered_only": True},
        {"registered_only": "yes"},
        {"denied": ("process",)},
        {"denied": ("process:a", "process:a")},
        {"groups": (group("a", 3, 1),)},
        {"groups": (group("a", 1, 1), group("a", 1, 2))},
        {"groups": (group("a", 1, 1), group("b", 1, 1))},
        {"groups": (group("", 1, 1),)},
        {"groups": (group("a", 0, 1),)},
    ],
)
def test_terms_that_contradict_themselves_are_refused(changes: dict[str, object]) -> None:
    good = LeaseTerms(limit=2)
    check_lease_terms(good)
    with pytest.raises(UsageError) as refused:
        check_lease_terms(replace(good, **changes))
    assert refused.value.code == "bad_lease_terms"


@given(TERMS)
def test_terms_are_the_same_after_a_round_through_json(terms: LeaseTerms) -> None:
    assert lease_terms_from_json(lease_terms_to_json(terms)) == terms


@pytest.mark.parametrize(
    "plain", [{}, {"limit": 1, "colour": 1}, {"limit": 1, "groups": 3}, {"limit": 1, "kinds": [[]]}]
)
def test_terms_of_another_shape_are_refused(plain: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="must be"):
        lease_terms_from_json(plain)

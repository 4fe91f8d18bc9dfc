"""
Numbered slots: where each area begins and ends, and how a pool settles after its terms changed (docs/decisions/0043).

Stories for what the vendor sees; and any pool at all against what the docstrings promise, written down here once more.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.lease_slots import GENERAL, Area, Move, Settled, Slot, areas, areas_for, settle
from carnet.core.lease_terms import LeaseGroup, LeaseHolder, LeaseTerms


def user(name: str) -> LeaseHolder:
    return LeaseHolder(kind="user", id=name)


def lab(slots: int, *names: str, name: str = "lab") -> LeaseGroup:
    return LeaseGroup(name=name, slots=slots, holders=tuple(f"user:{each}" for each in names))


def pool(limit: int | None, *groups: LeaseGroup) -> LeaseTerms:
    return LeaseTerms(limit=limit, groups=groups)


def free(number: int, area: str | None = GENERAL) -> Slot:
    return Slot(number=number, area=area)


def taken(number: int, name: str, area: str | None = GENERAL) -> Slot:
    return Slot(number=number, area=area, holder=user(name))


# ── areas ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("area", "held"),
    [
        (Area(name="a", first=2, end=4), {2, 3}),
        (Area(name="a", first=2, end=None), {2, 3, 4, 5}),
        (Area(name="a", first=0, end=1), {0}),
        (Area(name="a", first=3, end=3), set()),
    ],
)
def test_an_area_holds_its_first_slot_and_not_its_end(area: Area, held: set[int]) -> None:
    assert {slot for slot in range(6) if area.holds(slot)} == held


def test_the_groups_come_first_and_the_rest_is_everybodys() -> None:
    one, two = lab(2, "ada"), lab(3, "bob", name="office")
    assert areas(pool(9, one, two)) == (
        Area(name="lab", first=0, end=2),
        Area(name="office", first=2, end=5),
        Area(name="", first=5, end=9),
    )
    assert areas(pool(5, one, two))[-1] == Area(name="", first=5, end=5)
    assert areas(pool(None)) == (Area(name="", first=0, end=None),)


def test_users_ask_24_who_may_sit_where() -> None:
    terms = pool(9, lab(2, "ada"), lab(3, "bob", name="office"))
    assert [area.first for area in areas_for(terms, user("ada"))] == [0, 5]
    assert [area.first for area in areas_for(terms, user("bob"))] == [2, 5]
    assert [area.first for area in areas_for(terms, user("eve"))] == [5]
    assert [area.first for area in areas_for(terms, LeaseHolder(kind="device", id="ada"))] == [5]


# ── stories ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def settled(*moves: Move) -> Settled:
    return Settled(moves=moves, is_settled=True)


def test_a_pool_in_order_stays_as_it_is() -> None:
    assert settle(pool(3), ()) == settled()
    assert settle(pool(3), (taken(0, "ada"), free(1), taken(2, "bob"))) == settled()
    terms = pool(3, lab(1, "ada"))
    assert settle(terms, (taken(0, "ada", "lab"), taken(1, "bob"))) == settled()
    assert settle(terms, (taken(1, "ada"),)) == settled()  # a group's holder may sit on a general seat


def test_users_ask_10_who_is_beyond_a_lowered_limit_moves_into_a_free_slot() -> None:
    assert settle(pool(2), (taken(0, "ada"), free(1), taken(2, "bob"))) == settled(
        Move(old=1, number=None, area=None), Move(old=2, number=1, area="")
    )
    assert settle(pool(2), (taken(3, "ada"),)) == settled(Move(old=3, number=0, area=""))


def test_users_ask_10_who_finds_no_free_slot_stays_beyond_the_limit() -> None:
    assert settle(pool(1), (taken(0, "ada"), taken(1, "bob"))) == Settled(
        moves=(Move(old=1, number=1, area=None),), is_settled=False
    )
    again = (taken(0, "ada"), taken(1, "bob", None))
    assert settle(pool(1), again) == Settled(moves=(), is_settled=False)
    assert settle(pool(2), again) == settled(Move(old=1, number=1, area=""))  # the limit was raised again


def test_free_rows_beyond_the_limit_go_away_and_gaps_are_filled() -> None:
    assert settle(pool(2), (free(2), free(5))) == settled(
        Move(old=2, number=None, area=None), Move(old=5, number=None, area=None)
    )
    assert settle(pool(9), (taken(2, "ada"),)) == settled(
        Move(old=None, number=0, area=""), Move(old=None, number=1, area="")
    )


def test_rows_are_filed_under_the_area_they_are_in_now() -> None:
    terms = pool(4, lab(2, "ada"))
    assert settle(terms, (taken(0, "ada"), free(1), taken(2, "bob", "lab"), free(3))) == settled(
        Move(old=0, number=0, area="lab"), Move(old=1, number=1, area="lab"), Move(old=2, number=2, area="")
    )


def test_who_sits_on_seats_that_are_reserved_now_goes_to_a_general_one() -> None:
    assert settle(pool(3, lab(2, "ada")), (taken(0, "bob"), taken(1, "ada"))) == settled(
        Move(old=0, number=2, area=""), Move(old=None, number=0, area="lab"), Move(old=1, number=1, area="lab")
    )


def test_a_groups_holder_goes_home_to_make_room() -> None:
    terms = pool(3, lab(2, "ada"))
    slots = (taken(0, "bob", "lab"), free(1, "lab"), taken(2, "ada"))
    assert settle(terms, slots) == settled(
        Move(old=1, number=None, area=None),
        Move(old=2, number=1, area="lab"),
        Move(old=0, number=2, area=""),
        Move(old=None, number=0, area="lab"),
    )


def test_whoever_is_over_the_limit_takes_any_free_slot_whosesoever_it_is() -> None:
    terms = pool(2, lab(1, "ada"))
    assert settle(terms, (taken(1, "bob"), taken(2, "eve"))) == Settled(
        moves=(Move(old=2, number=0, area="lab"),), is_settled=False
    )


def test_those_over_the_limit_move_before_those_on_reserved_seats() -> None:
    terms = pool(3, lab(2, "ada", "cyd"))
    found = settle(terms, (taken(0, "bob"), taken(1, "ada"), taken(3, "eve")))
    assert found.moves[0] == Move(old=3, number=2, area="")
    assert not found.is_settled


# ── any pool ─────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = tuple("abcdefgh")


@st.composite
def pools(draw: st.DrawFn) -> tuple[LeaseTerms, tuple[Slot, ...]]:
    listed = draw(st.permutations(NAMES))
    cuts = sorted(draw(st.lists(st.integers(0, 5), max_size=2)))
    groups = []
    begin = 0
    for place, cut in enumerate(cuts):
        groups.append(lab(draw(st.integers(1, 3)), *listed[begin:cut], name=f"g{place}"))
        begin = cut
    reserved = sum(group.slots for group in groups)
    limit = draw(st.one_of(st.none(), st.integers(max(1, reserved), reserved + 4)))
    numbers = draw(st.lists(st.integers(0, 11), unique=True, max_size=10))
    holders = draw(st.permutations([*NAMES, *[None] * 4]))
    filed = st.sampled_from(["", "g0", "g1", "gone", None])
    slots = tuple(
        Slot(number=number, area=draw(filed), holder=None if name is None else user(name))
        for number, name in zip(numbers, holders, strict=False)
    )
    return pool(limit, *groups), slots


def written(slots: tuple[Slot, ...], moves: tuple[Move, ...]) -> dict[int, Slot]:
    """The rows after *moves*, as a database under a unique key takes them: one by one."""
    rows = {slot.number: slot for slot in slots}
    for move in moves:
        holder = None
        if move.old is not None:
            row = rows.pop(move.old)
            holder = row.holder
            assert move.number is not None or holder is None, "a held row never goes away"
            assert move != Move(old=row.number, number=row.number, area=row.area), "a move that moves nothing"
        if move.number is not None:
            assert move.number not in rows, "two rows of one number"
            rows[move.number] = Slot(number=move.number, area=move.area, holder=holder)
    return rows


@given(pools())
def test_rel_10_settling_keeps_every_promise_of_its_page(given_: tuple[LeaseTerms, tuple[Slot, ...]]) -> None:
    terms, slots = given_
    found = settle(terms, slots)
    rows = written(slots, found.moves)
    every = areas(terms)

    def area_at(number: int) -> Area | None:
        return next((area for area in every if area.holds(number)), None)

    seats = {row.holder: number for number, row in rows.items() if row.holder is not None}
    assert seats.keys() == {slot.holder for slot in slots if slot.holder is not None}  # users-ask 10: nobody is put out
    for number, row in rows.items():
        area = area_at(number)
        assert row.area == (None if area is None else area.name)  # filed rightly
        assert area is not None or row.holder is not None  # free rows are within the limit
    for area in every:
        inside = [number for number in rows if area.holds(number)]
        assert not inside or len(inside) == max(inside) - area.first + 1  # no gaps

    wrong = [holder for holder, number in seats.items() if area_at(number) not in areas_for(terms, holder)]
    assert found.is_settled is (not wrong)
    over = [holder for holder, number in seats.items() if area_at(number) is None]
    taken_in = {area.name: sum(area.holds(number) for number in seats.values()) for area in every}
    open_ = {area.name for area in every if area.end is None or taken_in[area.name] < area.end - area.first}
    assert not over or not open_  # as many as there are slots are within the limit
    for holder in wrong:
        assert not open_ & {area.name for area in areas_for(terms, holder)}
    if wrong and every[-1].holds(every[-1].first):  # who could go home has gone, so that a general seat is free
        away = [holder for holder, number in seats.items() if every[-1].holds(number)]
        assert not any(areas_for(terms, holder)[0].name in open_ for holder in away) or over
    assert settle(terms, tuple(rows.values())).moves == ()  # once is enough


@given(pools())
def test_whoever_sits_rightly_is_not_moved_without_need(given_: tuple[LeaseTerms, tuple[Slot, ...]]) -> None:
    terms, slots = given_
    every = areas(terms)
    right = all(
        any(area.holds(slot.number) for area in areas_for(terms, slot.holder))
        for slot in slots
        if slot.holder is not None
    )
    moved = [move for move in settle(terms, slots).moves if None not in {move.old, move.number}]
    if right:
        assert all(move.old == move.number for move in moved)
    general = every[-1]
    for move in moved:
        slot = next((slot for slot in slots if slot.number == move.old), None)
        if slot is None or slot.holder is None or move.old == move.number:
            continue
        home = areas_for(terms, slot.holder)
        sat_rightly = any(area.holds(slot.number) for area in home)
        assert not sat_rightly or (general.holds(slot.number) and home[0].holds(move.number or 0))

"""
The terms of floating leases: every bound of specs/lease.md §5, at -1, 0 and +1, and every shape that is refused.

The numbers stand here as the spec has them, not as the code names them: a bound that moved fails.
"""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.errors import UsageError
from carnet.core.lease_terms import (
    LeaseGroup,
    LeaseHolder,
    LeaseTerms,
    check_lease_terms,
    lease_terms_from_json,
    lease_terms_to_json,
)

A_DAY = 24 * 60 * 60

BOUNDS = [
    ("limit", 1, 10**9, True),
    ("default_ttl_seconds", 1, 30 * A_DAY, False),
    ("min_ttl_seconds", 1, 30 * A_DAY, False),
    ("max_ttl_seconds", 1, 30 * A_DAY, False),
    ("max_borrow_seconds", 0, 366 * A_DAY, False),
    ("borrow_limit", 0, 10**9, True),
    ("cool_down_seconds", 0, 366 * A_DAY, False),
]


def terms(**members: Any) -> LeaseTerms:
    return LeaseTerms(**{"limit": 10, **members})


def group(name: str = "lab", slots: int = 1, holders: Any = (), **members: Any) -> LeaseGroup:
    return LeaseGroup(name=name, slots=slots, holders=holders, **members)


def refusal(**members: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_lease_terms(terms(**members))
    assert caught.value.code == "bad_lease_terms"
    return caught.value


def refused(**members: Any) -> str:
    return refusal(**members).message


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("member", "least", "most", "nullable"), BOUNDS)
def test_each_number_has_the_bounds_of_the_spec(member: str, least: int, most: int, nullable: bool) -> None:  # noqa: FBT001
    for right in (least, least + 1, most - 1, most, *([None] if nullable else [])):
        others = {"min_ttl_seconds": 1, "default_ttl_seconds": 1} if member == "max_ttl_seconds" else {}
        if member == "default_ttl_seconds":
            others = {"max_ttl_seconds": most}
        if member == "min_ttl_seconds":
            others = {"default_ttl_seconds": most, "max_ttl_seconds": most}
        check_lease_terms(terms(**others | {member: right}))
    for wrong in (least - 1, most + 1, str(least), float(least), True, *([] if nullable else [None])):
        told = refusal(**{"min_ttl_seconds": 1, "default_ttl_seconds": 1, "max_ttl_seconds": 1} | {member: wrong})
        assert told.message.startswith(f"{member} is "), wrong
        assert told.fix == f"It must be a whole number from {least} to {most}{' or null' if nullable else ''}."


def test_what_is_not_named_is_as_the_spec_says() -> None:
    named = LeaseTerms(limit=None)
    assert lease_terms_to_json(named) == {
        "limit": None,
        "kinds": ["device", "process", "user"],
        "default_ttl_seconds": 600,
        "min_ttl_seconds": 1,
        "max_ttl_seconds": 3600,
        "max_borrow_seconds": 0,
        "borrow_limit": None,
        "cool_down_seconds": 0,
        "registered_only": False,
        "groups": [],
        "denied": [],
    }
    check_lease_terms(named)
    assert lease_terms_from_json({"limit": None}) == named


@pytest.mark.parametrize(
    ("least", "usual", "most", "fits"),
    [
        (10, 10, 10, True),
        (10, 11, 12, True),
        (10, 10, 11, True),
        (9, 10, 10, True),
        (10, 9, 12, False),
        (10, 13, 12, False),
        (12, 11, 10, False),
    ],
)
def test_the_usual_time_lies_between_the_shortest_and_the_longest(
    least: int,
    usual: int,
    most: int,
    fits: bool,  # noqa: FBT001
) -> None:
    given: dict[str, int] = {"min_ttl_seconds": least, "default_ttl_seconds": usual, "max_ttl_seconds": most}
    if fits:
        check_lease_terms(terms(**given))
    else:
        assert refused(**given).startswith("default_ttl_seconds is ")


# ── kinds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "kinds", [("device",), ("process",), ("user",), ("user", "device"), ("device", "process", "user")]
)
def test_a_pool_is_for_any_of_three_kinds(kinds: Any) -> None:
    check_lease_terms(terms(kinds=kinds))


@pytest.mark.parametrize(
    "kinds",
    [(), ("robot",), ("device", "robot"), ("device", "device"), ["device"], [], None, "device", 5, ([],), (None,)],
)
def test_other_kinds_are_refused_by_name(kinds: Any) -> None:
    assert refused(kinds=kinds).startswith("kinds is ")


@pytest.mark.parametrize("kinds", [("process",), ("user",), ("device", "user"), ("device", "process", "user")])
def test_only_devices_can_be_registered(kinds: Any) -> None:
    assert refused(kinds=kinds, registered_only=True).startswith("registered_only is ")
    check_lease_terms(terms(kinds=kinds, registered_only=False))
    check_lease_terms(terms(kinds=("device",), registered_only=True))


@pytest.mark.parametrize("wrong", [None, 0, 1, "true", [], ()])
def test_registered_only_is_true_or_false(wrong: Any) -> None:
    assert refused(kinds=("device",), registered_only=wrong).startswith("registered_only is ")


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["device:a", "process:a", "user:a", "user:" + "x" * 255, "user:ada@ex:8", "user:a b"])
def test_a_holder_is_a_kind_and_an_id_of_1_to_255_printable_characters(name: str) -> None:
    check_lease_terms(terms(denied=(name,), groups=(group(holders=(name,)),)))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "user",
        "user:",
        ":a",
        "robot:a",
        "User:a",
        "user:" + "x" * 256,
        "user:a\nb",
        "user: a",
        "user:a ",
        5,
        None,
    ],
)
def test_other_names_of_holders_are_refused(name: Any) -> None:
    assert refused(denied=(name,)).startswith("denied is ")
    assert refused(groups=(group(holders=(name,)),)).startswith("groups.holders is ")


@pytest.mark.parametrize("names", [None, ["user:a"], "user:a", ("user:a", "user:a"), ([],), 5])
def test_names_are_a_tuple_of_different_ones(names: Any) -> None:
    assert refused(denied=names).startswith("denied is ")
    assert refused(groups=(group(holders=names),)).startswith("groups.holders is ")


def test_at_most_500_holders_are_denied_and_500_are_in_a_group() -> None:
    names = tuple(f"user:{number}" for number in range(501))
    check_lease_terms(terms(denied=names[:500]))
    check_lease_terms(terms(groups=(group(holders=names[:500]),)))
    assert refused(denied=names).startswith("denied is ")
    assert refused(groups=(group(holders=names),)).startswith("groups.holders is ")


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_at_most_32_groups() -> None:
    groups = tuple(group(f"g{number}") for number in range(33))
    check_lease_terms(terms(limit=40, groups=groups[:32]))
    assert refused(limit=40, groups=groups) == "groups is 33."


@pytest.mark.parametrize("groups", [None, 5, "lab", (5,), ("lab",), ({"name": "lab"},), [group()]])
def test_groups_are_a_tuple_of_groups(groups: Any) -> None:
    assert refused(groups=groups).startswith("groups is ")


@pytest.mark.parametrize("name", ["a", "x" * 64, "Labor Süd"])
def test_a_group_has_a_name_of_1_to_64_printable_characters(name: str) -> None:
    check_lease_terms(terms(groups=(group(name),)))


@pytest.mark.parametrize("name", ["", "x" * 65, "a\tb", " a", "a ", None, 5, ["a"]])
def test_other_names_of_groups_are_refused(name: Any) -> None:
    assert refused(groups=(group(name),)).startswith("groups.name is ")


def test_each_name_once_and_each_holder_in_one_group() -> None:
    assert refused(groups=(group("a"), group("b"), group("a"))) == "groups.name is 'a'."
    shared = (group("a", holders=("user:1", "user:2")), group("b"), group("c", holders=("user:3", "user:1")))
    assert refused(groups=shared) == "groups.holders is 'c'."
    check_lease_terms(terms(groups=(group("a", holders=("user:1",)), group("b", holders=("user:2",)))))


@pytest.mark.parametrize(
    ("slots", "fits"), [(0, False), (1, True), (10**9, True), (10**9 + 1, False), (True, False), (None, False)]
)
def test_a_group_has_1_to_a_billion_seats(slots: Any, fits: bool) -> None:  # noqa: FBT001
    given: dict[str, Any] = {"limit": None, "groups": (group(slots=slots),)}
    if fits:
        check_lease_terms(terms(**given))
    else:
        assert refused(**given) == f"groups.slots is {slots}."


@pytest.mark.parametrize(("seconds", "fits"), [(-1, False), (0, True), (366 * A_DAY, True), (366 * A_DAY + 1, False)])
def test_a_groups_own_longest_borrowing_has_the_same_bounds(seconds: int, fits: bool) -> None:  # noqa: FBT001
    groups = (group(max_borrow_seconds=seconds),)
    if fits:
        check_lease_terms(terms(groups=groups))
    else:
        assert refused(groups=groups) == f"groups.max_borrow_seconds is {seconds}."


@pytest.mark.parametrize(("one", "other", "fits"), [(4, 5, True), (4, 6, True), (5, 6, False), (1, 10, False)])
def test_the_seats_of_all_groups_are_within_the_limit(one: int, other: int, fits: bool) -> None:  # noqa: FBT001
    groups = (group("a", one), group("b", other))
    check_lease_terms(terms(limit=None, groups=groups))
    if fits:
        check_lease_terms(terms(limit=10, groups=groups))
    else:
        assert refused(limit=10, groups=groups) == f"groups.slots is {one + other}."


# ── whose terms they are ─────────────────────────────────────────────────────────────────────────────────────────────


def test_users_ask_24_a_holder_borrows_as_long_as_its_group_may() -> None:
    known = terms(
        max_borrow_seconds=7,
        groups=(
            group("own", holders=("user:a", "device:a"), max_borrow_seconds=0),
            group("usual", holders=("user:b",)),
        ),
    )
    found = {name: known.longest_borrowing(LeaseHolder(kind="user", id=name)) for name in "abc"}
    assert found == {"a": 0, "b": 7, "c": 7}
    assert known.group_of(LeaseHolder(kind="user", id="a")) == known.groups[0]
    assert known.group_of(LeaseHolder(kind="user", id="b")) == known.groups[1]
    assert known.group_of(LeaseHolder(kind="device", id="b")) is None


# ── as JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────


FULL = {
    "limit": 12,
    "kinds": ["device"],
    "default_ttl_seconds": 20,
    "min_ttl_seconds": 10,
    "max_ttl_seconds": 30,
    "max_borrow_seconds": 40,
    "borrow_limit": 2,
    "cool_down_seconds": 50,
    "registered_only": True,
    "groups": [
        {"name": "lab", "slots": 3, "holders": ["device:a", "device:b"], "max_borrow_seconds": 60},
        {"name": "office", "slots": 4, "holders": [], "max_borrow_seconds": None},
    ],
    "denied": ["device:z"],
}


def test_json_goes_both_ways() -> None:
    read = lease_terms_from_json(FULL)
    assert read == LeaseTerms(
        limit=12,
        kinds=("device",),
        default_ttl_seconds=20,
        min_ttl_seconds=10,
        max_ttl_seconds=30,
        max_borrow_seconds=40,
        borrow_limit=2,
        cool_down_seconds=50,
        registered_only=True,
        groups=(
            group("lab", 3, ("device:a", "device:b"), max_borrow_seconds=60),
            group("office", 4),
        ),
        denied=("device:z",),
    )
    assert lease_terms_to_json(read) == FULL
    assert lease_terms_from_json({**FULL, "groups": read.groups}) == read  # as the server's own code has them


def test_a_groups_borrowing_may_be_left_out() -> None:
    read = lease_terms_from_json({"limit": 5, "groups": [{"name": "lab", "slots": 3, "holders": ["user:a"]}]})
    assert read.groups == (group("lab", 3, ("user:a",)),)


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"more": 1}, "the terms' members"),
        ({"limit": 0}, "limit"),
        ({"groups": None}, "groups"),
        ({"groups": 5}, "groups"),
        ({"groups": {}}, "groups"),
        ({"groups": [5]}, "groups"),
        ({"groups": [None]}, "groups"),
        ({"groups": [{}]}, "groups"),
        ({"groups": [{"slots": 3, "holders": []}]}, "groups"),
        ({"groups": [{"name": "lab", "holders": []}]}, "groups"),
        ({"groups": [{"name": "lab", "slots": 3}]}, "groups"),
        ({"groups": [{"name": "lab", "slots": 3, "holders": [], "more": 1}]}, "groups"),
        ({"groups": [{"name": "lab", "slots": 3, "holders": "user:a"}]}, "groups.holders"),
        ({"groups": [{"name": "lab", "slots": 3, "holders": [["user:a"]]}]}, "groups.holders"),
        ({"groups": [{"name": [], "slots": 3, "holders": []}]}, "groups.name"),
        ({"kinds": None}, "kinds"),
        ({"kinds": [[]]}, "kinds"),
        ({"kinds": "device"}, "kinds"),
        ({"kinds": {}}, "kinds"),
        ({"denied": None}, "denied"),
        ({"denied": [{}]}, "denied"),
        ({"registered_only": []}, "registered_only"),
        ({"registered_only": 1, "kinds": ["device"]}, "registered_only"),
        ({"default_ttl_seconds": []}, "default_ttl_seconds"),
        ({"min_ttl_seconds": None}, "min_ttl_seconds"),
    ],
)
def test_other_json_is_refused_by_the_members_name(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(UsageError) as caught:
        lease_terms_from_json({"limit": 10, **changes})
    assert caught.value.code == "bad_lease_terms"
    assert caught.value.message.startswith(f"{member} is ")
    assert caught.value.fix.startswith("It must be ")


def test_the_limit_is_always_named() -> None:
    with pytest.raises(UsageError) as caught:
        lease_terms_from_json({"kinds": ["device"]})
    assert caught.value.message == "the terms' members is ['kinds']."


def test_a_long_value_is_told_in_short() -> None:
    assert refused(denied=("x" * 300,)) == "denied is ['" + "x" * 98 + "."
    assert refused(cool_down_seconds="y" * 99) == "cool_down_seconds is '" + "y" * 99 + "."

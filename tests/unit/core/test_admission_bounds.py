"""
Admission where its parts meet: who is counted, what is told and when it is over; and any case against a few lines of
its own (R-03, R-28, users-ask 10, 12, 16 to 19, 23).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core.admission import (
    ADMISSION_REASONS,
    Admitted,
    Circumstances,
    SeatClaim,
    admission_reason,
    decide_admission,
)
from carnet.core.conditions import Conditions
from carnet.core.decision import Refused
from carnet.core.instant import Instant
from carnet.core.model import LicenseType
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest
from carnet.core.tallies import Tally
from support.decisions import at, codes, policy

NOW = at(86_400)
A_YEAR = 365 * 86_400


def seat(number: int) -> HeldSeat:
    return HeldSeat(
        activation_id=f"activation-{number}", device=f"device-{number}", device_name="", activated_at=at(number)
    )


def decide(
    held: tuple[HeldSeat, ...],
    device: int = 9,
    *,
    used: int | None = None,
    limit: int | None = 2,
    claim: SeatClaim | None = None,
    kind: LicenseType = "perpetual",
    around: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    **conditions: Any,
) -> Admitted | Refused:
    return decide_admission(
        LicenseFacts(
            id="license-1", product="hustl", policy=policy(seat_limit=limit), seats_used=used, **(facts or {})
        ),
        held,
        SeatRequest(product="hustl", device=f"device-{device}"),
        claim=claim or SeatClaim(),
        around=Circumstances(conditions=Conditions(**conditions), license_type=kind, **(around or {})),
        now=NOW,
    )


def admitted(outcome: Admitted | Refused) -> Admitted:
    assert isinstance(outcome, Admitted), outcome
    return outcome


def refusal(outcome: Admitted | Refused) -> Refused:
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == outcome.reasons[0].code
    return outcome


# ── who is counted ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_counter_the_seats_that_are_listed_count() -> None:
    assert admitted(decide((seat(1),))).seats_used == 2
    assert codes(refusal(decide((seat(1), seat(2))))) == ["seat_limit_reached"]


def test_a_counter_counts_seats_that_are_not_listed() -> None:
    assert admitted(decide((), used=1)).seats_used == 2
    assert codes(refusal(decide((), used=2))) == ["seat_limit_reached"]
    own = admitted(decide((seat(9),), used=7))
    assert (own.existing, own.seats_used, own.mark) == (seat(9), 7, None)


@pytest.mark.parametrize("used", [None, 2])
def test_users_ask_19_whose_seat_is_given_up_is_counted_once(used: int | None) -> None:
    both = (seat(1), seat(2))
    twice = admitted(decide(both, used=used, claim=SeatClaim(replaces=(seat(1), seat(1)))))
    assert (twice.frees, twice.seats_used) == ((seat(1),), 2)
    user = SeatClaim(user="ada", user_seat=seat(1), replaces=(seat(1),))
    same = admitted(decide(both, used=used, claim=user, seat_scope="user"))
    assert (same.frees, same.seats_used, same.moves.count) == ((seat(1),), 2, 1)
    other = SeatClaim(user="ada", user_seat=seat(2), replaces=(seat(1),))
    two = admitted(decide(both, used=used, claim=other, seat_scope="user"))
    assert (two.frees, two.seats_used) == ((seat(1), seat(2)), 1)


def test_a_seat_of_nobody_is_given_up_by_nobody() -> None:
    stray = SeatClaim(user=None, user_seat=seat(1))
    assert codes(refusal(decide((seat(1),), claim=stray, seat_scope="user"))) == ["user_required"]
    assert codes(refusal(decide((seat(1), seat(2)), claim=stray, seat_scope="user"))) == [
        "seat_limit_reached",
        "user_required",
    ]


@pytest.mark.parametrize(("given_up", "mark"), [(0, "over_limit"), (1, None), (2, None)])
def test_users_ask_60_only_a_seat_more_than_before_is_told(given_up: int, mark: str | None) -> None:
    held = tuple(seat(number) for number in range(1, 5))
    claim = SeatClaim(replaces=held[:given_up])
    outcome = admitted(decide(held, used=4, limit=4, claim=claim, overage_percent=100))
    assert (outcome.seats_used, outcome.mark) == (5 - given_up, mark)


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_of_several_reasons_is_the_main_one() -> None:
    spent = {"trial_license": "license-2", "activations": Tally(count=1, began_at=NOW)}
    outcome = refusal(decide((), kind="trial", around=spent, seat_scope="user", activation_budget=1))
    assert codes(outcome) == ["user_required", "trial_used", "activation_budget_spent"]
    assert (outcome.code, outcome.license_id, outcome.activation_id) == ("user_required", "license-1", None)


def test_who_has_a_seat_is_named_in_its_refusal() -> None:
    claim = SeatClaim(replaces=(seat(1),))
    outcome = refusal(decide((seat(1), seat(9)), claim=claim, moves_per_year=0))
    assert (codes(outcome), outcome.activation_id) == (["move_quota_reached"], "activation-9")


def test_r_28_who_has_a_seat_is_not_asked_for_a_user() -> None:
    assert admitted(decide((seat(9),), seat_scope="user")).existing == seat(9)


def test_the_seat_rules_refusal_keeps_its_holders() -> None:
    outcome = refusal(decide((seat(1), seat(2)), seat_scope="user"))
    assert codes(outcome) == ["seat_limit_reached", "user_required"]
    assert [holder.activation_id for holder in outcome.holders] == ["activation-1", "activation-2"]


@pytest.mark.parametrize(("quota", "until"), [(0, ""), (1, "; it may be again on 2027-06-02 at 00:00 UTC")])
def test_users_ask_12_a_quota_of_none_is_never_over(quota: int, until: str) -> None:
    moves = Tally(count=5, began_at=NOW)
    outcome = refusal(
        decide((seat(1),), claim=SeatClaim(replaces=(seat(1),)), around={"moves": moves}, moves_per_year=quota)
    )
    told = f"This license was moved between devices as often as it may be{until}."
    assert [reason.message for reason in outcome.reasons] == [told]


def test_users_ask_18_a_spent_budget_tells_when_it_is_over() -> None:
    tally = Tally(count=2, began_at=NOW)
    outcome = refusal(decide((), around={"activations": tally}, activation_budget=2, activation_budget_seconds=3600))
    told = "This license was activated too often; it may be again on 2026-06-02 at 01:00 UTC."
    assert [reason.message for reason in outcome.reasons] == [told]


@pytest.mark.parametrize("code", sorted(ADMISSION_REASONS))
def test_every_reason_has_its_code_with_and_without_a_time(code: str) -> None:
    for until in (None, 0, int(NOW)):
        reason = admission_reason(code, until)
        assert reason.code == code
        assert "{" not in reason.message + reason.fix
    assert ("1970-01-01" in admission_reason(code, 0).message) is ("{until}" in ADMISSION_REASONS[code][0])


# ── trials and budgets ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["trial", "timed", "perpetual"])
def test_r_03_the_first_trial_is_noted_whatever_the_policy_asks(kind: LicenseType) -> None:
    for per_device in (True, False):
        assert admitted(decide((), kind=kind, trial_per_device=per_device)).is_first_trial is (kind == "trial")
    again = admitted(decide((), kind=kind, around={"trial_license": "license-1"}))
    assert not again.is_first_trial


def test_users_ask_18_the_budget_counts_new_seats_of_its_own_period() -> None:
    running = Tally(count=1, began_at=Instant(NOW - 9))
    spent = admitted(decide((), around={"activations": running}, activation_budget=2, activation_budget_seconds=10))
    assert spent.activations == Tally(count=2, began_at=Instant(NOW - 9))
    anew = admitted(decide((), around={"activations": running}, activation_budget=2, activation_budget_seconds=9))
    assert anew.activations == Tally(count=1, began_at=NOW)
    assert admitted(decide((), around={"activations": running})).activations == running  # no budget, nothing counted


def test_users_ask_12_a_move_is_counted_in_the_running_year() -> None:
    replaces = SeatClaim(replaces=(seat(1),))
    for before, count in ((A_YEAR - 1, 2), (A_YEAR, 1)):
        moves = Tally(count=1, began_at=Instant(NOW - before))
        outcome = admitted(decide((seat(1),), claim=replaces, around={"moves": moves}))
        assert outcome.moves.count == count
    moves = Tally(count=1, began_at=NOW)
    assert admitted(decide((), around={"moves": moves})).moves == moves
    own = SeatClaim(replaces=(seat(9),))  # its own seat is no move
    assert admitted(decide((seat(9),), claim=own, around={"moves": moves}, moves_per_year=0)).moves == moves


# ── any case ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    held=st.lists(st.integers(1, 6), unique=True, max_size=6),
    device=st.integers(1, 8),
    limit=st.one_of(st.none(), st.integers(1, 6)),
    percent=st.one_of(st.none(), st.sampled_from([0, 20, 50, 100])),
    given_up=st.integers(0, 3),
    scope=st.sampled_from(["device", "user"]),
    user=st.sampled_from([None, "ada"]),
    users_seat=st.booleans(),
    near=st.sampled_from([None, 50, 90]),
)
def test_users_ask_23_any_seats_against_a_few_lines(
    *,
    held: list[int],
    device: int,
    limit: int | None,
    percent: int | None,
    given_up: int,
    scope: Any,
    user: str | None,
    users_seat: bool,
    near: int | None,
) -> None:
    replaced = held[:given_up]
    own = held[-1] if users_seat and held else None
    claim = SeatClaim(
        user=user,
        user_seat=None if own is None else seat(own),
        replaces=tuple(seat(number) for number in replaced),
    )
    outcome = decide(
        tuple(seat(number) for number in held),
        device,
        limit=limit,
        claim=claim,
        overage_percent=percent,
        seat_scope=scope,
        near_limit_percent=near,
    )
    gone = set(replaced) | ({own} if scope == "user" and user is not None and own is not None else set())
    gone.discard(device)
    most = 10**6 if limit is None or percent is None else limit + limit * percent // 100
    expected = []
    if device not in held and not gone and len(held) >= most:
        expected.append("seat_limit_reached")
    if device not in held and scope == "user" and user is None:
        expected.append("user_required")
    if expected:
        assert codes(refusal(outcome)) == expected
        return
    found = admitted(outcome)
    after = (set(held) - gone) | {device}
    assert {each.device for each in found.frees} == {f"device-{number}" for number in gone}
    assert found.seats_used == len(after)
    assert (found.existing is None) is (device not in held)
    mark = None
    if limit is not None and len(after) > len(held):
        if len(after) > limit:
            mark = "over_limit"
        elif len(after) == limit:
            mark = "at_limit"
        elif near is not None and len(after) * 100 >= limit * near > (len(after) - 1) * 100:
            mark = "near_limit"
    assert found.mark == mark
    assert found.moves.count == (1 if set(replaced) - {device} else 0)

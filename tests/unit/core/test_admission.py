"""Seats under a policy's conditions (R-03, R-28, users-ask 10, 12, 16 to 19, 23)."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.admission import ADMISSION_REASONS, Admitted, Circumstances, SeatClaim, decide_admission
from carnet.core.conditions import MOVES_PERIOD_SECONDS, Conditions
from carnet.core.decision import Refused
from carnet.core.instant import DAY, Instant
from carnet.core.model import LicenseType
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest
from carnet.core.tallies import Tally
from support.decisions import at, codes, policy

NOW = at(DAY)


def seat(number: int) -> HeldSeat:
    return HeldSeat(
        activation_id=f"activation-{number}",
        device=f"device-{number}",
        device_name=f"Machine {number}",
        activated_at=at(number),
    )


def decide(
    held: int = 0,
    device: int = 9,
    *,
    limit: int | None = 2,
    claim: SeatClaim | None = None,
    kind: LicenseType = "perpetual",
    around: dict[str, Any] | None = None,
    now: Instant = NOW,
    facts: dict[str, Any] | None = None,
    **conditions: Any,
) -> Admitted | Refused:
    license_ = LicenseFacts(
        id="license-1", product="hustl", policy=policy(seat_limit=limit), seats_used=held, **(facts or {})
    )
    return decide_admission(
        license_,
        tuple(seat(number) for number in range(1, held + 1)),
        SeatRequest(product="hustl", device=f"device-{device}"),
        claim=claim or SeatClaim(),
        around=Circumstances(conditions=Conditions(**conditions), license_type=kind, **(around or {})),
        now=now,
    )


def admitted(outcome: Admitted | Refused) -> Admitted:
    assert isinstance(outcome, Admitted), outcome
    return outcome


def refused(outcome: Admitted | Refused) -> list[str]:
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == outcome.reasons[0].code
    assert outcome.license_id == "license-1"
    return codes(outcome)


# ── the limit, and above it ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("percent", "ceiling"), [(0, 10), (20, 12), (29, 12), (30, 13), (None, 99)])
def test_users_ask_23_overage_is_exact(percent: int | None, ceiling: int) -> None:
    for used in range(16):
        outcome = decide(used, 99, limit=10, overage_percent=percent)
        if used < ceiling:
            assert admitted(outcome).mark == (
                "over_limit" if used >= 10 else "at_limit" if used == 9 else "near_limit" if used == 8 else None
            )
            assert admitted(outcome).seats_used == used + 1
        else:
            assert refused(outcome) == ["seat_limit_reached"]


def test_users_ask_10_a_held_seat_is_never_refused_for_the_limit_and_tells_nothing() -> None:
    outcome = admitted(decide(8, 3, limit=1))
    assert outcome.existing == seat(3)
    assert (outcome.mark, outcome.seats_used) == (None, 8)


# ── seats that replace others ────────────────────────────────────────────────────────────────────────────────────────


def test_users_ask_19_a_seat_takes_the_place_of_one_or_of_all() -> None:
    one = admitted(decide(2, claim=SeatClaim(replaces=(seat(1),))))
    assert (one.frees, one.seats_used, one.mark) == ((seat(1),), 2, None)
    every = admitted(decide(2, claim=SeatClaim(replaces=(seat(1), seat(2)))))
    assert (every.frees, every.seats_used) == ((seat(1), seat(2)), 1)
    assert every.moves == Tally(count=1, began_at=NOW)  # one step, however many seats


def test_users_ask_10_a_replacement_needs_no_free_seat_also_above_a_lowered_limit() -> None:
    outcome = admitted(decide(8, limit=1, claim=SeatClaim(replaces=(seat(1),))))
    assert (outcome.frees, outcome.seats_used) == ((seat(1),), 8)


def test_a_device_that_has_a_seat_gives_up_the_others_and_never_its_own() -> None:
    outcome = admitted(decide(3, 1, limit=3, claim=SeatClaim(replaces=(seat(1), seat(2), seat(3)))))
    assert outcome.existing == seat(1)
    assert outcome.frees == (seat(2), seat(3))
    assert outcome.seats_used == 1


@pytest.mark.parametrize(("used", "seconds", "allowed"), [(2, 0, True), (3, 0, False), (3, -1, False), (3, 1, True)])
def test_users_ask_12_the_yearly_quota_of_moves(used: int, seconds: int, allowed: bool) -> None:  # noqa: FBT001
    moves = Tally(count=used, began_at=NOW)
    now = Instant(NOW + (MOVES_PERIOD_SECONDS + seconds - 1 if seconds else 0))
    outcome = decide(2, claim=SeatClaim(replaces=(seat(1),)), around={"moves": moves}, now=now, moves_per_year=3)
    if allowed:
        assert admitted(outcome).moves.count == (1 if seconds > 0 else used + 1)
    else:
        assert refused(outcome) == ["move_quota_reached"]


def test_users_ask_12_a_quota_of_none_forbids_moves_to_owners_and_not_to_the_vendor() -> None:
    assert refused(decide(2, claim=SeatClaim(replaces=(seat(1),)), moves_per_year=0)) == ["move_quota_reached"]
    vendor = admitted(decide(2, claim=SeatClaim(replaces=(seat(1),), by_vendor=True), moves_per_year=0))
    assert vendor.moves == Tally()
    assert admitted(decide(2, claim=SeatClaim(replaces=(seat(1),)), moves_per_year=None)).moves.count == 1


def test_the_quota_tells_when_it_is_over() -> None:
    outcome = decide(2, claim=SeatClaim(replaces=(seat(1),)), around={"moves": Tally(count=3, began_at=NOW)})
    assert isinstance(outcome, Refused)
    assert " it may be again on " in outcome.reasons[0].message


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_r_28_a_users_seat_moves_to_the_newest_device_and_counts_as_no_move() -> None:
    claim = SeatClaim(user="ada", user_seat=seat(1))
    outcome = admitted(decide(2, claim=claim, seat_scope="user", moves_per_year=0))
    assert (outcome.existing, outcome.frees, outcome.seats_used, outcome.moves) == (None, (seat(1),), 2, Tally())


def test_r_28_the_same_device_of_the_user_keeps_its_seat() -> None:
    outcome = admitted(decide(2, 1, claim=SeatClaim(user="ada", user_seat=seat(1)), seat_scope="user"))
    assert (outcome.existing, outcome.frees) == (seat(1), ())


def test_r_28_another_user_takes_another_seat() -> None:
    assert admitted(decide(1, claim=SeatClaim(user="bob"), seat_scope="user")).seats_used == 2
    assert refused(decide(2, claim=SeatClaim(user="bob"), seat_scope="user")) == ["seat_limit_reached"]


def test_r_28_seats_of_users_need_a_user() -> None:
    assert refused(decide(0, seat_scope="user")) == ["user_required"]
    assert admitted(decide(0, seat_scope="device")).seats_used == 1
    assert admitted(decide(1, 1, seat_scope="user")).existing == seat(1)  # it has one, and whose it is stays


def test_a_user_is_no_matter_where_seats_belong_to_devices() -> None:
    claim = SeatClaim(user="ada", user_seat=seat(1))
    assert admitted(decide(1, claim=claim)).frees == ()


# ── trials ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "had", "allowed"),
    [
        ("trial", None, True),
        ("trial", "license-1", True),  # its own trial, given back and taken again
        ("trial", "license-2", False),
        ("timed", "license-2", True),
        ("perpetual", "license-2", True),
    ],
)
def test_r_03_one_trial_per_device(kind: LicenseType, had: str | None, allowed: bool) -> None:  # noqa: FBT001
    outcome = decide(0, kind=kind, around={"trial_license": had})
    if not allowed:
        assert refused(outcome) == ["trial_used"]
        assert admitted(decide(0, kind=kind, around={"trial_license": had}, trial_per_device=False)).seats_used == 1
        return
    assert admitted(outcome).is_first_trial is (kind == "trial" and had is None)


def test_r_03_a_device_that_holds_its_seat_is_not_asked_about_trials() -> None:
    assert admitted(decide(1, 1, kind="trial", around={"trial_license": "license-2"})).existing == seat(1)


# ── the budget of activations ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "allowed"), [(-1, False), (0, True), (1, True)])
def test_users_ask_18_the_budget_of_new_seats(seconds: int, allowed: bool) -> None:  # noqa: FBT001
    given: dict[str, Any] = {"activation_budget": 2, "activation_budget_seconds": DAY}
    tally = Tally(count=2, began_at=NOW)
    outcome = decide(0, around={"activations": tally}, now=Instant(NOW + DAY + seconds), **given)
    if allowed:
        assert admitted(outcome).activations == Tally(count=1, began_at=Instant(NOW + DAY + seconds))
    else:
        assert refused(outcome) == ["activation_budget_spent"]


def test_users_ask_16_18_a_device_that_comes_back_spends_nothing() -> None:
    tally = Tally(count=2, began_at=NOW)
    outcome = admitted(decide(1, 1, around={"activations": tally}, activation_budget=2))
    assert (outcome.existing, outcome.activations) == (seat(1), tally)


def test_without_a_budget_nothing_is_counted() -> None:
    assert admitted(decide(0)).activations == Tally()


# ── all together ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_reason_is_told_the_seat_rules_first() -> None:
    outcome = decide(
        2,
        kind="trial",
        facts={"status": "suspended"},
        around={
            "trial_license": "license-2",
            "activations": Tally(count=1, began_at=NOW),
            "moves": Tally(count=9, began_at=NOW),
        },
        seat_scope="user",
        activation_budget=1,
        claim=SeatClaim(replaces=(seat(1),)),
    )
    assert refused(outcome) == [
        "license_suspended",
        "user_required",
        "trial_used",
        "activation_budget_spent",
        "move_quota_reached",
    ]


def test_reasons_are_sentences() -> None:
    for message, fix in ADMISSION_REASONS.values():
        assert message.endswith(".")
        assert fix.endswith(".")

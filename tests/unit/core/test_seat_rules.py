"""Seats: who gets one, who keeps one, and every reason why not."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.decision import Refused
from carnet.core.instant import DAY
from carnet.core.model import LicenseStatus
from carnet.core.seats import Granted, HeldSeat, LicenseFacts, SeatRequest, decide_activation, decide_refresh
from support.decisions import at, codes, policy


def facts(**changes: Any) -> LicenseFacts:
    rules = changes.pop("rules", {})
    base: dict[str, Any] = {"id": "license-1", "product": "hustl", "policy": policy(**rules)}
    return LicenseFacts(**{**base, **changes})


def seat(number: int) -> HeldSeat:
    return HeldSeat(
        activation_id=f"activation-{number}",
        device=f"device-{number}",
        device_name=f"Machine {number}",
        activated_at=at(number),
    )


def ask(number: int = 9, **changes: Any) -> SeatRequest:
    return SeatRequest(**{"product": "hustl", "device": f"device-{number}", **changes})


def refused(outcome: Granted | Refused) -> Refused:
    assert isinstance(outcome, Refused)
    assert outcome.code == outcome.reasons[0].code
    assert outcome.license_id == "license-1"
    assert not outcome.retryable
    return outcome


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_r_23_the_limit_is_exact(limit: int) -> None:
    for used in range(limit + 3):
        held = tuple(seat(number) for number in range(used))
        outcome = decide_activation(facts(rules={"seat_limit": limit}), held, ask(), at(DAY))
        assert (outcome == Granted()) is (used < limit)


def test_r_22_a_full_license_tells_who_holds_its_seats() -> None:
    outcome = refused(decide_activation(facts(), (seat(1), seat(2)), ask(), at(DAY)))
    assert codes(outcome) == ["seat_limit_reached"]
    assert outcome.reasons[0].message == "All seats of this license are in use (2 of 2)."
    assert [(holder.activation_id, holder.device_name, holder.activated_at) for holder in outcome.holders] == [
        ("activation-1", "Machine 1", at(1)),
        ("activation-2", "Machine 2", at(2)),
    ]


def test_users_ask_16_and_17_the_same_device_keeps_its_seat() -> None:
    held = (seat(1), seat(2))
    assert decide_activation(facts(), held, ask(2), at(DAY)) == Granted(existing=seat(2))


def test_users_ask_10_over_limit_never_blocks_seats_already_held() -> None:
    held = tuple(seat(number) for number in range(8))
    for number in range(8):
        outcome = decide_activation(facts(rules={"seat_limit": 1}), held, ask(number), at(DAY))
        assert outcome == Granted(existing=seat(number))
        assert decide_refresh(facts(rules={"seat_limit": 1}), held, ask(number), at(DAY)) == outcome
    refused(decide_activation(facts(rules={"seat_limit": 1}), held, ask(), at(DAY)))


def test_no_limit_is_no_limit() -> None:
    held = tuple(seat(number) for number in range(200))
    assert decide_activation(facts(rules={"seat_limit": None}), held, ask(999), at(DAY)) == Granted()


def test_a_counter_stands_for_seats_that_are_not_listed() -> None:
    assert decide_activation(facts(seats_used=1), (), ask(), at(DAY)) == Granted()
    outcome = refused(decide_activation(facts(seats_used=2), (), ask(), at(DAY)))
    assert outcome.reasons[0].message == "All seats of this license are in use (2 of 2)."
    assert decide_activation(facts(seats_used=2), (seat(1),), ask(1), at(DAY)) == Granted(existing=seat(1))


STATUSES: list[tuple[LicenseStatus, str]] = [("suspended", "license_suspended"), ("revoked", "license_revoked")]


@pytest.mark.parametrize(("status", "code"), STATUSES)
@pytest.mark.parametrize("number", [1, 9])
def test_a_stopped_license_serves_nobody(status: LicenseStatus, code: str, number: int) -> None:
    held = (seat(1),)
    assert codes(refused(decide_activation(facts(status=status), held, ask(number), at(DAY)))) == [code]
    assert codes(refused(decide_refresh(facts(status=status), held, ask(number), at(DAY))))[0] == code


@pytest.mark.parametrize(("seconds", "new", "old"), [(-1, True, True), (0, False, True), (1, False, True)])
def test_after_its_expiry_a_license_takes_no_new_device(seconds: int, new: bool, old: bool) -> None:  # noqa: FBT001
    given = facts(expires_at=at(5 * DAY))
    now = at(5 * DAY + seconds)
    assert isinstance(decide_activation(given, (seat(1),), ask(), now), Granted) is new
    assert isinstance(decide_activation(given, (seat(1),), ask(1), now), Granted) is old


@pytest.mark.parametrize(("seconds", "granted"), [(-1, True), (0, False), (1, False)])
def test_after_the_terms_grace_even_a_held_device_must_renew(seconds: int, granted: bool) -> None:  # noqa: FBT001
    given = facts(expires_at=at(5 * DAY), rules={"term_grace_seconds": 2 * DAY})
    now = at(7 * DAY + seconds)
    for rule in (decide_activation, decide_refresh):
        outcome = rule(given, (seat(1),), ask(1), now)
        assert isinstance(outcome, Granted) is granted
        if isinstance(outcome, Refused):
            assert codes(outcome) == ["license_expired"]
            assert outcome.activation_id == "activation-1"


@pytest.mark.parametrize(("seconds", "granted"), [(-1, False), (0, True), (1, True)])
def test_before_its_start_a_license_takes_nobody(seconds: int, granted: bool) -> None:  # noqa: FBT001
    outcome = decide_activation(facts(starts_at=at(DAY)), (), ask(), at(DAY + seconds))
    assert isinstance(outcome, Granted) is granted
    if isinstance(outcome, Refused):
        assert codes(outcome) == ["license_not_started"]


def test_sec_05_products_are_compared_exactly() -> None:
    for product in ("hustl2", "hust", "Hustl", ""):
        assert refused(decide_activation(facts(), (), ask(product=product), at(0))).code == "wrong_product"


def test_r_27_domain_licenses_need_a_covered_domain() -> None:
    given = facts(rules={"domains": ("example.com", "*.example.org")})
    for domain in ("example.com", "a.example.org"):
        assert decide_activation(given, (), ask(domain=domain), at(0)) == Granted()
    for other in (None, "", "a.example.com", "notexample.com", "example.com.evil.example"):
        assert codes(refused(decide_activation(given, (), ask(domain=other), at(0)))) == ["wrong_domain"]
    assert decide_activation(facts(), (), ask(domain="anything"), at(0)) == Granted()


def test_every_reason_is_told_in_the_order_of_states() -> None:
    given = facts(
        status="revoked",
        starts_at=at(9 * DAY),
        expires_at=at(DAY),
        rules={"domains": ("example.com",), "seat_limit": 1},
    )
    outcome = refused(decide_activation(given, (seat(1),), ask(product="other"), at(5 * DAY)))
    assert codes(outcome) == [
        "wrong_product",
        "wrong_domain",
        "license_revoked",
        "license_not_started",
        "license_expired",
        "seat_limit_reached",
    ]
    assert outcome.holders == ()  # only the limit itself is a reason to name them


def test_a_refresh_never_takes_a_seat() -> None:
    outcome = refused(decide_refresh(facts(), (seat(1),), ask(), at(DAY)))
    assert codes(outcome) == ["activation_not_found"]
    assert decide_refresh(facts(), (seat(1),), ask(1), at(DAY)) == Granted(existing=seat(1))

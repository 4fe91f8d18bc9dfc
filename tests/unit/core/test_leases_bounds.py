"""
Floating leases decided on without a database: each reason by its code and in its place, each bound to the second
(R-01, REL-10, REL-23; specs/lease.md §5 and §6; users-ask 10, 17, 20, 21, 24, 25).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.decision import Refused, SeatHolder
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.lease_reasons import LEASE_REASONS, lease_reason
from carnet.core.lease_slots import Area
from carnet.core.lease_terms import LeaseGroup, LeaseHolder, LeaseTerms
from carnet.core.leases import (
    Continued,
    Lease,
    LeaseEnding,
    LeaseRequest,
    LeaseWindow,
    PoolFacts,
    Wanted,
    decide_claim,
    decide_renew,
    lease_window,
    refuse_full,
)
from carnet.core.seats import LicenseFacts
from support.decisions import at, codes, policy

NOW = at(100_000)
SERVICE = 5_000
ADA = LeaseHolder(kind="user", id="ada")
BOB = LeaseHolder(kind="user", id="bob")
TERMS = LeaseTerms(limit=3, default_ttl_seconds=90, min_ttl_seconds=30, max_ttl_seconds=300)
AFTER_TERM = 1_000
"""The license's own grace in these tests."""


def lease(**changes: Any) -> Lease:
    """Ada's, given 60 seconds ago for 90."""
    usual: dict[str, Any] = {
        "id": "lease-1",
        "license_id": "license-1",
        "slot": 2,
        "holder": ADA,
        "name": "",
        "is_borrowed": False,
        "asked_seconds": None,
        "ttl_seconds": 90,
        "claimed_at": Instant(NOW - 60),
        "renewed_at": Instant(NOW - 60),
        "deadline": SERVICE + 30,
        "expires_at": Instant(NOW + 30),
        "covered_until": Instant(NOW + 30),
        "released_at": None,
        "jti": "token-1",
        "kid": "kid-1",
    }
    return Lease(**{**usual, **changes})


OVER = {"deadline": SERVICE, "expires_at": NOW, "covered_until": NOW}


def ending(**changes: Any) -> LeaseEnding:
    usual: dict[str, Any] = {
        "lease_id": "lease-1",
        "license_id": "license-1",
        "holder": ADA,
        "at": Instant(NOW - 10),
        "reason": "moved",
        "blocked_until": Instant(NOW + 10),
    }
    return LeaseEnding(**{**usual, **changes})


def facts(*, terms: LeaseTerms | None = TERMS, license_: dict[str, Any] | None = None, **changes: Any) -> PoolFacts:
    known = LicenseFacts(
        id="license-1", product="hustl", policy=policy(term_grace_seconds=AFTER_TERM), **(license_ or {})
    )
    return PoolFacts(license=known, terms=terms, service_now=SERVICE, **changes)


def asks(holder: LeaseHolder = ADA, **changes: Any) -> LeaseRequest:
    return LeaseRequest(**{"product": "hustl", "holder": holder, **changes})


def wanted(outcome: object) -> Wanted:
    assert isinstance(outcome, Wanted), outcome
    return outcome


def continued(outcome: object) -> Continued:
    assert isinstance(outcome, Continued), outcome
    return outcome


def refused(outcome: object) -> list[str]:
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == outcome.reasons[0].code
    assert outcome.license_id == "license-1"
    assert (outcome.retryable, outcome.activation_id, outcome.holders) == (False, None, ())
    return codes(outcome)


def message(outcome: object) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.reasons[-1].message


# ── when a lease is live ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("service", "wall", "live"),
    [(-1, -1, True), (-1, 0, True), (-1, 1, True), (0, -1, True), (1, -1, True), (0, 0, False), (1, 1, False)],
)
def test_rel_10_a_lease_is_live_until_both_clocks_have_passed(service: int, wall: int, live: bool) -> None:  # noqa: FBT001
    held = lease(deadline=SERVICE, expires_at=Instant(NOW - 500), covered_until=NOW)
    assert held.is_live(SERVICE + service, Instant(NOW + wall)) is live
    given_back = replace(held, released_at=Instant(NOW - 1))
    assert given_back.is_live(SERVICE + service, Instant(NOW + wall)) is False


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_holder_wants_a_slot_of_the_general_area() -> None:
    outcome = wanted(decide_claim(facts(), asks(), NOW))
    assert outcome == Wanted(
        areas=(Area(name="", first=0, end=3),),
        window=LeaseWindow(
            ttl_seconds=90,
            issued_at=Instant(NOW - 60),
            expires_at=Instant(NOW + 90),
            deadline=SERVICE + 90,
            renew_after=Instant(NOW + 30),
        ),
        is_borrowed=False,
        keep=None,
    )


def test_users_ask_24_a_groups_holder_wants_its_groups_slots_first() -> None:
    groups = (
        LeaseGroup(name="lab", slots=1, holders=("user:bob",)),
        LeaseGroup(name="office", slots=1, holders=("user:ada",)),
    )
    found = facts(terms=replace(TERMS, groups=groups))
    assert [area.name for area in wanted(decide_claim(found, asks(), NOW)).areas] == ["office", ""]
    assert [area.first for area in wanted(decide_claim(found, asks(BOB), NOW)).areas] == [0, 2]


def test_users_ask_17_the_same_holder_gets_the_lease_it_has() -> None:
    outcome = continued(decide_claim(facts(lease=lease()), asks(), NOW))
    assert (outcome.lease, outcome.is_borrowed) == (lease(), False)
    assert outcome.window.expires_at == NOW + 90


def test_a_claim_never_goes_on_with_a_lease_that_is_over() -> None:
    assert wanted(decide_claim(facts(lease=lease(**OVER)), asks(), NOW)).keep is None
    released = lease(released_at=Instant(NOW - 1))
    assert wanted(decide_claim(facts(lease=released), asks(), NOW)).keep is None


@pytest.mark.parametrize(
    ("at_", "until", "cools"),
    [(-1, 1, True), (0, 1, True), (1, 2, False), (-1, 0, False), (-1, -1, False), (0, 0, False)],
)
def test_users_ask_25_a_holder_cools_down_after_the_vendor_ended_its_lease(at_: int, until: int, cools: bool) -> None:  # noqa: FBT001
    forced = ending(at=Instant(NOW + at_), blocked_until=Instant(NOW + until))
    outcome = decide_claim(facts(ending=forced), asks(), NOW)
    if cools:
        assert refused(outcome) == ["lease_cooling_down"]
        assert " (moved)" in message(outcome)
    else:
        wanted(outcome)
    continued(decide_claim(facts(ending=forced, lease=lease()), asks(), NOW))  # who has one is not kept waiting


def test_users_ask_25_how_long_a_holder_waits_is_told_with_the_vendors_reason_if_there_is_one() -> None:
    silent = decide_claim(facts(ending=ending(reason="")), asks(), NOW)
    assert isinstance(silent, Refused)
    (reason,) = silent.reasons
    assert reason.message == "The vendor took this holder's lease away, and it gets no other one for now."
    assert reason.fix == "Wait until 2026-06-02 at 03:46 UTC, or ask the vendor."


def test_what_is_not_read_under_the_lock_counts_as_nothing() -> None:
    known = PoolFacts(license=facts().license, terms=TERMS, service_now=SERVICE)
    assert known == facts(lease=None, ending=None, is_registered=False, borrowed=0)
    once = replace(known, terms=replace(TERMS, max_borrow_seconds=9, borrow_limit=1))
    assert wanted(decide_claim(once, asks(borrow=True), NOW)).is_borrowed


# ── renewals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_live_lease_is_renewed() -> None:
    outcome = continued(decide_renew(facts(lease=lease()), asks(), NOW))
    assert outcome.lease.id == "lease-1"
    assert (outcome.window.expires_at, outcome.window.deadline) == (NOW + 90, SERVICE + 90)


def test_rel_10_a_late_holder_goes_on_where_its_slot_is_free() -> None:
    late = lease(**OVER)
    outcome = wanted(decide_renew(facts(lease=late), asks(), NOW))
    assert outcome.keep == late
    assert not outcome.is_borrowed


def test_a_borrowed_lease_that_is_over_is_an_ordinary_one_afterwards() -> None:
    outcome = wanted(decide_renew(facts(lease=lease(is_borrowed=True, **OVER)), asks(), NOW))
    assert not outcome.is_borrowed


def test_a_lease_of_another_holder_is_none() -> None:
    assert refused(decide_renew(facts(lease=lease()), asks(BOB), NOW)) == ["lease_not_found"]
    assert refused(decide_renew(facts(), asks(), NOW)) == ["lease_not_found"]


def test_what_was_given_back_or_ended_is_told_apart() -> None:
    back = decide_renew(facts(lease=lease(released_at=Instant(NOW - 3600))), asks(), NOW)
    assert refused(back) == ["lease_released"]
    assert message(back) == "This lease was ended on 2026-06-02 at 02:46 UTC."
    forced = decide_renew(facts(lease=lease(), ending=ending(at=Instant(NOW - 3600))), asks(), NOW)
    assert refused(forced) == ["lease_released"]
    assert message(forced) == "This lease was ended on 2026-06-02 at 02:46 UTC (moved)."
    assert message(decide_renew(facts(ending=ending(reason="")), asks(), NOW)).endswith("UTC.")


def test_a_renewal_tells_what_is_wrong_with_the_license_first() -> None:
    off: dict[str, Any] = {"status": "suspended"}
    assert refused(decide_renew(facts(license_=off), asks(), NOW)) == ["license_suspended", "lease_not_found"]
    back = lease(released_at=NOW)
    assert refused(decide_renew(facts(license_=off, lease=back), asks(), NOW)) == [
        "license_suspended",
        "lease_released",
    ]
    forced = facts(license_=off, lease=lease(), ending=ending())
    assert refused(decide_renew(forced, asks(), NOW)) == ["license_suspended", "lease_released"]
    denied = facts(license_=off, lease=lease(), terms=replace(TERMS, denied=("user:ada",)))
    assert refused(decide_renew(denied, asks(), NOW)) == ["license_suspended", "holder_denied"]


# ── what speaks against it ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_reason_is_told_in_the_order_of_the_design() -> None:
    worst = facts(
        terms=replace(TERMS, kinds=("device",), denied=("user:ada",), registered_only=True),
        license_={"status": "revoked", "starts_at": Instant(NOW + 1), "expires_at": NOW},
        ending=ending(),
    )
    assert refused(decide_claim(worst, asks(product="other", borrow=True), NOW)) == [
        "wrong_product",
        "license_revoked",
        "license_not_started",
        "license_expired",
        "holder_kind_refused",
        "holder_denied",
        "holder_not_registered",
        "lease_cooling_down",
        "borrowing_refused",
    ]


@pytest.mark.parametrize(
    ("license_", "code"),
    [({"status": "revoked"}, "license_revoked"), ({"status": "suspended"}, "license_suspended")],
)
def test_a_license_that_is_stopped_gives_no_leases(license_: dict[str, Any], code: str) -> None:
    assert refused(decide_claim(facts(license_=license_), asks(), NOW)) == [code]
    assert refused(decide_renew(facts(license_=license_, lease=lease()), asks(), NOW)) == [code]


@pytest.mark.parametrize(("seconds", "early"), [(-1, False), (0, False), (1, True)])
def test_nothing_is_given_before_the_start(seconds: int, early: bool) -> None:  # noqa: FBT001
    outcome = decide_claim(facts(license_={"starts_at": Instant(NOW + seconds)}), asks(), NOW)
    if early:
        assert refused(outcome) == ["license_not_started"]
    else:
        wanted(outcome)


@pytest.mark.parametrize("after", [-1, 0, AFTER_TERM - 1, AFTER_TERM])
def test_users_ask_10_who_holds_a_lease_may_use_the_terms_grace_and_nobody_new(after: int) -> None:
    """The license ended *after* seconds ago."""
    known: dict[str, Any] = {"expires_at": Instant(NOW - after)}
    new = decide_claim(facts(license_=known), asks(), NOW)
    again = decide_claim(facts(license_=known, lease=lease()), asks(), NOW)
    renewed = decide_renew(facts(license_=known, lease=lease()), asks(), NOW)
    late = decide_renew(facts(license_=known, lease=lease(**OVER)), asks(), NOW)
    if after < 0:
        assert wanted(new).window.expires_at == NOW + 1  # nothing passes the license's own end
        assert continued(again).window.expires_at == NOW + 1
        return
    assert refused(new) == ["license_expired"]
    if after == AFTER_TERM:
        assert [refused(each) for each in (again, renewed, late)] == [["license_expired"]] * 3
        return
    end = NOW + min(90, AFTER_TERM - after)
    assert continued(again).window.expires_at == end
    assert continued(renewed).window.expires_at == end
    assert wanted(late).window.expires_at == end


def test_a_license_without_terms_has_no_pool() -> None:
    assert refused(decide_claim(facts(terms=None), asks(), NOW)) == ["leases_not_offered"]
    assert refused(decide_claim(facts(terms=None), asks(borrow=True), NOW)) == ["leases_not_offered"]
    assert refused(decide_renew(facts(terms=None, lease=lease()), asks(), NOW)) == ["leases_not_offered"]


def test_users_ask_21_kinds_of_holders() -> None:
    found = facts(terms=replace(TERMS, kinds=("device", "process")))
    outcome = decide_claim(found, asks(), NOW)
    assert refused(outcome) == ["holder_kind_refused"]
    assert message(outcome) == "This license gives no floating seats to holders of this kind (user)."
    assert isinstance(outcome, Refused)
    assert outcome.reasons[0].fix == "Claim one for another kind of holder (device, process)."
    wanted(decide_claim(found, asks(LeaseHolder(kind="process", id="ada")), NOW))


def test_users_ask_20_registered_devices_only() -> None:
    device = LeaseHolder(kind="device", id="d-1")
    terms = replace(TERMS, kinds=("device",), registered_only=True)
    assert refused(decide_claim(facts(terms=terms), asks(device), NOW)) == ["holder_not_registered"]
    wanted(decide_claim(facts(terms=terms, is_registered=True), asks(device), NOW))
    wanted(decide_claim(facts(terms=replace(terms, registered_only=False)), asks(device), NOW))


def test_the_deny_list_names_holders_exactly() -> None:
    found = facts(terms=replace(TERMS, denied=("user:ada", "device:bob")))
    assert refused(decide_claim(found, asks(), NOW)) == ["holder_denied"]
    wanted(decide_claim(found, asks(BOB), NOW))


# ── borrowing ────────────────────────────────────────────────────────────────────────────────────────────────────────

TRAVEL = replace(TERMS, max_borrow_seconds=10_000, borrow_limit=2)


def test_where_nobody_may_borrow_it_is_said() -> None:
    assert refused(decide_claim(facts(), asks(borrow=True), NOW)) == ["borrowing_refused"]
    assert refused(decide_renew(facts(lease=lease()), asks(borrow=True), NOW)) == ["borrowing_refused"]
    one_second = facts(terms=replace(TERMS, max_borrow_seconds=1))
    assert wanted(decide_claim(one_second, asks(borrow=True), NOW)).is_borrowed


@pytest.mark.parametrize(("borrowed", "fits"), [(0, True), (1, True), (2, False), (3, False)])
def test_users_ask_25_as_many_are_borrowed_as_may_be(borrowed: int, fits: bool) -> None:  # noqa: FBT001
    known = facts(terms=TRAVEL, borrowed=borrowed)
    outcome = decide_claim(known, asks(borrow=True), NOW)
    assert not wanted(decide_claim(known, asks(), NOW)).is_borrowed  # an ordinary lease is not in question
    if fits:
        assert wanted(outcome).is_borrowed
    else:
        assert refused(outcome) == ["borrow_limit_reached"]
        assert f"({borrowed} of 2)" in message(outcome)
    endless = replace(known, terms=replace(TRAVEL, borrow_limit=None))
    assert wanted(decide_claim(endless, asks(borrow=True), NOW)).is_borrowed


def test_who_has_borrowed_already_is_not_counted_against_itself() -> None:
    full = facts(terms=TRAVEL, borrowed=2, lease=lease(is_borrowed=True))
    assert continued(decide_claim(full, asks(borrow=True), NOW)).is_borrowed
    assert continued(decide_renew(full, asks(borrow=True), NOW)).is_borrowed
    ordinary = replace(full, lease=lease())
    assert refused(decide_claim(ordinary, asks(borrow=True), NOW)) == ["borrow_limit_reached"]
    # nor asked again whether it may, after the terms changed
    stopped = replace(full, terms=TERMS)
    assert continued(decide_renew(stopped, asks(borrow=True), NOW)).is_borrowed


def test_a_borrowed_lease_stays_borrowed_and_an_ordinary_one_becomes_it_when_asked() -> None:
    borrowed = facts(terms=TRAVEL, lease=lease(is_borrowed=True))
    assert continued(decide_renew(borrowed, asks(), NOW)).is_borrowed
    ordinary = facts(terms=TRAVEL, lease=lease())
    assert not continued(decide_renew(ordinary, asks(), NOW)).is_borrowed
    assert continued(decide_renew(ordinary, asks(borrow=True), NOW)).is_borrowed


# ── times ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def window(
    known: PoolFacts | None = None,
    *,
    now: Instant = NOW,
    is_borrowed: bool = False,
    held: Lease | None = None,
    **asked: Any,
) -> LeaseWindow:
    known = known or facts()
    assert known.terms is not None
    return lease_window(known.terms, known, asks(**asked), now, is_borrowed=is_borrowed, held=held)


@pytest.mark.parametrize(
    ("asked", "ttl"), [(None, 90), (1, 30), (29, 30), (30, 30), (31, 31), (299, 299), (300, 300), (301, 300)]
)
def test_asked_times_are_brought_within_the_terms(asked: int | None, ttl: int) -> None:
    found = window(ttl_seconds=asked)
    assert (found.ttl_seconds, found.expires_at, found.deadline) == (ttl, NOW + ttl, SERVICE + ttl)


@pytest.mark.parametrize(
    ("longest", "asked", "ttl"),
    [
        (10_000, None, 90),
        (10_000, 1, 30),
        (10_000, 9_999, 9_999),
        (10_000, 10_000, 10_000),
        (10_000, 10_001, 10_000),
        (100, 301, 300),  # borrowing is never shorter than not borrowing
    ],
)
def test_borrowed_ones_last_as_long_as_the_longest_borrowing(longest: int, asked: int | None, ttl: int) -> None:
    known = facts(terms=replace(TERMS, max_borrow_seconds=longest))
    assert window(known, borrow=True, is_borrowed=True, ttl_seconds=asked).ttl_seconds == ttl


@pytest.mark.parametrize("later", [-1, 0, 1])
def test_a_renewal_never_shortens_a_borrowed_lease(later: int) -> None:
    """Of a lease that ends *later* seconds after an ordinary one would."""
    end, deadline = Instant(NOW + 90 + later), SERVICE + 90 + later
    held = lease(is_borrowed=True, expires_at=end, deadline=deadline)
    kept = window(held=held, is_borrowed=True)
    assert (kept.expires_at, kept.deadline) == (NOW + max(90, 90 + later), SERVICE + max(90, 90 + later))
    for other in (window(held=replace(held, is_borrowed=False), is_borrowed=True), window(held=held)):
        assert (other.expires_at, other.deadline) == (NOW + 90, SERVICE + 90)


@pytest.mark.parametrize(("ttl", "after"), [(1, 1), (2, 1), (3, 1), (5, 1), (6, 2), (7, 2), (90, 30)])
def test_it_is_renewed_after_a_third_of_its_time(ttl: int, after: int) -> None:
    known = facts(terms=LeaseTerms(limit=1))
    assert window(known, ttl_seconds=ttl).renew_after == NOW + after


@pytest.mark.parametrize(("now", "issued"), [(0, 0), (59, 0), (60, 0), (61, 1), (1000, 940)])
def test_sec_04_it_is_dated_a_minute_back(now: int, issued: int) -> None:
    assert window(now=Instant(now)).issued_at == issued


@pytest.mark.parametrize(("left", "end"), [(91, 90), (90, 90), (89, 89), (0, 0)])
def test_no_time_is_later_than_can_be_written(left: int, end: int) -> None:
    now = Instant(MAX_INSTANT - left)
    found = window(now=now)
    assert found.expires_at == now + end
    assert found.renew_after == now + min(30, left)


@pytest.mark.parametrize(
    ("before_end", "end"),
    [(91, 90), (90, 90), (89, 89), (1, 1), (0, 90), (-1, 90), (-AFTER_TERM + 90, 90), (-AFTER_TERM + 89, 89)],
)
def test_nothing_passes_the_licenses_end_nor_afterwards_its_grace(before_end: int, end: int) -> None:
    known = facts(license_={"expires_at": Instant(NOW + before_end)})
    found = window(known)
    assert (found.expires_at, found.deadline, found.ttl_seconds) == (NOW + end, SERVICE + 90, 90)


@given(
    st.integers(1, 400),
    st.integers(0, 500),
    st.booleans(),
    st.one_of(st.none(), st.tuples(st.booleans(), st.integers(1, 900))),
    st.one_of(st.none(), st.integers(-999, 900)),
)
def test_rel_10_times_agree_with_what_the_spec_says(
    asked: int,
    longest: int,
    borrow: bool,  # noqa: FBT001
    held: tuple[bool, int] | None,
    license_left: int | None,
) -> None:
    known = facts(
        terms=replace(TERMS, max_borrow_seconds=longest),
        license_={} if license_left is None else {"expires_at": Instant(NOW + license_left)},
        lease=None
        if held is None
        else lease(is_borrowed=held[0], expires_at=Instant(NOW + held[1]), covered_until=Instant(NOW + held[1])),
    )
    outcome = decide_claim(known, asks(borrow=borrow, ttl_seconds=asked), NOW)
    is_expired = license_left is not None and license_left <= 0
    was_borrowed = held is not None and held[0]
    expected = []
    if is_expired and held is None:
        expected.append("license_expired")
    if borrow and longest == 0 and not was_borrowed:
        expected.append("borrowing_refused")
    if expected:
        assert refused(outcome) == expected
        return
    assert isinstance(outcome, Wanted | Continued)
    assert isinstance(outcome, Wanted) is (held is None)
    assert outcome.is_borrowed is (borrow or was_borrowed)
    most = max(longest, 300) if borrow else 300
    ends = [NOW + sorted((30, asked, most))[1]]
    if held is not None and held[0]:
        ends.append(NOW + held[1])
    end = max(ends)
    if license_left is not None:
        end = min(end, NOW + license_left + (AFTER_TERM if is_expired else 0))
    assert outcome.window.expires_at == end


# ── no slot is free ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_pool_says_who_has_the_seats() -> None:
    holders = (lease(), lease(id="lease-2", holder=BOB, name="bobs-laptop", claimed_at=Instant(NOW - 7)))
    outcome = refuse_full(facts(), holders)
    assert outcome.code == "lease_limit_reached"
    assert codes(outcome) == ["lease_limit_reached"]
    assert outcome.license_id == "license-1"
    assert outcome.holders == (
        SeatHolder(activation_id="lease-1", device_name="ada", activated_at=Instant(NOW - 60)),
        SeatHolder(activation_id="lease-2", device_name="bobs-laptop", activated_at=Instant(NOW - 7)),
    )
    assert outcome.reasons[0].message == "All floating seats of this license are in use (3 of 3)."


@pytest.mark.parametrize("terms", [None, replace(TERMS, limit=None)])
def test_without_a_limit_no_number_is_told(terms: LeaseTerms | None) -> None:
    outcome = refuse_full(facts(terms=terms), ())
    assert outcome.reasons[0].message == "All floating seats of this license are in use."
    assert outcome.holders == ()


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", sorted(LEASE_REASONS))
def test_every_reason_is_a_sentence_with_and_without_what_it_may_tell(code: str) -> None:
    bare = lease_reason(code)
    empty = lease_reason(code, leases=None, at=None, why=None, until=None, kind=None, allowed=None)
    assert bare == empty == lease_reason(code, why="", allowed=())
    told = lease_reason(code, leases="1 of 1", at=NOW, why="a\nb", until=NOW, kind="user", allowed=("device", "user"))
    assert bare.code == told.code == code
    for text in (bare.message, bare.fix, told.message, told.fix):
        assert text.endswith(".")
        assert "{" not in text
        assert text.isprintable()
    template = "".join(LEASE_REASONS[code])
    for name, phrase in (
        ("leases", " (1 of 1)"),
        ("at", " on 2026-06-02 at 03:46 UTC"),
        ("why", " (a?b)"),
        ("until", " until 2026-06-02 at 03:46 UTC"),
        ("kind", " (user)"),
        ("allowed", " (device, user)"),
    ):
        assert (phrase in told.message + told.fix) is (f"{{{name}}}" in template)


def test_a_reason_of_the_license_is_the_cores_own() -> None:
    assert lease_reason("license_expired", at=NOW).message != lease_reason("license_expired").message
    assert lease_reason("wrong_product", product="other").code == "wrong_product"

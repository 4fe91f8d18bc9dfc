"""What holds of every decision, whatever the evidence (specs/decision.md §5 and §11)."""

from __future__ import annotations

import json
from itertools import chain, combinations, pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.decision import Access, Decision, Evidence, Host, State
from carnet.core.facts import FOREIGN
from carnet.core.instant import DAY, MAX_INSTANT, Instant
from carnet.core.model import Fault, Grant, Refusal
from carnet.core.notices import NOTICES
from carnet.core.reasons import REASONS, UNTOUCHING
from carnet.core.reasons import REFUSALS as REFUSAL_STATES
from carnet.core.rules import PRECEDENCE, decide
from support.arbitrary import EVIDENCE, FAULTS, GRANTS, HOSTS, INSTANTS, REFUSALS
from support.decisions import DEVICE, HOST, at, codes, grant
from support.situations import BAD_FAULT, FACTS, NOW, REFUSED_WITHOUT_GRANT, situation, situation_without_grant

RANK = {"none": 0, "limited": 1, "full": 2}

STATES_OF_CODES: dict[str, set[State]] = {
    **{code: {state} for code, state in FOREIGN.items()},
    **{code: {state} for code, state in REFUSAL_STATES.items()},
    "license_expired": {"grace", "expired"},
    "not_yet_valid": {"not_started"},
    "clock_suspect": {"clock_suspect"},
    "clock_countdown": {"expiring"},
    "offline_window_over": {"grace", "expired"},
    "needs_refresh": {"needs_refresh"},
    "edition_mismatch": {"edition_mismatch"},
    "version_not_covered": {"edition_mismatch"},
    "license_term_ending": {"expiring"},
    "offline_window_ending": {"expiring"},
    **{key: {"not_activated"} for key in UNTOUCHING},
    "not_genuine": {"not_genuine"},
}

ACCESS: dict[State, set[Access]] = {
    "active": {"full"},
    "expiring": {"full"},
    "grace": {"full", "limited"},
    "needs_refresh": {"limited"},
    "clock_suspect": {"limited"},
    "edition_mismatch": {"limited"},
}


def keys(decision: Decision) -> set[str]:
    return {entitlement.key for entitlement in decision.entitlements}


@given(EVIDENCE, INSTANTS, HOSTS)
def test_every_evidence_has_a_decision_that_is_whole(evidence: Evidence, now: Instant, host: Host) -> None:
    decision = decide(evidence, now, host)
    assert decision.state in PRECEDENCE
    assert decision.access in ACCESS.get(decision.state, {"none"})
    assert bool(decision) is (decision.access != "none")
    assert (decision.state == "active") is (decision.reasons == ()) is (decision.notice is None)
    assert len(set(codes(decision))) == len(decision.reasons)
    if decision.reasons:
        allowed = STATES_OF_CODES.get(decision.reasons[0].code, {"not_genuine", "not_activated"})
        assert decision.state in allowed
    if decision.notice is not None:
        assert decision.notice.code in NOTICES
        assert "{" not in decision.notice.title
    if decision.access == "none":
        assert decision.entitlements == ()
        assert decision.days_left in (0, None)
    assert decision.product == host.product
    assert json.loads(json.dumps(decision.to_json()))["state"] == decision.state
    for instant in (decision.offline_until, decision.grace_until, decision.renew_after, decision.checked_at):
        assert instant is None or (type(instant) is Instant and 0 <= instant <= MAX_INSTANT)


@given(EVIDENCE, INSTANTS, HOSTS, st.randoms(use_true_random=False))
def test_the_order_of_evidence_never_matters(
    evidence: Evidence, now: Instant, host: Host, random: st.DataObject
) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(random.sample(items, len(items)))  # type: ignore[attr-defined]

    other = replace(
        evidence,
        grants=shuffled(evidence.grants),
        faults=shuffled(evidence.faults),
        refusals=shuffled(evidence.refusals),
    )
    assert decide(other, now, host) == decide(evidence, now, host)


@given(EVIDENCE, INSTANTS, INSTANTS, HOSTS)
def test_time_alone_never_gives_access_back(evidence: Evidence, one: Instant, two: Instant, host: Host) -> None:
    earlier, later = sorted((one, two))
    before = decide(evidence, earlier, host)
    assume("license_not_started" not in codes(before) and "not_yet_valid" not in codes(before))
    after = decide(evidence, later, host)
    assert RANK[after.access] <= RANK[before.access]
    assert keys(after) <= keys(before)
    if before.state == "expired":
        assert after.state == "expired"


@given(EVIDENCE, INSTANTS, HOSTS)
def test_sec_29_a_trusted_time_is_a_later_clock(evidence: Evidence, now: Instant, host: Host) -> None:
    trusted = evidence.trusted_at
    judged = now if trusted is None else max(now, trusted)
    assert decide(evidence, now, host) == decide(replace(evidence, trusted_at=None), Instant(judged), host)


@given(EVIDENCE, INSTANTS, HOSTS, st.integers(-5, 20 * DAY), st.integers(-5, 20 * DAY))
def test_a_host_can_only_tighten(evidence: Evidence, now: Instant, host: Host, offline: int, grace: int) -> None:
    loose = replace(host, max_offline_seconds=None, max_grace_seconds=None)
    tight = replace(host, max_offline_seconds=offline, max_grace_seconds=grace)
    tighter = replace(host, max_offline_seconds=offline // 2, max_grace_seconds=grace // 2)
    decisions = [decide(evidence, now, each) for each in (loose, tight, tighter)]
    for wide, narrow in pairwise(decisions):
        assert RANK[narrow.access] <= RANK[wide.access]
        assert keys(narrow) <= keys(wide)
        for end in ("offline_until", "grace_until", "renew_after"):
            bound = getattr(wide, end)
            assert bound is None or min(getattr(narrow, end), bound) == getattr(narrow, end)


@given(EVIDENCE, INSTANTS, HOSTS)
def test_grace_never_passes_the_term_and_its_own_grace(evidence: Evidence, now: Instant, host: Host) -> None:
    for each in evidence.grants:
        alone = decide(replace(evidence, grants=(each,)), now, host)
        expires_at = each.license_expires_at
        if expires_at is not None:
            end = expires_at + max(0, each.policy.term_grace_seconds)
            assert alone.grace_until is not None
            assert alone.grace_until <= end
            if alone.checked_at >= end:
                assert alone.state not in ("grace", "expiring", "active", "needs_refresh", "edition_mismatch")
                assert "license_expired" in codes(alone)


@given(EVIDENCE, INSTANTS, HOSTS, REFUSALS)
def test_a_refusal_never_gives_access(evidence: Evidence, now: Instant, host: Host, refusal: Refusal) -> None:
    before = decide(evidence, now, host)
    after = decide(replace(evidence, refusals=(*evidence.refusals, refusal)), now, host)
    assert RANK[after.access] <= RANK[before.access]
    if refusal.code not in REFUSAL_STATES and before:
        assert after == before  # REL-16, users-ask 10: only a code that means it shortens a grant


@given(EVIDENCE, INSTANTS, HOSTS, FAULTS)
def test_rel_16_a_broken_artifact_beside_a_grant_changes_neither_state_nor_access(
    evidence: Evidence, now: Instant, host: Host, fault: Fault
) -> None:
    before = decide(evidence, now, host)
    after = decide(replace(evidence, faults=(*evidence.faults, fault)), now, host)
    if before:
        assert (after.state, after.access, after.entitlements) == (before.state, before.access, before.entitlements)
        assert after.reasons[: len(before.reasons)] == before.reasons or evidence.faults
    else:
        assert not after


@given(EVIDENCE, INSTANTS, HOSTS, GRANTS)
def test_a_foreign_grant_beside_the_right_one_changes_nothing(
    evidence: Evidence, now: Instant, host: Host, foreign: Grant
) -> None:
    before = decide(evidence, now, host)
    foreign = replace(foreign, product="another")
    after = decide(replace(evidence, grants=(*evidence.grants, foreign)), now, host)
    if before:
        assert after == before
    else:
        assert not after


@given(EVIDENCE, INSTANTS, HOSTS)
def test_full_grace_allows_all_that_limited_grace_allows(evidence: Evidence, now: Instant, host: Host) -> None:
    def with_grace(access: str) -> Decision:
        grants = tuple(replace(each, policy=replace(each.policy, grace_access=access)) for each in evidence.grants)
        return decide(replace(evidence, grants=grants), now, host)

    limited, full = with_grace("limited"), with_grace("full")
    assert limited.state == full.state
    assert keys(limited) <= keys(full)


@given(st.integers(-DAY, 400 * DAY), st.integers(1, 365 * DAY), st.integers(0, 30 * DAY))
def test_days_left_count_the_begun_day(seconds: int, ttl: int, grace: int) -> None:
    given_ = grant(offline_until=at(ttl), grace_seconds=grace, issued_at=at(-DAY), not_before=at(-DAY))
    decision = decide(Evidence(grants=(given_,), device=DEVICE), at(seconds), HOST)
    left = ttl - seconds if seconds < ttl else ttl + grace - seconds
    assert decision.days_left is not None
    assert decision.days_left * DAY >= left
    assert (decision.days_left - 1) * DAY < left or decision.days_left == 0
    assert (decision.days_left == 0) is (decision.state == "expired")
    if decision.notice is not None and decision.state in ("expiring", "grace"):
        days = "1 day" if decision.days_left == 1 else f"{decision.days_left} days"
        assert f" {days}" in decision.notice.title + decision.notice.text


def _subsets(states: tuple[State, ...]) -> list[tuple[State, ...]]:
    return list(chain.from_iterable(combinations(states, size) for size in range(len(states) + 1)))


def test_precedence_holds_for_every_set_of_facts() -> None:
    for states in _subsets(tuple(FACTS)):
        evidence, host = situation(states)
        decision = decide(evidence, NOW, host)
        assert codes(decision) == [FACTS[state] for state in states], states
        assert decision.state == (states[0] if states else "active"), states
        assert decision.access == {"grace": "limited"}.get(decision.state, min(ACCESS.get(decision.state, {"none"})))


def test_precedence_holds_for_every_set_of_facts_without_a_grant() -> None:
    order: tuple[State, ...] = ("not_genuine", *REFUSED_WITHOUT_GRANT)
    names = {"not_genuine": BAD_FAULT.code, **REFUSED_WITHOUT_GRANT}
    for states in _subsets(order):
        decision = decide(situation_without_grant(states), NOW, HOST)
        assert codes(decision) == [names[state] for state in states] or not states
        assert decision.state == (states[0] if states else "not_activated")
        assert not decision


def test_the_order_of_states_is_that_of_the_design() -> None:
    assert ["not_genuine", *FACTS, "active"] == list(PRECEDENCE)
    assert set(STATES_OF_CODES) - {"does_not_open"} == set(REASONS)

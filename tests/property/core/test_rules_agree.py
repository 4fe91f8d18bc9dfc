"""Seats, issuing rules and decision agree with each other, over any policy that a vendor may write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carnet.core.decision import Host, Refused
from carnet.core.domains import canonical_domain, canonical_pattern, domain_matches
from carnet.core.instant import DAY, Instant
from carnet.core.model import Policy
from carnet.core.policies import (
    MAX_GRACE_SECONDS,
    MAX_TERM_GRACE_SECONDS,
    MAX_TTL_SECONDS,
    check_policy,
    policy_from_json,
    policy_to_json,
)
from carnet.core.rules import decide
from carnet.core.seats import Granted, HeldSeat, LicenseFacts, SeatRequest, decide_activation, decide_refresh
from carnet.core.terms import offline_window
from carnet.core.versions import covers, parse_core
from support.decisions import DEVICE, at, evidence, grant

_TTL = st.one_of(st.integers(1, 300), st.integers(1, MAX_TTL_SECONDS))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    first, second = sorted((draw(_TTL), draw(_TTL)))
    return Policy(
        name="any",
        offline_ttl_seconds=first,
        max_offline_ttl_seconds=second,
        token_ttl_seconds=draw(_TTL),
        grace_seconds=draw(st.integers(0, MAX_GRACE_SECONDS)),
        term_grace_seconds=draw(st.integers(0, MAX_TERM_GRACE_SECONDS)),
        grace_access=draw(st.sampled_from(["full", "limited"])),
        refresh_after_seconds=draw(_TTL),
        warn_before_seconds=draw(st.one_of(st.none(), st.integers(0, MAX_TTL_SECONDS))),
        seat_limit=draw(st.one_of(st.none(), st.integers(1, 4))),
    )


MOMENTS = st.builds(at, st.integers(-400 * DAY, 400 * DAY))


@given(policies())
def test_policies_survive_their_json_form(policy: Policy) -> None:
    check_policy(policy)
    assert policy_from_json(policy_to_json(policy)) == policy


@given(policies(), MOMENTS, st.one_of(st.none(), _TTL), st.one_of(st.none(), MOMENTS), st.one_of(st.none(), MOMENTS))
def test_sec_04_what_a_seat_is_granted_for_is_dated_well_and_opens_the_app(
    policy: Policy, now: Instant, ttl: int | None, starts_at: Instant | None, expires_at: Instant | None
) -> None:
    facts = LicenseFacts(id="license-1", product="hustl", policy=policy, starts_at=starts_at, expires_at=expires_at)
    mine = HeldSeat(activation_id="activation-1", device=DEVICE, device_name="", activated_at=now)
    if isinstance(decide_refresh(facts, (mine,), SeatRequest(product="hustl", device=DEVICE), now), Refused):
        return
    window = offline_window(policy, now, ttl_seconds=ttl, license_starts_at=starts_at, license_expires_at=expires_at)
    for until in (window.machine_file_until, window.token_until):
        assert window.issued_at == now - 60
        assert window.issued_at <= window.not_before <= now < until
        assert until - window.issued_at <= MAX_TTL_SECONDS
    assert window.token_until <= window.machine_file_until
    assert window.machine_file_until - now <= policy.max_offline_ttl_seconds
    assert window.machine_file_until - window.issued_at <= max(120, policy.max_offline_ttl_seconds)
    for kind, until in (("machine-file", window.machine_file_until), ("token", window.token_until)):
        artifact = grant(
            kind=kind,
            policy=policy,
            issued_at=window.issued_at,
            not_before=window.not_before,
            offline_until=until,
            license_starts_at=starts_at,
            license_expires_at=expires_at,
        )
        decision = decide(evidence(artifact), now, Host(product="hustl"))
        assert decision.state in ("active", "expiring", "grace")
        assert (decision.state == "grace") is (expires_at is not None and now >= expires_at)
        assert decision.renew_after is not None
        assert decision.renew_after <= window.renew_after


@given(policies(), st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=30))
def test_rel_01_seats_never_exceed_the_limit_and_a_device_has_one(
    policy: Policy, commands: list[tuple[bool, int]]
) -> None:
    facts = LicenseFacts(id="license-1", product="hustl", policy=policy)
    held: tuple[HeldSeat, ...] = ()
    for number, (wants, device) in enumerate(commands):
        name = f"device-{device}"
        if not wants:
            held = tuple(seat for seat in held if seat.device != name)
            continue
        outcome = decide_activation(facts, held, SeatRequest(product="hustl", device=name), at(number))
        mine = [seat for seat in held if seat.device == name]
        if mine:
            assert outcome == Granted(existing=mine[0])
        elif isinstance(outcome, Granted):
            new = HeldSeat(activation_id=str(number), device=name, device_name=name, activated_at=at(number))
            held = (*held, new)
        else:
            assert len(held) == policy.seat_limit
            assert len(outcome.holders) == len(held)
    assert policy.seat_limit is None or len(held) <= policy.seat_limit
    assert len({seat.device for seat in held}) == len(held)


_LABELS = st.text("abc-*.:/éX1", max_size=12)


@given(_LABELS, _LABELS)
def test_r_27_a_pattern_never_covers_more_than_one_label(domain: str, pattern: str) -> None:
    host, covered = canonical_domain(domain), canonical_pattern(pattern)
    expected = False
    if host is not None and covered is not None:
        expected = host == covered
        if covered.startswith("*."):
            expected = host.split(".")[1:] == covered.split(".")[1:]
    assert domain_matches(domain, pattern) is expected


@given(_LABELS)
def test_the_one_spelling_of_a_domain_is_stable(text: str) -> None:
    for canonical in (canonical_domain, canonical_pattern):
        spelled = canonical(text)
        assert spelled is None or canonical(spelled) == spelled


_VERSIONS = st.lists(st.integers(0, 30), min_size=1, max_size=3)


@given(_VERSIONS, _VERSIONS, st.sampled_from(["", "-rc.1", "+5", "-a+b", " "]))
def test_versions_compare_by_number(version: list[int], below: list[int], tail: str) -> None:
    def padded(numbers: list[int]) -> list[int]:
        return [*numbers, 0, 0][:3]

    text = ".".join(map(str, version)) + tail
    assert covers(text, ".".join(map(str, below))) is (padded(version) < padded(below))


@given(st.text(), st.text())
def test_a_version_that_cannot_be_read_is_covered(version: str, below: str) -> None:
    if parse_core(version) is None or parse_core(below) is None:
        assert covers(version, below)

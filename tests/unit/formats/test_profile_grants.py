"""A decision on the grant of a profile token says what the dialect's own judgement says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carnet.core._base import replace
from carnet.core.decision import Evidence, Host
from carnet.core.instant import DAY, Instant
from carnet.core.rules import decide
from carnet.formats.profiles.grants import keyforge_grant, traffic_orchestrator_grant
from carnet.formats.profiles.keyforge import KeyforgeFacts, judge_keyforge_token
from carnet.formats.profiles.traffic_orchestrator import TrafficOrchestratorFacts, judge_traffic_orchestrator_token
from support.profile_tokens import KEYFORGE_FACTS, KEYFORGE_LICENSE, ORCHESTRATOR_FACTS

BEGINS = KEYFORGE_FACTS.issued_at
STATES = {
    "wrong_product": "wrong_product",
    "wrong_device": "wrong_device",
    "wrong_domain": "wrong_domain",
    "not_yet_valid": "not_started",
    "license_expired": "expired",
    "offline_window_over": "expired",
}
OFFSETS = st.one_of(st.sampled_from([0, 1, DAY - 1, DAY, DAY + 1, 30 * DAY]), st.integers(0, 400 * DAY))
TIMES = OFFSETS.map(lambda seconds: Instant(BEGINS + seconds))
PATTERNS = ("example.com", "*.example.com", "**.apps.example.org", "internal", "*.internal", "192.0.2.1", "*")
HOSTS = (
    "example.com",
    "www.example.com",
    "a.b.example.com",
    "example.com.evil.net",
    "apps.example.org",
    "a.b.apps.example.org",
    "EXAMPLE.com:8443",
    "internal",
    "a.internal",
    "192.0.2.1",
    "https://www.example.com/",
    "",
    "no domain",
)


@st.composite
def keyforge_facts(draw: st.DrawFn) -> KeyforgeFacts:
    kind = draw(st.sampled_from(["perpetual", "timed"]))
    ends = None if kind == "perpetual" else draw(TIMES)
    status = "active" if kind == "perpetual" else draw(st.sampled_from(["active", "fallbacked"]))
    shown: Any = {"type": kind, "expires_at": ends}
    return replace(
        KEYFORGE_FACTS,
        status=status,
        license=replace(KEYFORGE_LICENSE, **shown),
        expires_at=Instant(BEGINS + 1 + draw(OFFSETS)),
        not_before=draw(st.one_of(st.none(), TIMES)),
        id=draw(st.sampled_from([None, "t-1"])),
    )


@given(
    facts=keyforge_facts(),
    now=TIMES,
    product=st.sampled_from(["p_9f3k2a", "p_other"]),
    device=st.sampled_from(["host-7c1e", "x"]),
)
def test_keyforge_judges_as_the_decision_does(facts: KeyforgeFacts, now: Instant, product: str, device: str) -> None:
    verdict = judge_keyforge_token(facts, now=now, products=product, device=device)
    evidence = Evidence(grants=(keyforge_grant(facts),), device=device, trusted_at=facts.issued_at)
    decision = decide(evidence, now, Host(product=product))
    assert bool(decision) == verdict.is_usable
    assert not decision or decision.access == "full"
    if verdict.reasons:
        states = {STATES[reason.code] for reason in verdict.reasons}
        assert decision.state in states
        assert {reason.code for reason in verdict.reasons} <= {reason.code for reason in decision.reasons}


@given(
    domains=st.one_of(st.none(), st.lists(st.sampled_from(PATTERNS), max_size=3).map(tuple)),
    host=st.one_of(st.none(), st.sampled_from(HOSTS)),
    now=TIMES,
    ends=OFFSETS,
)
@example(domains=(), host="example.com", now=BEGINS, ends=DAY)
@example(domains=(), host=None, now=BEGINS, ends=DAY)
@example(domains=("**.apps.example.org",), host="a.b.apps.example.org", now=BEGINS, ends=DAY)
def test_traffic_orchestrator_judges_as_the_decision_does(
    domains: tuple[str, ...] | None, host: str | None, now: Instant, ends: int
) -> None:
    facts: TrafficOrchestratorFacts = replace(
        ORCHESTRATOR_FACTS, domains=domains, expires_at=Instant(BEGINS + 1 + ends)
    )
    verdict = judge_traffic_orchestrator_token(facts, now=now, domain=host)
    grant = traffic_orchestrator_grant(facts, product="hustl", domain=host)
    decision = decide(Evidence(grants=(grant,)), now, Host(product="hustl", domain=host))
    assert bool(decision) == verdict.is_usable
    assert any(reason.code == "wrong_domain" for reason in verdict.reasons) == (decision.state == "wrong_domain")


def test_the_license_key_stays_out_of_the_grant() -> None:
    assert KEYFORGE_LICENSE.key not in repr(keyforge_grant(KEYFORGE_FACTS))


@pytest.mark.parametrize("id_", [None, "t-1"])
def test_a_grant_has_an_id_of_its_own(id_: str | None) -> None:
    first = keyforge_grant(replace(KEYFORGE_FACTS, id=id_))
    later = keyforge_grant(replace(KEYFORGE_FACTS, id=id_, issued_at=Instant(BEGINS + 1)))
    assert (first.id == later.id) == (id_ is not None)

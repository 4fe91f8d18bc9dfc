"""specs/token-profiles.md §7.1: every member of a grant that is made from another system's token."""

from __future__ import annotations

import pytest

from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.core.model import Grant, Policy
from carnet.formats.profiles.grants import keyforge_grant, traffic_orchestrator_grant
from support.profile_tokens import KEYFORGE_FACTS, KEYFORGE_LICENSE, ORCHESTRATOR_FACTS

A_DAY = 86_400
AT = KEYFORGE_FACTS.issued_at


def plain_policy(name: str, seconds: int, refresh: int, **changes: object) -> Policy:
    """Full use for *seconds* and not one more."""
    usual = Policy(
        name=name,
        offline_ttl_seconds=seconds,
        max_offline_ttl_seconds=seconds,
        token_ttl_seconds=seconds,
        grace_seconds=0,
        term_grace_seconds=0,
        grace_access="full",
        refresh_after_seconds=refresh,
        seat_limit=None,
    )
    return replace(usual, **changes)


def test_a_keyforge_token_grants_what_it_says() -> None:
    facts = replace(KEYFORGE_FACTS, expires_at=Instant(AT + 30 * A_DAY), id="t-1", kid="k-1")
    found = keyforge_grant(facts)
    assert found.license_id.startswith("key-")
    assert len(found.license_id) == 4 + 32
    assert found == Grant(
        kind="token",
        id="t-1",
        issuer="k-1",
        product="p_9f3k2a",
        license_id=found.license_id,
        issued_at=AT,
        not_before=AT,
        offline_until=Instant(AT + 30 * A_DAY),
        policy=plain_policy("keyforge", 30 * A_DAY, A_DAY, seat_limit=3),
        device="host-7c1e",
        license_expires_at=None,
        kid="k-1",
    )
    nameless = keyforge_grant(replace(facts, id=None, kid=None))
    assert (nameless.id, nameless.issuer, nameless.kid) == (f"{found.license_id}/{int(AT)}", "unknown", None)


@pytest.mark.parametrize(("lasts", "refresh"), [(1, 1), (A_DAY - 1, A_DAY - 1), (A_DAY, A_DAY), (A_DAY + 1, A_DAY)])
def test_a_grant_lasts_as_long_as_its_token(lasts: int, refresh: int) -> None:
    end = Instant(AT + lasts)
    assert keyforge_grant(replace(KEYFORGE_FACTS, expires_at=end)).policy == plain_policy(
        "keyforge", lasts, refresh, seat_limit=3
    )
    facts = replace(ORCHESTRATOR_FACTS, issued_at=AT, expires_at=end, plan="team", domains=None)
    assert traffic_orchestrator_grant(facts, product="hustl", domain=None).policy == plain_policy(
        "team", lasts, refresh
    )


def test_only_an_active_keyforge_license_has_an_end_of_its_own() -> None:
    end = Instant(AT + 5)
    timed = replace(KEYFORGE_FACTS, license=replace(KEYFORGE_LICENSE, type="timed", expires_at=end))
    assert keyforge_grant(timed).license_expires_at == end
    assert keyforge_grant(replace(timed, status="fallbacked")).license_expires_at is None


@pytest.mark.parametrize(("later", "begins"), [(None, 0), (-1, 0), (0, 0), (1, 1)])
def test_a_grant_begins_with_the_later_of_two_times(later: int | None, begins: int) -> None:
    not_before = None if later is None else Instant(AT + later)
    assert keyforge_grant(replace(KEYFORGE_FACTS, not_before=not_before)).not_before == AT + begins


def test_one_license_key_is_one_license() -> None:
    first = keyforge_grant(KEYFORGE_FACTS).license_id
    other = replace(KEYFORGE_FACTS, license=replace(KEYFORGE_LICENSE, key=KEYFORGE_LICENSE.key[::-1]))
    assert keyforge_grant(replace(KEYFORGE_FACTS, id="t-2")).license_id == first
    assert keyforge_grant(other).license_id != first


def test_a_traffic_orchestrator_token_grants_what_it_says() -> None:
    facts = replace(ORCHESTRATOR_FACTS, id="t-1", kid="k-1", domains=None, plan="team")
    found = traffic_orchestrator_grant(facts, product="hustl", domain="example.com")
    lasts = facts.expires_at - facts.issued_at
    assert found == Grant(
        kind="token",
        id="t-1",
        issuer="k-1",
        product="hustl",
        license_id="lic_01J8ZK",
        issued_at=facts.issued_at,
        not_before=facts.issued_at,
        offline_until=facts.expires_at,
        policy=plain_policy("team", lasts, A_DAY),
        kid="k-1",
    )
    for plan in (None, ""):
        unnamed = traffic_orchestrator_grant(replace(facts, plan=plan), product="hustl", domain=None)
        assert unnamed.policy.name == "unknown"


@pytest.mark.parametrize(
    ("domains", "host", "named"),
    [
        (None, "example.com", ()),
        (("example.com",), "example.com", ()),
        (("example.com",), "other.com", ("example.com",)),
        (("example.com",), None, ("example.com",)),
        ((), "example.com", ("no domain",)),
        ((), None, ("no domain",)),
    ],
)
def test_domains_are_named_where_they_do_not_cover_the_host(
    domains: tuple[str, ...] | None, host: str | None, named: tuple[str, ...]
) -> None:
    facts = replace(ORCHESTRATOR_FACTS, domains=domains)
    assert traffic_orchestrator_grant(facts, product="hustl", domain=host).policy.domains == named

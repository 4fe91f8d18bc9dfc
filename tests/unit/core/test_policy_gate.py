"""Policies: the presets, every bound at -1, 0, +1, overrides, and the plain JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carnet.core.errors import UsageError
from carnet.core.instant import DAY
from carnet.core.model import Entitlement, Policy
from carnet.core.policies import (
    MAX_SEATS,
    PRESETS,
    check_policy,
    entitlement_from_json,
    entitlement_to_json,
    is_domain_pattern,
    is_entitlement_key,
    override,
    policy_from_json,
    policy_to_json,
)
from support.decisions import at, policy

TEN_YEARS = 3650 * DAY


def refused(call: Any, *arguments: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    assert caught.value.code == "bad_policy"
    assert caught.value.message.endswith(".")
    assert caught.value.fix.endswith(".")
    assert len(str(caught.value)) < 600
    return caught.value


def test_r_02_the_presets_are_the_plans_of_the_seed() -> None:
    plans = {
        name: (plan.offline_ttl_seconds // DAY, plan.grace_seconds // DAY, plan.seat_limit)
        for name, plan in PRESETS.items()
    }
    assert plans == {"consumer": (30, 7, 2), "professional": (45, 30, 2), "enterprise": (365, 30, 10)}
    for name, plan in PRESETS.items():
        check_policy(plan)
        assert plan.name == name
        assert plan.grace_access == "limited"
        assert plan.require_activation


BOUNDS = [
    ("offline_ttl_seconds", 1, TEN_YEARS),
    ("max_offline_ttl_seconds", 30 * DAY, TEN_YEARS),
    ("token_ttl_seconds", 1, TEN_YEARS),
    ("grace_seconds", 0, 2_592_000),
    ("term_grace_seconds", 0, 365 * DAY),
    ("refresh_after_seconds", 1, TEN_YEARS),
    ("warn_before_seconds", 0, TEN_YEARS),
    ("seat_limit", 1, MAX_SEATS),
    ("max_revocation_age_seconds", 1, TEN_YEARS),
]


@pytest.mark.parametrize(("member", "least", "most"), BOUNDS)
def test_each_number_has_its_bounds(member: str, least: int, most: int) -> None:
    def with_value(value: Any) -> Policy:
        cap = {"max_offline_ttl_seconds": TEN_YEARS} if member == "offline_ttl_seconds" else {}
        return policy(**{**cap, member: value})

    for value in (least, least + 1, most - 1, most):
        check_policy(with_value(value))
    for bad in (least - 1, most + 1, -1, True, 5.0, "5", float("nan"), 10**30):
        assert member in str(refused(check_policy, with_value(bad)))


@pytest.mark.parametrize("member", ["warn_before_seconds", "seat_limit", "max_revocation_age_seconds"])
def test_unset_is_a_value_where_it_means_something(member: str) -> None:
    check_policy(policy(**{member: None}))


@pytest.mark.parametrize(
    ("member", "bad"),
    [
        ("offline_ttl_seconds", None),
        ("grace_seconds", None),
        ("name", ""),
        ("name", "x" * 101),
        ("name", "a\nb"),
        ("name", None),
        ("grace_access", "none"),
        ("grace_access", None),
        ("clock_strictness", "on"),
        ("require_activation", 1),
        ("require_activation", None),
        ("edition", ""),
        ("edition", "\x1b"),
        ("edition", 7),
        ("below_version", ""),
        ("below_version", "three"),
        ("below_version", "1.2.3.4"),
        ("below_version", 3),
        ("below_version", "1" * 256),
        ("below_version", "3.0-\x07"),
        ("below_version", "3.0\n"),
        ("below_version", "3.0+\u202e"),
        ("essential", ["open"]),
        ("essential", ("Open",)),
        ("essential", ("open", "open")),
        ("essential", (1,)),
        ("essential", tuple(f"key-{number}" for number in range(501))),
        ("entitlements", None),
        ("entitlements", ("open",)),
        ("entitlements", (Entitlement(key=""),)),
        ("entitlements", (Entitlement(key="a"), Entitlement(key="a"))),
        ("entitlements", (Entitlement(key="a", below_version="soon"),)),
        ("entitlements", (Entitlement(key="a", expires_at=5),)),  # type: ignore[arg-type]
        ("domains", "example.com"),
        ("domains", ("Example.com",)),
        ("domains", ("*.com",)),
        ("domains", ("a.*.com",)),
        ("domains", (None,)),
        ("domains", tuple(f"a{number}.example" for number in range(501))),
    ],
)
def test_what_means_nothing_is_refused_with_its_name(member: str, bad: object) -> None:
    assert member.partition("_")[0] in str(refused(check_policy, policy(**{member: bad})))


def test_a_window_longer_than_its_cap_is_a_contradiction() -> None:
    check_policy(policy(offline_ttl_seconds=5, max_offline_ttl_seconds=5))
    error = refused(check_policy, policy(offline_ttl_seconds=6, max_offline_ttl_seconds=5))
    assert "max_offline_ttl_seconds" in error.fix


FULL = Policy(
    name="full",
    offline_ttl_seconds=5 * DAY,
    max_offline_ttl_seconds=9 * DAY,
    token_ttl_seconds=DAY,
    grace_seconds=0,
    term_grace_seconds=1,
    grace_access="full",
    refresh_after_seconds=60,
    warn_before_seconds=0,
    require_activation=False,
    seat_limit=None,
    essential=("open", "save"),
    entitlements=(Entitlement(key="a"), Entitlement(key="b", expires_at=at(5), below_version="3.0")),
    edition="studio",
    below_version="4",
    domains=("example.com", "*.example.org"),
    clock_strictness="countdown",
    max_revocation_age_seconds=7,
)


@pytest.mark.parametrize("given", [*PRESETS.values(), FULL])
def test_the_json_form_holds_everything(given: Policy) -> None:
    plain = json.loads(json.dumps(policy_to_json(given)))
    assert set(plain) == set(Policy.__fields__)
    assert policy_from_json(plain) == given
    assert hash(policy_from_json(plain)) == hash(given)


def test_missing_members_have_their_defaults() -> None:
    assert policy_from_json({"name": "consumer"}) == PRESETS["consumer"]
    assert policy_from_json({"name": "long", "offline_ttl_seconds": 90 * DAY}).max_offline_ttl_seconds == 90 * DAY


def test_unknown_members_and_a_missing_name_are_refused() -> None:
    assert "seats" in str(refused(policy_from_json, {"name": "x", "seats": 5}))
    refused(policy_from_json, {"seat_limit": 5})
    refused(policy_from_json, {"name": "x", "__class__": 5})


def test_r_05_a_license_overrides_what_it_names_and_inherits_the_rest() -> None:
    changed = override(FULL, {"seat_limit": 7, "essential": ["open"], "entitlements": ["x", {"key": "y"}]})
    assert changed.seat_limit == 7
    assert changed.essential == ("open",)
    assert changed.entitlements == (Entitlement(key="x"), Entitlement(key="y"))
    assert changed.domains == FULL.domains
    assert override(FULL, {}) == FULL
    assert override(FULL, {"edition": None}).edition is None


def test_a_longer_window_lifts_its_cap_unless_that_is_given() -> None:
    assert override(PRESETS["consumer"], {"offline_ttl_seconds": 60 * DAY}).max_offline_ttl_seconds == 60 * DAY
    assert override(FULL, {"offline_ttl_seconds": 6 * DAY}).max_offline_ttl_seconds == 9 * DAY
    refused(override, FULL, {"offline_ttl_seconds": 60 * DAY, "max_offline_ttl_seconds": 9 * DAY})
    refused(override, FULL, {"offline_ttl_seconds": "60"})


def test_a_license_cannot_rename_its_policy_nor_break_a_bound() -> None:
    refused(override, FULL, {"name": "other"})
    refused(override, FULL, {"seat_limit": 0})
    refused(override, FULL, {"seats": 1})


@pytest.mark.parametrize(
    "bad",
    [
        5,
        None,
        [],
        {},
        {"key": "a", "more": 1},
        {"expires_at": None},
        {"key": "a", "expires_at": "tomorrow"},
        {"key": "a", "expires_at": 5},
        {"key": "a", "below_version": 5},
        {"key": 5},
        {"key": "A"},
        "A",
    ],
)
def test_an_entitlement_of_another_shape_is_refused(bad: object) -> None:
    refused(policy_from_json, {"name": "x", "entitlements": [bad]})


def test_entitlements_survive_their_json_form() -> None:
    for entitlement in FULL.entitlements:
        assert entitlement_from_json(json.loads(json.dumps(entitlement_to_json(entitlement)))) == entitlement


def test_names_are_those_of_the_contract() -> None:
    assert all(is_entitlement_key(key) for key in ("a", "9", "export-pdf", "a_b", "x" * 100))
    assert not any(is_entitlement_key(key) for key in ("", "-a", "_a", "A", "a.b", "é", "x" * 101, 5, None))
    assert all(is_domain_pattern(each) for each in ("example.com", "localhost", "*.example.com", "127.0.0.1"))
    assert not any(is_domain_pattern(each) for each in ("", "*", "*.com", "**.example.com", "EXAMPLE.com", "a:1", None))

"""License models over HTTP: what the vendor sets, what devices meet (specs/http-api.md §4.2, §4.6, §7)."""

from __future__ import annotations

from typing import Any

import pytest

from support.vendor import Vendor, fingerprint


def plan(vendor: Vendor, **members: Any) -> dict[str, Any]:
    """A policy of a fresh product."""
    product = vendor.product()
    made: dict[str, Any] = vendor.made("/policies", {"product": product, "name": "plan", **members})
    return made


def sold(vendor: Vendor, policy: dict[str, Any], **members: Any) -> Any:
    return vendor.license(policy["product"], policy=policy["name"], **members)


def problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    code: str = answer.json()["code"]
    return code


def test_a_policys_conditions_are_written_shown_kept_and_replaced(vendor: Vendor) -> None:
    made = plan(vendor, conditions={"overage_percent": 20, "meters": [{"name": "exports", "limit": 3}]})
    assert made["conditions"]["overage_percent"] == 20
    assert made["conditions"]["meters"] == [{"name": "exports", "period": "month", "limit": 3, "overage": "refuse"}]
    assert made["conditions"]["moves_per_year"] == 3
    path = f"/policies/{made['product']}/plan"
    kept = vendor.admin("PUT", path, {"rules": {"seat_limit": 9}}).json()
    assert kept["conditions"] == made["conditions"]
    replaced = vendor.admin("PUT", path, {"rules": {}, "conditions": {"seat_scope": "user"}}).json()
    assert (replaced["conditions"]["seat_scope"], replaced["conditions"]["overage_percent"]) == ("user", 0)
    for wrong in ({"anchor_day": 32}, {"start_basis": "never"}, {"unheard_of": 1}, {"meters": [{"name": "A b"}]}):
        answer = vendor.admin("PUT", path, {"rules": {}, "conditions": wrong})
        assert answer.status_code == 400, answer.text


def test_a_license_waits_for_its_first_activation_and_has_months(vendor: Vendor) -> None:
    policy = plan(vendor, license_type="timed", conditions={"duration_months": 12, "start_basis": "first_activation"})
    made = sold(vendor, policy)
    assert (made["starts_at"], made["expires_at"], made["starts_with"]) == (None, None, "first_activation")
    answer = vendor.ask("activate", made, fingerprint())
    assert answer.status_code == 201
    shown = vendor.admin("GET", f"/licenses/{made['id']}").json()
    assert shown["starts_with"] is None
    assert shown["expires_at"] == answer.json()["license"]["expires_at"]
    assert int(shown["expires_at"][:4]) == int(shown["starts_at"][:4]) + 1
    renewed = vendor.made(f"/licenses/{made['id']}/renew", {"duration_months": 1, "basis": "anchor_day"})
    assert renewed["expires_at"] > shown["expires_at"]
    signed = vendor.admin("POST", "/licenses", {"product": policy["product"], "policy": "plan", "signed": {}})
    assert problem(signed, 400) == "invalid_argument"  # it would say that the license never ends
    waiting = sold(vendor, policy)
    assert problem(vendor.admin("POST", f"/licenses/{waiting['id']}/signed-key", {}), 403) == "license_not_started"


def test_r_03_a_trial_is_bought_in_place(vendor: Vendor) -> None:
    policy = plan(vendor, license_type="trial", duration_seconds=86400)
    made, second, device = sold(vendor, policy), sold(vendor, policy), fingerprint()
    first = vendor.ask("activate", made, device).json()
    refused = vendor.ask("activate", second, device)
    assert problem(refused, 403) == "trial_used"
    assert refused.json()["reasons"][0]["fix"]
    bought = vendor.made(f"/licenses/{made['id']}/convert", {"policy": "enterprise"})
    assert (bought["type"], bought["policy"], bought["expires_at"]) == ("perpetual", "enterprise", None)
    again = vendor.ask("activate", made, device).json()
    assert again["activation"]["id"] == first["activation"]["id"]
    nothing = vendor.admin("POST", f"/licenses/{made['id']}/convert", {"policy": "nowhere"})
    assert problem(nothing, 404) == "policy_not_found"


def test_users_ask_19_seats_are_replaced_by_the_owner_and_by_the_vendor(vendor: Vendor) -> None:
    made = sold(vendor, plan(vendor, rules={"seat_limit": 1}, conditions={"moves_per_year": 1}))
    first = vendor.ask("activate", made, fingerprint()).json()["activation"]["id"]
    assert problem(vendor.ask("activate", made, fingerprint()), 409) == "seat_limit_reached"
    moved = vendor.ask("activate", made, fingerprint(), replaces=[first])
    assert moved.status_code == 201
    assert problem(vendor.ask("activate", made, fingerprint(), replaces_all=True), 403) == "move_quota_reached"
    assert problem(vendor.ask("activate", made, fingerprint(), replaces=["nobody"]), 409) == "seat_limit_reached"
    device = fingerprint()
    seat = vendor.made(f"/licenses/{made['id']}/replace-seat", {"fingerprint": device, "replaces_all": True})
    found = vendor.ask("activate", made, device)
    assert (found.status_code, found.json()["activation"]["id"]) == (200, seat["id"])
    full = vendor.admin("POST", f"/licenses/{made['id']}/replace-seat", {"fingerprint": fingerprint()})
    assert problem(full, 409) == "seat_limit_reached"


def test_users_ask_14_an_enrolment_token_takes_the_place_of_the_key(vendor: Vendor) -> None:
    made = sold(vendor, plan(vendor, rules={"seat_limit": None}))
    path = f"/licenses/{made['id']}/enrolments"
    here = vendor.made(path, {"name": "here", "max_uses": 1, "networks": ["127.0.0.0/8", "::1/128"]})
    there = vendor.made(path, {"name": "there", "networks": ["192.0.2.0/24"]})
    assert here["token"].startswith("carnet_enrol_")
    with_token = {**made, "key": here["token"]}
    device = fingerprint()
    assert vendor.ask("activate", with_token, device).status_code == 201
    assert vendor.ask("activate", with_token, device).status_code == 200
    assert problem(vendor.ask("activate", with_token, fingerprint()), 403) == "enrolment_used_up"
    elsewhere = vendor.ask("activate", {**made, "key": there["token"]}, fingerprint())
    assert problem(elsewhere, 403) == "enrolment_network"
    listed = vendor.admin("GET", path).json()
    assert [(each["name"], each["used"]) for each in listed["items"]] == [("there", 0), ("here", 1)]
    assert here["token"] not in vendor.admin("GET", path).text
    revoked = vendor.made(f"/enrolments/{here['id']}/revoke", {})
    assert revoked["revoked_at"] is not None
    assert vendor.ask("refresh", with_token, device).status_code == 200
    assert problem(vendor.admin("POST", "/enrolments/nobody/revoke"), 404) == "enrolment_not_found"
    assert problem(vendor.admin("POST", path, {"name": "x", "networks": ["10.1.1.1/8"]}), 400) == "invalid_argument"


def test_r_29_use_is_counted_refused_corrected_and_shown(vendor: Vendor) -> None:
    made = sold(vendor, plan(vendor), conditions={"meters": [{"name": "exports", "limit": 5}]})

    def use(event: str, amount: int) -> Any:
        body = {"license_key": made["key"], "product": made["product"], "meter": "exports"}
        return vendor.http.post("/v1/usage", json={**body, "event_id": event, "amount": amount})

    assert use("e-1", 3).status_code == 201
    assert use("e-1", 3).status_code == 200
    assert problem(use("e-1", 4), 422) == "idempotency_mismatch"
    assert problem(use("e-2", 3), 409) == "usage_limit_reached"
    path = f"/licenses/{made['id']}/usage"
    corrected = vendor.made(path, {"meter": "exports", "event_id": "credit", "amount": -2})
    assert corrected["usage"]["used"] == 1
    assert use("e-2", 3).json()["usage"]["remaining"] == 1
    (meter,) = vendor.admin("GET", path).json()["meters"]
    assert (meter["meter"], meter["used"], meter["limit"], meter["is_over"]) == ("exports", 4, 5, False)
    nothing = vendor.http.post("/v1/usage", json={"license_key": "x", "product": "p", "meter": "m", "event_id": "e"})
    assert problem(nothing, 404) == "license_not_found"
    missing = vendor.admin("POST", path, {"meter": "imports", "event_id": "e", "amount": 1})
    assert problem(missing, 404) == "meter_not_found"


@pytest.mark.parametrize(("members", "code"), [({}, "user_required"), ({"user": "ada"}, None)])
def test_r_28_seats_of_users_need_a_user(vendor: Vendor, members: dict[str, str], code: str | None) -> None:
    made = sold(vendor, plan(vendor, conditions={"seat_scope": "user", "activation_budget": 1}))
    answer = vendor.ask("activate", made, fingerprint(), **members)
    if code is not None:
        assert problem(answer, 403) == code
        return
    assert answer.status_code == 201
    assert problem(vendor.ask("activate", made, fingerprint(), user="bob"), 403) == "activation_budget_spent"


def test_r_29_quotas_of_the_vendors_plans(vendor: Vendor) -> None:
    policy = plan(vendor, conditions={"license_quota": 1, "validation_quota": 2})
    made = sold(vendor, policy)
    more = vendor.admin("POST", "/licenses", {"product": policy["product"], "policy": "plan"})
    assert problem(more, 429) == "quota_exceeded"
    assert more.json()["retryable"] is False  # no waiting ends it, and a shop would go on asking
    assert "retry-after" not in more.headers
    assert [vendor.ask("validate", made).status_code for _ in range(3)] == [200, 200, 429]
    proved = vendor.ask("validate", made, nonce="a-nonce").json()
    assert proved["code"] == "quota_exceeded"
    assert proved["proof"]

"""The admin API over real HTTP: what the vendor makes, sees and stops."""

from __future__ import annotations

from typing import Any

import pytest

from carnet.core.model import Policy
from carnet.server.api.admin.models import RulesReply, WrittenRules
from support.vendor import Vendor, fingerprint


def _refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_the_rules_on_the_wire_are_the_rules_of_the_core() -> None:
    members = set(Policy.__fields__) - {"name"}
    assert set(RulesReply.__struct_fields__) == members
    assert set(WrittenRules.__struct_fields__) == members


def test_r_02_a_product_comes_with_the_three_presets(vendor: Vendor) -> None:
    product = vendor.product()
    listed = vendor.admin("GET", f"/policies?product={product}").json()
    assert [policy["name"] for policy in listed["items"]] == ["consumer", "enterprise", "professional"]
    assert vendor.admin("GET", f"/policies/{product}/professional").json()["rules"]["offline_ttl_seconds"] == 45 * 86400


def test_a_product_is_made_once(vendor: Vendor) -> None:
    body = {"id": "only-once", "name": "Only once", "metadata": {"team": ["a", 1, None]}}
    made = vendor.admin("POST", "/products", body)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/admin/products/only-once")
    assert vendor.admin("GET", "/products/only-once").json() == made.json()
    _refused(vendor.admin("POST", "/products", body), 409, "already_exists")


@pytest.mark.parametrize("slug", ["Has Caps", "a--b", "-a", "a/b", "", "a" * 101, "é"])
def test_a_product_needs_a_slug(vendor: Vendor, slug: str) -> None:
    answer = vendor.admin("POST", "/products", {"id": slug})
    assert answer.status_code == 400
    assert answer.json()["code"] in {"bad_member", "invalid_argument"}


def test_a_policy_is_made_shown_and_replaced(vendor: Vendor) -> None:
    product = vendor.product()
    rules = {
        "offline_ttl_seconds": 3600,
        "seat_limit": None,
        "essential": ["open"],
        "entitlements": [{"key": "export", "expires_at": "2030-01-01T00:00:00Z", "below_version": "4.0.0"}],
        "domains": ["*.example.com"],
    }
    made = vendor.made("/policies", {"product": product, "name": "studio", "rules": rules, "license_type": "timed"})
    assert made["rules"]["entitlements"] == rules["entitlements"]
    assert made["rules"]["seat_limit"] is None
    assert made["rules"]["grace_seconds"] == Policy(name="x").grace_seconds
    assert vendor.admin("GET", f"/policies/{product}/studio").json() == made

    changed = vendor.admin("PUT", f"/policies/{product}/studio", {"rules": {"seat_limit": 7}}).json()
    assert changed["rules"]["seat_limit"] == 7
    assert changed["rules"]["domains"] == []
    assert changed["license_type"] == "timed"
    _refused(vendor.admin("PUT", f"/policies/{product}/none", {"rules": {}}), 404, "policy_not_found")
    _refused(vendor.admin("POST", "/policies", {"product": product, "name": "studio"}), 409, "already_exists")


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"offline_ttl_seconds": 0}, "bad_member"),
        ({"grace_seconds": -1}, "bad_member"),
        ({"grace_access": "none"}, "bad_member"),
        ({"offline_ttl_seconds": 10**12}, "bad_policy"),
        ({"grace_seconds": 31 * 86400}, "bad_policy"),
        ({"domains": ["*.com"]}, "bad_policy"),
        ({"entitlements": [{"key": "a", "expires_at": "2030-13-01T00:00:00Z"}]}, "bad_policy"),
        ({"entitlements": [{"key": "a", "expires_at": "tomorrow"}]}, "bad_member"),
        ({"entitlements": [{"key": "a", "more": 1}]}, "unknown_member"),
        ({"seats": 5}, "unknown_member"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_in_words(vendor: Vendor, rules: dict[str, Any], code: str) -> None:
    product = vendor.product()
    _refused(vendor.admin("POST", "/policies", {"product": product, "name": "odd", "rules": rules}), 400, code)
    _refused(vendor.admin("GET", f"/policies/{product}/odd"), 404, "policy_not_found")


def test_a_license_is_made_found_and_listed_and_its_key_shown_only_on_purpose(vendor: Vendor) -> None:
    customer = vendor.made("/customers", {"name": "Acme", "email": "it@acme.example"})
    license_ = vendor.license(customer=customer["id"], metadata={"order": "A-17"}, overrides={"seat_limit": 3})
    shown = vendor.admin("GET", f"/licenses/{license_['id']}")
    assert shown.json() == {name: value for name, value in license_.items() if name not in {"key", "signed_key"}}
    assert license_["key"] not in shown.text
    assert license_["key"].endswith(shown.json()["key_last_four"])
    assert shown.json()["overrides"] == {"seat_limit": 3}

    for filters in (f"product={license_['product']}", f"customer={customer['id']}"):
        listed = vendor.admin("GET", f"/licenses?{filters}").json()["items"]
        assert [each["id"] for each in listed] == [license_["id"]]
    assert vendor.admin("GET", f"/licenses?product={license_['product']}&status=revoked").json()["items"] == []

    found = vendor.admin("POST", "/licenses/find", {"license_key": license_["key"].lower()})
    assert found.json()["id"] == license_["id"]
    _refused(vendor.admin("POST", "/licenses/find", {"license_key": "nothing"}), 404, "license_not_found")

    revealed = vendor.admin("POST", f"/licenses/{license_['id']}/reveal-key").json()
    assert revealed == {"license_id": license_["id"], "key": license_["key"]}


def test_every_change_stands_in_the_audit_with_who_did_it(vendor: Vendor) -> None:
    license_ = vendor.license()
    for change in ("suspend", "reinstate", "reveal-key", "revoke"):
        assert vendor.admin("POST", f"/licenses/{license_['id']}/{change}").status_code == 200
    listed = vendor.admin("GET", f"/audit?object_id={license_['id']}")
    entries = listed.json()["items"]
    assert len(entries) == 5
    assert len({entry["action"] for entry in entries}) == 5
    assert {entry["actor"]["kind"] for entry in entries} == {"vendor"}
    assert all(entry["actor"]["id"] for entry in entries)
    assert license_["key"] not in listed.text
    only = vendor.admin("GET", f"/audit?action={entries[0]['action']}&object_id={license_['id']}").json()["items"]
    assert only == entries[:1]


def test_a_suspension_needs_no_body_and_takes_a_reason(vendor: Vendor) -> None:
    license_ = vendor.license()
    path = f"/licenses/{license_['id']}"
    assert vendor.admin("POST", f"{path}/suspend").json()["status"] == "suspended"
    assert vendor.admin("POST", f"{path}/suspend", {"reason": "again"}).json()["status"] == "suspended"
    assert vendor.admin("POST", f"{path}/reinstate", {}).json()["status"] == "active"
    _refused(vendor.admin("POST", f"{path}/suspend", {"reason": "r" * 501}), 400, "bad_member")
    _refused(vendor.admin("POST", f"{path}/suspend", ["reason"]), 400, "not_an_object")
    assert vendor.admin("POST", f"{path}/revoke").json()["status"] == "revoked"
    _refused(vendor.admin("POST", f"{path}/reinstate"), 409, "conflict")


def test_a_perpetual_license_cannot_be_renewed(vendor: Vendor) -> None:
    license_ = vendor.license()
    _refused(vendor.admin("POST", f"/licenses/{license_['id']}/renew", {}), 409, "conflict")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"expires_at": "2026-02-30T00:00:00Z"}, "bad_time"),
        ({"expires_at": "2026-02-28"}, "bad_member"),
        ({"expires_at": "2026-02-28T00:00:00+00:00"}, "bad_member"),
        ({"duration_seconds": 0}, "bad_member"),
        ({"type": "eternal"}, "bad_member"),
        ({"status": "active"}, "unknown_member"),
        ({"key": "MYKEY"}, "unknown_member"),
        ({"seats_used": 0}, "unknown_member"),
        ({"overrides": {"name": "x"}}, "unknown_member"),
        ({"overrides": {"seat_limit": 0}}, "bad_member"),
        ({"metadata": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, "invalid_argument"),
        ({"policy": "none"}, "policy_not_found"),
        ({"customer": "none"}, "customer_not_found"),
        ({"product": "none"}, "product_not_found"),
    ],
)
def test_sec_37_a_license_takes_only_what_can_be_written(vendor: Vendor, members: dict[str, Any], code: str) -> None:
    product = vendor.product()
    answer = vendor.admin("POST", "/licenses", {"product": product, "policy": "consumer", **members})
    assert answer.json()["code"] == code
    assert answer.status_code == (404 if code.endswith("_not_found") else 400)
    assert vendor.admin("GET", f"/licenses?product={product}").json()["items"] == []


def test_the_vendor_frees_a_seat(vendor: Vendor) -> None:
    license_ = vendor.license(overrides={"seat_limit": 1})
    taken = vendor.ask("activate", license_, {"fingerprint": fingerprint(), "name": "Lost", "platform": "linux"}).json()
    shown = vendor.admin("GET", f"/activations/{taken['activation']['id']}").json()
    assert (shown["device_name"], shown["platform"], shown["deactivated_at"]) == ("Lost", "linux", None)
    freed = vendor.admin("POST", f"/activations/{shown['id']}/deactivate", {"reason": "lost"})
    assert freed.json()["deactivated_at"] is not None
    assert vendor.admin("GET", f"/activations?license_id={license_['id']}").json()["items"] == []
    both = vendor.admin("GET", f"/activations?license_id={license_['id']}&include_deactivated=true").json()["items"]
    assert both == [freed.json()]
    assert vendor.ask("activate", license_, fingerprint()).status_code == 201
    _refused(vendor.admin("POST", "/activations/none/deactivate"), 404, "activation_not_found")
    _refused(vendor.admin("GET", "/activations?license_id=none"), 404, "license_not_found")
    _refused(vendor.admin("GET", "/activations"), 400, "bad_request")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_join_to_the_whole_list_and_say_more_only_with_a_cursor(vendor: Vendor, size: int) -> None:
    product = vendor.product()
    made = [vendor.license(product)["id"] for _ in range(5)]
    seen: list[str] = []
    path = f"/licenses?product={product}&limit={size}"
    for _ in range(10):
        answer = vendor.admin("GET", path)
        page = answer.json()
        assert page["has_more"] is (page["next_cursor"] is not None)
        assert ("link" in answer.headers) is page["has_more"]
        assert len(page["items"]) <= size
        seen += [item["id"] for item in page["items"]]
        if not page["has_more"]:
            break
        assert answer.links["next"]["url"].startswith("/v1/admin/licenses?")
        path = answer.links["next"]["url"].removeprefix("/v1/admin")
        assert path.count("cursor=") == path.count("product=") == path.count("limit=") == 1
    assert seen == made[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=1.5", "cursor=" + "c" * 129, "status=odd"])
def test_a_bad_parameter_is_refused_by_name(vendor: Vendor, query: str) -> None:
    answer = vendor.admin("GET", f"/licenses?{query}")
    _refused(answer, 400, "bad_request")
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize("listed", ["products", "customers", "licenses", "audit"])
def test_an_unknown_cursor_is_harmless(vendor: Vendor, listed: str) -> None:
    answer = vendor.admin("GET", f"/{listed}?cursor=%27%3B--%00é")
    assert answer.status_code in {200, 400}


def test_sec_39_hostile_text_comes_back_as_the_text_it_is(vendor: Vendor) -> None:
    name = "<script>alert(1)</script> \"'; DROP TABLE licenses;-- \U0001d54a"
    made = vendor.made("/customers", {"name": name, "metadata": {name: name}})
    shown = vendor.admin("GET", f"/customers/{made['id']}")
    assert shown.json()["name"] == name
    assert shown.json()["metadata"] == {name: name}
    assert shown.headers["content-type"] == "application/json"

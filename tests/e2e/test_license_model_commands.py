"""License models on the command line, and an enrolment token on a real device."""

from __future__ import annotations

from carnet.cli import exits
from support.shop import Shop


def test_a_policy_and_a_license_with_conditions(office: Shop) -> None:
    made = office.vendor(
        "policy",
        "create",
        "team",
        "--condition",
        "duration_months=12",
        "--condition",
        "start_basis=first_activation",
        "--condition",
        "overage_percent=20",
    )
    assert made["license_type"] == "timed"
    assert (made["conditions"]["duration_months"], made["conditions"]["overage_percent"]) == (12, 20)
    sold = office.license("--condition", "moves_per_year=0", policy="team")
    shown = office.vendor("license", "show", sold["id"])
    assert (shown["starts_with"], shown["expires_at"]) == ("first_activation", None)
    assert shown["own_conditions"] == {"moves_per_year": 0}
    text = office.run("license", "show", sold["id"]).out
    assert "begins with its first activation" in text
    assert "moves_per_year=0" in text
    assert "overage_percent" in office.run("policy", "show", "team").out
    wrong = office.run("policy", "create", "other", "--condition", "anchor_day=32", "--json")
    assert (wrong.code, wrong.problem["code"]) == (exits.USAGE, "bad_policy")


def test_rel_15_months_and_anchor_days(office: Shop) -> None:
    sold = office.license("--starts-at", "2027-01-31T10:00:00Z", "--months", "1")
    assert sold["expires_at"] == "2027-02-28T10:00:00Z"
    renewed = office.vendor("license", "renew", sold["id"], "--months", "1", "--basis", "anchor_day")
    assert renewed["expires_at"] == "2027-03-28T10:00:00Z"
    converted = office.vendor("license", "convert", sold["id"], "--type", "perpetual", "--set", "seat_limit=7")
    assert (converted["type"], converted["expires_at"], converted["seats"]["limit"]) == ("perpetual", None, 7)
    kept = office.vendor("license", "convert", sold["id"], "--condition", "overage_percent=50", "--keep-term")
    assert (kept["type"], kept["own_conditions"]) == ("perpetual", {"overage_percent": 50})
    both = office.run("license", "create", "--policy", "consumer", "--months", "1", "--duration", "5d", "--json")
    assert both.code == exits.USAGE


def test_meters_are_shown_and_corrected(office: Shop) -> None:
    sold = office.license("--condition", 'meters=[{"name": "exports", "limit": 5}]')
    correct = ("usage", "correct", sold["id"], "--meter", "exports", "--event", "e-1", "--amount")
    assert office.vendor(*correct, "4")["usage"]["used"] == 4
    assert office.vendor(*correct, "4")["counted_now"] is False
    mismatch = office.run(*correct, "5", "--json")
    assert (mismatch.code, mismatch.problem["code"]) == (exits.CONFLICT, "idempotency_mismatch")
    full = office.run("usage", "correct", sold["id"], "--meter", "exports", "--event", "e-2", "--amount", "2", "--json")
    assert (full.code, full.problem["code"]) == (exits.DENIED, "usage_limit_reached")
    (meter,) = office.vendor("usage", "show", sold["id"])["meters"]
    assert (meter["used"], meter["remaining"]) == (4, 1)
    assert "exports" in office.run("usage", "show", sold["id"]).out


def test_users_ask_14_a_device_enrols_with_a_token_and_decides_offline(shop: Shop) -> None:
    sold = shop.license()
    made = shop.vendor("enrolment", "create", sold["id"], "--name", "fleet", "--max-uses", "1")
    device, second = shop.device(), shop.device()
    run = shop.on(device, "activate", "--license-key-stdin", "--json", stdin=made["token"])
    assert (run.code, run.json["state"]) == (exits.OK, "active"), run.err
    status = shop.on(device, "status", "--json")
    assert (status.code, status.json["license_id"]) == (exits.OK, sold["id"])
    assert shop.on(device, "refresh", "--json").code == exits.OK
    refused = shop.on(second, "activate", "--license-key-stdin", "--json", stdin=made["token"])
    assert refused.code == exits.DENIED, refused.err
    shop.vendor("enrolment", "revoke", made["id"])
    assert shop.on(device, "refresh", "--json").code == exits.OK
    (listed,) = shop.vendor("enrolment", "list", sold["id"])["items"]
    assert (listed["used"], listed["revoked_at"] is None) == (1, False)
    assert "fleet" in shop.run("enrolment", "list", sold["id"]).out
    assert shop.on(device, "deactivate", "--json").code == exits.OK

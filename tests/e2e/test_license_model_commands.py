"""License models on the command line, and an enrolment token on a real device."""

from __future__ import annotations

from pathlib import Path

from carnet import Carnet
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
    assert renewed["expires_at"] == "2027-03-31T10:00:00Z"
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


def test_r_28_an_account_bound_license_moves_to_the_users_new_device(shop: Shop) -> None:
    shop.vendor("policy", "create", "personal", "--seats", "1", "--condition", "seat_scope=user")
    sold = shop.license(policy="personal")
    old, new = shop.device(), shop.device()
    nobody = shop.on(old, "activate", "--license-key-stdin", "--json", stdin=sold["key"])
    assert (nobody.code, nobody.json["reasons"][0]["code"]) == (exits.DENIED, "user_required")
    for device in (old, new):
        run = shop.on(device, "activate", "--license-key-stdin", "--user", "ada", "--json", stdin=sold["key"])
        assert (run.code, run.json["state"]) == (exits.OK, "active"), run.err
    assert shop.vendor("license", "show", sold["id"])["seats"]["used"] == 1
    assert shop.on(new, "refresh", "--json").json["state"] == "active"
    assert shop.on(old, "refresh", "--json").json["state"] == "not_activated"


def test_r_27_a_domain_license_holds_from_the_app_to_the_server(shop: Shop, tmp_path: Path) -> None:
    shop.vendor("policy", "create", "site", "--set", 'domains=["*.example.com"]')
    sold = shop.license(policy="site")
    root = Path(shop.created["root_path"]).read_text("utf-8")

    def app(domain: str | None) -> Carnet:
        server = f"http://127.0.0.1:{shop.stage.port}"
        return Carnet(
            product="hustl",
            server=server,
            root=root,
            state=tmp_path / "state",
            device_id="host",
            domain=domain,
            timeout_seconds=120,
        )

    for domain in (None, "example.com", "example.com.evil.example", "a.shop.example.com"):
        with app(domain) as carnet:
            decision = carnet.activate(sold["key"])
            assert (decision.state, bool(decision)) == ("wrong_domain", False)
    assert shop.vendor("license", "show", sold["id"])["seats"]["used"] == 0
    with app("Shop.example.com") as carnet:
        assert carnet.activate(sold["key"]).state == "active"
    with app("a.shop.example.com") as carnet:
        assert carnet.check().state == "wrong_domain"  # offline, by the signed policy
    with app("blog.example.com") as carnet:
        assert carnet.check().state == "active"
        assert carnet.refresh().state == "active"

"""The device calls over real HTTP: the whole life cycle, and every refusal with its status."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from carnet.core.instant import parse_instant
from carnet.formats.license_token import verify_license_token
from carnet.formats.machine_file import open_machine_file
from support.vendor import Vendor, fingerprint


def _problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"] == f"/problems/{code}"
    assert body["instance"] == answer.headers["x-request-id"]
    assert body["reasons"][0]["code"] == code
    assert body["reasons"][0]["message"] in body["detail"]
    assert all(reason["message"].endswith((".", "!")) for reason in body["reasons"])
    assert body["retryable"] is False
    return body


def test_a_license_lives_its_whole_life_over_http(vendor: Vendor) -> None:
    license_ = vendor.license(type="timed", duration_seconds=86400 * 90, overrides={"seat_limit": 1})
    device = fingerprint()

    activated = vendor.ask("activate", license_, device)
    assert activated.status_code == 201
    reply = activated.json()
    assert reply["activation"]["device"] == device
    assert reply["license"]["seats"] == {"limit": 1, "used": 1}
    assert reply["roots"] == []
    assert "proof" not in reply

    token = verify_license_token(reply["token"], vendor.ring)
    assert (token.product, token.device, token.license_id) == (license_["product"], device, license_["id"])
    grant = open_machine_file(
        reply["machine_file"].encode(), vendor.ring, license_key=license_["key"], fingerprint=device
    )
    assert grant.activation_id == reply["activation"]["id"]
    assert str(grant.offline_until) == reply["activation"]["covered_until"]

    valid = vendor.ask("validate", license_, device).json()
    assert (valid["valid"], valid["decision"]["state"]) == (True, "active")

    refreshed = vendor.ask("refresh", license_, device)
    assert refreshed.status_code == 200
    assert refreshed.json()["activation"]["id"] == reply["activation"]["id"]

    vendor.admin("POST", f"/licenses/{license_['id']}/suspend", {"reason": "unpaid"})
    _problem(vendor.ask("refresh", license_, device), 403, "license_suspended")
    suspended = vendor.ask("validate", license_, device).json()
    assert (suspended["valid"], suspended["decision"]["state"]) == (False, "suspended")
    vendor.admin("POST", f"/licenses/{license_['id']}/reinstate")
    assert vendor.ask("refresh", license_, device).status_code == 200

    renewed = vendor.admin("POST", f"/licenses/{license_['id']}/renew", {"duration_seconds": 86400 * 365}).json()
    gained = parse_instant(renewed["expires_at"]) - parse_instant(license_["expires_at"])
    assert gained == 86400 * 365

    ended = vendor.ask("deactivate", license_, device)
    assert ended.status_code == 200
    assert vendor.ask("deactivate", license_, device).json() == ended.json()
    assert vendor.ask("activate", license_, fingerprint()).status_code == 201

    vendor.admin("POST", f"/licenses/{license_['id']}/revoke")
    _problem(vendor.ask("activate", license_, device), 403, "license_revoked")


def test_users_ask_17_the_same_device_activating_again_gets_200_and_its_seat(vendor: Vendor) -> None:
    license_, device = vendor.license(), fingerprint()
    first = vendor.ask("activate", license_, device)
    second = vendor.ask("activate", license_, device)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["activation"]["id"] == first.json()["activation"]["id"]
    assert second.json()["license"]["seats"]["used"] == 1


def test_users_ask_9_fifty_parallel_activations_for_the_last_of_five_seats_hold_exactly_five(vendor: Vendor) -> None:
    license_ = vendor.license(overrides={"seat_limit": 5})
    for _ in range(4):
        assert vendor.ask("activate", license_, fingerprint()).status_code == 201
    barrier = threading.Barrier(50)

    def race(_: int) -> httpx2.Response:
        with httpx2.Client(base_url=vendor.live.url, timeout=120) as own:
            body = {
                "license_key": license_["key"],
                "product": license_["product"],
                "device": {"fingerprint": fingerprint()},
            }
            barrier.wait(120)
            return own.post("/v1/activate", json=body)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(race, range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    for answer in answers:
        if answer.status_code == 409:
            _problem(answer, 409, "seat_limit_reached")
    held = vendor.admin("GET", f"/activations?license_id={license_['id']}&limit=500").json()["items"]
    assert len(held) == 5
    assert vendor.admin("GET", f"/licenses/{license_['id']}").json()["seats"] == {"limit": 5, "used": 5}


def test_users_ask_17_one_device_racing_itself_takes_one_seat(vendor: Vendor) -> None:
    license_, device = vendor.license(overrides={"seat_limit": 2}), fingerprint()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: vendor.ask("activate", license_, device), range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["activation"]["id"] for answer in answers}) == 1


def test_users_ask_11_whoever_has_the_key_is_told_who_holds_the_seats(vendor: Vendor) -> None:
    license_ = vendor.license(overrides={"seat_limit": 1})
    holder = vendor.ask("activate", license_, {"fingerprint": fingerprint(), "name": "Line 4"}).json()["activation"]
    body = _problem(vendor.ask("activate", license_, fingerprint()), 409, "seat_limit_reached")
    assert body["holders"] == [
        {"activation_id": holder["id"], "device_name": "Line 4", "activated_at": holder["created_at"]}
    ]


def test_every_refusal_of_activate_has_its_status(vendor: Vendor) -> None:
    device = fingerprint()
    unknown = {"key": "00000-00000-00000-00000-00000", "product": vendor.product()}
    _problem(vendor.ask("activate", unknown, device), 404, "license_not_found")

    license_ = vendor.license()
    other = {**license_, "product": vendor.product()}
    _problem(vendor.ask("activate", other, device), 403, "wrong_product")

    nowhere = {**license_, "product": "there-is-none"}
    assert vendor.ask("activate", nowhere, device).status_code in {403, 404}

    bound = vendor.license(overrides={"domains": ["*.example.com"]})
    _problem(vendor.ask("activate", bound, device, domain="example.org"), 403, "wrong_domain")
    assert vendor.ask("activate", bound, device, domain="shop.example.com").status_code == 201

    later = vendor.license(type="timed", starts_at="2099-01-01T00:00:00Z", expires_at="2100-01-01T00:00:00Z")
    _problem(vendor.ask("activate", later, device), 403, "license_not_started")


def test_an_expired_license_is_refused_to_the_second(vendor: Vendor) -> None:
    license_ = vendor.license(type="timed", duration_seconds=86400, overrides={"term_grace_seconds": 3600})
    device = fingerprint()
    vendor.ask("activate", license_, device)
    lasts = parse_instant(license_["expires_at"]) - int(time.time())
    with vendor.later(lasts - 600):
        assert vendor.ask("activate", license_, device).status_code == 200
        assert vendor.ask("validate", license_, device).json()["decision"]["state"] == "expiring"
    with vendor.later(lasts + 60):  # in the grace of the term: what is held goes on, nothing new starts
        _problem(vendor.ask("activate", license_, fingerprint()), 403, "license_expired")
        assert vendor.ask("refresh", license_, device).status_code == 200
        assert vendor.ask("validate", license_, device).json()["decision"]["state"] == "grace"
    with vendor.later(lasts + 3600 + 60):
        _problem(vendor.ask("activate", license_, device), 403, "license_expired")
        _problem(vendor.ask("refresh", license_, device), 403, "license_expired")
        ended = vendor.ask("validate", license_, device).json()
        assert (ended["valid"], ended["decision"]["state"]) == (False, "expired")
        assert vendor.ask("deactivate", license_, device).status_code == 200


@pytest.mark.parametrize("call", ["refresh", "deactivate"])
def test_what_was_never_activated_is_not_found(vendor: Vendor, call: str) -> None:
    _problem(vendor.ask(call, vendor.license(), fingerprint()), 404, "activation_not_found")


def test_a_deactivated_device_is_told_so(vendor: Vendor) -> None:
    license_, device = vendor.license(), fingerprint()
    activation = vendor.ask("activate", license_, device).json()["activation"]
    freed = vendor.admin("POST", f"/activations/{activation['id']}/deactivate", {"reason": "lost laptop"})
    assert freed.json()["deactivated_at"] is not None
    answer = vendor.ask("refresh", license_, device)
    assert answer.json()["code"] in {"deactivated", "activation_not_found"}
    assert answer.status_code in {403, 404}


def test_an_unknown_key_and_a_key_of_another_product_are_no_decision(vendor: Vendor) -> None:
    license_ = vendor.license()
    unknown = {**license_, "key": "00000-00000-00000-00000-00000"}
    _problem(vendor.ask("validate", unknown), 404, "license_not_found")
    _problem(vendor.ask("validate", {**license_, "product": vendor.product()}), 403, "wrong_product")


def test_sec_34_two_unknown_keys_are_answered_with_the_same_words(vendor: Vendor) -> None:
    product = vendor.product()
    bodies = []
    for key in ("00000-00000-00000-00000-00000", "an imported key that nobody imported"):
        body = _problem(
            vendor.ask("activate", {"key": key, "product": product}, fingerprint()), 404, "license_not_found"
        )
        del body["instance"]
        bodies.append(body)
    assert bodies[0] == bodies[1]


def test_validate_changes_nothing_and_takes_no_seat(vendor: Vendor) -> None:
    license_ = vendor.license()
    before = vendor.counts()
    for _ in range(3):
        vendor.ask("validate", license_, fingerprint())
    assert vendor.counts() == before
    assert vendor.admin("GET", f"/licenses/{license_['id']}").json()["seats"]["used"] == 0


def test_r_80_a_key_is_taken_as_people_type_it(vendor: Vendor) -> None:
    license_ = vendor.license()
    typed = {**license_, "key": f"  {license_['key'].lower().replace('-', ' ')} "}
    assert vendor.ask("activate", typed, fingerprint()).status_code == 201


def test_a_wanted_offline_window_is_capped_by_the_policy(vendor: Vendor) -> None:
    license_ = vendor.license()
    reply = vendor.ask("activate", license_, fingerprint(), ttl_seconds=3600).json()
    short = parse_instant(reply["activation"]["covered_until"]) - parse_instant(reply["server_time"])
    assert 3000 < short <= 3600
    reply = vendor.ask("activate", license_, fingerprint(), ttl_seconds=10**8).json()
    long = parse_instant(reply["activation"]["covered_until"]) - parse_instant(reply["server_time"])
    assert long <= 30 * 86400


def test_every_answer_about_a_license_is_never_stored_by_anybody(vendor: Vendor) -> None:
    license_ = vendor.license()
    for call in ("activate", "validate", "refresh", "deactivate"):
        assert vendor.ask(call, license_, fingerprint("one")).headers["cache-control"] == "no-store"

"""Floating seats over HTTP: the calls of holders and of the vendor, and the SDK against the same server."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from carnet import AsyncCarnet, Carnet
from carnet.core.errors import RefusedError
from carnet.core.instant import parse_instant
from carnet.formats.answer import check_binding, digest_artifacts, verify_answer
from carnet.formats.lease import verify_lease_token
from support.vendor import Vendor


@pytest.fixture(autouse=True)
def _no_settings_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRODUCT", "SERVER", "ROOT", "LICENSE_KEY", "DEVICE_ID", "STATE"):
        monkeypatch.delenv(f"CARNET_{name}", raising=False)


def pool(vendor: Vendor, limit: int = 2, **terms: Any) -> Any:
    """A license with floating seats."""
    license_ = vendor.license()
    answer = vendor.admin("PUT", f"/licenses/{license_['id']}/lease-terms", {"terms": {"limit": limit, **terms}})
    assert answer.status_code == 200, answer.text
    return license_


def body(license_: Any, who: str = "one", **members: Any) -> dict[str, Any]:
    given = {
        "license_key": license_["key"],
        "product": license_["product"],
        "holder": {"kind": "process", "id": who},
        "ttl_seconds": 60,
        **members,
    }
    return {name: value for name, value in given.items() if value is not ...}


def claim(vendor: Vendor, license_: Any, who: str = "one", **members: Any) -> Any:
    return vendor.http.post("/v1/leases", json=body(license_, who, **members))


def test_a_lease_is_claimed_renewed_and_given_back_and_each_answer_is_proved(vendor: Vendor) -> None:
    license_ = pool(vendor)
    claimed = claim(vendor, license_, nonce="n-1")
    assert claimed.status_code == 201, claimed.text
    lease = claimed.json()["lease"]
    token = verify_lease_token(lease["token"], vendor.ring)
    assert (token.lease_id, token.license_id, token.product) == (lease["id"], license_["id"], license_["product"])
    assert token.expires_at == parse_instant(lease["expires_at"])
    assert token.issued_at == parse_instant(claimed.json()["server_time"]) - 60  # SEC-04
    proof = verify_answer(claimed.json()["proof"], vendor.ring)
    artifacts = digest_artifacts({"token": lease["token"]})
    check_binding(proof, nonce="n-1", action="claim", product=license_["product"], device="one", artifacts=artifacts)
    assert proof.activation_id == lease["id"]

    again = claim(vendor, license_)
    assert (again.status_code, again.json()["lease"]["id"]) == (200, lease["id"])
    assert "proof" not in again.json()

    renewed = vendor.http.put(f"/v1/leases/{lease['id']}", json=body(license_, nonce="n-2"))
    assert (renewed.status_code, renewed.json()["lease"]["id"]) == (200, lease["id"])
    assert verify_answer(renewed.json()["proof"], vendor.ring).action == "renew"

    for _ in range(2):
        released = vendor.http.request("DELETE", f"/v1/leases/{lease['id']}", json=body(license_, nonce="n-3"))
        assert released.status_code == 200, released.text
        receipt = verify_answer(released.json()["proof"], vendor.ring)
        assert (receipt.action, receipt.outcome, receipt.activation_id) == ("release", "granted", lease["id"])
    late = vendor.http.put(f"/v1/leases/{lease['id']}", json=body(license_))
    assert (late.status_code, late.json()["code"]) == (409, "lease_released")


def test_rel_01_users_ask_20_the_pool_ends_at_its_limit_and_says_who_has_it(vendor: Vendor) -> None:
    license_ = pool(vendor, 2)
    for name in ("one", "two"):
        holder = {"kind": "process", "id": name, "name": f"host {name}"}
        assert claim(vendor, license_, holder=holder).status_code == 201
    refused = claim(vendor, license_, "three", nonce="n")
    assert (refused.status_code, refused.json()["code"]) == (409, "lease_limit_reached")
    assert "2 of 2" in refused.json()["detail"]
    assert {each["device_name"] for each in refused.json()["holders"]} == {"host one", "host two"}
    assert all("lease_id" in each and "activation_id" not in each for each in refused.json()["holders"])
    assert verify_answer(refused.json()["proof"], vendor.ring).code == "lease_limit_reached"
    # Activated devices are another limit (users-ask 20): the pool being full says nothing about them.
    assert vendor.ask("activate", license_, "9" * 63 + "a").status_code == 201


def test_sec_36_the_id_of_a_lease_proves_nothing(vendor: Vendor) -> None:
    license_, stranger = pool(vendor), pool(vendor)
    lease = claim(vendor, license_).json()["lease"]
    other = claim(vendor, license_, "other").json()["lease"]
    path = f"/v1/leases/{lease['id']}"
    plain = body(license_, license_key=...)
    for method in ("PUT", "DELETE"):
        none = vendor.http.request(method, path, json=plain)
        assert (none.status_code, none.json()["code"]) == (400, "invalid_argument")
        foreign = vendor.http.request(method, path, json={**plain, "license_key": stranger["key"]})
        assert foreign.status_code in {403, 404}
        for token in (other["token"], lease["token"][:-4] + "AAAA", "x", lease["token"].upper()):
            forged = vendor.http.request(method, path, json={**plain, "token": token})
            assert (forged.status_code, forged.json()["code"]) == (403, "lease_token_refused"), token
        wrong_holder = vendor.http.request(method, path, json=body(license_, "other"))
        assert wrong_holder.json()["code"] == "lease_not_found"
    # And its own token is enough, without the license key on the machine.
    assert vendor.http.put(path, json={**plain, "token": lease["token"]}).status_code == 200
    assert vendor.http.request("DELETE", path, json={**plain, "token": lease["token"]}).status_code == 200


def test_users_ask_11_the_vendor_sees_the_holders_and_takes_one_back_with_a_reason(vendor: Vendor) -> None:
    license_ = pool(vendor, 1, cool_down_seconds=600)
    lease = claim(vendor, license_, holder={"kind": "process", "id": "one", "name": "render-07"}).json()["lease"]
    listed = vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"]
    (item,) = listed
    assert (item["id"], item["holder"]) == (lease["id"], {"kind": "process", "id": "one", "name": "render-07"})
    assert item["claimed_at"] <= item["renewed_at"] < item["expires_at"]
    ended = vendor.admin("POST", f"/leases/{lease['id']}/end", {"reason": "The laptop was lost."})
    assert ended.status_code == 200
    assert ended.json()["released_at"] is not None
    assert claim(vendor, license_, "two").status_code == 201  # its seat is free at once
    told = vendor.http.put(f"/v1/leases/{lease['id']}", json=body(license_, nonce="n"))
    assert (told.status_code, told.json()["code"]) == (409, "lease_released")
    assert "The laptop was lost." in told.json()["detail"]
    cooling = claim(vendor, license_, "one")
    assert (cooling.status_code, cooling.json()["code"]) == (409, "lease_cooling_down")
    actions = [each["action"] for each in vendor.admin("GET", f"/audit?object_id={lease['id']}").json()["items"]]
    assert actions == ["lease.forced", "lease.claimed"]
    assert vendor.admin("POST", "/leases/nothing/end", {}).json()["code"] == "lease_not_found"


def test_terms_are_shown_changed_and_refused_where_they_contradict_themselves(vendor: Vendor) -> None:
    license_ = vendor.license()
    assert claim(vendor, license_).json()["code"] == "leases_not_offered"
    path = f"/policies/{license_['product']}/consumer/lease-terms"
    assert vendor.admin("GET", path).json()["terms"] is None
    terms = {"limit": 3, "groups": [{"name": "farm", "slots": 2, "holders": ["process:one"]}]}
    assert vendor.admin("PUT", path, {"terms": terms}).json()["terms"]["limit"] == 3
    assert claim(vendor, license_).status_code == 201
    too_many = {"limit": 1, "groups": terms["groups"]}
    refused = vendor.admin("PUT", path, {"terms": too_many})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_lease_terms")
    assert vendor.admin("PUT", path, {"terms": None}).json()["terms"] is None
    assert claim(vendor, license_, "two").json()["code"] == "leases_not_offered"


# ── the SDK ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def settings(vendor: Vendor, license_: Any, state: Path) -> dict[str, Any]:
    return {
        "product": license_["product"],
        "server": vendor.live.url,
        "root": vendor.installation.roots[0],
        "license_key": license_["key"],
        "state": state,
        "device_id": "line-4",
        "timeout_seconds": 20,
    }


def test_the_sdk_holds_a_seat_for_the_length_of_a_with_and_gives_it_back(vendor: Vendor, tmp_path: Path) -> None:
    license_ = pool(vendor, 1)
    with Carnet(**settings(vendor, license_, tmp_path)) as app:
        with app.lease(kind="process", ttl_seconds=60, name="studio") as seat:
            assert seat.held
            assert seat.require() is seat
            with app.lease(kind="process") as second:
                assert not second
                assert [each.code for each in second.reasons] == ["lease_limit_reached"]
                with pytest.raises(RefusedError, match="in use"):
                    second.require()
            assert seat.renew()
        assert not seat
        with app.lease(kind="process") as third:
            assert third


def test_the_sdk_keeps_a_seat_in_the_background_and_tells_when_the_vendor_takes_it(
    vendor: Vendor, tmp_path: Path
) -> None:
    license_ = pool(vendor, 1, default_ttl_seconds=2)
    lost = threading.Event()
    with Carnet(**settings(vendor, license_, tmp_path)) as app, app.lease(on_lost=lambda _: lost.set()) as seat:
        assert seat.lease_id is not None
        renewed_at = vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"][0]["renewed_at"]
        ended = vendor.admin("POST", f"/leases/{seat.lease_id}/end", {"reason": "maintenance"})
        assert ended.status_code == 200
        assert renewed_at
        assert lost.wait(120)
        assert not seat.held
        assert [each.code for each in seat.reasons] == ["lease_released"]


def test_users_ask_25_a_borrowed_seat_works_without_a_network_and_is_returned_early(
    vendor: Vendor, tmp_path: Path
) -> None:
    license_ = pool(vendor, 1, max_borrow_seconds=86400)
    given = settings(vendor, license_, tmp_path)
    with Carnet(**given) as app, app.lease(borrow=True, ttl_seconds=86400) as seat:
        assert seat
    listed = vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"]
    assert [each["borrowed"] for each in listed] == [True]
    assert (tmp_path / license_["product"] / "lease.jwt").stat().st_mode & 0o777 == 0o600
    with Carnet(**{**given, "server": "http://127.0.0.1:9"}) as offline:
        with offline.lease(borrow=True) as travelling:
            assert travelling
        with offline.lease(kind="user", holder_id="somebody else", borrow=True) as stranger:
            assert not stranger
    with Carnet(**given) as app:
        app.lease(borrow=True).claim().release()
    assert vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"] == []
    assert not (tmp_path / license_["product"] / "lease.jwt").exists()


def test_the_async_sdk_holds_and_returns_a_seat(vendor: Vendor, tmp_path: Path) -> None:
    license_ = pool(vendor, 1)

    async def story() -> None:
        async with AsyncCarnet(**settings(vendor, license_, tmp_path)) as app:
            async with app.lease(ttl_seconds=60) as seat:
                assert seat
                assert await seat.renew()
                async with app.lease(kind="process") as second:
                    assert not second
            assert not seat

    asyncio.run(story())
    assert vendor.admin("GET", f"/leases?license_id={license_['id']}").json()["items"] == []

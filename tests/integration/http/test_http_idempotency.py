"""REL-02: `Idempotency-Key`: the same request again has the effect and the answer of the first, on both databases."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from carnet.formats.device_proof import make_device_proof
from carnet.formats.encoding import b64url_encode
from carnet.formats.license_token import verify_license_token
from carnet.server.api.idempotency import REMADE
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.domain.idempotency.service import KEEP_SECONDS, KEY_SHOWN_SECONDS
from carnet.server.records import OPERATOR
from support.databases import KINDS, on
from support.installations import give_back, query
from support.served import served
from support.vendor import Vendor, fingerprint

_keys = itertools.count(1)


@pytest.fixture(scope="module", params=KINDS)
def vendor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    folder: Path = tmp_path_factory.mktemp("vendor")
    with on(request.param):
        with served(folder) as ready:
            ready.folder = folder  # type: ignore[attr-defined]
            yield ready
        give_back()


def rows(vendor: Vendor, sql: str) -> list[tuple[Any, ...]]:
    return query(vendor.folder, sql)  # type: ignore[attr-defined]


def a_key() -> str:
    return f"question-{next(_keys)}"


def admin(vendor: Vendor, path: str, body: Any, key: str, *, token: str | None = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token or vendor.admin_token}", "Idempotency-Key": key}
    return vendor.http.post(f"/v1/admin{path}", json=body, headers=headers)


def device(vendor: Vendor, call: str, body: Any, key: str) -> httpx2.Response:
    return vendor.http.post(f"/v1/{call}", json=body, headers={"Idempotency-Key": key})


def activation_body(license_: Any, **members: Any) -> dict[str, Any]:
    own = {"license_key": license_["key"], "product": license_["product"], "device": {"fingerprint": fingerprint()}}
    return {**own, **members}


def without_proof_and_time(answer: httpx2.Response) -> dict[str, Any]:
    """What must be the same: not the moment of the answer, nor what is encrypted with fresh randomness."""
    return {
        name: value for name, value in answer.json().items() if name not in {"server_time", "machine_file", "proof"}
    }


def test_rel_02_an_activation_sent_again_gets_the_same_seat_and_the_same_artifacts(vendor: Vendor) -> None:
    body, key = activation_body(vendor.license(), nonce="n-1"), a_key()
    first, again = device(vendor, "activate", body, key), device(vendor, "activate", body, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert without_proof_and_time(again) == without_proof_and_time(first)
    assert verify_license_token(again.json()["token"].encode(), vendor.ring).id
    assert again.json()["proof"]
    assert vendor.http.post("/v1/activate", json=body).status_code == 200  # without the key: the seat it has, anew


def test_rel_02_a_license_made_again_is_the_same_license_and_shows_its_key(vendor: Vendor) -> None:
    product, key = vendor.product(), a_key()
    body = {"product": product, "policy": "consumer"}
    first, again = admin(vendor, "/licenses", body, key), admin(vendor, "/licenses", body, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    listed = vendor.admin("GET", f"/licenses?product={product}").json()["items"]
    assert [each["id"] for each in listed] == [first.json()["id"]]
    audited = vendor.admin("GET", f"/audit?object_id={first.json()['id']}").json()["items"]
    assert Counter(each["action"] for each in audited) == {"license.created": 1, "license.key_revealed": 1}


def test_rel_02_a_license_key_is_shown_again_only_for_a_while(vendor: Vendor) -> None:
    key, body = a_key(), {"product": vendor.product(), "policy": "consumer"}
    made = admin(vendor, "/licenses", body, key).json()
    with vendor.later(KEY_SHOWN_SECONDS - 120):
        assert admin(vendor, "/licenses", body, key).json()["key"] == made["key"]
    with vendor.later(KEY_SHOWN_SECONDS + 5):
        late = admin(vendor, "/licenses", body, key)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert made["id"] in late.text
    assert made["key"] not in late.text


def test_rel_02_a_renewal_sent_again_adds_no_second_year(vendor: Vendor) -> None:
    made = vendor.license(type="timed", duration_seconds=86_400)
    key, path = a_key(), f"/licenses/{made['id']}/renew"
    first, again = (admin(vendor, path, {"duration_seconds": 1000}, key) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert again.json()["expires_at"] == first.json()["expires_at"] != made["expires_at"]
    assert admin(vendor, path, {"duration_seconds": 1000}, a_key()).json()["expires_at"] > first.json()["expires_at"]


@pytest.mark.parametrize("kind", ["product", "policy", "customer"])
def test_rel_02_what_was_made_is_shown_again(vendor: Vendor, kind: str) -> None:
    product = vendor.product()
    path, body = {
        "product": ("/products", {"id": f"{product}-two"}),
        "policy": ("/policies", {"product": product, "name": "studio"}),
        "customer": ("/customers", {"name": f"Acme of {product}"}),
    }[kind]
    key = a_key()
    first, again = admin(vendor, path, body, key), admin(vendor, path, body, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers.get("location") == first.headers.get("location")


def test_rel_02_a_suspension_sent_again_does_not_undo_what_came_between(vendor: Vendor) -> None:
    made, key = vendor.license(), a_key()
    assert admin(vendor, f"/licenses/{made['id']}/suspend", {"reason": "unpaid"}, key).json()["status"] == "suspended"
    assert vendor.admin("POST", f"/licenses/{made['id']}/reinstate").json()["status"] == "active"
    assert admin(vendor, f"/licenses/{made['id']}/suspend", {"reason": "unpaid"}, key).json()["status"] == "active"


@pytest.mark.parametrize("changed", ["body", "path", "operation"])
def test_rel_02_a_key_used_for_something_else_is_refused(vendor: Vendor, changed: str) -> None:
    one, other, key = vendor.license(), vendor.license(), a_key()
    assert admin(vendor, f"/licenses/{one['id']}/suspend", {"reason": "a"}, key).status_code == 200
    path, body = {
        "body": (f"/licenses/{one['id']}/suspend", {"reason": "b"}),
        "path": (f"/licenses/{other['id']}/suspend", {"reason": "a"}),
        "operation": (f"/licenses/{one['id']}/revoke", {"reason": "a"}),
    }[changed]
    answer = admin(vendor, path, body, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert answer.json()["retryable"] is False
    assert vendor.admin("GET", f"/licenses/{other['id']}").json()["status"] == "active"


def test_rel_02_keys_of_one_caller_mean_nothing_to_another(vendor: Vendor) -> None:
    other = vendor.on_the_servers_loop(vendor.installation.apikeys.create(CreateApiKey(name="other"), OPERATOR)).token
    product, key = vendor.product(), a_key()
    body = {"product": product, "policy": "consumer"}
    mine, theirs = admin(vendor, "/licenses", body, key), admin(vendor, "/licenses", body, key, token=other)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine.json()["id"]
    license_one, license_two = vendor.license(), vendor.license()
    assert device(vendor, "activate", activation_body(license_one), key).status_code == 201
    assert device(vendor, "activate", activation_body(license_two), key).status_code == 201


def test_rel_02_a_key_is_forgotten_after_a_day(vendor: Vendor) -> None:
    product, key = vendor.product(), a_key()
    first = admin(vendor, "/customers", {"name": product}, key).json()
    admin(vendor, "/customers", {"name": product}, a_key())  # its key will be due, too
    with vendor.later(KEEP_SECONDS - 120):
        assert admin(vendor, "/customers", {"name": product}, key).json() == first
    with vendor.later(KEEP_SECONDS + 5):
        again = admin(vendor, "/customers", {"name": product}, key)
        assert again.json()["id"] != first["id"]
        assert admin(vendor, "/customers", {"name": product}, key).json() == again.json()
        before = len(rows(vendor, "SELECT 1 FROM remembered_requests"))
        vendor.on_the_servers_loop(vendor.installation.upkeep.forget_requests())
    assert 0 < len(rows(vendor, "SELECT 1 FROM remembered_requests")) < before


def test_rel_02_a_refusal_is_decided_anew(vendor: Vendor) -> None:
    made = vendor.license(overrides={"seat_limit": 1})
    taken = vendor.ask("activate", made, fingerprint()).json()["activation"]["id"]
    body, key = activation_body(made), a_key()
    assert device(vendor, "activate", body, key).json()["code"] == "seat_limit_reached"
    vendor.admin("POST", f"/activations/{taken}/deactivate")
    assert device(vendor, "activate", body, key).status_code == 201


@pytest.mark.parametrize("ended", ["suspended", "seat freed"])
def test_a_memory_is_no_grant(vendor: Vendor, ended: str) -> None:
    made, key = vendor.license(), a_key()
    body = activation_body(made)
    first = device(vendor, "activate", body, key).json()
    if ended == "suspended":
        vendor.admin("POST", f"/licenses/{made['id']}/suspend")
        again = device(vendor, "activate", body, key)
        assert (again.status_code, again.json()["code"]) == (403, "license_suspended")
    else:
        vendor.admin("POST", f"/activations/{first['activation']['id']}/deactivate")
        again = device(vendor, "activate", body, key)
        assert again.status_code == 201
        assert again.json()["activation"]["id"] != first["activation"]["id"]
    assert "token" not in again.json() or again.json()["token"] != first["token"]


def test_rel_02_refresh_and_return_are_repeated_only_for_who_proves_the_device_key(vendor: Vendor) -> None:
    made, signer = vendor.license(), vendor.device_key(3)
    claim = {"fingerprint": fingerprint(), "public_key": b64url_encode(signer.public_key.raw)}
    activation = vendor.ask("activate", made, claim).json()["activation"]["id"]
    asked = {"activation_id": activation, "product": made["product"], "device": {"fingerprint": claim["fingerprint"]}}

    def send(call: str, key: str, proof_nonce: str | None) -> httpx2.Response:
        request = vendor.http.build_request("POST", f"/v1/{call}", json=asked, headers={"Idempotency-Key": key})
        if proof_nonce is not None:
            request.headers["Carnet-Device-Proof"] = make_device_proof(
                signer, method="POST", path=f"/v1/{call}", body=request.read(), at=vendor.clock.now(), nonce=proof_nonce
            )
        return vendor.http.send(request)

    key = a_key()
    first = send("refresh", key, "r-1")
    assert first.status_code == 200, first.text
    again = send("refresh", key, "r-2")
    assert without_proof_and_time(again) == without_proof_and_time(first)
    assert send("refresh", key, None).json()["code"] == "device_proof_required"
    key = a_key()
    gone = send("deactivate", key, "d-1")
    assert gone.status_code == 200
    assert send("deactivate", key, "d-2").json() == gone.json()
    assert send("deactivate", key, None).json()["code"] == "device_proof_required"


@pytest.mark.parametrize("call", ["activate", "createLicense", "createCustomer"])
def test_rel_02_fifty_duplicates_at_once_have_one_effect(vendor: Vendor, call: str) -> None:
    made, key, product = vendor.license(), a_key(), vendor.product()
    body = activation_body(made)

    def send(_: int) -> httpx2.Response:
        with httpx2.Client(base_url=vendor.live.url, timeout=120) as http:
            headers = {"Idempotency-Key": key, "Authorization": f"Bearer {vendor.admin_token}"}
            if call == "activate":
                return http.post("/v1/activate", json=body, headers=headers)
            if call == "createLicense":
                wanted = {"product": product, "policy": "consumer"}
                return http.post("/v1/admin/licenses", json=wanted, headers=headers)
            return http.post("/v1/admin/customers", json={"name": product}, headers=headers)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(send, range(50)))
    counted = Counter(answer.status_code for answer in answers)
    assert counted[201] >= 1
    assert set(counted) <= {201, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "request_in_flight"
            assert answer.json()["retryable"] is True
            assert int(answer.headers["retry-after"]) >= 1
    granted = [answer.json() for answer in answers if answer.status_code == 201]
    assert len({str(each.get("id") or each["activation"]["id"]) for each in granted}) == 1
    if call == "activate":
        assert len(rows(vendor, f"SELECT 1 FROM activations WHERE license_id = '{made['id']}'")) == 1  # noqa: S608
        assert len(rows(vendor, f"SELECT 1 FROM issuances WHERE license_id = '{made['id']}'")) == 2  # noqa: S608
    elif call == "createLicense":
        assert len(rows(vendor, f"SELECT 1 FROM licenses WHERE product_id = '{product}'")) == 1  # noqa: S608
    else:
        assert len(rows(vendor, f"SELECT 1 FROM customers WHERE name = '{product}'")) == 1  # noqa: S608


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "schlüssel"])
def test_a_key_out_of_bounds_is_refused(vendor: Vendor, key: str) -> None:
    headers = [(b"authorization", f"Bearer {vendor.admin_token}".encode()), (b"idempotency-key", key.encode())]
    answer = vendor.http.post("/v1/admin/customers", json={"name": "x"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize("key", ["x", "x" * 255, "!~"])
def test_a_key_within_bounds_is_taken(vendor: Vendor, key: str) -> None:
    assert admin(vendor, "/customers", {"name": f"with {len(key)}"}, key).status_code == 201


def test_sec_33_no_secret_is_remembered(vendor: Vendor) -> None:
    made, key = vendor.license(), a_key()
    answer = device(vendor, "activate", activation_body(made), key).json()
    written = repr(rows(vendor, "SELECT * FROM remembered_requests"))
    for secret in (made["key"], made["key"].replace("-", ""), key, answer["token"], answer["machine_file"][:60]):
        assert secret not in written
    assert answer["activation"]["id"] in written


def test_calls_that_change_nothing_do_not_look_at_the_key(vendor: Vendor) -> None:
    made, key = vendor.license(), a_key()
    body = {"license_key": made["key"], "product": made["product"]}
    for nonce in ("a", "b"):
        assert device(vendor, "validate", {**body, "nonce": nonce}, key).status_code == 200


def test_the_contract_names_the_header_where_it_counts(vendor: Vendor) -> None:
    document = vendor.http.get("/openapi.json").json()
    named = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
    }
    assert named == set(REMADE)

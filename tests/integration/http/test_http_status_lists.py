"""Status lists over real HTTP: fetched, kept by caches, and brought along with answers (specs/http-api.md §6)."""

from __future__ import annotations

from typing import Any

from carnet.formats.license_token import verify_license_token
from carnet.formats.status_list import StatusList, verify_status_list
from support.status_lists import publish
from support.vendor import Vendor, fingerprint


def published(vendor: Vendor) -> None:
    vendor.on_the_servers_loop(publish(vendor.installation))


def fetched(vendor: Vendor, uri: str) -> StatusList:
    answer = vendor.http.get("/" + uri.partition("://")[2].partition("/")[2])
    assert answer.status_code == 200
    return verify_status_list(answer.text, vendor.ring, uri=uri)


def test_r_15_the_list_that_a_license_names_says_that_it_was_revoked(vendor: Vendor) -> None:
    license_ = vendor.license()
    published(vendor)
    reply = vendor.ask("activate", license_, fingerprint()).json()
    grant = verify_license_token(reply["token"], vendor.ring)
    refs = (grant.license_status_ref, grant.activation_status_ref)
    assert all(ref is not None for ref in refs)
    for path, statuses in (("", (0, 0)), ("suspend", (2, 0)), ("reinstate", (0, 0)), ("revoke", (1, 0))):
        if path:
            assert vendor.admin("POST", f"/licenses/{license_['id']}/{path}", {}).status_code == 200
        published(vendor)
        for ref, status in zip(refs, statuses, strict=True):
            assert ref is not None
            listed = fetched(vendor, ref.uri)
            assert listed.status(ref.index) == status
            assert listed.version >= (ref.minimum or (0, 0))


def test_r_83_any_cache_may_keep_a_list_and_asks_with_its_tag(vendor: Vendor) -> None:
    license_ = vendor.license()
    published(vendor)
    first = vendor.http.get("/v1/status/0")
    assert first.headers["content-type"] == "application/statuslist+jwt"
    assert first.headers["cache-control"] == "public, max-age=60, stale-if-error=604800"
    tag = {"If-None-Match": first.headers["etag"]}
    again = vendor.http.get("/v1/status/0", headers=tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert vendor.http.head("/v1/status/0").headers["etag"] == first.headers["etag"]
    vendor.admin("POST", f"/licenses/{license_['id']}/revoke", {})
    published(vendor)
    changed = vendor.http.get("/v1/status/0", headers=tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_a_list_that_does_not_exist_is_a_problem(vendor: Vendor) -> None:
    vendor.license()
    published(vendor)
    for number in (1, 8191, 10**17):
        answer = vendor.http.get(f"/v1/status/{number}")
        assert (answer.status_code, answer.json()["code"]) == (404, "status_list_not_found")
        assert answer.json()["type"] == "/problems/status_list_not_found"
    for path in ("/v1/status/x", "/v1/status/-1", "/v1/status/", f"/v1/status/{'9' * 5000}"):
        assert vendor.http.get(path).status_code == 404


def test_r_83_answers_bring_the_lists_that_a_device_does_not_have(vendor: Vendor) -> None:
    license_, device = vendor.license(), fingerprint()
    published(vendor)
    assert "status_lists" not in vendor.ask("activate", license_, device).json()
    taken = vendor.ask("activate", license_, device, status_versions={}).json()["status_lists"]
    listed = verify_status_list(taken[0], vendor.ring)
    assert len(taken) == 1

    def sent(versions: Any) -> Any:
        answer = vendor.ask("refresh", license_, device, status_versions=versions)
        assert answer.status_code == 200
        return answer.json().get("status_lists")

    epoch, number = listed.version
    assert sent(None) is None
    assert sent({}) == taken
    assert sent({listed.uri: [epoch, number - 1]}) == taken
    assert sent({listed.uri: [epoch, number]}) == []
    assert sent({"https://elsewhere.example.com/v1/status/0": [epoch + 1, 1]}) == taken
    wrong_ones: tuple[Any, ...] = (
        [],
        {listed.uri: 1},
        {listed.uri: [1]},
        {listed.uri: [1, -1]},
        {listed.uri: [1, "2"]},
    )
    for wrong in wrong_ones:
        answer = vendor.ask("refresh", license_, device, status_versions=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_member")
    answer = vendor.ask("refresh", license_, device, status_versions={str(n): [0, 1] for n in range(65)})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_member")


def test_rel_02_a_repeated_activation_brings_the_lists_again(vendor: Vendor) -> None:
    license_ = vendor.license()
    published(vendor)
    body = {
        "license_key": license_["key"],
        "product": license_["product"],
        "device": {"fingerprint": fingerprint()},
        "status_versions": {},
    }
    headers = {"Idempotency-Key": license_["id"]}
    first, again = (vendor.http.post("/v1/activate", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["status_lists"] == first.json()["status_lists"]
    assert len(first.json()["status_lists"]) == 1


def test_metrics_and_readiness_tell_of_the_lists(vendor: Vendor) -> None:
    vendor.license()
    published(vendor)
    text = vendor.http.get("/metrics").text
    assert "carnet_status_lists 1.0" in text
    assert "carnet_status_lists_published_total" in text
    assert "carnet_status_list_age_seconds" in text
    parts = {part["name"]: part["ok"] for part in vendor.http.get("/readyz").json()["parts"]}
    assert parts["status-lists"]

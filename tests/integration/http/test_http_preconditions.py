"""`ETag`, `If-Match` and `If-None-Match` on what the vendor keeps, and pages that hold still; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from carnet.server.api.preconditions import CHANGED, SHOWN
from support.databases import KINDS, on
from support.installations import give_back
from support.served import served
from support.vendor import Vendor, fingerprint


@pytest.fixture(scope="module", params=KINDS)
def vendor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with on(request.param):
        with served(tmp_path_factory.mktemp("vendor")) as ready:
            yield ready
        give_back()


def send(vendor: Vendor, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
    sent = {"Authorization": f"Bearer {vendor.admin_token}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return vendor.http.request(method, f"/v1/admin{path}", json=body, headers=sent)


def tag_of(vendor: Vendor, path: str) -> str:
    tag: str = send(vendor, "GET", path).headers["etag"]
    return tag


def test_a_change_meets_what_was_read_or_is_not_made(vendor: Vendor) -> None:
    path = f"/licenses/{vendor.license()['id']}"
    read = tag_of(vendor, path)
    suspended = send(vendor, "POST", f"{path}/suspend", If_Match=read)
    assert suspended.status_code == 200
    assert suspended.headers["etag"] == tag_of(vendor, path) != read
    late = send(vendor, "POST", f"{path}/revoke", If_Match=read)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert late.json()["retryable"] is False
    assert send(vendor, "GET", path).json()["status"] == "suspended"
    assert send(vendor, "POST", f"{path}/revoke", If_Match=suspended.headers["etag"]).json()["status"] == "revoked"


def test_a_policy_is_replaced_only_as_it_was_read(vendor: Vendor) -> None:
    path = f"/policies/{vendor.product()}/consumer"
    read = tag_of(vendor, path)
    first = send(vendor, "PUT", path, {"rules": {"seat_limit": 7}}, If_Match=read)
    assert first.status_code == 200
    assert send(vendor, "PUT", path, {"rules": {"seat_limit": 9}}, If_Match=read).status_code == 412
    assert send(vendor, "GET", path).json()["rules"]["seat_limit"] == 7
    assert tag_of(vendor, path) == first.headers["etag"]


@pytest.mark.parametrize("matches", ["*", "{tag}", '"no", {tag}', '"{revision}"', '{tag} , "x"'])
def test_what_matches(vendor: Vendor, matches: str) -> None:
    path = f"/licenses/{vendor.license()['id']}"
    tag = tag_of(vendor, path)
    given = matches.replace("{tag}", tag).replace("{revision}", tag.strip('"').partition(".")[0])
    assert send(vendor, "POST", f"{path}/suspend", If_Match=given).status_code == 200


@pytest.mark.parametrize("never", ["W/{tag}", '"0"', '"x"', "", "{bare}", '"99"', '"1.{long}"', '"-1"', '"01"'])
def test_what_never_matches(vendor: Vendor, never: str) -> None:
    path = f"/licenses/{vendor.license()['id']}"
    tag = tag_of(vendor, path)
    given = never.replace("{tag}", tag).replace("{bare}", tag.strip('"')).replace("{long}", "x" * 65)
    assert send(vendor, "POST", f"{path}/suspend", If_Match=given).status_code == 412
    assert send(vendor, "GET", path).json()["status"] == "active"


def test_what_devices_do_is_no_reason_to_refuse_the_vendor(vendor: Vendor) -> None:
    made = vendor.license()
    path = f"/licenses/{made['id']}"
    read = tag_of(vendor, path)
    assert vendor.ask("activate", made, fingerprint()).status_code == 201
    assert tag_of(vendor, path) != read  # shown differently now: one seat is used
    assert send(vendor, "POST", f"{path}/suspend", If_Match=read).status_code == 200


def test_of_many_who_read_the_same_one_changes_it(vendor: Vendor) -> None:
    path = f"/policies/{vendor.product()}/consumer"
    read = tag_of(vendor, path)

    def replace(number: int) -> int:
        with httpx2.Client(base_url=vendor.live.url, timeout=120) as http:
            headers = {"Authorization": f"Bearer {vendor.admin_token}", "If-Match": read}
            body = {"rules": {"seat_limit": number + 1}}
            return http.put(f"/v1/admin{path}", json=body, headers=headers).status_code

    with ThreadPoolExecutor(16) as threads:
        assert sorted(threads.map(replace, range(16))) == [200] + [412] * 15


@pytest.mark.parametrize("kind", ["products", "policies", "customers", "licenses"])
def test_who_has_it_gets_304(vendor: Vendor, kind: str) -> None:
    made = vendor.license()
    customer = vendor.made("/customers", {"name": "Acme"})
    path = {
        "products": f"/products/{made['product']}",
        "policies": f"/policies/{made['product']}/consumer",
        "customers": f"/customers/{customer['id']}",
        "licenses": f"/licenses/{made['id']}",
    }[kind]
    tag = tag_of(vendor, path)
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        kept = send(vendor, "GET", path, If_None_Match=given)
        assert (kept.status_code, kept.content) == (304, b"")
        assert kept.headers["etag"] == tag
    assert send(vendor, "HEAD", path, If_None_Match='"x"').headers["etag"] == tag
    assert send(vendor, "GET", path, If_None_Match='"x"').status_code == 200
    assert "no-store" in send(vendor, "GET", path).headers["cache-control"]


def test_the_contract_names_the_headers_where_they_count(vendor: Vendor) -> None:
    document = vendor.http.get("/openapi.json").json()
    named: dict[str, set[str]] = {"If-Match": set(), "If-None-Match": set()}
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in named:
                    named[parameter["name"]].add(operation["operationId"])
            has_tag = "ETag" in operation["responses"].get("200", {}).get("headers", {})
            assert has_tag is (operation["operationId"] in SHOWN | CHANGED)
            assert ("412" in operation["responses"]) is (operation["operationId"] in CHANGED)
    assert named == {"If-Match": set(CHANGED), "If-None-Match": set(SHOWN)}


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def walk(vendor: Vendor, path: str, limit: int, between: Any = None) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        joined = f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        answer = send(vendor, "GET", joined)
        page = answer.json()
        assert len(page["items"]) <= limit
        assert page["has_more"] is (page["next_cursor"] is not None)
        assert ('rel="next"' in answer.headers.get("link", "")) is page["has_more"]
        items += page["items"]
        if not page["has_more"]:
            return items
        assert page["items"], "a page with more behind it is never empty"
        cursor = page["next_cursor"]
        if between is not None:
            between()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
def test_pages_hold_every_item_once_whatever_is_added_meanwhile(vendor: Vendor, limit: int) -> None:
    product = vendor.product()
    there = [vendor.license(product)["id"] for _ in range(7)]
    added: list[str] = []

    def add() -> None:
        if len(added) < 5:
            added.append(vendor.license(product)["id"])

    found = [each["id"] for each in walk(vendor, f"/licenses?product={product}", limit, add)]
    assert found == there[::-1]
    assert [each["id"] for each in walk(vendor, f"/licenses?product={product}", limit)] == (there + added)[::-1]


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5", "99999999999999999999"])
def test_a_page_size_out_of_bounds_is_refused(vendor: Vendor, limit: str) -> None:
    assert send(vendor, "GET", f"/licenses?limit={limit}").status_code == 400


@pytest.mark.parametrize("path", ["/products", "/customers", "/licenses", "/apikeys"])
@pytest.mark.parametrize("cursor", ["x", "00000000", "%00", "%27%20OR%201=1--", "z" * 128])
def test_a_made_up_cursor_harms_nothing(vendor: Vendor, path: str, cursor: str) -> None:
    answer = send(vendor, "GET", f"{path}?cursor={cursor}")
    assert answer.status_code in {200, 400}
    if answer.status_code == 200:
        assert answer.json()["has_more"] in {True, False}
    assert send(vendor, "GET", f"{path}?cursor={'z' * 129}").status_code == 400


def test_a_conversion_meets_what_was_read_or_is_not_made(vendor: Vendor) -> None:
    path = f"/licenses/{vendor.license(type='trial', duration_seconds=3600)['id']}"
    read = tag_of(vendor, path)
    assert send(vendor, "POST", f"{path}/suspend").status_code == 200
    bought = {"type": "perpetual"}
    assert send(vendor, "POST", f"{path}/convert", bought, If_Match=read).status_code == 412
    assert send(vendor, "GET", path).json()["type"] == "trial"
    made = send(vendor, "POST", f"{path}/convert", bought, If_Match=tag_of(vendor, path))
    assert (made.status_code, made.headers["etag"]) == (200, tag_of(vendor, path))


def test_a_change_that_no_tag_is_about_is_not_made_as_if_there_were_none(vendor: Vendor) -> None:
    """Whoever sends If-Match relies on it: many licenses, terms of leases and new things have no tag to compare."""
    license_ = vendor.license()
    tag = tag_of(vendor, f"/licenses/{license_['id']}")
    changes: list[tuple[str, str, Any]] = [
        ("POST", "/licenses/bulk-change", {"action": "revoke", "ids": [license_["id"]]}),
        ("PUT", f"/licenses/{license_['id']}/lease-terms", {"terms": {"limit": 1}}),
        ("POST", "/licenses", {"product": license_["product"], "policy": "consumer"}),
        ("POST", f"/licenses/{license_['id']}/reveal-key", None),
    ]
    before = vendor.counts()
    for method, path, body in changes:
        answer = send(vendor, method, path, body, If_Match=tag)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed"), path
        assert vendor.counts() == before
        assert send(vendor, method, path, body, If_Match="*").is_success
        before = vendor.counts()
    looked = send(vendor, "POST", "/licenses/find", {"license_key": license_["key"]}, If_Match=tag)
    assert looked.status_code == 200
    assert vendor.http.post("/v1/validate", json={"license_key": license_["key"], "product": license_["product"]},
                            headers={"If-Match": tag}).status_code == 200  # fmt: skip

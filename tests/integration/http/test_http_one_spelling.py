"""What a request names has one spelling; another one is refused and never taken for something else."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from carnet.server.domain.ids import Ids
from support.vendor import Vendor, fingerprint

AN_ID = Ids(bytes).new(1_790_000_000)  # type: ignore[arg-type]

ENROLMENTS = "/licenses/{license_id}/enrolments"
LISTS_BY_ID = ["/customers", "/licenses", "/apikeys", "/keys", "/activations", "/leases", ENROLMENTS]
NO_ID = [
    "",
    "zzz",
    "17",
    f" {AN_ID}",
    f"{AN_ID} ",
    AN_ID.upper(),
    AN_ID[:-1],
    AN_ID.replace("-7", "-4", 1),
    f"{AN_ID}\n",
]
NO_NUMBER = ["", "zzz", "0", "017", "+17", " 17", "17 ", "\u0661\u0667", "1" * 19, AN_ID]
NO_SLUG = ["", "Z", " zzz", "zzz ", "a--b", "a/b"]
NO_NAME = ["", " consumer", "consumer ", "a\nb", "n" * 101]


def _path(vendor: Vendor, listed: str) -> str:
    if listed == ENROLMENTS:
        return f"{listed.format(license_id=vendor.license()['id'])}?"
    if listed in {"/activations", "/leases"}:
        return f"{listed}?license_id={vendor.license()['id']}&"
    return f"{listed}?product={vendor.product()}&" if listed == "/policies" else f"{listed}?"


@pytest.mark.parametrize(
    ("listed", "cursors"),
    [
        *((listed, NO_ID) for listed in LISTS_BY_ID),
        *((listed, NO_NUMBER) for listed in ("/audit", "/events", "/deliveries")),
        ("/products", NO_SLUG),
        ("/policies", NO_NAME),
        ("/never-issued", ["", "zzz", AN_ID, "17"]),
    ],
)
def test_a_cursor_that_no_page_gave_is_refused_and_does_not_begin_the_list_again(
    vendor: Vendor, listed: str, cursors: list[str]
) -> None:
    path = _path(vendor, listed)
    for cursor in cursors:
        answer = vendor.admin("GET", f"{path}cursor={quote(cursor, safe='')}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument"), (cursor, answer.text)
        assert "cursor" in answer.json()["detail"]


def test_every_list_that_has_cursors_says_that_it_may_refuse_one(vendor: Vendor) -> None:
    document = vendor.http.get("/openapi.json").json()
    with_cursor = [
        item["get"]
        for item in document["paths"].values()
        if any(each["name"] == "cursor" for each in item.get("get", {}).get("parameters", []))
    ]
    assert len(with_cursor) == len(LISTS_BY_ID) + 6
    assert all("`invalid_argument`" in each["responses"]["400"]["description"] for each in with_cursor)


def test_cursors_that_were_given_go_on(vendor: Vendor) -> None:
    product, odd = vendor.product(), "Büro & Co. 100%"
    vendor.made("/policies", {"product": product, "name": odd, "rules": {}})
    license_ = vendor.license(product)
    enrolments = ENROLMENTS.format(license_id=license_["id"])
    for number in range(2):
        vendor.product()
        vendor.license(product)
        vendor.made("/customers", {"name": f"C{number}"})
        vendor.made("/apikeys", {"name": f"K{number}", "scopes": ["read"]})
        vendor.made("/keys", {"product": vendor.product(), "alg": "EdDSA"})
        vendor.made(enrolments, {"name": f"E{number}"})
        assert vendor.ask("activate", license_, fingerprint(), force=True).status_code in {200, 201, 403, 409}
    for listed in ("/customers", "/licenses", "/apikeys", "/keys", "/audit", "/events", "/products"):
        _walk(vendor, f"{listed}?", most=3)
    _walk(vendor, f"/policies?product={product}&", most=4)
    _walk(vendor, f"/activations?license_id={license_['id']}&", most=3)
    _walk(vendor, f"{enrolments}?", most=3)


def _walk(vendor: Vendor, path: str, *, most: int) -> None:
    seen: list[str] = []
    cursor = ""
    for _ in range(most):
        answer = vendor.admin("GET", f"{path}limit=1{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += [json.dumps(item, sort_keys=True) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={quote(page['next_cursor'], safe='')}"
    assert len(set(seen)) == len(seen) > 0


@pytest.mark.parametrize("spelling", ["01", "+1", "%2B1", "1_", "0_1", "\u0661", "%201", "1%20", "-0", "00"])
def test_a_root_file_and_a_status_list_have_one_address(vendor: Vendor, spelling: str) -> None:
    for called, code in (("root", "root_not_found"), ("status", "status_list_not_found")):
        answer = vendor.http.get(f"/v1/{called}/{spelling}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), answer.text
        assert answer.json()["code"] in {code, "not_found"}
    assert vendor.http.get("/v1/root/1").status_code == vendor.http.get("/v1/root/1/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "//v1/root"),
        ("GET", "/v1//root"),
        ("GET", "/v1/root//1"),
        ("GET", "/v1/root//"),
        ("HEAD", "//livez"),
        ("GET", "//"),
        ("POST", "//v1/validate"),
        ("POST", "/v1//activate"),
        ("PUT", "/v1/leases//x"),
    ],
)
def test_an_empty_step_in_a_path_leads_nowhere(vendor: Vendor, method: str, path: str) -> None:
    answer = vendor.http.request(method, f"{vendor.live.url}{path}")
    assert answer.status_code == 404
    assert answer.headers["x-request-id"]
    if method != "HEAD":
        assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("token", {"profile": "traffic-orchestrator", "device": fingerprint(1)}),
        ("token", {"profile": "keyforge"}),
        ("token", {"profile": "native-jwt", "device": " x"}),
        ("offline-token", {"device": "x\n"}),
    ],
)
def test_a_problem_names_the_member_that_the_caller_sent(vendor: Vendor, call: str, body: dict[str, str]) -> None:
    answer = vendor.admin("POST", f"/licenses/{vendor.license()['id']}/{call}", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument"), answer.text
    assert answer.json()["detail"].startswith("device is not valid.")
    assert "fingerprint" not in answer.json()["detail"]

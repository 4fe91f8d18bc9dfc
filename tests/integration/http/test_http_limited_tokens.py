"""
SEC-36: admin tokens that are limited to products. Every operation of the contract, on what is theirs, on what is
another product's and on what does not exist: the last two look alike, and a call that nobody thought of is closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx2
import pytest

from carnet.core._base import replace
from carnet.formats.jws import sign_jws, unverified_jws
from carnet.formats.license_token import issue_license_token, verify_license_token
from carnet.server.domain.apikeys.commands import SCOPES
from carnet.server.records import ApiKey
from carnet.server.storage.rows.access import api_key_from, api_key_values
from support.drills import stolen
from support.vendor import Vendor, fingerprint

Ids: TypeAlias = dict[str, str]
Operation: TypeAlias = tuple[str, str, dict[str, Any]]

NOTHING: Ids = {
    "product": "no-such-product",
    "name": "consumer",
    **dict.fromkeys(("license_id", "activation_id", "enrolment_id", "lease_id", "kid", "customer_id"), "no-such-id"),
}

BODIES: dict[str, Callable[[Ids], Any]] = {
    "createPolicy": lambda ids: {"product": ids["product"], "name": "new one"},
    "updatePolicy": lambda _: {"rules": {"seat_limit": 3}},
    "changePolicyLeaseTerms": lambda _: {"terms": {"limit": 3}},
    "changeLicenseLeaseTerms": lambda _: {"terms": {"limit": 3}},
    "createLicense": lambda ids: {
        "product": ids["product"], "policy": "consumer", "customer": ids.get("customer_id")
    },
    "createLicenses": lambda ids: {
        "product": ids["product"], "policy": "consumer", "count": 2, "customer": ids.get("customer_id")
    },
    "bulkIssue": lambda ids: {
        "product": ids["product"], "policy": "consumer", "count": 2, "customer": ids.get("customer_id")
    },
    "renewLicense": lambda _: {"duration_seconds": 60},
    "convertLicense": lambda _: {"policy": "professional", "keeps_term": True},
    "replaceSeat": lambda _: {"fingerprint": fingerprint(), "replaces_all": True},
    "createEnrolment": lambda _: {"name": "lab"},
    "correctUsage": lambda _: {"meter": "calls", "event_id": "e-1", "amount": 1},
    "issueOfflineToken": lambda ids: {"device": ids.get("device", "d")},
    "issueToken": lambda ids: {"profile": "native-jwt", "device": ids.get("device", "d")},
    "createKey": lambda ids: {"product": ids["product"], "alg": "EdDSA"},
}  # fmt: skip
"""What operations need in their body. Those about one product are asked with every product's ids."""

QUERIES: dict[str, tuple[str, ...]] = {
    "listPolicies": ("product",),
    "listActivations": ("license_id",),
    "listLeases": ("license_id",),
}
FILTERED = {
    "bulkChange", "checkArtifact", "createCustomer", "exportKeys", "exportLicenses", "findLicense", "importLicenses",
    "listCustomers", "listKeys", "listLicenses", "listNeverIssued", "listProducts",
}  # fmt: skip
"""What shows and does only what is within reach; each has a test of its own below."""

LAST = ("replaceSeat", "deactivateByVendor", "endLease", "retireKey", "revokeEnrolment", "suspendLicense", "reinstateLicense", "revokeLicense")  # noqa: E501 # fmt: skip
"""What ends things, in an order that works."""


class House:
    """A product with one of everything."""

    def __init__(self, vendor: Vendor) -> None:
        self.product = vendor.product()
        self.customer = vendor.made("/customers", {"name": f"Buyer of {self.product}"})["id"]
        self.license = vendor.license(self.product, type="timed", duration_seconds=86_400, customer=self.customer,
                                      conditions={"meters": [{"name": "calls", "limit": 10}]})  # fmt: skip
        device = fingerprint()
        activated = vendor.ask("activate", self.license, device).json()
        path = f"/licenses/{self.license['id']}"
        assert vendor.admin("PUT", f"{path}/lease-terms", {"terms": {"limit": 2}}).is_success
        claimed = vendor.ask("leases", self.license, holder={"kind": "process", "id": "p"}, ttl_seconds=60).json()
        self.ids: Ids = {
            "product": self.product,
            "name": "consumer",
            "license_id": self.license["id"],
            "activation_id": activated["activation"]["id"],
            "enrolment_id": vendor.made(f"{path}/enrolments", {"name": "lab"})["id"],
            "lease_id": claimed["lease"]["id"],
            "kid": vendor.made("/keys", {"product": self.product, "alg": "EdDSA"})["kid"],
            "customer_id": self.customer,
            "device": device,
        }

    def seen(self, vendor: Vendor) -> list[Any]:
        """Everything of it, as a token without limits sees it."""
        path = f"/licenses/{self.license['id']}"
        paths = [
            path, f"{path}/enrolments", f"{path}/usage", f"{path}/lease-terms", f"/activations?license_id={path[10:]}",
            f"/leases?license_id={path[10:]}", f"/keys?product={self.product}", f"/policies?product={self.product}",
            f"/licenses?product={self.product}", f"/policies/{self.product}/consumer/lease-terms",
        ]  # fmt: skip
        answers = [vendor.admin("GET", each) for each in paths]
        assert {each.status_code for each in answers} == {200}, [each.text for each in answers]
        return [each.json() for each in answers]

    def names(self) -> set[str]:
        """What gives it away."""
        return {*(value for name, value in self.ids.items() if name != "name"), self.license["key"]}


@pytest.fixture(scope="module")
def own(vendor: Vendor) -> House:
    return House(vendor)


@pytest.fixture(scope="module")
def foreign(vendor: Vendor) -> House:
    return House(vendor)


@pytest.fixture(scope="module")
def operations(vendor: Vendor) -> list[Operation]:
    document = vendor.http.get("/openapi.json").json()
    found = [(path, method, each) for path, item in document["paths"].items() for method, each in item.items()]
    return [(path, method, each) for path, method, each in found if each["security"]]


def token_of(vendor: Vendor, *products: str, scopes: tuple[str, ...] = ("admin",)) -> str:
    made = vendor.made("/apikeys", {"name": "t", "scopes": list(scopes), "products": list(products)})
    assert made["products"] == list(products)
    token: str = made["token"]
    return token


@pytest.fixture(scope="module")
def token(vendor: Vendor, own: House) -> str:
    return token_of(vendor, own.product)


def ask(vendor: Vendor, operation: Operation, ids: Ids, token: str) -> httpx2.Response:
    path, method, about = operation
    name = about["operationId"]
    address = re.sub(r"{(\w+)}", lambda found: ids.get(found[1], "no-such-id"), path)
    body = BODIES[name](ids) if name in BODIES else {} if method != "get" else None
    query = {each: ids[each] for each in QUERIES.get(name, ())}
    headers = {"Authorization": f"Bearer {token}"}
    return vendor.http.request(method.upper(), address, json=body, params=query, headers=headers)


def told(answer: httpx2.Response, ids: Ids) -> tuple[int, str]:
    """Status and problem without the ids that were asked about and the request's own."""
    text = answer.text
    for name, value in ids.items():
        text = text.replace(value, f"<{name}>") if name != "name" else text
    return answer.status_code, re.sub(r'"instance":"[^"]*"', "", text)


def test_sec_36_what_belongs_to_another_product_looks_as_if_it_were_not_there(
    vendor: Vendor, operations: list[Operation], own: House, foreign: House, record_property: Any
) -> None:
    token = token_of(vendor, own.product)
    before, judged = foreign.seen(vendor), 0
    for operation in operations:
        about = operation[2]
        if not about["x-carnet-limited-tokens"] or about["operationId"] in FILTERED:
            continue
        answer = ask(vendor, operation, foreign.ids, token)
        nobody = ask(vendor, operation, NOTHING, token)
        assert told(answer, foreign.ids) == told(nobody, NOTHING), about["operationId"]
        assert answer.status_code == 404, (about["operationId"], answer.text)
        # Half of it theirs is not theirs: a foreign thing beside their own product, and the other way round.
        if about["operationId"] in {"createLicense", "createLicenses", "bulkIssue"}:
            mixed = ask(vendor, operation, {**own.ids, "customer_id": foreign.customer}, token)
            assert (mixed.status_code, mixed.json()["code"]) == (404, "customer_not_found")
        judged += 1
    assert foreign.seen(vendor) == before
    record_property("operations asked about another product", judged)
    assert judged >= 35


def test_sec_36_what_is_theirs_they_may_do(vendor: Vendor, operations: list[Operation], record_property: Any) -> None:
    own = House(vendor)
    token = token_of(vendor, own.product)

    def is_last(operation: Operation) -> int:
        name = operation[2]["operationId"]
        return LAST.index(name) + 1 if name in LAST else 0

    done = 0
    for operation in sorted(operations, key=is_last):
        about = operation[2]
        if not about["x-carnet-limited-tokens"] or about["operationId"] in FILTERED:
            continue
        assert about.get("requestBody") is None or about["operationId"] in BODIES or is_last(operation) or not about["requestBody"]["required"]  # noqa: E501 # fmt: skip
        answer = ask(vendor, operation, own.ids, token)
        assert answer.is_success, (about["operationId"], answer.text)
        done += 1
    record_property("operations done on their own product", done)
    assert done >= 35


def test_sec_36_what_concerns_the_whole_installation_is_closed(
    vendor: Vendor, operations: list[Operation], own: House, token: str
) -> None:
    closed = [each for each in operations if not each[2]["x-carnet-limited-tokens"]]
    for operation in closed:
        for ids in (own.ids, NOTHING):
            answer = ask(vendor, operation, ids, token)
            assert (answer.status_code, answer.json()["code"]) == (403, "token_limited"), operation[2]["operationId"]
        assert "token_limited" in operation[2]["responses"]["403"]["description"]
    names = {each[2]["operationId"] for each in closed}
    assert {"createProduct", "createApiKey", "listApiKeys", "revokeApiKey", "listAudit"} <= names
    assert len(closed) + len(FILTERED) + 35 <= len(operations)


def test_sec_36_a_call_that_nobody_thought_of_is_closed(operations: list[Operation]) -> None:
    """Open is only what names, in address, query or body, something of one product, and what `FILTERED` lists."""
    for path, _, about in operations:
        named = {*re.findall(r"{(\w+)}", path), *QUERIES.get(about["operationId"], ())}
        in_body = about["operationId"] in {"createPolicy", "createLicense", "createLicenses", "bulkIssue", "createKey"}
        is_open = about["operationId"] in FILTERED or in_body or bool(named and named <= set(NOTHING))
        assert about["x-carnet-limited-tokens"] == is_open, about["operationId"]


def test_sec_36_scopes_count_for_limited_tokens_as_well(
    vendor: Vendor, operations: list[Operation], own: House
) -> None:
    for scope in SCOPES:
        if scope == "admin":
            continue
        limited = token_of(vendor, own.product, scopes=(scope,))
        for operation in operations:
            if operation[2]["x-carnet-scope"] != scope:
                answer = ask(vendor, operation, NOTHING, limited)
                assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")


def test_sec_36_lists_and_files_show_only_what_is_theirs(
    vendor: Vendor, own: House, foreign: House, token: str
) -> None:
    paths = ["/products", "/customers", "/licenses", "/keys", "/licenses/export", "/licenses/export?format=jsonl"]
    paths += [f"/licenses?product={foreign.product}", f"/licenses?customer={foreign.customer}"]
    for path in paths:
        answer = vendor.admin("GET", path, token=token)
        assert answer.status_code == 200, answer.text
        assert not {each for each in foreign.names() if each in answer.text}, path
        if "?product" not in path and "?customer" not in path:
            assert own.product in answer.text or own.customer in answer.text
    keys = vendor.admin("POST", "/licenses/export-keys", token=token)
    assert own.license["key"] in keys.text
    assert foreign.license["key"] not in keys.text
    unknown = vendor.admin("GET", "/keys?product=no-such-product", token=token)
    hidden = vendor.admin("GET", f"/keys?product={foreign.product}", token=token)
    assert told(hidden, foreign.ids) == told(unknown, NOTHING)


def test_sec_36_a_parameter_that_is_given_twice_reaches_no_further(
    vendor: Vendor, own: House, foreign: House, token: str
) -> None:
    mine, theirs = own.ids["license_id"], foreign.ids["license_id"]
    for first, second in ((mine, theirs), (theirs, mine)):
        for call in ("activations", "leases"):
            answer = vendor.admin("GET", f"/{call}?license_id={first}&license_id={second}", token=token)
            assert answer.status_code in {400, 404}, answer.text
            assert foreign.ids["activation_id"] not in answer.text
    for first, second in ((own.product, foreign.product), (foreign.product, own.product)):
        answer = vendor.admin("GET", f"/policies?product={first}&product={second}", token=token)
        assert answer.status_code in {400, 404}, answer.text


def test_sec_36_a_key_finds_only_licenses_that_are_theirs(
    vendor: Vendor, own: House, foreign: House, token: str
) -> None:
    def find(key: str) -> httpx2.Response:
        return vendor.admin("POST", "/licenses/find", {"license_key": key}, token=token)

    assert find(own.license["key"]).json()["id"] == own.license["id"]
    hidden, unknown = find(foreign.license["key"]), find("00000-00000-00000-00000-00000")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "license_not_found")
    assert hidden.json()["detail"] == unknown.json()["detail"]


def test_sec_36_a_file_of_another_product_is_neither_judged_nor_recorded_nor_listed(
    vendor: Vendor, own: House, foreign: House, token: str
) -> None:
    def judge(text: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return vendor.http.post("/v1/admin/artifacts/check", content=text, headers=headers)

    def forged(house: House) -> str:
        genuine = verify_license_token(issued(house), vendor.ring)
        return issue_license_token(replace(genuine, id=f"of {house.product}"), stolen(vendor.installation, "token"))

    def issued(house: House) -> str:
        return str(vendor.ask("activate", house.license, house.ids["device"]).json()["token"])

    assert judge(issued(own)).json()["verdict"] == "issued"
    assert judge(forged(own)).json()["verdict"] == "never_issued"
    for text in (issued(foreign), forged(foreign)):
        hidden = judge(text)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "product_not_found")
    everything = vendor.admin("GET", "/never-issued").json()["items"]
    assert f"of {foreign.product}" not in {each["jti"] for each in everything}
    headers = {"Authorization": f"Bearer {vendor.admin_token}"}
    vendor.http.post("/v1/admin/artifacts/check", content=forged(foreign), headers=headers)
    for query in ("", "?proved=true", f"?product={own.product}", "?limit=1"):
        listed = vendor.admin("GET", f"/never-issued{query}", token=token).json()
        assert [each["jti"] for each in listed["items"]] == [f"of {own.product}"]
        assert not listed["has_more"]
    unknown = vendor.admin("GET", "/never-issued?product=no-such-product", token=token)
    hidden = vendor.admin("GET", f"/never-issued?product={foreign.product}", token=token)
    assert told(hidden, foreign.ids) == told(unknown, NOTHING)


def test_sec_36_signed_keys_offline_tokens_and_tokens_for_others_are_judged_within_reach_only(vendor: Vendor) -> None:
    mine, theirs = vendor.product(), vendor.product()
    headers = {"Authorization": f"Bearer {token_of(vendor, mine, scopes=('support',))}"}

    def judge(text: str) -> httpx2.Response:
        return vendor.http.post("/v1/admin/artifacts/check", content=text, headers=headers)

    def made(product: str, what: str, **body: Any) -> str:
        license_, device = vendor.license(product), fingerprint()
        vendor.ask("activate", license_, device)
        if body.get("profile") != "traffic-orchestrator" and what != "signed-key":
            body["device"] = device
        return str(vendor.made(f"/licenses/{license_['id']}/{what}", body)["text"])

    before = vendor.admin("GET", "/never-issued").text
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("signed-key", {}),
        ("offline-token", {}),
        ("token", {"profile": "native-jwt"}),
        ("token", {"profile": "keyforge"}),
        ("token", {"profile": "traffic-orchestrator"}),
    )
    for what, body in kinds:
        if body.get("profile") in ("native-jwt", "traffic-orchestrator"):
            keys = [vendor.made("/keys", {"product": each, "alg": "EdDSA"}) for each in (mine, theirs)]
        assert judge(made(mine, what, **body)).json()["verdict"] == "issued", body
        hidden = judge(made(theirs, what, **body))
        assert (hidden.status_code, hidden.json()["code"]) == (404, "product_not_found"), body
    # Nothing in the last of them names its product; only its key does, and the answer does not.
    assert theirs not in hidden.text

    # My product under their key: neither judged nor recorded, and whoever may see both is told.
    _, claims = unverified_jws(made(mine, "token", profile="traffic-orchestrator"), max_bytes=10_000, what="It")
    record = vendor.on_the_servers_loop(vendor.installation.keys.get(keys[1]["kid"]))
    keyforge = {
        **{name: claims[name] for name in ("iat", "exp")},
        "status": "active",
        "jti": "of-their-key",
        "license": {"key": "X", "productId": mine, "type": "perpetual", "expiresAt": None, "createdAt": 1,
                    "maxDevices": 1, "email": None},
        "device": {"identifier": "d", "name": "d", "activationDate": 1},
    }  # fmt: skip
    forged = sign_jws(keyforge, typ="JWT", signer=vendor.installation.keys._private.signer(record))
    assert (judge(forged).status_code, judge(forged).json()["code"]) == (404, "product_not_found")
    assert vendor.admin("GET", "/never-issued").text == before
    everywhere = {"Authorization": f"Bearer {vendor.admin_token}"}
    told = vendor.http.post("/v1/admin/artifacts/check", content=forged, headers=everywhere).json()
    assert (told["verdict"], told["items"][0]["kind"], told["items"][0]["license_id"]) == (
        "never_issued",
        "compatibility-token",
        None,
    )


def test_sec_36_a_change_of_many_leaves_other_products_alone(vendor: Vendor, token: str) -> None:
    mine, theirs = vendor.license(), vendor.license()
    limited = token_of(vendor, mine["product"])
    change = {"action": "suspend", "ids": [mine["id"], theirs["id"]]}
    both = vendor.admin("POST", "/licenses/bulk-change", change, token=limited).json()
    assert (both["done"], both["missing"]) == (False, [theirs["id"]])
    filtered = vendor.admin("POST", "/licenses/bulk-change", {"action": "suspend", "status": "active"}, token=limited)
    assert (filtered.json()["done"], filtered.json()["changed"]) == (True, 1)
    assert vendor.admin("GET", f"/licenses/{theirs['id']}").json()["status"] == "active"
    assert token


def test_sec_36_an_import_reaches_no_further(vendor: Vendor, own: House, foreign: House, token: str) -> None:
    rows = [
        f"LIMIT-00001-Xq7Zp-Lm3Rt,{own.product},{own.customer}",
        f"LIMIT-00002-Xq7Zp-Lm3Rt,{foreign.product},",
        f"LIMIT-00003-Xq7Zp-Lm3Rt,{own.product},{foreign.customer}",
        "LIMIT-00004-Xq7Zp-Lm3Rt,no-such-product,",
    ]
    text = "\n".join(["key,product,customer", *rows])
    answer = vendor.http.post(
        "/v1/admin/licenses/import?policy=consumer&skip_bad=true",
        content=text.encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/csv"},
    ).json()
    assert [(each["line"], each["code"]) for each in answer["bad"]] == [
        (3, "product_not_found"),
        (4, "customer_not_found"),
        (5, "product_not_found"),
    ]
    assert answer["imported"] == 1


def test_sec_36_a_customer_is_seen_by_whom_it_buys_from(vendor: Vendor, own: House, foreign: House, token: str) -> None:
    made = vendor.admin("POST", "/customers", {"name": "New"}, token=token).json()["id"]
    colleague, stranger = token_of(vendor, own.product, vendor.product()), token_of(vendor, foreign.product)

    def sees(who: str | None, customer: str = made) -> bool:
        shown = vendor.admin("GET", f"/customers/{customer}", token=who)
        listed = vendor.admin("GET", "/customers?limit=500", token=who).json()["items"]
        assert shown.is_success == (customer in {each["id"] for each in listed})
        return shown.is_success

    assert [sees(each) for each in (token, colleague, stranger, None)] == [True, True, False, True]
    nobodys = vendor.made("/customers", {"name": "Of none"})["id"]
    assert [sees(each, nobodys) for each in (token, stranger, None)] == [False, False, True]
    vendor.license(foreign.product, customer=made)
    assert sees(stranger)


@pytest.mark.parametrize("products", [[], ["product-1", "product-1"], ["no-such-product"], [""], "product-1"])
def test_a_limit_that_makes_no_sense_is_refused(vendor: Vendor, products: Any) -> None:
    answer = vendor.admin("POST", "/apikeys", {"name": "t", "scopes": ["read"], "products": products})
    assert answer.status_code in {400, 404}, answer.text


def test_sec_36_a_program_that_knows_no_limits_lets_a_limited_token_do_nothing(vendor: Vendor, own: House) -> None:
    """A rolling upgrade: the program of before reads the same row, but for the last column."""
    token_of(vendor, own.product)
    newest = vendor.on_the_servers_loop(vendor.installation._storage.api_keys(after=None, limit=1))[0]
    row = tuple(api_key_values(newest).values())
    assert api_key_from(row) == newest
    assert not set(SCOPES) & set(vendor_scopes(row))
    free = tuple(api_key_values(ApiKey(**{name: getattr(newest, name) for name in ApiKey.__fields__} | {"products": None})).values())  # noqa: E501 # fmt: skip
    assert set(vendor_scopes(free)) == {"admin"}


def vendor_scopes(row: tuple[Any, ...]) -> list[str]:
    """The scopes in a row, as a program of before revision 0010 reads them."""
    import json

    scopes: list[str] = json.loads(row[4])
    return scopes

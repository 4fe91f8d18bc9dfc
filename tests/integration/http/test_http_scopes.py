"""SEC-36: every operation of the contract by every scope, on own and unknown objects; tokens, their ends and use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import httpx2
import pytest

from carnet.server.domain.apikeys.commands import SCOPES, Scope
from support.vendor import Vendor, fingerprint

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def operations(vendor: Vendor) -> list[Operation]:
    document = vendor.http.get("/openapi.json").json()
    return [(path, method, each) for path, item in document["paths"].items() for method, each in item.items()]


def token_for(vendor: Vendor, *scopes: str, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = vendor.made("/apikeys", {"name": "t", "scopes": list(scopes), **members})
    return made


@pytest.fixture(scope="module")
def own(vendor: Vendor) -> dict[str, str]:
    """Ids that exist, for every parameter of an address."""
    made = vendor.license(type="timed", duration_seconds=86_400)
    activated = vendor.ask("activate", made, fingerprint()).json()
    customer = vendor.made("/customers", {"name": "Acme"})
    key = vendor.made("/keys", {"product": made["product"], "alg": "EdDSA"})
    lease = "none-of-these"
    return {
        "product": made["product"],
        "name": "consumer",
        "license_id": made["id"],
        "activation_id": activated["activation"]["id"],
        "customer_id": customer["id"],
        "kid": key["kid"],
        "api_key_id": token_for(vendor, "read")["id"],
        "lease_id": lease,
    }


def call(vendor: Vendor, path: str, method: str, token: str | None, ids: dict[str, str]) -> httpx2.Response:
    address = re.sub(r"{(\w+)}", lambda found: ids.get(found[1], "unknown-id"), path)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return vendor.http.request(method.upper(), address, headers=headers, content=b"{}")


def test_sec_36_every_operation_with_every_scope(
    vendor: Vendor, operations: list[Operation], own: dict[str, str]
) -> None:
    tokens = {scope: token_for(vendor, scope)["token"] for scope in SCOPES}
    judged = 0
    for path, method, operation in operations:
        if not operation["security"]:
            assert "x-carnet-scope" not in operation
            continue
        needed = operation["x-carnet-scope"]
        assert needed in SCOPES
        for scope, token in tokens.items():
            for ids in (own, {}):
                if (scope in {needed, "admin"}) and method != "get":
                    continue  # what is allowed and changes something is called below, once, in an order that works
                answer = call(vendor, path, method, token, ids)
                if scope in {needed, "admin"}:
                    assert answer.status_code not in {401, 403}, (operation["operationId"], scope, answer.text)
                else:
                    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required"), (path, scope)
                    assert needed in answer.json()["detail"]
                    assert answer.json()["detail"] == call(vendor, path, method, token, {}).json()["detail"]
                judged += 1
    assert judged >= len([1 for *_, operation in operations if operation["security"]]) * len(SCOPES)


def test_sec_36_the_scope_that_is_named_suffices(
    vendor: Vendor, operations: list[Operation], own: dict[str, str]
) -> None:
    tokens = {scope: token_for(vendor, scope)["token"] for scope in SCOPES}
    for path, method, operation in operations:
        if operation["security"]:
            answer = call(vendor, path, method, tokens[operation["x-carnet-scope"]], {})
            assert answer.status_code not in {401, 403, 500}, (operation["operationId"], answer.text)
    assert own


def test_sec_36_what_does_not_exist_and_what_may_not_be_seen_look_alike_to_devices(
    vendor: Vendor, own: dict[str, str]
) -> None:
    made, other = vendor.license(), vendor.product()
    foreign = vendor.ask("refresh", {"key": made["key"], "product": other}, fingerprint())
    assert foreign.json()["code"] == "wrong_product"
    mine, theirs = fingerprint(), vendor.license()
    seat = vendor.ask("activate", theirs, fingerprint()).json()["activation"]["id"]
    answers = [
        vendor.ask("refresh", {"key": made["key"], "product": made["product"]}, mine, activation_id=each)
        for each in (seat, "00000000-0000-7000-8000-000000000000")
    ]
    assert [each.status_code for each in answers] == [404, 404]
    assert own


def test_scopes_of_the_contract_are_the_scopes_of_tokens(vendor: Vendor) -> None:
    assert set(SCOPES) == set(get_args(Scope))
    schema = vendor.http.get("/openapi.json").json()["components"]["schemas"]["CreateApiKeyRequest"]
    assert set(schema["properties"]["scopes"]["items"]["enum"]) == set(SCOPES)


@pytest.fixture
def shop(vendor: Vendor) -> Iterator[dict[str, Any]]:
    made = token_for(vendor, "issue")
    yield made
    vendor.made(f"/apikeys/{made['id']}/revoke", None)


def test_a_shop_may_sell_and_not_look_or_stop(vendor: Vendor, shop: dict[str, Any]) -> None:
    product, token = vendor.product(), shop["token"]
    sold = vendor.admin("POST", "/licenses", {"product": product, "policy": "consumer"}, token=token)
    assert sold.status_code == 201
    path = f"/licenses/{sold.json()['id']}"
    assert vendor.admin("GET", path, token=token).status_code == 403
    assert vendor.admin("POST", f"{path}/suspend", token=token).status_code == 403
    assert vendor.admin("POST", f"{path}/reveal-key", token=token).status_code == 403
    assert vendor.admin("POST", "/apikeys", {"name": "x", "scopes": ["admin"]}, token=token).status_code == 403


def test_a_token_has_a_prefix_and_a_checksum_and_is_shown_once(vendor: Vendor) -> None:
    made = token_for(vendor, "read")
    assert re.fullmatch(r"carnet_admin_[A-Za-z0-9_-]{43}_[0-9a-f]{8}", made["token"])
    assert made["token"].endswith(made["last_four"])
    assert made["token"] not in vendor.admin("GET", "/apikeys?limit=500").text


def test_a_revoked_and_an_expired_token_work_no_more(vendor: Vendor) -> None:
    made = token_for(vendor, "read", expires_at="2099-01-01T00:00:00Z")
    assert vendor.admin("GET", "/products", token=made["token"]).status_code == 200
    revoked = vendor.made(f"/apikeys/{made['id']}/revoke", None)
    assert revoked["revoked_at"]
    assert vendor.admin("GET", "/products", token=made["token"]).json()["code"] == "admin_token_refused"
    assert vendor.made(f"/apikeys/{made['id']}/revoke", None) == revoked
    soon = str(type(vendor.clock.now())(vendor.clock.now() + 600))
    short = token_for(vendor, "read", expires_at=soon)
    assert vendor.admin("GET", "/products", token=short["token"]).status_code == 200
    with vendor.later(610):
        assert vendor.admin("GET", "/products", token=short["token"]).json()["code"] == "admin_token_refused"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["read", "read"]},
        {"name": "x", "scopes": ["root"]},
        {"name": "", "scopes": ["read"]},
        {"name": "x" * 101, "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["read"], "token_hash": "x"},
        {"name": "x"},
    ],
)
def test_sec_37_a_token_that_makes_no_sense_is_not_made(vendor: Vendor, body: dict[str, Any]) -> None:
    before = vendor.admin("GET", "/apikeys?limit=500").json()
    assert vendor.admin("POST", "/apikeys", body).status_code == 400
    after = vendor.admin("GET", "/apikeys?limit=500").json()
    assert [each["id"] for each in after["items"]] == [each["id"] for each in before["items"]]


def test_last_use_is_shown_and_written_only_when_statistics_are(vendor: Vendor) -> None:
    made = token_for(vendor, "read")

    def shown() -> Any:
        items = vendor.admin("GET", "/apikeys?limit=500").json()["items"]
        return next(each for each in items if each["id"] == made["id"])["last_used_at"]

    assert made["last_used_at"] is None
    assert shown() is None
    before = vendor.clock.now()
    vendor.admin("GET", "/products", token=made["token"])
    after = vendor.clock.now()
    while shown() is None:  # the server's own flush may be about it already, and this one then finds nothing to do
        vendor.on_the_servers_loop(vendor.installation.flusher.flush())
    assert str(before) <= shown() <= str(after)

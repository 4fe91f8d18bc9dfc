"""`/openapi.json`: valid, complete, true; and who may call what, for every operation in it (SEC-36)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from litestar.routes import HTTPRoute

from carnet.server.api.body import read_body
from carnet.server.api.links import LINKS
from carnet.server.api.openapi import _without_none, documented
from carnet.server.api.problem_kinds import PROBLEMS
from carnet.server.app import create_app
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.records import OPERATOR
from support.vendor import Vendor

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
PUBLIC = {
    "activate", "validate", "refresh", "deactivate", "newestRoot", "root", "statusList", "jwks", "time", "livez",
    "readyz", "metrics", "openapi", "listProblems", "explainProblem", "claimLease", "renewLease", "releaseLease",
    "recordUse", "checkpoint",
}  # fmt: skip


@pytest.fixture(scope="module")
def contract(vendor: Vendor) -> dict[str, Any]:
    answer = vendor.http.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield path, method, operation


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref":
                yield item
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_document_is_openapi_3_1(contract: dict[str, Any]) -> None:
    assert contract["openapi"].startswith("3.1.")
    assert {"title", "version", "license"} <= contract["info"].keys()
    assert contract["components"]["securitySchemes"]["AdminToken"]["scheme"] == "bearer"
    tags = {tag["name"] for tag in contract["tags"]}
    assert all(set(operation["tags"]) <= tags for _, _, operation in _operations(contract))


def test_every_reference_leads_somewhere_and_every_schema_is_used(contract: dict[str, Any]) -> None:
    used = set(_references(contract))
    for reference in used:
        _resolve(contract, reference)
    for kind in ("schemas", "examples", "headers"):
        for name in contract["components"][kind]:
            if kind != "examples":
                assert f"#/components/{kind}/{name}" in used, name


def test_every_operation_is_described_and_can_be_named(contract: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in _operations(contract)]
    assert len(set(ids)) == len(ids)
    for path, _, operation in _operations(contract):
        assert operation["summary"], path
        assert any(status.startswith("2") for status in operation["responses"])
        assert {"400", "500"} <= operation["responses"].keys()
        named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        for response in operation["responses"].values():
            assert response["description"]
            assert "X-Request-Id" in response["headers"]


def test_every_link_leads_to_an_operation_that_takes_what_it_gives(contract: dict[str, Any]) -> None:
    operations = {each["operationId"]: each for item in contract["paths"].values() for each in item.values()}
    schemas, walked = contract["components"]["schemas"], 0
    assert set(LINKS) <= set(operations)
    for operation in operations.values():
        for status, response in operation["responses"].items():
            for name, link in response.get("links", {}).items():
                assert status[0] == "2"
                target = operations[link["operationId"]]
                taken = {each["name"] for each in target.get("parameters", ())}
                assert set(link.get("parameters", ())) <= taken, (operation["operationId"], name)
                needed = {each["name"] for each in target.get("parameters", ()) if each["in"] == "path"}
                assert needed <= set(link.get("parameters", ())), (operation["operationId"], name)
                if "requestBody" in link:
                    body = target["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                    assert set(link["requestBody"]) <= set(schemas[body.rpartition("/")[2]]["properties"]), name
                walked += 1
    assert walked >= sum(map(len, LINKS.values()))


def test_the_refusals_of_tokens_and_bodies_are_promised_where_they_can_come(contract: dict[str, Any]) -> None:
    for path, _, operation in _operations(contract):
        guarded = bool(operation["security"])
        bodied = "application/json" in operation.get("requestBody", {}).get("content", {})
        assert guarded is path.startswith("/v1/admin")
        assert ("scope_required" in _promised(operation)) is guarded
        assert ("admin_token_refused" in _promised(operation)) is guarded
        assert ({"bad_json", "too_large", "compressed_body"} <= _promised(operation)) is bodied


def _promised(operation: dict[str, Any]) -> set[str]:
    """The codes of problems that *operation* says it may answer with."""
    answers = operation["responses"].values()
    contents = [answer.get("content", {}).get("application/problem+json", {}) for answer in answers]
    return {code for content in contents for code in content.get("examples", {})}


def test_problems_stand_under_the_status_of_the_one_table(contract: dict[str, Any]) -> None:
    for _, _, operation in _operations(contract):
        for status, response in operation["responses"].items():
            for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {}):
                assert PROBLEMS[code].status == int(status)
    for code, example in contract["components"]["examples"].items():
        assert example["value"]["code"] == code
        assert example["value"].keys() >= set(contract["components"]["schemas"]["Problem"]["required"])


def test_every_request_has_an_example_that_is_one(vendor: Vendor, contract: dict[str, Any]) -> None:
    for handler in (handler for _, handler in documented(create_app(vendor.installation))):
        field = handler.parsed_data_field
        if field is None:
            continue
        kind = _without_none(field.annotation)
        read_body(json.dumps(kind.example).encode(), kind, max_bytes=16384)
        operation = next(o for _, _, o in _operations(contract) if o["operationId"] == handler.operation_id)
        assert operation["requestBody"]["content"]["application/json"]["examples"]["typical"]["value"] == kind.example


def test_every_route_of_the_application_is_in_the_document(vendor: Vendor, contract: dict[str, Any]) -> None:
    served = {
        (route.path_format, method.lower())
        for route in create_app(vendor.installation).routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    assert served == {(path, method) for path, method, _ in _operations(contract)}


def test_sec_37_admin_requests_say_that_they_take_nothing_else(contract: dict[str, Any]) -> None:
    for path, _, operation in _operations(contract):
        if path.startswith("/v1/admin") and "application/json" in operation.get("requestBody", {}).get("content", {}):
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert _resolve(contract, schema["$ref"])["additionalProperties"] is False, path


def test_exactly_the_public_operations_need_no_token(contract: dict[str, Any]) -> None:
    public = {operation["operationId"] for _, _, operation in _operations(contract) if not operation["security"]}
    assert public == PUBLIC


# ── SEC-36: every operation, whoever asks ─────────────────────────────────────────────────────────────────────────────


def _call(vendor: Vendor, path: str, method: str, headers: dict[str, str]) -> httpx2.Response:
    return vendor.http.request(method.upper(), re.sub(r"{\w+}", "some-id", path), headers=headers, content=b"{}")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "admin_token_required"),
        ({"Authorization": ""}, "admin_token_required"),
        ({"Authorization": "Bearer"}, "admin_token_refused"),
        ({"Authorization": "Bearer wrong"}, "admin_token_refused"),
        ({"Authorization": "Bearer " + "x" * 5000}, "admin_token_refused"),
        ({"Authorization": "Basic YWRtaW46YWRtaW4="}, "admin_token_refused"),
        ({"Authorization": "{token}"}, "admin_token_refused"),
        ({"Authorization": "Basic {token}"}, "admin_token_refused"),
        ({"Authorization": "Bearer {token}x"}, "admin_token_refused"),
        ({"Authorization": "Bearer {token_without_its_end}"}, "admin_token_refused"),
        ({"X-Api-Key": "{token}"}, "admin_token_required"),
        ({"Cookie": "token={token}"}, "admin_token_required"),
    ],
)
def test_sec_36_every_admin_operation_refuses_whoever_has_no_token(
    vendor: Vendor, contract: dict[str, Any], headers: dict[str, str], code: str
) -> None:
    token = vendor.admin_token
    sent = {
        name: value.replace("{token}", token).replace("{token_without_its_end}", token[:-1])
        for name, value in headers.items()
    }
    seen = 0
    for path, method, operation in _operations(contract):
        if operation["security"]:
            answer = _call(vendor, path, method, sent)
            assert (answer.status_code, answer.json()["code"]) == (401, code), (path, method)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert token not in answer.text
            seen += 1
    assert seen >= 22


def test_sec_36_a_token_in_the_address_is_no_token(vendor: Vendor) -> None:
    answer = vendor.http.get("/v1/admin/products", params={"token": vendor.admin_token, "access_token": "x"})
    assert answer.status_code == 401


def test_sec_36_a_reading_token_may_look_and_never_change(vendor: Vendor, contract: dict[str, Any]) -> None:
    token = _reading_token(vendor)
    headers = {"Authorization": f"Bearer {token}"}
    before = vendor.counts()
    for path, method, operation in _operations(contract):
        if operation["security"]:
            answer = _call(vendor, path, method, headers)
            looks = method == "get" or operation["operationId"] == "findLicense"
            assert (answer.status_code == 403) is not looks, (path, method, answer.text)
            if not looks:
                assert answer.json()["code"] == "scope_required"
    assert vendor.counts() == before


def _reading_token(vendor: Vendor) -> str:
    return vendor.on_the_servers_loop(
        vendor.installation.apikeys.create(CreateApiKey(name="r", scopes=("read",)), OPERATOR)
    ).token


def test_sec_36_the_admin_token_opens_every_operation(vendor: Vendor, contract: dict[str, Any]) -> None:
    for path, method, operation in _operations(contract):
        if operation["security"]:
            answer = _call(vendor, path, method, {"authorization": f"bearer {vendor.admin_token}"})
            assert answer.status_code not in {401, 403, 405, 500, 503}, (path, method, answer.text)
            assert str(answer.status_code) in operation["responses"], (path, method, answer.status_code)

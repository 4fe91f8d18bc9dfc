"""How every answer looks, whatever was asked: methods, headers, hosts, caching, health, metrics."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from carnet.core.errors import StateError
from carnet.formats.keys import public_key_from_jwk
from carnet.formats.root import anchor, read_root
from carnet.server.api.logs import configure_logs
from carnet.server.api.problem_kinds import PROBLEMS
from carnet.server.domain.keys.commands import CreateKey
from carnet.server.domain.keys.service import jwk_of
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import Check, Installation
from carnet.server.records import OPERATOR
from support.vendor import Vendor, fingerprint

READABLE = ["/livez", "/readyz", "/metrics", "/openapi.json", "/problems", "/v1/root", "/v1/root/1"]


@pytest.mark.parametrize("path", [*READABLE, "/.well-known/jwks.json", "/v1/time?nonce=n", "/problems/too_large"])
def test_head_is_get_without_the_body(vendor: Vendor, path: str) -> None:
    got, headed = vendor.http.get(path), vendor.http.head(path)
    assert headed.status_code == got.status_code == 200
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":
        assert headed.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/activate", "OPTIONS, POST"),
        ("/v1/root", "GET, HEAD, OPTIONS"),
        ("/v1/admin/products", "GET, HEAD, OPTIONS, POST"),
        ("/v1/admin/policies/a/b", "GET, HEAD, OPTIONS, PUT"),
    ],
)
def test_options_and_405_say_what_is_allowed(vendor: Vendor, path: str, allowed: str) -> None:
    headers = {"Authorization": f"Bearer {vendor.admin_token}"}
    options = vendor.http.options(path, headers=headers)
    assert (options.status_code, options.headers["allow"]) == (204, allowed)
    refused = vendor.http.delete(path, headers=headers)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert refused.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND"])
def test_odd_methods_are_refused(vendor: Vendor, method: str) -> None:
    assert vendor.http.request(method, "/v1/activate").status_code == 405


def test_head_of_a_post_address_is_405(vendor: Vendor) -> None:
    answer = vendor.http.head("/v1/activate")
    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/nothing", "/v2/activate", "/api/v1/x", "/v1/root/0/1", "/favicon.ico", "/%00", "/v1/root/-1x",
     "/..%2f..%2fetc/passwd", "/v1/root/99999999999999999999999", "/v1/root/1e1", "/" + "a" * 8000],
)  # fmt: skip
def test_what_is_not_there_is_a_coded_404(vendor: Vendor, path: str) -> None:
    answer = vendor.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] in {"not_found", "root_not_found"}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("version", ["0", "-1", "2", "256"])
def test_a_root_version_that_does_not_exist_is_a_coded_404(vendor: Vendor, version: str) -> None:
    answer = vendor.http.get(f"/v1/root/{version}")
    assert (answer.status_code, answer.json()["code"]) == (404, "root_not_found")


def test_a_lone_trailing_slash_is_forgiven(vendor: Vendor) -> None:
    assert vendor.http.get("/livez/").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "license.example.com",
        "localhost",
        "127.0.0.1",
        "[::1]:8787",
        "my_server",
        "a.b.c:1",
        "EXAMPLE",
        "xn--bcher-kva.example",
    ],
)
def test_users_ask_2_any_host_name_is_answered_and_none_redirected(vendor: Vendor, host: str) -> None:
    answer = vendor.http.get("/livez", headers={"Host": host, "X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 200
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/admin/products", "/v1/root"])
def test_sec_47_every_answer_has_the_security_headers(vendor: Vendor, path: str) -> None:
    headers = vendor.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "cache-control" in headers
    assert "strict-transport-security" not in headers  # this one is reached by http
    assert headers["date"]


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/admin/products"])
def test_the_request_id_is_echoed_or_made(vendor: Vendor, path: str) -> None:
    assert vendor.http.get(path, headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    first = vendor.http.get(path).headers["x-request-id"]
    second = vendor.http.get(path, headers={"X-Request-Id": "not <ok>"}).headers["x-request-id"]
    assert len(first) == len(second) == 24
    assert first != second


def test_header_oddities_do_no_harm(vendor: Vendor) -> None:
    answer = vendor.http.get(
        "/livez",
        headers=[
            ("Accept", "text/html;q=x, */*;;"),
            ("Accept-Encoding", "br, zz"),
            ("X-Request-Id", "one"),
            ("X-Request-Id", "two"),
            ("Cookie", "=;=;a=b;;"),
            ("Forwarded", "for=1;host=evil"),
            ("If-None-Match", '"'),
            ("Range", "bytes=0-1"),
            ("Authorization", "nonsense"),
            ("Content-Type", "]["),
        ],
    )
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "one"


# ── what may be cached ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "forever"),
    [("/v1/root", False), ("/v1/root/1", True), ("/.well-known/jwks.json", False), ("/openapi.json", False)],
)
def test_public_files_have_a_tag_and_are_not_sent_twice(vendor: Vendor, path: str, forever: bool) -> None:  # noqa: FBT001
    first = vendor.http.get(path)
    tag = first.headers["etag"]
    assert ("immutable" in first.headers["cache-control"]) is forever
    assert first.headers["cache-control"].startswith("public")
    for offered in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = vendor.http.get(path, headers={"If-None-Match": offered})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    changed = vendor.http.get(path, headers={"If-None-Match": '"other"'})
    assert (changed.status_code, changed.content) == (200, first.content)


def test_the_root_is_served_byte_for_byte(vendor: Vendor) -> None:
    served = vendor.http.get("/v1/root/1").content
    assert served == (vendor.installation.settings.data / "root.json").read_bytes()
    assert anchor(served) == hashlib.sha256(served).hexdigest()
    assert read_root(served).version == 1
    assert vendor.http.get("/v1/root").content == served


def test_the_jwks_holds_public_keys_of_the_root_and_nothing_private(vendor: Vendor) -> None:
    answer = vendor.http.get("/.well-known/jwks.json")
    keys = answer.json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) >= 2
    for key in keys:
        if "carnet_product" in key:  # of another test: compatibility keys are in no root
            continue
        assert "d" not in key
        public = public_key_from_jwk(key)
        assert any(trusted.key == public for trusted in vendor.ring.keys() if trusted.role != "root")  # noqa: SIM118


def test_the_jwks_shows_a_compatibility_key_as_soon_as_it_is_made(vendor: Vendor) -> None:
    before = vendor.http.get("/.well-known/jwks.json")
    keys = vendor.installation.keys
    product = CreateProduct(id="pinned")
    vendor.on_the_servers_loop(vendor.installation.products.create(product, OPERATOR))
    added = vendor.on_the_servers_loop(keys.create(CreateKey(product=product.id, alg="ES256"), OPERATOR))
    after = vendor.http.get("/.well-known/jwks.json", headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert [key for key in after.json()["keys"] if key not in before.json()["keys"]] == [jwk_of(added.key)]


# ── health, metrics, explanations ────────────────────────────────────────────────────────────────────────────────────


def test_rel_14_live_and_ready(vendor: Vendor) -> None:
    assert vendor.http.get("/livez").json()["alive"] is True
    ready = vendor.http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["ready"] is True
    assert {part["name"] for part in ready.json()["parts"]} >= {"database", "signer"}


def test_rel_14_readiness_names_the_failing_part(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> tuple[Check, ...]:
        return (Check(name="database", ok=True), Check(name="signer", ok=False, problem="The key store is locked."))

    with vendor.another_app(lambda installation: monkeypatch.setattr(installation, "checks", broken)) as http:
        answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert [part["name"] for part in answer.json()["parts"] if not part["ok"]] == ["signer"]


def test_metrics_count_requests_refusals_and_activations(vendor: Vendor) -> None:
    license_ = vendor.license(overrides={"seat_limit": 1})
    vendor.ask("activate", license_, fingerprint())
    vendor.ask("activate", license_, fingerprint())
    vendor.http.get(f"/{license_['key']}/unknown")
    answer = vendor.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'carnet_http_requests_total{method="POST",route="/v1/activate",status="201"}' in answer.text
    assert 'carnet_problems_total{code="seat_limit_reached",route="/v1/activate"}' in answer.text
    assert 'carnet_activation_seconds_count{outcome="new"}' in answer.text
    assert 'route="unmatched"' in answer.text
    assert "carnet_signing_errors_total" in answer.text
    assert "carnet_storage_commits_total" in answer.text
    assert "process_resident_memory_bytes" in answer.text


def test_rel_08_a_signer_that_is_out_of_order_is_an_outage_and_is_counted(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    license_ = vendor.license()

    async def broken(_: Any) -> Any:
        raise StateError("signing_failed", "An artifact did not verify at /srv/private.", "Look.")

    def change(installation: Installation) -> None:
        monkeypatch.setattr(installation.activations, "activate", broken)

    body = {"license_key": license_["key"], "product": license_["product"], "device": {"fingerprint": fingerprint()}}
    with vendor.another_app(change) as http:
        answer = http.post("/v1/activate", json=body)
        counted = http.get("/metrics").text
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["retryable"] is True
    assert int(answer.headers["retry-after"]) > 0
    assert "private" not in answer.text
    assert "carnet_signing_errors_total 1.0" in counted
    assert 'carnet_activation_seconds_count{outcome="failed"} 1.0' in counted


def test_sec_33_metrics_hold_nothing_that_a_caller_wrote(vendor: Vendor) -> None:
    canary = "CANARY7788"
    vendor.http.get(f"/{canary}")
    vendor.http.request(canary, "/v1/root")
    vendor.http.get("/v1/admin/licenses/" + canary)
    vendor.http.post("/v1/activate", json={"product": canary})
    assert canary not in vendor.http.get("/metrics").text


def test_every_problem_type_leads_to_its_explanation(vendor: Vendor) -> None:
    listed = vendor.http.get("/problems").json()["problems"]
    assert [each["code"] for each in listed] == list(PROBLEMS)
    for each in listed:
        assert vendor.http.get(each["type"]).json() == each
    missing = vendor.http.get("/problems/no_such_code")
    assert (missing.status_code, missing.json()["code"]) == (404, "problem_not_found")


# ── SEC-33: what is logged ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, own = logging.getLogger(), logging.getLogger("carnet")
    handlers, levels = list(root.handlers), (root.level, own.level)
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def test_sec_33_no_secret_of_a_whole_life_is_logged(vendor: Vendor, lines: io.StringIO) -> None:
    license_, device = vendor.license(), fingerprint()
    reply = vendor.ask("activate", license_, device, nonce="n").json()
    vendor.ask("refresh", license_, device)
    vendor.ask("activate", {**license_, "product": "other"}, device)
    vendor.http.get(f"/v1/root?key={license_['key']}", headers={"X-Request-Id": license_["key"]})
    vendor.http.get(f"/{license_['key']}")
    vendor.admin("POST", "/licenses/find", {"license_key": license_["key"]})
    vendor.admin("POST", f"/licenses/{license_['id']}/reveal-key")
    vendor.http.post("/v1/activate", content=b'{"license_key": "' + license_["key"].encode())
    vendor.ask("deactivate", license_, device)
    events = _events(lines, 8)
    logged = lines.getvalue()
    assert {event["route"] for event in events if "route" in event} >= {"/v1/activate", "/v1/admin/licenses/find"}
    for secret in (license_["key"], vendor.admin_token, reply["token"], reply["proof"], reply["machine_file"][60:120]):
        assert secret not in logged


def _events(lines: io.StringIO, count: int) -> list[dict[str, Any]]:
    """The first *count* events; a line is written just after its answer was sent, so the last may be on its way."""
    deadline = time.monotonic() + 120
    while lines.getvalue().count("\n") < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_r_25_every_change_and_every_refusal_is_logged_and_looking_is_not(vendor: Vendor, lines: io.StringIO) -> None:
    license_ = vendor.license()
    vendor.ask("validate", license_)
    vendor.http.get("/livez")
    vendor.admin("GET", f"/licenses/{license_['id']}")
    vendor.ask("validate", {**license_, "key": "00000-00000-00000-00000-00000"})
    vendor.ask("activate", license_, fingerprint())
    vendor.http.get("/v1/admin/products")
    assert [(event["route"], event["status"], event["code"]) for event in _events(lines, 5)] == [
        ("/v1/admin/products", 201, None),
        ("/v1/admin/licenses", 201, None),
        ("/v1/validate", 404, "license_not_found"),
        ("/v1/activate", 201, None),
        ("/v1/admin/products", 401, "admin_token_required"),
    ]


def test_a_failure_inside_is_an_opaque_500_with_its_id_in_the_log(
    vendor: Vendor, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    license_ = vendor.license()

    async def broken(_: Any) -> Any:
        raise RuntimeError(f"row of {license_['key']} at /srv/private/carnet.db")

    with vendor.another_app(
        lambda installation: monkeypatch.setattr(installation.activations, "validate", broken)
    ) as http:
        body = {"license_key": license_["key"], "product": license_["product"]}
        answer = http.post("/v1/validate", json=body, headers={"X-Request-Id": "trace-77"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["instance"] == "trace-77"
    assert "private" not in answer.text
    failed = next(
        event for event in map(json.loads, lines.getvalue().splitlines()) if event["event"] == "request.failed"
    )
    assert failed["request_id"] == "trace-77"
    assert "RuntimeError" in failed["exception"]
    assert license_["key"] not in lines.getvalue()

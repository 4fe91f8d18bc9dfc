"""Issuing by hand and compatibility keys over real HTTP (specs/http-api.md §7)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import jwt
import pytest

from carnet.formats.jose_keys import public_key_from_pem
from carnet.formats.keys import public_key_from_jwk
from carnet.formats.offline_token import verify_offline_token
from carnet.formats.signed_key import verify_signed_key
from carnet.server.domain.apikeys.commands import CreateApiKey
from carnet.server.records import OPERATOR
from support.vendor import Vendor, fingerprint


def _refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def _seat(vendor: Vendor, **changes: Any) -> tuple[dict[str, Any], str]:
    """A license, and the fingerprint of a device that holds a seat of it."""
    license_, device = vendor.license(**changes), fingerprint(1)
    assert vendor.ask("activate", license_, device).status_code == 201
    return license_, device


def test_a_license_comes_with_a_signed_key_where_one_is_asked_for(vendor: Vendor) -> None:
    ring = vendor.installation.ring
    made = vendor.license(signed={}, type="timed", duration_seconds=86400)
    grant = verify_signed_key(made["signed_key"], ring)
    assert (grant.license_id, str(grant.license_expires_at)) == (made["id"], made["expires_at"])
    assert vendor.license()["signed_key"] is None
    again = vendor.admin("POST", f"/licenses/{made['id']}/signed-key")
    assert (again.status_code, again.json()["text"], again.json()["kind"]) == (200, made["signed_key"], "license-key")
    bound = vendor.admin("POST", f"/licenses/{made['id']}/signed-key", {"device": fingerprint(2), "revocable": False})
    assert verify_signed_key(bound.json()["text"], ring).device == fingerprint(2)
    bad = vendor.admin("POST", f"/licenses/{made['id']}/signed-key", {"device": "0" * 64})
    _refused(bad, 400, "placeholder_fingerprint")
    vendor.admin("POST", f"/licenses/{made['id']}/suspend")
    _refused(vendor.admin("POST", f"/licenses/{made['id']}/signed-key"), 403, "license_suspended")
    _refused(vendor.admin("POST", "/licenses/nothing/signed-key"), 404, "license_not_found")
    too_much = {"entitlements": [{"key": f"feature-{n}"} for n in range(99)]}
    body = {"product": made["product"], "policy": "consumer", "signed": {}, "overrides": too_much}
    _refused(vendor.admin("POST", "/licenses", body), 400, "bad_grant")


def test_a_batch_of_licenses_is_made_whole_or_not_at_all(vendor: Vendor) -> None:
    product = vendor.product()
    body = {"product": product, "policy": "consumer", "count": 25, "signed": {}, "metadata": {"order": 1}}
    made = vendor.admin("POST", "/licenses/batch", body)
    assert made.status_code == 201
    items = made.json()["items"]
    assert [sorted(item) for item in items] == [["expires_at", "id", "key", "policy", "product", "signed_key"]] * 25
    assert [verify_signed_key(item["signed_key"], vendor.installation.ring).license_id for item in items] == [
        item["id"] for item in items
    ]
    listed = vendor.admin("GET", f"/licenses?product={product}").json()["items"]
    assert {item["id"] for item in listed} == {item["id"] for item in items}
    plain = vendor.made("/licenses/batch", {"product": product, "policy": "consumer", "count": 1})["items"]
    assert plain[0]["signed_key"] is None
    for wrong, code in (
        ({"count": 0}, "bad_member"),
        ({"count": 501}, "bad_member"),
        ({"license_key": "AB3DE"}, "unknown_member"),
        ({"signed": {"device": fingerprint(1)}}, "invalid_argument"),
        ({"overrides": {"seat_limit": 10**12}}, "bad_policy"),
    ):
        _refused(vendor.admin("POST", "/licenses/batch", {**body, **wrong}), 400, code)
    _refused(vendor.admin("POST", "/licenses/batch", {**body, "policy": "nothing"}), 404, "policy_not_found")
    assert len(vendor.admin("GET", f"/licenses?product={product}").json()["items"]) == 26


def test_sec_16_a_license_takes_over_a_strong_key_of_another_system_only(vendor: Vendor) -> None:
    product = vendor.product()
    body = {"product": product, "policy": "consumer", "license_key": f"KT4Q-9ZXW-22LM-7PRD-{product}-Qm1v"}
    made = vendor.made("/licenses", body)
    assert made["key"] == body["license_key"]
    _refused(vendor.admin("POST", "/licenses", body), 409, "already_exists")
    weak = vendor.admin("POST", "/licenses", {**body, "license_key": "1234-5678-1234"})
    _refused(weak, 400, "weak_license_key")
    assert "1234" not in weak.text
    _refused(vendor.admin("POST", "/licenses", {**body, "license_key": "two words"}), 400, "bad_license_key")
    spelled = vendor.license()["key"].lower()
    _refused(vendor.admin("POST", "/licenses", {**body, "license_key": spelled}), 400, "license_key_not_canonical")


def test_r_12_an_offline_token_is_issued_to_a_seat(vendor: Vendor) -> None:
    license_, device = _seat(vendor)
    path = f"/licenses/{license_['id']}/offline-token"
    made = vendor.admin("POST", path, {"device": device, "ttl_seconds": 86400}).json()
    ring = vendor.installation.ring
    grant = verify_offline_token(made["text"].encode(), ring, license_key=license_["key"])
    assert (grant.device, str(grant.offline_until)) == (device, made["expires_at"])
    _refused(vendor.admin("POST", path, {"device": fingerprint(9)}), 404, "activation_not_found")
    _refused(vendor.admin("POST", path, {"device": device, "ttl_seconds": 0}), 400, "bad_member")
    _refused(vendor.admin("POST", path, {}), 400, "missing_member")
    vendor.admin("POST", f"/licenses/{license_['id']}/revoke")
    _refused(vendor.admin("POST", path, {"device": device}), 403, "license_revoked")


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "RS256"])
def test_r_10_a_token_verifies_with_the_key_that_the_api_exports(vendor: Vendor, alg: str) -> None:
    license_, device = _seat(vendor)
    product, path = license_["product"], f"/licenses/{license_['id']}/token"
    asked = {"profile": "native-jwt", "device": device}
    _refused(vendor.admin("POST", path, asked), 409, "no_compatibility_key")
    key = vendor.made("/keys", {"product": product, "alg": alg})
    assert (key["state"], key["alg"], key["replaces"], key["signs_for"]) == ("active", alg, None, None)
    made = vendor.admin("POST", path, asked).json()
    shown = vendor.admin("GET", f"/keys/{quote(key['kid'])}").json()
    assert (shown["pem"], shown["jwk"], shown["signs_for"]) == (key["pem"], key["jwk"], "other")
    assert public_key_from_jwk(shown["jwk"]) == public_key_from_pem(shown["pem"], key["kid"])
    claims = jwt.decode(made["text"], shown["pem"], algorithms=[alg], audience=product)
    assert (claims["sub"], claims["jti"], made["kid"]) == (license_["id"], made["id"], key["kid"])
    served = {jwk["kid"] for jwk in vendor.http.get("/.well-known/jwks.json").json()["keys"]}
    assert key["kid"] in served
    _refused(
        vendor.admin("POST", path, {"profile": "traffic-orchestrator"}),
        409,
        "key_use_conflict" if alg == "EdDSA" else "wrong_key_type",
    )
    _refused(vendor.admin("POST", path, {"profile": "keyforge"}), 400, "invalid_argument")
    _refused(vendor.admin("POST", path, {"profile": "paddle"}), 400, "bad_member")


def test_compatibility_keys_are_made_listed_and_retired_and_never_cross_http_in_private(vendor: Vendor) -> None:
    product = vendor.product()
    first = vendor.made("/keys", {"product": product, "alg": "ES256"})
    second = vendor.made("/keys", {"product": product, "alg": "RS256"})
    assert second["replaces"] == first["kid"]
    listed = vendor.admin("GET", f"/keys?product={product}").json()
    assert [(key["kid"], key["state"]) for key in listed["items"]] == [
        (second["kid"], "active"),
        (first["kid"], "verify-only"),
    ]
    page = vendor.admin("GET", f"/keys?product={product}&limit=1").json()
    assert (
        vendor.admin("GET", f"/keys?product={product}&cursor={page['next_cursor']}").json()["items"]
        == listed["items"][1:]
    )
    retire = f"/keys/{quote(second['kid'])}/retire"
    _refused(vendor.admin("POST", retire), 409, "conflict")
    assert vendor.admin("POST", f"/keys/{quote(first['kid'])}/retire").json()["state"] == "retired"
    served = {jwk["kid"] for jwk in vendor.http.get("/.well-known/jwks.json").json()["keys"]}
    assert (first["kid"] in served, second["kid"] in served) == (False, True)
    assert vendor.admin("POST", retire, {"even_active": True}).json()["state"] == "retired"
    _refused(vendor.admin("GET", "/keys/nothing"), 404, "key_not_found")
    _refused(vendor.admin("POST", "/keys/nothing/retire"), 404, "key_not_found")
    _refused(vendor.admin("POST", "/keys", {"product": "nothing", "alg": "EdDSA"}), 404, "product_not_found")
    _refused(vendor.admin("POST", "/keys", {"product": product, "alg": "HS256"}), 400, "bad_member")
    _refused(vendor.admin("POST", "/keys", {"product": product, "alg": "ES256", "pem": "x"}), 400, "unknown_member")
    shown = "".join(vendor.admin("GET", path).text for path in ("/keys?limit=500", f"/keys/{quote(second['kid'])}"))
    assert "PRIVATE" not in shown + vendor.admin("GET", "/audit?limit=500").text
    assert '"d":' not in shown


def test_sec_36_a_token_that_only_looks_issues_nothing(vendor: Vendor) -> None:
    license_, device = _seat(vendor)
    key = vendor.made("/keys", {"product": license_["product"], "alg": "EdDSA"})
    looks = vendor.installation.apikeys.create(CreateApiKey(name="looks", scopes=("read",)), OPERATOR)
    reader = vendor.on_the_servers_loop(looks).token
    for path, body in (
        ("/licenses/batch", {"product": license_["product"], "policy": "consumer", "count": 1}),
        (f"/licenses/{license_['id']}/signed-key", None),
        (f"/licenses/{license_['id']}/offline-token", {"device": device}),
        (f"/licenses/{license_['id']}/token", {"profile": "native-jwt", "device": device}),
        ("/keys", {"product": license_["product"], "alg": "EdDSA"}),
        (f"/keys/{quote(key['kid'])}/retire", None),
    ):
        _refused(vendor.admin("POST", path, body, token=reader), 403, "scope_required")
    assert vendor.admin("GET", f"/keys/{quote(key['kid'])}", token=reader).status_code == 200


def test_every_policy_that_can_be_made_can_be_shown_under_its_name(vendor: Vendor) -> None:
    product = vendor.product()
    odd = {chr(code) for code in range(0x21, 0x7F)} | {"a b", "a?b=c", "a#b", "%2F", "ü", "日本", "a&b", "..a"}
    for name in sorted(odd):
        made = vendor.admin("POST", "/policies", {"product": product, "name": name})
        if name in {"/", "\\", "."}:
            _refused(made, 400, "bad_policy")
            continue
        assert made.status_code == 201, (name, made.text)
        shown = vendor.admin("GET", f"/policies/{product}/{quote(name, safe='')}")
        assert (shown.status_code, shown.json().get("name")) == (200, name)


def test_rel_14_a_broken_compatibility_key_is_named_and_the_server_stays_ready(vendor: Vendor) -> None:
    license_, device = _seat(vendor)
    key = vendor.made("/keys", {"product": license_["product"], "alg": "ES256"})
    record = vendor.on_the_servers_loop(vendor.installation.keys.get(key["kid"]))
    file = vendor.installation.settings.data / "keys" / f"compatibility-{record.id}.key"
    whole = file.read_bytes()
    file.write_bytes(b"{}")
    try:
        with vendor.another_app(lambda _: None) as fresh:  # whose readiness was not asked for in this second
            ready = fresh.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        parts = {part["name"]: part for part in ready.json()["parts"]}
        assert (parts["compatibility-keys"]["ok"], parts["compatibility-keys"]["vital"]) == (False, False)
        assert key["kid"] in parts["compatibility-keys"]["problem"]
        assert str(file.parent) not in ready.text
        path = f"/licenses/{license_['id']}/token"
        answer = vendor.admin("POST", path, {"profile": "native-jwt", "device": device})
        _refused(answer, 503, "unavailable")
        assert str(file.parent) not in answer.text
        assert vendor.admin("POST", f"/licenses/{license_['id']}/offline-token", {"device": device}).status_code == 200
    finally:
        file.write_bytes(whole)

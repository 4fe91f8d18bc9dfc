"""SEC-30, SEC-45: answers and refusals are bound to nonce, call, device and product; devices prove their key."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import httpx2
import pytest

from carnet.core.errors import NotGenuineError
from carnet.core.instant import Instant
from carnet.formats.answer import Action, Answer, check_binding, digest_artifacts, verify_answer
from carnet.formats.device_proof import make_device_proof
from carnet.formats.encoding import b64url_encode
from carnet.formats.keys import Ed25519Signer
from carnet.formats.time_answer import verify_time_answer
from support.vendor import Vendor, fingerprint


def _artifacts(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return digest_artifacts({name: body[name] for name in ("token", "machine_file") if name in body})


def _checked(vendor: Vendor, answer: httpx2.Response) -> Answer:
    return verify_answer(answer.json()["proof"], vendor.ring)


@pytest.mark.parametrize("call", ["activate", "refresh", "validate", "deactivate"])
def test_sec_30_a_grant_is_bound_to_what_was_asked_and_to_what_came_with_it(vendor: Vendor, call: str) -> None:
    license_, device = vendor.license(), fingerprint()
    vendor.ask("activate", license_, device)
    answer = vendor.ask(call, license_, device, nonce="n-1")
    assert answer.is_success
    proof = _checked(vendor, answer)
    bound: dict[str, Any] = {
        "nonce": "n-1",
        "action": call,
        "product": license_["product"],
        "device": device,
        "artifacts": _artifacts(answer.json()),
    }
    check_binding(proof, **bound)
    assert proof.outcome == "granted"
    assert proof.license_id == license_["id"]
    for name, other in (
        ("nonce", "n-2"),
        ("action", "validate" if call != "validate" else "activate"),
        ("product", "other"),
        ("device", fingerprint()),
        ("artifacts", digest_artifacts({"token": "another"})),
    ):
        with pytest.raises(NotGenuineError) as caught:
            check_binding(proof, **{**bound, name: other})
        assert caught.value.code == "answer_not_bound"


@pytest.mark.parametrize(
    ("call", "prepare", "status", "code"),
    [
        ("activate", "unknown", 404, "license_not_found"),
        ("validate", "unknown", 404, "license_not_found"),
        ("refresh", "unknown", 404, "license_not_found"),
        ("deactivate", "unknown", 404, "license_not_found"),
        ("activate", "suspend", 403, "license_suspended"),
        ("refresh", "suspend", 403, "license_suspended"),
        ("activate", "revoke", 403, "license_revoked"),
        ("refresh", "revoke", 403, "license_revoked"),
        ("refresh", "never", 404, "activation_not_found"),
        ("activate", "full", 409, "seat_limit_reached"),
        ("activate", "wrong_product", 403, "wrong_product"),
    ],
)
def test_sec_30_a_refusal_is_signed_and_bound_too(
    vendor: Vendor, call: Action, prepare: str, status: int, code: str
) -> None:
    license_, device = vendor.license(overrides={"seat_limit": 1}), fingerprint()
    if prepare in {"suspend", "revoke"}:
        vendor.ask("activate", license_, device)
        vendor.admin("POST", f"/licenses/{license_['id']}/{prepare}")
    elif prepare == "unknown":
        license_ = {**license_, "key": "00000-00000-00000-00000-00000"}
    elif prepare == "full":
        vendor.ask("activate", license_, fingerprint())
    elif prepare == "wrong_product":
        license_ = {**license_, "product": vendor.product()}
    nonce = secrets.token_urlsafe(16)
    answer = vendor.ask(call, license_, device, nonce=nonce)
    assert answer.status_code == status, answer.text
    proof = _checked(vendor, answer)
    check_binding(proof, nonce=nonce, action=call, product=license_["product"], device=device, artifacts=())
    assert (proof.outcome, proof.code) == ("refused", code)
    assert [reason["code"] for reason in answer.json()["reasons"]] == list(proof.reasons)


def test_sec_30_no_nonce_no_proof(vendor: Vendor) -> None:
    license_ = vendor.license()
    assert "proof" not in vendor.ask("activate", license_, fingerprint()).json()
    assert "proof" not in vendor.ask("refresh", license_, fingerprint()).json()


def test_sec_30_a_recorded_answer_does_not_fit_a_new_question(vendor: Vendor) -> None:
    license_, device = vendor.license(), fingerprint()
    recorded = vendor.ask("activate", license_, device, nonce="first")
    proof = _checked(vendor, recorded)
    with pytest.raises(NotGenuineError):
        check_binding(
            proof,
            nonce="second",
            action="activate",
            product=license_["product"],
            device=device,
            artifacts=_artifacts(recorded.json()),
        )


def test_sec_30_the_time_is_signed_for_the_nonce(vendor: Vendor) -> None:
    answer = vendor.http.get("/v1/time", params={"nonce": "n~1/+="})
    assert answer.headers["cache-control"] == "no-store"
    signed = verify_time_answer(answer.json()["token"], vendor.ring, nonce="n~1/+=")
    assert str(signed.at) == answer.json()["server_time"]
    assert abs(signed.at - time.time()) < 60
    with pytest.raises(NotGenuineError):
        verify_time_answer(answer.json()["token"], vendor.ring, nonce="n~1/+")


# ── SEC-45: the device's own key ─────────────────────────────────────────────────────────────────────────────────────


def _proven(
    vendor: Vendor,
    call: str,
    body: dict[str, Any],
    signer: Ed25519Signer,
    *,
    path: str | None = None,
    method: str = "POST",
    proven_body: bytes | None = None,
    at: int = 0,
    nonce: str | None = None,
) -> httpx2.Response:
    content = json.dumps(body).encode()
    proof = make_device_proof(
        signer,
        method=method,
        path=path or f"/v1/{call}",
        body=content if proven_body is None else proven_body,
        at=Instant(int(time.time()) + at),
        nonce=nonce or secrets.token_urlsafe(16),
    )
    return vendor.http.post(f"/v1/{call}", content=content, headers={"Carnet-Device-Proof": proof})


def _keyed(vendor: Vendor, signer: Ed25519Signer) -> dict[str, Any]:
    """An activation with a device key; the body of a refresh of it."""
    license_, device = vendor.license(), fingerprint()
    public = b64url_encode(signer.public_key.raw)
    reply = vendor.ask("activate", license_, {"fingerprint": device, "public_key": public})
    assert reply.status_code == 201, reply.text
    return {
        "activation_id": reply.json()["activation"]["id"],
        "product": license_["product"],
        "device": {"fingerprint": device},
        "license_key": license_["key"],
    }


@pytest.mark.parametrize("call", ["refresh", "deactivate"])
def test_sec_45_a_device_that_proves_its_key_is_served_without_the_license_key(vendor: Vendor, call: str) -> None:
    signer = vendor.device_key()
    body = _keyed(vendor, signer)
    del body["license_key"]
    assert _proven(vendor, call, body, signer).status_code == 200


@pytest.mark.parametrize("call", ["refresh", "deactivate"])
def test_sec_45_a_stolen_key_and_fingerprint_cannot_speak_for_a_device_with_a_key(vendor: Vendor, call: str) -> None:
    body = _keyed(vendor, vendor.device_key())
    answer = vendor.http.post(f"/v1/{call}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "device_proof_required")
    assert "Carnet-Device-Proof" in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/v1/deactivate"},
        {"path": "/v1/refresh/"},
        {"method": "PUT"},
        {"proven_body": b"{}"},
        {"at": -301},
        {"at": 301},
        {"at": -(10**9)},
    ],
)
def test_sec_45_a_proof_for_another_request_or_time_does_not_fit(vendor: Vendor, changes: dict[str, Any]) -> None:
    signer = vendor.device_key()
    body = _keyed(vendor, signer)
    answer = _proven(vendor, "refresh", body, signer, **changes)
    assert (answer.status_code, answer.json()["code"]) == (401, "device_proof_invalid")
    assert _proven(vendor, "refresh", body, signer).status_code == 200


def test_sec_45_another_devices_key_does_not_fit(vendor: Vendor) -> None:
    body = _keyed(vendor, vendor.device_key(1))
    answer = _proven(vendor, "refresh", body, vendor.device_key(2))
    assert (answer.status_code, answer.json()["code"]) == (401, "device_proof_invalid")


def test_sec_45_a_proof_works_once(vendor: Vendor) -> None:
    signer = vendor.device_key()
    body = _keyed(vendor, signer)
    assert _proven(vendor, "refresh", body, signer, nonce="once-only").status_code == 200
    again = _proven(vendor, "refresh", body, signer, nonce="once-only")
    assert (again.status_code, again.json()["code"]) == (401, "device_proof_invalid")


@pytest.mark.parametrize("header", ["x", "a.b.c", "é".encode(), b"\xff", "e30.e30.e30", "x" * 2049])
def test_a_malformed_proof_is_a_coded_4xx(vendor: Vendor, header: str | bytes) -> None:
    body = _keyed(vendor, vendor.device_key())
    sent = header if isinstance(header, bytes) else header.encode()
    answer = vendor.http.post("/v1/refresh", json=body, headers=[(b"Carnet-Device-Proof", sent)])
    assert answer.status_code in {400, 401}
    assert answer.json()["code"] in {"device_proof_invalid", "bad_request"}


def test_an_id_alone_proves_nothing_for_a_device_without_a_key(vendor: Vendor) -> None:
    license_, device = vendor.license(), fingerprint()
    activation = vendor.ask("activate", license_, device).json()["activation"]
    body = {"activation_id": activation["id"], "product": license_["product"], "device": {"fingerprint": device}}
    answer = vendor.http.post("/v1/refresh", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "license_key_required")

"""SEC-30 for every operation that clients have: whatever it decides is signed and bound to the question's nonce."""

from __future__ import annotations

import ast
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from carnet.core.admission import ADMISSION_REASONS
from carnet.core.lease_reasons import LEASE_REASONS
from carnet.core.reasons import REASONS
from carnet.formats.answer import Action, check_binding, digest_artifacts, verify_answer
from carnet.formats.root import read_root
from carnet.formats.status_list import verify_status_list
from carnet.formats.time_answer import verify_time_answer
from carnet.server.domain.activations.refusals import ENROLMENT_REASONS, PROOF_REASONS, USAGE_REASONS
from support.vendor import Vendor, fingerprint

DECIDED: Final[dict[str, Action]] = {
    "activate": "activate",
    "validate": "validate",
    "refresh": "refresh",
    "deactivate": "deactivate",
    "claimLease": "claim",
    "renewLease": "renew",
    "releaseLease": "release",
    "recordUse": "use",
}
"""Operations whose answer is a decision, and what the proof calls them."""

SEALED: Final = {
    "root": "signed by root keys",
    "newestRoot": "signed by root keys",
    "statusList": "signed, and its version never goes back",
    "checkpoint": "a signed note",
    "time": "the token is bound to the nonce",
    "jwks": "public keys, which nobody is to trust for where they came from",
}
"""Operations that give out what vouches for itself, or nothing that is decided by."""

UNDECIDED: Final = frozenset(
    "bad_request invalid_argument bad_fingerprint placeholder_fingerprint bad_base64 bad_key bad_json bad_utf8 "  # noqa: SIM905 - a table
    "not_an_object duplicate_name bad_number bad_string string_too_long too_deep too_many_values missing_member "
    "bad_member too_large compressed_body rate_limited internal_error unavailable request_in_flight conflict "
    "idempotency_mismatch".split()
)
"""Problems of the request or of the server: nothing was decided, and nothing may be done by them (http-api.md §5)."""


def client_operations(vendor: Vendor) -> dict[str, Any]:
    """What apps call, by the published document."""
    document = vendor.http.get("/openapi.json").json()
    found: dict[str, Any] = {}
    for path, methods in document["paths"].items():
        if path.startswith(("/v1/", "/.well-known/")) and not path.startswith("/v1/admin"):
            found |= {op["operationId"]: (method, path, op) for method, op in methods.items() if "operationId" in op}
    return {"operations": found, "schemas": document["components"]["schemas"]}


class World:
    """A license with everything that clients can ask about."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.device = fingerprint()
        meters = [{"name": "exports", "limit": 5}]
        self.license = vendor.license(conditions={"meters": meters}, overrides={"seat_limit": 1})
        path = f"/licenses/{self.license['id']}/lease-terms"
        assert vendor.admin("PUT", path, {"terms": {"limit": 1}}).status_code == 200
        self.lease = self._json("POST", "/v1/leases", self.holder())["lease"]["id"]
        assert vendor.ask("activate", self.license, self.device).is_success

    def _json(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = self.vendor.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def named(self, **members: Any) -> dict[str, Any]:
        return {"license_key": self.license["key"], "product": self.license["product"], **members}

    def holder(self) -> dict[str, Any]:
        return self.named(holder={"kind": "process", "id": "one"})

    def ask(self, operation: str, nonce: str | None, **members: Any) -> httpx2.Response:
        """Ask with *nonce*; members in place of the usual ones."""
        device = {"fingerprint": self.device}
        method, path, body = {
            "activate": ("POST", "/v1/activate", self.named(device=device)),
            "validate": ("POST", "/v1/validate", self.named(device=device)),
            "refresh": ("POST", "/v1/refresh", self.named(device=device)),
            "deactivate": ("POST", "/v1/deactivate", self.named(device=device)),
            "claimLease": ("POST", "/v1/leases", self.holder()),
            "renewLease": ("PUT", f"/v1/leases/{self.lease}", self.holder()),
            "releaseLease": ("DELETE", f"/v1/leases/{self.lease}", self.holder()),
            "recordUse": ("POST", "/v1/usage", self.named(meter="exports", event_id=secrets.token_hex(8))),
        }[operation]
        return self.vendor.http.request(method, path, json={**body, "nonce": nonce, **members})


Spoil = Callable[[World], dict[str, Any]]


def _status(action: str) -> Spoil:
    def spoil(world: World) -> dict[str, Any]:
        world.vendor.made(f"/licenses/{world.license['id']}/{action}", {})
        return {}

    return spoil


def _other_product(world: World) -> dict[str, Any]:
    return {"product": world.vendor.product()}


def _elsewhere(world: World) -> dict[str, Any]:
    world.device, world.lease = fingerprint(), "0193f2d4-7c1e-7d30-9e9b-0f5c3f7b2a10"
    return {}


SITUATIONS: Final[dict[str, Spoil]] = {
    "all is well": lambda _: {},
    "an unknown key": lambda _: {"license_key": "00000-00000-00000-00000-00000"},
    "another product": _other_product,
    "suspended": _status("suspend"),
    "revoked": _status("revoke"),
    "another device, or lease": _elsewhere,
    "another holder": lambda _: {"holder": {"kind": "process", "id": "two"}},
    "a holder of a kind that is not offered": lambda _: {"holder": {"kind": "user", "id": "two"}},
    "a meter that is used up": lambda _: {"amount": 6},
    "a meter that is none": lambda _: {"meter": "imports"},
    "a domain": lambda _: {"domain": "example.com"},
}


@pytest.mark.parametrize("operation", DECIDED)
def test_sec_30_whatever_is_decided_is_signed_and_bound(vendor: Vendor, operation: str, record_property: Any) -> None:
    codes: set[str] = set()
    for spoil in SITUATIONS.values():
        world = World(vendor)
        members, nonce = spoil(world), secrets.token_urlsafe(16)
        answer = world.ask(operation, nonce, **members)
        body = answer.json()
        assert answer.is_success or body["code"] not in UNDECIDED, answer.text
        proof = verify_answer(body["proof"], vendor.ring)
        where = body.get("lease", body)
        names = ("token", "machine_file")
        holder = members.get("holder", {}).get("id", "one")
        device = None if operation == "recordUse" else holder if "Lease" in operation else world.device
        check_binding(
            proof,
            nonce=nonce,
            action=DECIDED[operation],
            product=members.get("product", world.license["product"]),
            device=device,
            artifacts=digest_artifacts({name: where[name] for name in names if name in where}),
        )
        is_no = not answer.is_success or body.get("valid") is False
        assert proof.outcome == ("refused" if is_no else "granted")
        reasons = (
            body["decision"]["reasons"] if operation == "validate" and answer.is_success else body.get("reasons", [])
        )
        if is_no:
            codes.add(proof.code or "")
            assert list(proof.reasons) == [reason["code"] for reason in reasons]
        assert "proof" not in world.ask(operation, None, **members).json()
    assert len(codes) >= 3, codes
    record_property("refusals", ", ".join(sorted(codes)))


def test_sec_30_every_operation_of_clients_is_known_here(vendor: Vendor) -> None:
    """A new one must be signed, or say why it need not be."""
    found = client_operations(vendor)
    assert set(found["operations"]) == set(DECIDED) | set(SEALED)
    for name in DECIDED:
        _, _, operation = found["operations"][name]
        (schema,) = operation["requestBody"]["content"].values()
        request = found["schemas"][schema["schema"]["$ref"].rpartition("/")[2]]
        assert "nonce" in request["properties"], name
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                reply = response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert "proof" in found["schemas"][reply]["properties"], name


def test_sec_30_every_refusal_that_is_documented_is_one_that_is_signed(vendor: Vendor) -> None:
    """
    What is neither a decision nor one of the problems that decide nothing would be a third kind; and every decision
    leaves by `refusal`, with the proof that was made for it.
    """
    decisions = {
        *REASONS,
        *LEASE_REASONS,
        *ADMISSION_REASONS,
        *PROOF_REASONS,
        *ENROLMENT_REASONS,
        *USAGE_REASONS,
    }
    assert not decisions & UNDECIDED
    found = client_operations(vendor)
    for name in DECIDED:
        for status, response in found["operations"][name][2]["responses"].items():
            told = re.findall(r"`(\w+)`", response.get("description", "")) if status[0] in "45" else ()
            assert set(told) <= decisions | UNDECIDED, (name, status)
    calls = 0
    for path in sorted((Path(__file__).resolve().parents[3] / "src/carnet/server/api/v1").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "refusal":
                calls += 1
                assert [ast.unparse(argument) for argument in node.args][1] == "answered.proof", path.name
    assert calls == len(DECIDED)


def test_sec_30_what_vouches_for_itself_does(vendor: Vendor) -> None:
    assert read_root(vendor.http.get("/v1/root").content).version >= 1
    assert read_root(vendor.http.get("/v1/root/1").content).version == 1
    token = vendor.http.get("/v1/time", params={"nonce": "n-1"}).json()["token"]
    assert verify_time_answer(token, vendor.ring, nonce="n-1").at
    vendor.license()
    listed = vendor.http.get("/v1/status/0")
    if listed.status_code == 200:  # once the job has published it
        assert verify_status_list(listed.text, vendor.ring).version


def test_sec_30_a_product_that_is_unknown_gets_no_seal(vendor: Vendor) -> None:
    """Nobody makes the server sign a name of their choice."""
    world = World(vendor)
    for operation in DECIDED:
        body = world.ask(operation, "n-1", product="made-up").json()
        assert "proof" not in body, operation


def test_sec_45_a_repeated_request_is_given_the_same_stamp(vendor: Vendor) -> None:
    """A retry is no second refresh: a device that takes either answer shows the newest stamp."""
    world = World(vendor)
    headers = {"Idempotency-Key": secrets.token_urlsafe(16)}
    body = world.named(device={"fingerprint": world.device}, nonce="n-1")
    stamps = []
    for _ in range(3):
        answer = vendor.http.post("/v1/refresh", json=body, headers=headers)
        stamps.append(verify_answer(answer.json()["proof"], vendor.ring).stamp)
    assert stamps[0] is not None
    assert stamps == [stamps[0]] * 3
    last = vendor.http.post("/v1/refresh", json={**body, "stamp": stamps[0]})
    assert verify_answer(last.json()["proof"], vendor.ring).stamp not in {None, stamps[0]}
    (seat,) = vendor.admin("GET", f"/activations?license_id={world.license['id']}").json()["items"]
    assert seat["forks"] == 0

"""A vendor in memory: one license, genuine artifacts and proofs, and ways to answer badly; for tests of the SDK."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, Policy
from carnet.core.terms import offline_window
from carnet.formats.answer import Answer, Outcome, digest_artifacts, issue_answer
from carnet.formats.device_proof import verify_device_proof
from carnet.formats.encoding import b64url_decode
from carnet.formats.keys import Ed25519Signer, PublicKey, load_ed25519
from carnet.formats.license_key import canonical_license_key, generate_license_key
from carnet.formats.license_token import issue_license_token, token_policy
from carnet.formats.machine_file import seal_machine_file
from carnet.formats.root import Root, build_root, sign_root
from carnet.formats.strict_json import dump_json, parse_object

NOW = Instant(1_900_000_000)
LICENSE_KEY = generate_license_key(lambda count: bytes(range(7, 7 + count)))
POLICY = Policy(
    name="consumer",
    max_offline_ttl_seconds=90 * DAY,
    essential=("open",),
    entitlements=(Entitlement(key="export-pdf"), Entitlement(key="open")),
)
ROOT_SIGNER = Ed25519Signer(bytes(range(100, 132)))
SIGNERS = {
    "token": Ed25519Signer(bytes(range(32))),
    "machine-file": Ed25519Signer(bytes(range(1, 33))),
    "answer": Ed25519Signer(bytes(range(2, 34))),
}


def make_root(version: int = 1, signers: Mapping[str, Ed25519Signer] = SIGNERS) -> tuple[Root, str]:
    """The vendor's root file of *version*, as a value and as text."""
    root = build_root(
        version=version,
        issuer="installation-1",
        issued_at=Instant(NOW - DAY),
        expires_at=Instant(NOW + 3000 * DAY),
        keys={
            "root": [ROOT_SIGNER.public_key],
            "token": [signers["token"].public_key],
            "machine-file": [signers["machine-file"].public_key],
            "answer": [signers["answer"].public_key],
        },
    )
    return root, sign_root(root, [ROOT_SIGNER]).decode()


ROOT, ROOT_TEXT = make_root()


class Vendor:
    """
    Answers requests as the license server does, for one license.

    Attributes:
        now: The server's clock; a `Callable` so that it may follow a device's.
        status: ``active``, or what the license is refused with: ``license_revoked``, ``license_suspended``.
        seats: Fingerprint to device key of each seat.
        policy, expires_at: The license's terms.
        before_sending: Gets the answer's members and returns what is really sent, for hostile answers.
        roots: Root files that answers carry, and `signers` the keys in use.
        published: Root files that are served one by one, version 1 first.
    """

    def __init__(self, now: Callable[[], Instant]) -> None:
        self.now = now
        self.status = "active"
        self.seats: dict[str, PublicKey | None] = {}
        self.freed: set[str] = set()
        self.policy = POLICY
        self.expires_at: Instant | None = None
        self.seat_limit = 2
        self.license_key = LICENSE_KEY
        self.before_sending: Callable[[dict[str, Any]], dict[str, Any]] = lambda members: members
        self.roots: tuple[str, ...] = ()
        self.published: tuple[str, ...] = (ROOT_TEXT,)
        self.signers = SIGNERS
        self.used_proofs: set[str] = set()
        self.bodies: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    def free_all(self) -> None:
        """Take every seat back, as a vendor can."""
        self.freed |= self.seats.keys()
        self.seats.clear()

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request; what a `MemoryTransport` is made with."""
        if request.path.startswith("/v1/root/"):
            return self.root_file(int(request.path.rpartition("/")[2]))
        body = parse_object(request.body, max_bytes=16 * 1024, what="The request")
        self.bodies.append(body)
        action = request.path.removeprefix("/v1/")
        code = self._refusal(action, body, request)
        members: dict[str, Any] = {"server_time": str(self.now()), "roots": list(self.roots)}
        artifacts: dict[str, str] = {}
        fingerprint = body["device"]["fingerprint"]
        if code is None and action == "deactivate":
            self.seats.pop(fingerprint, None)
        elif code is None:
            if action == "activate":
                self.freed.discard(fingerprint)
                key = body["device"].get("public_key")
                self.seats[fingerprint] = None if key is None else load_ed25519(b64url_decode(key, "The key"))
            artifacts = self.issue(fingerprint, body.get("ttl_seconds"))
        members.update(artifacts)
        members["proof"] = self.proof(body, action, code, artifacts)
        status = {None: 200, "license_not_found": 404, "seat_limit_reached": 409}.get(code, 403)
        return HttpAnswer(status=status, body=dump_json(self.before_sending(members)))

    def root_file(self, version: int) -> HttpAnswer:
        """What `GET /v1/root/{version}` gives: one of `published`, which holds version 1 and those after it."""
        if not 1 <= version <= len(self.published):
            return HttpAnswer(status=404, body=b"{}")
        return HttpAnswer(status=200, body=self.published[version - 1].encode())

    def issue(self, fingerprint: str, ttl_seconds: int | None = None) -> dict[str, str]:
        """A token and a machine file for *fingerprint*, dated now."""
        window = offline_window(self.policy, self.now(), ttl_seconds=ttl_seconds, license_expires_at=self.expires_at)
        token = Grant(
            kind="token",
            id=f"token-{next(self._ids)}",
            issuer="installation-1",
            product="hustl",
            license_id="license-1",
            issued_at=window.issued_at,
            not_before=window.not_before,
            offline_until=window.token_until,
            policy=token_policy(self.policy),
            activation_id=f"activation-{fingerprint[:8]}",
            device=fingerprint,
            license_expires_at=self.expires_at,
            entitlements=self.policy.entitlements,
        )
        machine_file = replace(
            token,
            kind="machine-file",
            id=f"file-{next(self._ids)}",
            offline_until=window.machine_file_until,
            policy=replace(self.policy, entitlements=()),
        )
        return {
            "token": issue_license_token(token, self.signers["token"]),
            "machine_file": seal_machine_file(
                machine_file,
                license_key=self.license_key,
                device_name="",
                platform="linux",
                signer=self.signers["machine-file"],
                entropy=os.urandom(32),
            ),
        }

    def proof(self, body: dict[str, Any], action: str, code: str | None, artifacts: dict[str, str]) -> str:
        """The proof of an answer to *body*."""
        fingerprint = body["device"]["fingerprint"]
        outcome: Outcome = "granted" if code is None else "refused"
        return issue_answer(
            Answer(
                id=f"answer-{next(self._ids)}",
                issuer="installation-1",
                nonce=body["nonce"],
                action=action,  # type: ignore[arg-type]
                outcome=outcome,
                at=self.now(),
                product=body["product"],
                code=code,
                reasons=() if code is None else (code,),
                device=fingerprint,
                license_id=None if code == "license_not_found" else "license-1",
                activation_id=f"activation-{fingerprint[:8]}" if fingerprint in self.seats else None,
                artifacts=digest_artifacts(artifacts),
            ),
            self.signers["answer"],
        )

    def _refusal(self, action: str, body: dict[str, Any], request: HttpRequest) -> str | None:
        fingerprint = body["device"]["fingerprint"]
        if "license_key" in body:
            typed = body["license_key"]
            if self.license_key not in {typed, canonical_license_key(typed)}:
                return "license_not_found"
        if action != "activate":
            if fingerprint not in self.seats:
                return "deactivated" if fingerprint in self.freed else "activation_not_found"
            problem = self._proof_problem(fingerprint, request)
            if problem is not None:
                return problem
        if self.status != "active" and action != "deactivate":
            return self.status
        if action == "activate" and fingerprint not in self.seats and len(self.seats) >= self.seat_limit:
            return "seat_limit_reached"
        return None

    def _proof_problem(self, fingerprint: str, request: HttpRequest) -> str | None:
        key = self.seats[fingerprint]
        text = dict(request.headers).get("Carnet-Device-Proof")
        if key is None:
            return "license_key_required"
        if text is None:
            return "device_proof_required"
        try:
            proof = verify_device_proof(
                text, key, method=request.method, path=request.path, body=request.body, now=self.now()
            )
        except CarnetError:
            return "device_proof_invalid"
        if proof.id in self.used_proofs:
            return "device_proof_invalid"
        self.used_proofs.add(proof.id)
        return None

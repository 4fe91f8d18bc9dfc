"""
A license server in memory, for the tests of licensed apps: real formats, real rules, and keys made for the test.

What it signs, the SDK verifies as it verifies the vendor's own; what it refuses, `carnet.core.seats` refuses. What it
leaves out is what an app cannot see: storage, accounts, payment, floating seats. It opens no socket and needs nothing
of the `server` extra.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Entitlement, Grant, LicenseStatus, Policy
from carnet.core.reasons import reason
from carnet.core.seats import HeldSeat, LicenseFacts, SeatRequest, decide_activation, decide_refresh
from carnet.core.terms import offline_window
from carnet.formats.answer import Action, Answer, digest_artifacts, issue_answer
from carnet.formats.device_proof import verify_device_proof
from carnet.formats.encoding import b64url_decode
from carnet.formats.keys import Ed25519Signer, PublicKey, Role, load_ed25519
from carnet.formats.license_key import canonical_license_key, generate_license_key
from carnet.formats.license_token import issue_license_token, token_policy
from carnet.formats.machine_file import seal_machine_file
from carnet.formats.root import build_root, sign_root
from carnet.formats.signed_key import issue_signed_key, signed_key_grant
from carnet.formats.strict_json import dump_json, parse_object
from carnet.testing.lists import PATH, FakeLists

ISSUER = "carnet-testing"
ROOT_LIFETIME_SECONDS = 3650 * DAY
"""As long as a root file may live (specs/root.md); tests may let years pass."""

_SEED_BYTES = 32
_MAX_REQUEST = 64 * 1024
_ROLES: tuple[Role, ...] = ("token", "machine-file", "license-key", "answer", "status-list")
_ACTIONS: dict[str, Action] = {
    "/v1/activate": "activate",
    "/v1/refresh": "refresh",
    "/v1/deactivate": "deactivate",
}
_STATUS = {"license_not_found": 404, "activation_not_found": 404, "seat_limit_reached": 409}


class FakeLicense:
    """
    One license at a `FakeServer`. Change it as a vendor would; devices learn of it at their next contact.

    Attributes:
        id: Its id.
        key: The license key, for `Carnet.activate`.
        policy: The rules; `policy.seat_limit` is its number of seats.
        starts_at, expires_at: The term; None for no such end.
        status: ``active``, ``suspended`` or ``revoked``.
        seats: The devices that hold a seat: fingerprint to device key.
    """

    def __init__(
        self,
        license_id: str,
        key: str,
        policy: Policy,
        *,
        starts_at: Instant | None = None,
        expires_at: Instant | None = None,
    ) -> None:
        """Made by `FakeServer.license`."""
        self.id = license_id
        self.key = key
        self.policy = policy
        self.starts_at = starts_at
        self.expires_at = expires_at
        self.status: LicenseStatus = "active"
        self.seats: dict[str, PublicKey | None] = {}
        self._freed: set[str] = set()
        self._places: dict[str, str] = {}
        self._ended: list[str] = []

    def __repr__(self) -> str:
        return f"FakeLicense({self.id!r}, {self.status}, {len(self.seats)} seats used)"

    def suspend(self) -> None:
        """A reversible stop."""
        self.status = "suspended"

    def revoke(self) -> None:
        """A final stop."""
        self.status = "revoked"

    def reinstate(self) -> None:
        """End a suspension."""
        self.status = "active"

    def renew(self, expires_at: Instant | None) -> None:
        """A new end of the term; None makes it perpetual."""
        self.expires_at = expires_at

    def free_seats(self) -> None:
        """Take every seat back, as a vendor can."""
        self._freed |= self.seats.keys()
        for device in tuple(self.seats):
            self._leave(device)

    def _leave(self, device: str) -> None:
        """The seat of *device* ends, and its place in the status list with it: a later one has another."""
        self.seats.pop(device, None)
        ended = self._places.pop(device, None)
        if ended is not None:
            self._ended.append(ended)

    def _place(self, device: str) -> str:
        """What the seat of *device* is called in the status list."""
        return self._places.setdefault(device, f"{self.id}/{device}/{len(self._ended)}")

    def _facts(self, product: str) -> LicenseFacts:
        return LicenseFacts(
            id=self.id,
            product=product,
            policy=self.policy,
            status=self.status,
            starts_at=self.starts_at,
            expires_at=self.expires_at,
        )

    def _held(self, at: Instant) -> tuple[HeldSeat, ...]:
        return tuple(
            HeldSeat(activation_id=activation_id(device), device=device, device_name="", activated_at=at)
            for device in self.seats
        )


class FakeServer:
    """
    A license server for one product.

    Attributes:
        product: The product id.
        policy: What licenses follow that are made without a policy of their own.
        root: The root file, as text: what the app embeds, or is told in the test.
        licenses: Every license that was made.
    """

    def __init__(self, product: str, now: Callable[[], Instant], *, policy: Policy | None = None) -> None:
        """
        Args:
            product: The product id that the app under test asks with.
            now: The server's clock.
            policy: For licenses; 30 days offline and 7 days of grace when not given.
        """
        self.product = product
        self.policy: Policy = policy or Policy(name="testing", max_offline_ttl_seconds=365 * DAY)
        self.licenses: list[FakeLicense] = []
        self._now = now
        self._numbers = itertools.count(1)
        self._used_proofs: set[str] = set()
        self._signers = {role: Ed25519Signer(os.urandom(_SEED_BYTES)) for role in _ROLES}
        self._lists = FakeLists(ISSUER, now, self._signers["status-list"])
        self._root_signer = Ed25519Signer(os.urandom(_SEED_BYTES))
        root = build_root(
            version=1,
            issuer=ISSUER,
            issued_at=Instant(now() - DAY),
            expires_at=Instant(now() - DAY + ROOT_LIFETIME_SECONDS),
            keys={
                "root": [self._root_signer.public_key],
                **{role: [signer.public_key] for role, signer in self._signers.items()},
            },
        )
        self.root: str = sign_root(root, [self._root_signer]).decode()

    # ── what the vendor does ─────────────────────────────────────────────────────────────────────────────────────────

    def license(
        self,
        *,
        policy: Policy | None = None,
        starts_at: Instant | None = None,
        expires_at: Instant | None = None,
        entitlements: tuple[str | Entitlement, ...] = (),
    ) -> FakeLicense:
        """
        Sell a license.

        Args:
            policy: Its rules; the server's `policy` when not given.
            starts_at: Before it nobody activates.
            expires_at: First second after the term; None for a perpetual license.
            entitlements: What it grants beside those of the policy: keys of features, or entitlements with an end or
                a version of their own.
        """
        rules = policy or self.policy
        rules = replace(rules, entitlements=rules.entitlements + _granted(entitlements))
        made = FakeLicense(
            f"license-{next(self._numbers)}",
            generate_license_key(os.urandom),
            rules,
            starts_at=starts_at,
            expires_at=expires_at,
        )
        self.licenses.append(made)
        return made

    def signed_key(
        self,
        *,
        starts_at: Instant | None = None,
        expires_at: Instant | None = None,
        entitlements: tuple[str | Entitlement, ...] = (),
        product: str | None = None,
    ) -> str:
        """
        A signed license key, which grants without any server (R-11).

        Args:
            starts_at: First second of the term.
            expires_at: First second after it; None for a perpetual one.
            entitlements: As of `license`.
            product: Another product, for tests of mix-ups.

        Raises:
            UsageError: ``bad_grant``: a signed key cannot say this.
        """
        signer = self._signers["license-key"]
        grant = signed_key_grant(
            product=product or self.product,
            license_id=f"license-{next(self._numbers)}",
            policy=self.policy,
            issued_at=self._now(),
            kid=signer.kid,
            starts_at=starts_at,
            expires_at=expires_at,
            entitlements=_granted(entitlements),
        )
        return issue_signed_key(grant, signer)

    def status_list(self) -> str:
        """
        The status list of this moment, as an app's update would bring it, or a CDN: which licenses are revoked or
        suspended, and which seats have ended. Each one is newer than the one before.
        """
        stopped: dict[str, list[str]] = {"revoked": [], "suspended": [], "active": []}
        for license_ in self.licenses:
            stopped[license_.status].append(license_.id)
            stopped["revoked"] += license_._ended  # noqa: SLF001
        return self._lists.publish(stopped["revoked"], stopped["suspended"])

    # ── what devices ask ─────────────────────────────────────────────────────────────────────────────────────────────

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """
        Answer a request of the SDK; what a `MemoryTransport` is made with.

        Activate, refresh and deactivate are answered with artifacts and proofs, the status list's address with the
        list; anything else with 404 and no proof, which no device takes for an answer.
        """
        action = _ACTIONS.get(request.path)
        if request.path == PATH:
            return HttpAnswer(status=200, body=self.status_list().encode())
        if action is None:
            return HttpAnswer(status=404, body=b"{}")
        try:
            body = parse_object(request.body, max_bytes=_MAX_REQUEST, what="The request")
            fingerprint = body["device"]["fingerprint"]
            nonce = body["nonce"]
        except (CarnetError, KeyError, TypeError):
            return HttpAnswer(status=400, body=b"{}")
        license_ = self._license_of(body, fingerprint)
        code = self._refusal(action, license_, body, request)
        members: dict[str, Any] = {"server_time": str(self._now()), "roots": []}
        artifacts: dict[str, str] = {}
        if license_ is not None and code is None:
            if action == "deactivate":
                license_._leave(fingerprint)  # noqa: SLF001 - the two are one part in two classes
            else:
                if action == "activate":
                    key = body["device"].get("public_key")
                    license_.seats[fingerprint] = None if key is None else load_ed25519(b64url_decode(key, "The key"))
                    license_._freed.discard(fingerprint)  # noqa: SLF001
                artifacts = self.issue(license_, fingerprint, body.get("ttl_seconds"))
        if body.get("status_versions") is not None and artifacts:
            members["status_lists"] = [self.status_list()]
        members.update(artifacts)
        proof = Answer(
            id=f"answer-{next(self._numbers)}",
            issuer=ISSUER,
            nonce=nonce,
            action=action,
            outcome="granted" if code is None else "refused",
            at=self._now(),
            product=str(body.get("product")),
            code=code,
            reasons=() if code is None else (code,),
            device=fingerprint,
            license_id=None if license_ is None else license_.id,
            activation_id=None if license_ is None else activation_id(fingerprint),
            artifacts=digest_artifacts(artifacts),
        )
        members["proof"] = issue_answer(proof, self._signers["answer"])
        if code is not None:
            members.update(code=code, detail=reason(code).message, status=_STATUS.get(code, 403))
        return HttpAnswer(status=200 if code is None else _STATUS.get(code, 403), body=dump_json(members))

    def issue(self, license_: FakeLicense, fingerprint: str, ttl_seconds: int | None = None) -> dict[str, str]:
        """
        The artifacts of a seat, dated now: ``token`` and ``machine_file``.

        Args:
            license_: The license.
            fingerprint: The device.
            ttl_seconds: A wanted offline window; the policy caps it.

        Raises:
            UsageError: ``license_expired``: nothing may be issued.
        """
        window = offline_window(
            license_.policy,
            self._now(),
            ttl_seconds=ttl_seconds,
            license_starts_at=license_.starts_at,
            license_expires_at=license_.expires_at,
        )
        token = Grant(
            kind="token",
            id=f"token-{next(self._numbers)}",
            issuer=ISSUER,
            product=self.product,
            license_id=license_.id,
            issued_at=window.issued_at,
            not_before=window.not_before,
            offline_until=window.token_until,
            policy=token_policy(license_.policy),
            activation_id=activation_id(fingerprint),
            device=fingerprint,
            license_starts_at=license_.starts_at,
            license_expires_at=license_.expires_at,
            entitlements=license_.policy.entitlements,
            license_status_ref=self._lists.ref(license_.id),
            activation_status_ref=self._lists.ref(license_._place(fingerprint)),  # noqa: SLF001
        )
        machine_file = replace(
            token,
            kind="machine-file",
            id=f"file-{next(self._numbers)}",
            offline_until=window.machine_file_until,
            policy=replace(license_.policy, entitlements=()),
        )
        return {
            "token": issue_license_token(token, self._signers["token"]),
            "machine_file": seal_machine_file(
                machine_file,
                license_key=license_.key,
                device_name="",
                platform="",
                signer=self._signers["machine-file"],
                entropy=os.urandom(_SEED_BYTES),
            ),
        }

    def _license_of(self, body: dict[str, Any], fingerprint: str) -> FakeLicense | None:
        typed = body.get("license_key")
        if typed is not None:
            spellings = {typed, canonical_license_key(typed)}
            return next((license_ for license_ in self.licenses if license_.key in spellings), None)
        known = (license_ for license_ in self.licenses if fingerprint in license_.seats.keys() | license_._freed)  # noqa: SLF001
        return next(known, None)

    def _refusal(
        self, action: Action, license_: FakeLicense | None, body: dict[str, Any], request: HttpRequest
    ) -> str | None:
        """The code of what speaks against it, by the rules that the server has (`carnet.core.seats`)."""
        if license_ is None:
            return "license_not_found" if "license_key" in body else "activation_not_found"
        fingerprint = body["device"]["fingerprint"]
        if action != "activate":
            if fingerprint not in license_.seats:
                return "deactivated" if fingerprint in license_._freed else "activation_not_found"  # noqa: SLF001
            unproven = self._unproven(license_.seats[fingerprint], request)
            if unproven is not None or action == "deactivate":
                return unproven
        asked = SeatRequest(product=str(body.get("product")), device=fingerprint, domain=body.get("domain"))
        judge = decide_activation if action == "activate" else decide_refresh
        decided = judge(license_._facts(self.product), license_._held(self._now()), asked, self._now())  # noqa: SLF001
        return decided.code if isinstance(decided, Refused) else None

    def _unproven(self, key: PublicKey | None, request: HttpRequest) -> str | None:
        """Why the request proves no possession of the device key (SEC-45), or None where it does."""
        text = dict(request.headers).get("Carnet-Device-Proof")
        if key is None or text is None:
            return "device_proof_required"
        try:
            proof = verify_device_proof(
                text, key, method=request.method, path=request.path, body=request.body, now=self._now()
            )
        except CarnetError:
            return "device_proof_invalid"
        if proof.id in self._used_proofs:
            return "device_proof_invalid"
        self._used_proofs.add(proof.id)
        return None


def activation_id(fingerprint: str) -> str:
    """The id of the seat that a fake server gives to the device with *fingerprint*."""
    return f"activation-{fingerprint[:12]}"


def _granted(entitlements: tuple[str | Entitlement, ...]) -> tuple[Entitlement, ...]:
    return tuple(Entitlement(key=each) if isinstance(each, str) else each for each in entitlements)

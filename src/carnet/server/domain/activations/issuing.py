"""
From a decided seat to signed artifacts, in the two halves that design.md §2 rule 7 asks for.

`Issuing.prepare` dates and numbers the claims; its issuances go into the seat's own transaction. `Issuing.sign` runs
after the commit and only turns prepared claims into bytes: run again, it signs the same claims again. What is made is
checked with the public verifier by sampling (`checking`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from carnet.core._base import Struct, replace
from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.core.instant import MAX_INSTANT, Instant, parse_instant
from carnet.core.model import Grant, Policy, StatusRef
from carnet.core.policies import entitlement_from_json, entitlement_to_json, policy_from_record, policy_to_json
from carnet.core.terms import OfflineWindow, offline_window
from carnet.formats.encoding import sha256_hex
from carnet.formats.keys import Ed25519Signer, KeyRing, Role, Signer
from carnet.formats.license_token import (
    issue_license_token,
    issue_unchecked_license_token,
    token_policy,
    verify_license_token,
)
from carnet.formats.limits import MAX_ADMIN_BODY, MAX_ID, MAX_JSON_INTEGER
from carnet.formats.machine_file import open_machine_file, seal_machine_file, seal_unchecked_machine_file
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.domain.activations.checking import SelfChecks
from carnet.server.domain.ids import Ids
from carnet.server.domain.status.allocation import StatusPlaces
from carnet.server.ports import Random, SigningKeys
from carnet.server.records import Activation, ArtifactKind, Issuance, License

_ENTROPY_BYTES = 32


class Prepared(Struct):
    """Claims that are dated and numbered, and not signed yet."""

    window: OfflineWindow
    token: Grant
    machine_file: Grant
    issuances: tuple[Issuance, ...]


class Artifacts(Struct):
    """What a device gets, as text."""

    token: str
    machine_file: str


class Issuing:
    """
    Makes the artifacts of activations.

    Args:
        keys: The signing keys.
        ring: The public keys of the newest root, to check what was made.
        issuer: This installation's id.
        status: Where status bits stand.
        ids: For artifact ids.
        random: For the encryption of machine files.
    """

    def __init__(
        self, *, keys: SigningKeys, ring: KeyRing, issuer: str, status: StatusPlaces, ids: Ids, random: Random
    ) -> None:
        self._keys = keys
        self._ring = ring
        self._issuer = issuer
        self._status = status
        self._ids = ids
        self._random = random
        self._checks = SelfChecks()

    def prepare(self, license_: License, activation: Activation, now: Instant, ttl_seconds: int | None) -> Prepared:
        """
        Date and number the artifacts of *activation*.

        Args:
            license_: Allowed to issue now (`core.seats`).
            activation: The seat.
            now: The server's time.
            ttl_seconds: The offline window that was asked for, None for the policy's.
        """
        policy = license_.effective
        window = offline_window(
            policy,
            now,
            ttl_seconds=ttl_seconds,
            license_starts_at=license_.starts_at,
            license_expires_at=license_.expires_at,
        )
        token = self.token_grant(license_, activation, window, now, kid=self._keys.signer("token").kid)
        machine_file = replace(
            token,
            kind="machine-file",
            id=self._ids.new(now),
            offline_until=window.machine_file_until,
            policy=replace(policy, entitlements=()),  # the grant's own entitlements are what counts
            kid=self._keys.signer("machine-file").kid,
        )
        issuances = (issuance_of(token, "token"), issuance_of(machine_file, "machine-file"))
        return Prepared(window=window, token=token, machine_file=machine_file, issuances=issuances)

    def token_grant(
        self, license_: License, activation: Activation | None, window: OfflineWindow, now: Instant, *, kid: str
    ) -> Grant:
        """
        What a license token says, under a new id.

        Args:
            license_: Allowed to issue now.
            activation: The seat; None for a token that is bound to no device.
            window: Its times.
            now: The server's time.
            kid: The key that will sign.
        """
        seat = None if activation is None else activation.status_index
        license_ref, seat_ref = self._status.refs(license_.status_index, seat)
        return Grant(
            kind="token",
            id=self._ids.new(now),
            issuer=self._issuer,
            product=license_.product,
            license_id=license_.id,
            issued_at=window.issued_at,
            not_before=window.not_before,
            offline_until=window.token_until,
            policy=token_policy(license_.effective),
            activation_id=None if activation is None else activation.id,
            device=None if activation is None else activation.fingerprint,
            customer=license_.customer,
            license_starts_at=license_.starts_at,
            license_expires_at=license_.expires_at,
            entitlements=tuple(
                each for each in license_.effective.entitlements if each.expires_at is None or now < each.expires_at
            ),
            license_status_ref=license_ref,
            activation_status_ref=seat_ref,
            kid=kid,
        )

    def signs_as(self, token: Grant, machine_file: Grant) -> bool:
        """
        Whether the keys that stored claims name are those that sign now.

        Raises:
            StateError: ``no_signing_key``, ``clock_behind``, ``clock_jumped``: nobody can say now.
        """
        now = self._keys.signer("token").kid, self._keys.signer("machine-file").kid
        return now == (token.kid, machine_file.kid)

    def sign(self, prepared: Prepared, activation: Activation, license_key: str) -> Artifacts:
        """
        Sign prepared claims; where `SelfChecks` says so, check the result with the public keys of the root.

        Args:
            prepared: After the commit.
            activation: The seat.
            license_key: In clear; the machine file opens with it.

        Raises:
            StateError: ``signing_failed``: it cannot be signed, or what was made is not sound; nothing leaves.
        """
        try:
            by_token = self._signer("token", prepared.token)
            by_file = self._signer("machine-file", prepared.machine_file)
            token = issue_unchecked_license_token(prepared.token, by_token)
            machine_file = seal_unchecked_machine_file(
                prepared.machine_file,
                license_key=license_key,
                device_name=activation.device_name,
                platform=activation.platform,
                signer=by_file,
                entropy=self._random(_ENTROPY_BYTES),
                created=activation.created_at,
            )
            if self._checks.is_due(prepared.machine_file.policy):
                signed = replace(
                    prepared,
                    token=replace(prepared.token, kid=by_token.kid),
                    machine_file=replace(prepared.machine_file, kid=by_file.kid),
                )
                self._check(signed, token, machine_file, license_key)
        except CarnetError as error:  # nothing that the device did: it is an outage, and what was committed stays
            self._checks.failed()
            raise signing_failed() from error
        return Artifacts(token=token, machine_file=machine_file)

    def _signer(self, role: Role, claims: Grant) -> Signer:
        """
        The key that *claims* name, also where another took its place between the commit and now; the one of now where
        no root names it any more: what a key signs that was just found compromised would be worth nothing.
        """
        signer = self._keys.signer(role)
        if signer.kid == claims.kid or claims.kid is None:
            return signer
        return self._keys.earlier(claims.kid) or signer

    def _check(self, prepared: Prepared, token: str, machine_file: str, license_key: str) -> None:
        """Verify both as a device does, under the root's keys, and compare with what was to be said."""
        read = verify_license_token(token, self._ring)
        device = prepared.machine_file.device or ""
        opened = open_machine_file(machine_file.encode(), self._ring, license_key=license_key, fingerprint=device)
        if (read, opened) != (prepared.token, prepared.machine_file):
            raise signing_failed()


def signing_failed() -> StateError:
    """The error for an artifact that could not be made from claims that are committed."""
    return StateError(
        "signing_failed",
        "An artifact could not be signed, or did not verify afterwards; nothing was handed out.",
        "Try again; if it stays so, check the signing keys with carnet doctor.",
    )


def issuance_of(grant: Grant, kind: ArtifactKind) -> Issuance:
    """The line of the register for *grant*, which must name the key that will sign it."""
    assert grant.kid is not None  # noqa: S101 - whoever draws up a grant to be signed names the key
    return Issuance(
        jti=grant.id,
        kind=kind,
        kid=grant.kid,
        license_id=grant.license_id,
        activation_id=grant.activation_id,
        issued_at=grant.issued_at,
        expires_at=grant.offline_until or grant.license_expires_at or Instant(MAX_INSTANT),
        claims=_claims_text(grant),
    )


def _claims_text(grant: Grant) -> str:
    """The canonical text of `grant_to_json`; the policy's part, which is the longest, is written once per policy."""
    plain = grant_to_json(grant)
    del plain["policy"]
    before = {name: value for name, value in plain.items() if name < "policy"}
    after = {name: value for name, value in plain.items() if name > "policy"}
    return f'{dump_json(before).decode()[:-1]},"policy":{_policy_text(grant.policy)},{dump_json(after).decode()[1:]}'


@lru_cache(maxsize=1024)
def _policy_text(policy: Policy) -> str:
    return dump_json(policy_to_json(policy)).decode()


def grant_to_json(grant: Grant) -> dict[str, Any]:
    """*grant* as plain JSON, as the register of issued artifacts keeps it."""
    plain: dict[str, Any] = {}
    for field in grant.__fields__:
        value = getattr(grant, field)
        plain[field] = str(value) if isinstance(value, Instant) else value
    plain["policy"] = policy_to_json(grant.policy)
    plain["entitlements"] = [entitlement_to_json(each) for each in grant.entitlements]
    for field in ("license_status_ref", "activation_status_ref"):
        ref = plain[field]
        plain[field] = None if ref is None else _ref_to_json(ref)
    return plain


def grant_from_json(claims: str) -> Grant:
    """What `grant_to_json` wrote: everything needed to sign the same artifact again."""
    plain = parse_object(claims.encode(), max_bytes=MAX_ADMIN_BODY, what="The stored claims")
    for field in ("issued_at", "not_before", "offline_until", "license_starts_at", "license_expires_at"):
        if plain[field] is not None:
            plain[field] = parse_instant(plain[field])
    plain["policy"] = policy_from_record(plain["policy"])
    plain["entitlements"] = tuple(entitlement_from_json(each) for each in plain["entitlements"])
    for field in ("license_status_ref", "activation_status_ref"):
        if plain[field] is not None:
            plain[field] = _ref_from_json(**plain[field])
    return Grant(**plain)


def _ref_to_json(ref: StatusRef) -> dict[str, Any]:
    plain: dict[str, Any] = {"uri": ref.uri, "index": ref.index}
    return plain if ref.minimum is None else {**plain, "minimum": list(ref.minimum)}


def _ref_from_json(uri: str, index: int, minimum: list[int] | None = None) -> StatusRef:
    return StatusRef(uri=uri, index=index, minimum=None if minimum is None else (minimum[0], minimum[1]))


@lru_cache(maxsize=256)
def check_fits(policy: Policy) -> None:
    """
    Refuse a policy whose artifacts would be too large, before a license follows it: after the commit is too late.

    Raises:
        UsageError: ``bad_policy``: the token would not fit into 8 KiB, or the machine file into 256 KiB.
    """
    longest = "x" * MAX_ID
    widest = (MAX_JSON_INTEGER, MAX_JSON_INTEGER)
    ref = StatusRef(uri=f"https://{'x' * (MAX_ID - 8)}", index=2**31 - 1, minimum=widest)
    grant = Grant(
        kind="token",
        id=longest[:36],
        issuer=longest[:36],
        product=longest[:100],
        license_id=longest[:36],
        issued_at=Instant(MAX_INSTANT - 2),
        not_before=Instant(MAX_INSTANT - 2),
        offline_until=Instant(MAX_INSTANT),
        policy=token_policy(policy),
        activation_id=longest[:36],
        device=sha256_hex(b"the widest device"),
        customer=longest[:36],
        license_starts_at=Instant(MAX_INSTANT - 2),
        license_expires_at=Instant(MAX_INSTANT),
        entitlements=policy.entitlements,
        license_status_ref=ref,
        activation_status_ref=ref,
    )
    signer = Ed25519Signer(bytes(range(32)))  # a throwaway key: only the size matters
    try:
        issue_license_token(grant, signer)
        seal_machine_file(
            replace(grant, kind="machine-file", policy=replace(policy, entitlements=())),
            license_key="00000-00000-00000-00000-00000",
            device_name="x" * 64,
            platform="x" * 64,
            signer=signer,
            entropy=bytes(_ENTROPY_BYTES),
            created=Instant(MAX_INSTANT),
        )
    except UsageError as error:
        raise UsageError(
            "bad_policy",
            f"Artifacts under this policy could not be made: {error.message}",
            "Use fewer or shorter entitlements, essentials and domains.",
        ) from error

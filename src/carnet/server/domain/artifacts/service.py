"""
Artifacts that the vendor issues by hand: signed license keys, legacy offline tokens, tokens for clients of others.

Each is decided under the license's lock, as activation is, and registered and audited in that transaction; then it is
signed from what was stored (design.md §2 rule 7). Whether it may be is an ordinary result: `Refused`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from carnet.core._base import Struct, replace
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError, StateError, UsageError
from carnet.core.instant import DAY, Instant
from carnet.core.model import Grant
from carnet.formats.keys import KeyRing, Signer
from carnet.formats.offline_token import issue_offline_token, verify_offline_token
from carnet.server.domain.activations.issuing import Issuing, issuance_of, signing_failed
from carnet.server.domain.artifacts.commands import (
    PROFILES,
    IssuedArtifact,
    IssueOfflineToken,
    IssueSignedKey,
    IssueToken,
)
from carnet.server.domain.artifacts.drawing import (
    Drawn,
    draw_keyforge_token,
    draw_native_token,
    draw_offline_token,
    draw_traffic_orchestrator_token,
    needs_seat,
    window_for,
)
from carnet.server.domain.artifacts.permission import refuse_unusable, seat_for
from carnet.server.domain.artifacts.signed_keys import SignedKeys, check_options, next_second, says_the_same
from carnet.server.domain.artifacts.signing import sign_token
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_seconds, check_text, invalid
from carnet.server.domain.ids import Ids
from carnet.server.domain.keys.service import KeyService
from carnet.server.domain.licenses.service import license_not_found
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.ports import Clock, NextIndex, SeatChanges, SeatFacts, SeatQuery, SigningKeys, Storage
from carnet.server.records import Activation, Actor, CompatibilityKey, KeyUse, License

_MAX_FINGERPRINT = 255


class _Ready(Struct):
    """An artifact whose line stands in the register; what is left is to sign it."""

    drawn: Drawn
    license: License
    device: str | None
    license_key: str

    def __repr__(self) -> str:
        return f"_Ready(jti={self.drawn.issuance.jti!r})"  # never the license key


class ArtifactService:
    """
    What can be issued by hand.

    All calls raise `UsageError` ``license_not_found`` and ``invalid_argument``, and `StateError` ``signing_failed``:
    it is registered, could not be signed, and nothing left. A `Refused` is what activation or refresh would answer:
    ``license_revoked``, ``license_suspended``, ``license_not_started``, ``license_expired``, ``wrong_domain``,
    ``activation_not_found``.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        vault: KeyVault,
        keys: SigningKeys,
        ring: KeyRing,
        issuing: Issuing,
        signed_keys: SignedKeys,
        compatibility: KeyService,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._keys = keys
        self._ring = ring
        self._issuing = issuing
        self._signed_keys = signed_keys
        self._compatibility = compatibility

    # ── signed license keys ──────────────────────────────────────────────────────────────────────────────────────────

    async def signed_key(self, command: IssueSignedKey, actor: Actor) -> IssuedArtifact | Refused:
        """
        The signed key of a license: the one it had last while that still says what the license says, else a new one.

        Raises:
            UsageError: ``bad_grant``: these terms do not fit into a key; ``conflict``: more than 60 of them a minute.
            MalformedError: ``bad_fingerprint``, ``placeholder_fingerprint``.
        """
        now = self._clock.now()
        check_options(command.options)
        license_ = await self._license(command.license_id)
        refused = refuse_unusable(license_, now, may_start_later=True)
        if refused is not None:
            return refused
        last = await self._storage.latest_issuance(license_.id, "license-key")

        def draw(locked: License, issued_at: Instant) -> Grant:
            return self._signed_keys.draw(locked, command.options, issued_at)

        same = last is not None and says_the_same(last, lambda at: draw(license_, at))
        issued_at = last.issued_at if last is not None and same else next_second(last, license_, now)
        self._signed_keys.check(draw(license_, issued_at))

        def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[Refused | Grant]:
            locked = _found(facts)
            refused = refuse_unusable(locked, now, may_start_later=True)
            if refused is not None:
                return SeatChanges(outcome=refused)
            grant = draw(locked, issued_at)
            issuance = issuance_of(grant, "license-key")
            audit = entry(
                now,
                actor,
                "license.signed_key_issued",
                locked.id,
                jti=issuance.jti,
                kid=issuance.kid,
                device=grant.device,
                expires_at=grant.license_expires_at,
                again=True if same else None,
            )
            return SeatChanges(outcome=grant, issuances=() if same else (issuance,), audit=(audit,))

        outcome = await self._storage.change_seat(_by_key(license_, None), decide)
        if isinstance(outcome, Refused):
            return outcome
        (text,) = await asyncio.to_thread(self._signed_keys.sign, [outcome])
        return IssuedArtifact(
            kind="license-key",
            id=outcome.id,
            license_id=outcome.license_id,
            product=outcome.product,
            kid=str(outcome.kid),
            device=outcome.device,
            issued_at=outcome.issued_at,
            expires_at=outcome.license_expires_at,
            text=text,
        )

    # ── offline tokens ───────────────────────────────────────────────────────────────────────────────────────────────

    async def offline_token(self, command: IssueOfflineToken, actor: Actor) -> IssuedArtifact | Refused:
        """
        A legacy offline token for a device that holds a seat; the seat is covered until the token ends.

        Raises:
            UsageError: ``bad_grant``: the contract has no token for these terms.
        """
        now = self._clock.now()
        _check(command.fingerprint, command.ttl_seconds)
        license_ = await self._license(command.license_id)
        signer = self._keys.signer("offline")

        def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[Refused | _Ready]:
            seat = seat_for(facts, command.fingerprint, now, within_term=True)
            if isinstance(seat, Refused):
                return SeatChanges(outcome=seat)
            locked, activation = seat
            window = window_for(locked, now, command.ttl_seconds)
            grant = self._issuing.token_grant(locked, activation, window, now, kid=signer.kid)
            return self._register(draw_offline_token(grant, locked, window), locked, activation, actor, now)

        def sign(ready: _Ready) -> str:
            grant = ready.drawn.facts
            assert isinstance(grant, Grant)  # noqa: S101 - drawn above
            text = issue_offline_token(grant, license_key=ready.license_key, signer=signer)
            verify_offline_token(text.encode(), self._ring, license_key=ready.license_key)
            return text

        return await self._issue(license_, command.fingerprint, decide, sign)

    # ── tokens under compatibility keys ──────────────────────────────────────────────────────────────────────────────

    async def token(self, command: IssueToken, actor: Actor) -> IssuedArtifact | Refused:
        """
        A token for other clients, signed with the product's active compatibility key.

        Raises:
            UsageError: ``no_compatibility_key``, ``wrong_key_type``: the key's algorithm is not the one that the
                policy or the profile wants; ``key_use_conflict``; ``bad_grant``: the profile has no token for this.
        """
        now = self._clock.now()
        if command.profile not in PROFILES:
            raise invalid("profile", f"one of {', '.join(PROFILES)}")
        _check(command.fingerprint, command.ttl_seconds)
        license_ = await self._license(command.license_id)
        if command.profile == "traffic-orchestrator":
            if command.fingerprint is not None:
                raise invalid("device", "left out: a Traffic Orchestrator token is for domains, not for a device")
            if command.ttl_seconds is not None and command.ttl_seconds % DAY:
                raise invalid("ttl_seconds", "whole days for a Traffic Orchestrator token")
        has_seat = needs_seat(command.profile, license_, command.fingerprint)
        if has_seat and command.fingerprint is None:
            raise invalid("device", "given: this token is made for a device that holds a seat")
        # Refused before a key is reserved for tokens that would not be made.
        refused = self._refusal(await self._storage.find_seat(_by_key(license_, command.fingerprint)), command, now)
        if refused is not None:
            return refused
        key, signer = await self._key_for(command, license_, actor)

        def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[Refused | _Ready]:
            refused = self._refusal(facts, command, now)
            if refused is not None:
                return SeatChanges(outcome=refused)
            locked = _found(facts)
            activation = facts.activation if has_seat else None
            drawn = self._draw(command, locked, activation, now, key.kid)
            return self._register(drawn, locked, activation, actor, now, profile=command.profile)

        ring = KeyRing.single("token", signer.public_key)
        return await self._issue(
            license_, command.fingerprint, decide, lambda ready: sign_token(ready.drawn, signer, ring)
        )

    def _refusal(self, facts: SeatFacts, command: IssueToken, now: Instant) -> Refused | None:
        if command.fingerprint is None:
            return refuse_unusable(_found(facts), now)
        seat = seat_for(facts, command.fingerprint, now, within_term=command.profile != "native-jwt")
        return seat if isinstance(seat, Refused) else None

    def _draw(
        self, command: IssueToken, license_: License, activation: Activation | None, now: Instant, kid: str
    ) -> Drawn:
        if command.profile == "traffic-orchestrator":
            jti = self._ids.new(now)
            return draw_traffic_orchestrator_token(license_, now, command.ttl_seconds, jti=jti, kid=kid)
        if command.profile == "keyforge" and activation is not None:
            license_key = self._vault.open(license_.key_sealed, license_.id)
            jti = self._ids.new(now)
            return draw_keyforge_token(license_, activation, license_key, now, command.ttl_seconds, jti=jti, kid=kid)
        window = window_for(license_, now, command.ttl_seconds)
        grant = self._issuing.token_grant(license_, activation, window, now, kid=kid)
        return draw_native_token(grant, window, command.ttl_seconds)

    async def _key_for(self, command: IssueToken, license_: License, actor: Actor) -> tuple[CompatibilityKey, Signer]:
        """The product's key, proved and reserved for these tokens, if its algorithm is the one that is wanted."""
        key = await self._compatibility.active(license_.product)
        policy = await self._storage.policy(license_.product, license_.policy.name)
        wanted = None if policy is None else policy.token_algorithm
        if command.profile == "traffic-orchestrator":
            if wanted not in (None, "EdDSA"):
                raise UsageError(
                    "wrong_key_type",
                    f"Traffic Orchestrator tokens are signed with EdDSA only, and the policy wants {wanted}.",
                    "Use another profile, or change the policy's token_algorithm.",
                )
            wanted = "EdDSA"
        if wanted is not None and key.alg != wanted:
            raise UsageError(
                "wrong_key_type",
                f"The product's active compatibility key signs with {key.alg}; {wanted} is wanted here.",
                f"Make one: carnet key create --product {license_.product} --alg {wanted}",
            )
        try:
            signer = await self._compatibility.signer(key.kid)
        except UsageError:
            raise
        except CarnetError as error:  # nothing that the caller did: the key is broken
            raise StateError(
                "signing_failed", f"The compatibility key {key.kid} cannot sign: {error.message}", error.fix
            ) from error
        use: KeyUse = "traffic-orchestrator" if command.profile == "traffic-orchestrator" else "other"
        return await self._compatibility.reserve(key.kid, use, actor), signer

    # ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _license(self, license_id: str) -> License:
        found = await self._storage.license(license_id)
        if found is None:
            raise license_not_found()
        return found

    def _register(
        self,
        drawn: Drawn,
        license_: License,
        activation: Activation | None,
        actor: Actor,
        now: Instant,
        *,
        profile: str | None = None,
    ) -> SeatChanges[Refused | _Ready]:
        issuance = drawn.issuance
        audit = entry(
            now,
            actor,
            "license.token_issued" if profile else "license.offline_token_issued",
            license_.id,
            jti=issuance.jti,
            kid=issuance.kid,
            profile=profile,
            activation=issuance.activation_id,
            expires_at=issuance.expires_at,
        )
        ready = _Ready(
            drawn=drawn,
            license=license_,
            device=None if activation is None else activation.fingerprint,
            license_key=self._vault.open(license_.key_sealed, license_.id),  # before the commit: it must be possible
        )
        # A seat is never freed before the end that was signed for it (design.md §9, `covered_until`).
        update = None
        if activation is not None:
            update = replace(activation, covered_until=max(activation.covered_until, issuance.expires_at))
        return SeatChanges(outcome=ready, update=update, issuances=(issuance,), audit=(audit,))

    async def _issue(
        self,
        license_: License,
        fingerprint: str | None,
        decide: Callable[[SeatFacts, NextIndex], SeatChanges[Refused | _Ready]],
        sign: Callable[[_Ready], str],
    ) -> IssuedArtifact | Refused:
        outcome = await self._storage.change_seat(_by_key(license_, fingerprint), decide)
        if isinstance(outcome, Refused):
            return outcome
        try:
            text = await asyncio.to_thread(sign, outcome)
        except UsageError:
            raise
        except CarnetError as error:
            raise signing_failed() from error
        issuance = outcome.drawn.issuance
        return IssuedArtifact(
            kind=issuance.kind,
            id=issuance.jti,
            license_id=outcome.license.id,
            product=outcome.license.product,
            kid=issuance.kid,
            device=outcome.device,
            issued_at=issuance.issued_at,
            expires_at=issuance.expires_at,
            text=text,
        )


def _by_key(license_: License, fingerprint: str | None) -> SeatQuery:
    return SeatQuery(product=license_.product, lookups=(license_.key_lookup,), fingerprint=fingerprint)


def _found(facts: SeatFacts) -> License:
    assert facts.license is not None  # noqa: S101 - found by its own look-up, and licenses are never deleted
    return facts.license


def _check(fingerprint: str | None, ttl_seconds: int | None) -> None:
    if fingerprint is not None:
        check_text("device", fingerprint, most=_MAX_FINGERPRINT)
    check_seconds("ttl_seconds", ttl_seconds)

"""
Floating leases: what holders call (claim, renew, release).

Each call reads `now` once, asks `core.leases` inside the storage's transaction, and signs after the commit, from the
claims that the lease's own row holds (design.md §2 rule 7). A renewal is tried as one statement first; where that
gives nothing, the rule is asked. Refusals write nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from carnet.core._base import Struct
from carnet.core.decision import Refused
from carnet.core.errors import CarnetError
from carnet.core.instant import MAX_INSTANT, Instant
from carnet.core.lease_reasons import lease_reason
from carnet.core.lease_terms import (
    HOLDER_KINDS,
    MAX_BORROW_SECONDS,
    MAX_HOLDER_ID,
    LeaseHolder,
)
from carnet.core.leases import RENEW_DIVISOR, LeaseRequest
from carnet.formats.answer import Action
from carnet.formats.keys import KeyRing
from carnet.formats.lease import verify_lease_token
from carnet.server.domain.answers import Answered, Prover
from carnet.server.domain.checks import (
    check_license_key,
    check_nonce,
    check_seconds,
    check_text,
    invalid,
)
from carnet.server.domain.ids import Ids
from carnet.server.domain.leases.commands import (
    ClaimLease,
    LeaseResult,
    ReleaseLease,
    ReleaseResult,
    RenewLease,
)
from carnet.server.domain.leases.deciding import Held, LeaseOutcome, Released, Releasing, Seating
from carnet.server.domain.leases.issuing import LeaseIssuing
from carnet.server.domain.leases.vendor import VendorLeases
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.statistics.service import Statistics
from carnet.server.ports import Clock, Storage
from carnet.server.ports.leases import LeaseQuery, LeaseRenewal

_MAX_PRODUCT = 100
_MAX_NAME = 64
_MAX_ID = 64
_MAX_TOKEN = 4096


class _Proof(Struct):
    """How the caller showed that the lease is its own: hashes of the license key, or the license by a lease token."""

    lookups: tuple[bytes, ...] = ()
    license_id: str | None = None


class LeaseService(VendorLeases):
    """
    What can be done with leases.

    `claim`, `renew` and `release` raise `UsageError` ``invalid_argument`` for values out of bounds; everything about
    the license and the pool is a `Refused` in `Answered.result`: ``license_not_found``, ``wrong_product``,
    ``license_revoked``, ``license_suspended``, ``license_not_started``, ``license_expired``, and the codes of
    `core.lease_reasons`.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        vault: KeyVault,
        issuing: LeaseIssuing,
        ring: KeyRing,
        prover: Prover,
        issuer: str,
        statistics: Statistics,
    ) -> None:
        super().__init__(storage, clock)
        self._ids = ids
        self._vault = vault
        self._issuing = issuing
        self._ring = ring
        self._prover = prover
        self._issuer = issuer
        self._statistics = statistics

    # ── what holders call ────────────────────────────────────────────────────────────────────────────────────────────

    async def claim(self, command: ClaimLease) -> Answered[LeaseResult]:
        """Take a seat of the pool, or go on with the one that the holder has (users-ask 17)."""
        now = self._clock.now()
        _check(command.product, command.holder, command.nonce)
        check_text("holder.name", command.name, least=0, most=_MAX_NAME)
        request = _request(command)
        query = LeaseQuery(
            product=command.product,
            lookups=self._vault.lookups(check_license_key(command.license_key)),
            holder=command.holder,
            at=now,
            with_borrowed=command.borrow,
        )
        kid = self._issuing.kid()
        rule = Seating(request, name=command.name, lease_id=None, ids=self._ids, kid=kid, now=now)
        return await self._answer("claim", command, await self._storage.change_lease(query, rule), now)

    async def renew(self, command: RenewLease) -> Answered[LeaseResult]:
        """Go on with a lease: one statement where nothing has changed, the rule's word otherwise."""
        now = self._clock.now()
        _check(command.product, command.holder, command.nonce)
        check_text("lease_id", command.lease_id, most=_MAX_ID)
        request = _request(command)
        proof = self._proof(command)
        if isinstance(proof, Refused):
            return await self._answer("renew", command, LeaseOutcome(outcome=proof, product_known=False), now)
        kid = self._issuing.kid()
        if not command.borrow:
            jti = self._ids.new(now)
            renewed = await self._storage.renew_lease(
                LeaseRenewal(
                    lease_id=command.lease_id,
                    holder=command.holder,
                    product=command.product,
                    lookups=proof.lookups,
                    license_id=proof.license_id,
                    asked_seconds=command.ttl_seconds,
                    at=now,
                    jti=jti,
                    kid=kid,
                )
            )
            if renewed is not None:

                def sign() -> Answered[LeaseResult]:
                    token = self._issuing.sign(
                        jti=jti,
                        kid=kid,
                        product=command.product,
                        license_id=renewed.license_id,
                        lease_id=command.lease_id,
                        holder=command.holder,
                        renewed_at=now,
                        expires_at=renewed.expires_at,
                        is_borrowed=False,
                    )
                    result = LeaseResult(
                        created=False,
                        license_id=renewed.license_id,
                        lease_id=command.lease_id,
                        holder=command.holder,
                        is_borrowed=False,
                        expires_at=renewed.expires_at,
                        renew_after=_renew_after(now, renewed.ttl_seconds),
                        token=token,
                        server_time=now,
                    )
                    return Answered(result=result, proof=self._prove("renew", command, result, now, product_known=True))

                answered = await self._prover.beside(sign, "lease")
                self._used("lease renew", command.product, renewed.license_id, now)
                return answered
        query = LeaseQuery(
            product=command.product,
            lookups=proof.lookups,
            license_id=proof.license_id,
            holder=command.holder,
            lease_id=command.lease_id,
            at=now,
            with_borrowed=command.borrow,
        )
        rule = Seating(request, name="", lease_id=command.lease_id, ids=self._ids, kid=kid, now=now)
        return await self._answer("renew", command, await self._storage.change_lease(query, rule), now)

    async def release(self, command: ReleaseLease) -> Answered[ReleaseResult]:
        """
        Give a lease back; its slot is free at once. Repeating it answers the same, as long as nobody else has the slot.

        With a nonce, the proof is the receipt of the return (users-ask 25).
        """
        now = self._clock.now()
        _check(command.product, command.holder, command.nonce)
        check_text("lease_id", command.lease_id, most=_MAX_ID)
        proof = self._proof(command)
        if isinstance(proof, Refused):
            released = Released(lease=None, refused=proof, product_known=False)
        else:
            query = LeaseQuery(
                product=command.product,
                lookups=proof.lookups,
                license_id=proof.license_id,
                holder=command.holder,
                lease_id=command.lease_id,
                at=now,
            )
            rule = Releasing(LeaseRequest(product=command.product, holder=command.holder), now)
            released = await self._storage.change_lease(query, rule)
        result: ReleaseResult | Refused
        if released.refused is not None or released.lease is None:
            assert released.refused is not None  # noqa: S101 - one of the two is there
            result = released.refused
        else:
            lease = released.lease
            result = ReleaseResult(
                license_id=lease.license_id,
                lease_id=lease.id,
                released_at=lease.released_at or now,
                server_time=now,
            )

        def sign() -> Answered[ReleaseResult]:
            proof = self._prove("release", command, result, now, product_known=released.product_known)
            return Answered(result=result, proof=proof)

        return sign() if command.nonce is None else await self._prover.beside(sign)

    # ── around the transaction ───────────────────────────────────────────────────────────────────────────────────────

    def _proof(self, command: RenewLease | ReleaseLease) -> _Proof | Refused:
        """Possession: the license key, or a genuine token of this lease. A token that ran out still proves it."""
        if command.license_key is not None:
            return _Proof(lookups=self._vault.lookups(check_license_key(command.license_key)))
        if command.token is None:
            raise invalid("license_key", "given, or token in its stead")
        told = lease_reason("lease_token_refused")
        refused = Refused(code=told.code, reasons=(told,))
        if len(command.token) > _MAX_TOKEN:
            return refused
        try:
            token = verify_lease_token(command.token, self._ring)
        except CarnetError:  # malformed or foreign: to whoever does not hold the lease it is all the same
            return refused
        said = (token.issuer, token.product, token.lease_id, token.holder)
        if said != (self._issuer, command.product, command.lease_id, command.holder):
            return refused
        return _Proof(license_id=token.license_id)

    async def _answer(
        self, action: Action, command: ClaimLease | RenewLease, decided: LeaseOutcome, now: Instant
    ) -> Answered[LeaseResult]:
        outcome = decided.outcome

        def sign() -> Answered[LeaseResult]:
            result = self._signed(outcome, now) if isinstance(outcome, Held) else outcome
            return Answered(
                result=result, proof=self._prove(action, command, result, now, product_known=decided.product_known)
            )

        if isinstance(outcome, Held):
            answered = await self._prover.beside(sign, "lease")
            self._used(f"lease {action}", command.product, outcome.lease.license_id, now)
            return answered
        return sign() if command.nonce is None else await self._prover.beside(sign)

    def _used(self, name: str, product: str, license_id: str, now: Instant) -> None:
        """Buffered statistics; renewals leave nothing else behind (design.md §2 rule 9)."""
        self._statistics.count(name, product, now)
        self._statistics.seen("license", license_id, now)

    def _signed(self, held: Held, now: Instant) -> LeaseResult:
        lease = held.lease
        token = self._issuing.sign(
            jti=lease.jti,
            kid=lease.kid,
            product=held.product,
            license_id=lease.license_id,
            lease_id=lease.id,
            holder=lease.holder,
            renewed_at=lease.renewed_at,
            expires_at=lease.expires_at,
            is_borrowed=lease.is_borrowed,
        )
        return LeaseResult(
            created=held.created,
            license_id=lease.license_id,
            lease_id=lease.id,
            holder=lease.holder,
            is_borrowed=lease.is_borrowed,
            expires_at=lease.expires_at,
            renew_after=held.window.renew_after,
            token=token,
            server_time=now,
        )

    def _prove(
        self,
        action: Action,
        command: ClaimLease | RenewLease | ReleaseLease,
        result: LeaseResult | ReleaseResult | Refused,
        now: Instant,
        *,
        product_known: bool,
    ) -> str | None:
        """The proof; `dev` is the holder's id, `act` the lease's."""
        if command.nonce is None or not product_known:
            return None
        artifacts: Mapping[str, str] = {"token": result.token} if isinstance(result, LeaseResult) else {}
        lease_id = None if isinstance(command, ClaimLease) else command.lease_id
        return self._prover.prove(
            nonce=command.nonce,
            action=action,
            at=now,
            product=command.product,
            device=command.holder.id,
            license_id=result.license_id,
            activation_id=lease_id if isinstance(result, Refused) else result.lease_id,
            refused=result.reasons if isinstance(result, Refused) else (),
            artifacts=artifacts,
        )


def _check(product: str, holder: LeaseHolder, nonce: str | None) -> None:
    check_text("product", product, most=_MAX_PRODUCT)
    check_nonce(nonce)
    if holder.kind not in HOLDER_KINDS:
        raise invalid("holder.kind", f"one of {', '.join(HOLDER_KINDS)}")
    check_text("holder.id", holder.id, most=MAX_HOLDER_ID)


def _request(command: ClaimLease | RenewLease) -> LeaseRequest:
    check_seconds("ttl_seconds", command.ttl_seconds, most=MAX_BORROW_SECONDS)
    return LeaseRequest(
        product=command.product,
        holder=command.holder,
        ttl_seconds=command.ttl_seconds,
        borrow=command.borrow,
    )


def _renew_after(now: Instant, ttl_seconds: int) -> Instant:
    return Instant(min(now + max(1, ttl_seconds // RENEW_DIVISOR), MAX_INSTANT))

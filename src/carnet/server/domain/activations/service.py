"""
Activations: what devices call (activate, validate, refresh, deactivate) and what the vendor does with their seats.

Each call reads `now` once, asks `core` inside the storage's transaction, and signs after the commit. Refusals are
ordinary results and write nothing: a wrong key costs no disk, and takes no longer or shorter than a right one that is
suspended (SEC-34).
"""

from __future__ import annotations

from collections.abc import Callable

from carnet.core._base import replace
from carnet.core.decision import Decision, Refused
from carnet.core.devices import strong_digests
from carnet.core.instant import Instant
from carnet.core.starts import PendingTerm, Term, begins_with
from carnet.formats.answer import Action
from carnet.server.domain.activations.commands import (
    ActivateCommand,
    ActivationResult,
    DeactivateCommand,
    DeactivationResult,
    RefreshCommand,
    ValidateCommand,
    ValidationResult,
)
from carnet.server.domain.activations.deciding import Decided, Freed, Seat, SeatDecisions, facts_of_seat
from carnet.server.domain.activations.issuing import Issuing
from carnet.server.domain.activations.refusals import refuse
from carnet.server.domain.activations.requests import (
    Authorized,
    authorize,
    check_device,
    still_authorized,
)
from carnet.server.domain.activations.validation import judge
from carnet.server.domain.activations.vendor import MAX_USER, VendorSeats, activation_view, check_replaced
from carnet.server.domain.answers import Answered, Prover
from carnet.server.domain.checks import (
    check_license_key,
    check_nonce,
    check_optional_text,
    check_seconds,
    check_text,
    invalid,
)
from carnet.server.domain.enrolment.tokens import ENROLMENT_PREFIX
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.service import license_view
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.metering.quotas import ValidationQuota
from carnet.server.domain.reissue.seen import SeenArtifacts
from carnet.server.domain.statistics.service import Statistics
from carnet.server.domain.status.lists import StatusLists
from carnet.server.ports import Clock, NextIndex, SeatChanges, SeatFacts, SeatQuery, Storage
from carnet.server.records import Actor, License

_MAX_DOMAIN = 253
_MAX_VERSION = 64
_MAX_ID = 64
_MAX_PRODUCT = 100
_NEVER = PendingTerm(basis="first_activation", term=Term())


class ActivationService(VendorSeats):
    """
    What can be done with activations.

    The four device calls raise `UsageError` ``invalid_argument`` for values out of bounds, `MalformedError` for a bad
    fingerprint or device key; everything about the license is a `Refused` in `Answered.result`: ``license_not_found``,
    ``wrong_product``, ``wrong_device``, ``wrong_domain``, ``license_revoked``, ``license_suspended``,
    ``license_not_started``, ``license_expired``, ``seat_limit_reached``, ``activation_not_found``, ``deactivated``,
    ``device_proof_required``, ``device_proof_invalid``, ``license_key_required``.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        ids: Ids,
        vault: KeyVault,
        issuing: Issuing,
        prover: Prover,
        issuer: str,
        newer_roots: Callable[[int | None], tuple[str, ...]],
        statistics: Statistics,
        seen: SeenArtifacts,
        lists: StatusLists,
    ) -> None:
        super().__init__(storage, clock, SeatDecisions(ids, vault, issuing))
        self._statistics = statistics
        self._seen = seen
        self._quota = ValidationQuota(storage, statistics)
        self._vault = vault
        self._issuing = issuing
        self._prover = prover
        self._issuer = issuer
        self._lists = lists
        self.newer_roots = newer_roots

    # ── what devices call ────────────────────────────────────────────────────────────────────────────────────────────

    async def activate(self, command: ActivateCommand) -> Answered[ActivationResult]:
        """Take a seat for a device; the same device gets the seat it holds (R-23, users-ask 17)."""
        now = self._clock.now()
        public_key = check_device(command.device)
        _check_request(command)
        check_optional_text("user", command.user, most=MAX_USER)
        check_replaced(command.replaces)
        lookups, enrolment = self._typed(command.license_key)
        query = SeatQuery(
            product=command.product,
            lookups=lookups,
            fingerprint=command.device.fingerprint,
            with_holders=True,
            user=command.user,
            replaces=command.replaces,
            replaces_all=command.replaces_all,
            enrolment=enrolment,
            strong=strong_digests(command.device.components),
        )

        def decide(facts: SeatFacts, next_index: NextIndex) -> SeatChanges[Decided]:
            return self._decisions.take(command, query, facts, public_key=public_key, next_index=next_index, now=now)

        return await self._answer_seat("activate", command, await self._storage.change_seat(query, decide), now)

    async def validate(self, command: ValidateCommand) -> Answered[ValidationResult]:
        """
        Decide by the server's own records; one read. Refused only when key and product name no license.

        A replica may be read: for some seconds it may not know of a revocation yet. It never says no: what it does not
        grant, the primary is asked about, so that a license or seat that was just made is known at once.
        """
        now = self._clock.now()
        _check_request(command)
        fingerprint = None
        if command.device is not None:
            check_device(command.device)
            fingerprint = command.device.fingerprint
        lookups, enrolment = self._typed(command.license_key)
        query = SeatQuery(product=command.product, lookups=lookups, fingerprint=fingerprint, enrolment=enrolment)
        facts = await self._storage.look_at_seat(query)
        decision = self._judge(command, facts, fingerprint, now)
        if facts.is_behind and not decision:
            facts = await self._storage.find_seat(query)
            decision = self._judge(command, facts, fingerprint, now)
        license_ = facts.license
        result: ValidationResult | Refused
        if license_ is None:
            result = refuse("license_not_found")
        elif decision is None:
            result = refuse("wrong_product", product=command.product, license_id=license_.id)
        else:
            if decision and license_.progress.pending is not None:
                license_ = await self._begun_by_use(query, license_, now)
            over_until = await self._quota.spend(license_, now)
            held = facts.activation is not None and facts.activation.deactivated_at is None
            self._statistics.license_used("validate", license_, facts.activation if held else None, now)
            result = ValidationResult(
                valid=bool(decision),
                decision=decision,
                license=license_view(license_),
                activation=activation_view(facts.activation) if facts.activation is not None and held else None,
                server_time=now,
            )
            if over_until is not None:
                result = refuse("quota_exceeded", license_id=license_.id, until=over_until)
        proof = None
        if command.nonce is not None and facts.product_known:
            refused = result.reasons if isinstance(result, Refused) else () if result.valid else result.decision.reasons
            proof = await self._prover.prove_if_possible(
                nonce=command.nonce,
                action="validate",
                at=now,
                product=command.product,
                device=fingerprint,
                license_id=None if license_ is None else license_.id,
                activation_id=None if facts.activation is None else facts.activation.id,
                refused=refused,
            )
        return Answered(result=result, proof=proof)

    def _judge(
        self, command: ValidateCommand, facts: SeatFacts, fingerprint: str | None, now: Instant
    ) -> Decision | None:
        """What the records say; None where key and product name no license."""
        if facts.license is None or facts.license.product != command.product:
            return None
        return judge(
            facts.license,
            facts.activation,
            issuer=self._issuer,
            fingerprint=fingerprint,
            domain=command.domain,
            app_version=command.app_version,
            now=now,
        )

    async def refresh(self, command: RefreshCommand) -> Answered[ActivationResult]:
        """Fresh artifacts for a held seat."""
        now = self._clock.now()
        query, facts, authorized = await self._authorize(command, now)
        if isinstance(authorized, Refused):
            refused = Decided(outcome=authorized, product_known=facts.product_known)
            return await self._answer_seat("refresh", command, refused, now)

        def decide(locked: SeatFacts, _: NextIndex) -> SeatChanges[Decided]:
            if not still_authorized(authorized, facts, locked):
                refused = Decided(outcome=refuse("device_proof_invalid"), product_known=locked.product_known)
                return SeatChanges(outcome=refused)
            return self._decisions.refresh(command, authorized, locked, now)

        return await self._answer_seat("refresh", command, await self._storage.change_seat(query, decide), now)

    async def deactivate(self, command: DeactivateCommand) -> Answered[DeactivationResult]:
        """Give a seat back; repeating it answers the same. A suspended or revoked license gives its seats back too."""
        now = self._clock.now()
        query, facts, authorized = await self._authorize(command, now)
        outcome: Freed | Refused
        if isinstance(authorized, Refused):
            outcome = authorized
        else:

            def decide(locked: SeatFacts, _: NextIndex) -> SeatChanges[Freed | Refused]:
                if not still_authorized(authorized, facts, locked):
                    return SeatChanges(outcome=refuse("device_proof_invalid"))
                actor = Actor(kind="device", id=facts_of_seat(locked)[0].id)
                return self._decisions.free(locked, actor, now, authorized=authorized)

            outcome = await self._storage.change_seat(query, decide)
        result: DeactivationResult | Refused
        if isinstance(outcome, Refused):
            result = outcome
        else:
            result = DeactivationResult(
                activation=activation_view(outcome.activation),
                deactivated_at=outcome.activation.deactivated_at or now,
                server_time=now,
            )
        proof = await self._prove("deactivate", command, result, product_known=facts.product_known, now=now)
        return Answered(result=result, proof=proof)

    async def _begun_by_use(self, query: SeatQuery, license_: License, now: Instant) -> License:
        """*license_* after its first use, where its term waited for that (R-01): the one write of a validation."""
        if not begins_with(license_.progress.pending or _NEVER, "use"):
            return license_

        def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[License]:
            return self._decisions.use(facts.license or license_, now)

        return await self._storage.change_seat(query, decide)

    def _typed(self, key: str) -> tuple[tuple[bytes, ...], bytes | None]:
        """The hashes of what was typed for a license key; and of an enrolment token, where it is one by its form."""
        check_license_key(key)
        is_token = key.strip().startswith(ENROLMENT_PREFIX)
        return self._vault.lookups(key), self._vault.enrolment_hash(key.strip()) if is_token else None

    # ── around the transaction ───────────────────────────────────────────────────────────────────────────────────────

    async def _authorize(
        self, command: RefreshCommand | DeactivateCommand, now: Instant
    ) -> tuple[SeatQuery, SeatFacts, Authorized | Refused]:
        """Read the activation that is spoken of, and see whether the caller may; outside any lock."""
        check_device(command.device)
        _check_request(command)
        if command.activation_id is None and command.license_key is None:
            raise invalid("activation_id", "given, or license_key in its stead")
        check_optional_text("activation_id", command.activation_id, most=_MAX_ID)
        lookups: tuple[bytes, ...] = ()
        enrolment = None
        if command.license_key is not None:
            lookups, enrolment = self._typed(command.license_key)
        query = SeatQuery(
            product=command.product,
            lookups=lookups,
            activation_id=command.activation_id,
            fingerprint=command.device.fingerprint,
            enrolment=enrolment,
        )
        facts = await self._storage.find_seat(query)
        authorized = authorize(
            facts,
            product=command.product,
            device=command.device,
            lookups=lookups,
            enrolment=enrolment,
            proof=command.device_proof,
            now=now,
        )
        if isinstance(authorized, Authorized) and authorized.use is not None:
            query = replace(query, proof_id=authorized.use.id)  # under the lock: was it used before?
        return query, facts, authorized

    async def _answer_seat(
        self, action: Action, command: ActivateCommand | RefreshCommand, decided: Decided, now: Instant
    ) -> Answered[ActivationResult]:
        outcome = decided.outcome
        if command.held:
            self._note_held(command, outcome, now)
        if isinstance(outcome, Refused):
            proof = await self._prove(action, command, outcome, product_known=decided.product_known, now=now)
            return Answered(result=outcome, proof=proof)
        self._statistics.license_used(
            action,
            outcome.license,
            outcome.activation,
            now,
            is_new_device=outcome.created,
            is_fork=decided.is_fork,
        )
        positions = (outcome.license.status_index, outcome.activation.status_index)
        lists = self._lists.newer(positions, command.status_versions)

        def sign() -> Answered[ActivationResult]:
            artifacts = self._issuing.sign(outcome.prepared, outcome.activation, outcome.license_key)
            result = ActivationResult(
                created=outcome.created,
                activation=activation_view(outcome.activation),
                license=license_view(outcome.license),
                token=artifacts.token,
                machine_file=artifacts.machine_file,
                renew_after=outcome.prepared.window.renew_after,
                server_time=now,
                roots=self.newer_roots(command.root_version),
                status_lists=lists,
                stamp=outcome.activation.stamps.newest,
            )
            proof = self._proof(action, command, result, product_known=decided.product_known, now=now)
            return Answered(result=result, proof=proof)

        return await self._prover.beside(sign, "token", "machine-file")

    def _note_held(self, command: ActivateCommand | RefreshCommand, outcome: Seat | Refused, now: Instant) -> None:
        """What the device holds is looked up later; not where it could not even name a license."""
        of = outcome.license if isinstance(outcome, Seat) else None
        license_id = outcome.license_id if isinstance(outcome, Refused) else None if of is None else of.id
        if license_id is not None:
            activation_id = outcome.activation_id if isinstance(outcome, Refused) else outcome.activation.id
            self._seen.note(
                command.held, now, product=command.product, license_id=license_id, activation_id=activation_id
            )

    async def _prove(
        self,
        action: Action,
        command: ActivateCommand | RefreshCommand | DeactivateCommand,
        result: DeactivationResult | Refused,
        *,
        product_known: bool,
        now: Instant,
    ) -> str | None:
        if command.nonce is None or not product_known:
            return None
        return await self._prover.beside(
            lambda: self._proof(action, command, result, product_known=product_known, now=now)
        )

    def _proof(
        self,
        action: Action,
        command: ActivateCommand | RefreshCommand | DeactivateCommand,
        result: ActivationResult | DeactivationResult | Refused,
        *,
        product_known: bool,
        now: Instant,
    ) -> str | None:
        if command.nonce is None or not product_known:
            return None
        artifacts: dict[str, str] = {}
        if isinstance(result, ActivationResult):
            artifacts = {"token": result.token, "machine_file": result.machine_file}
        if isinstance(result, Refused):
            license_id, activation_id, refused = result.license_id, result.activation_id, result.reasons
        else:
            license_id, activation_id, refused = result.activation.license_id, result.activation.id, ()
        return self._prover.prove(
            nonce=command.nonce,
            action=action,
            at=now,
            product=command.product,
            device=command.device.fingerprint,
            license_id=license_id,
            activation_id=activation_id,
            refused=refused,
            artifacts=artifacts,
            stamp=result.stamp if isinstance(result, ActivationResult) else None,
        )


def _check_request(command: ActivateCommand | RefreshCommand | DeactivateCommand | ValidateCommand) -> None:
    check_text("product", command.product, most=_MAX_PRODUCT)
    check_nonce(command.nonce)
    if not isinstance(command, DeactivateCommand):
        check_optional_text("domain", command.domain, most=_MAX_DOMAIN)
        check_optional_text("app_version", command.app_version, most=_MAX_VERSION)
    if isinstance(command, ActivateCommand | RefreshCommand):
        check_seconds("ttl_seconds", command.ttl_seconds)
        if command.root_version is not None and command.root_version < 1:
            raise invalid("root_version", "a root's version, 1 or more")

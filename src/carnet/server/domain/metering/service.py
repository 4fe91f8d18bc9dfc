"""Meters: count uses, put them right, read them (R-29, users-ask 63)."""

from __future__ import annotations

from carnet.core.decision import Refused
from carnet.core.errors import UsageError
from carnet.core.instant import Instant
from carnet.core.metering import MAX_AMOUNT, Meter, NotCounted, Period, count_use, period_of
from carnet.core.progress import begin_term
from carnet.server.domain.activations.refusals import refuse
from carnet.server.domain.activations.validation import judge
from carnet.server.domain.answers import Answered, Prover
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.checks import check_license_key, check_nonce, check_optional_text, check_text, invalid
from carnet.server.domain.enrolment.tokens import ENROLMENT_PREFIX
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.service import license_not_found
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.domain.metering.commands import CorrectUse, MeterView, RecordUse, UseResult
from carnet.server.ports import Clock, Storage, UsageChange, UsageFacts, UsageQuery
from carnet.server.records import Actor, License, UsageEvent

_MAX_EVENT_ID = 128
_MAX_METER = 100
_MAX_PRODUCT = 100
_MAX_DOMAIN = 253


class MeteringService:
    """
    What can be done with meters.

    Args:
        storage: Where counts are.
        clock: The server's time.
        ids: For events.
        vault: Finds licenses by their keys.
        issuer: This installation's id.
        prover: Signs answers.
    """

    def __init__(
        self, *, storage: Storage, clock: Clock, ids: Ids, vault: KeyVault, issuer: str, prover: Prover
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._issuer = issuer
        self._prover = prover

    async def use(self, command: RecordUse) -> Answered[UseResult]:
        """
        As `record`, with the proof that was asked for: it says that the use counts, or why not (SEC-30).

        A use that counts is answered without a proof where nothing can be signed now: it was counted, and the same
        event may be sent again.
        """
        check_nonce(command.nonce)
        outcome = await self.record(command)
        if command.nonce is None or await self._storage.product(command.product) is None:
            return Answered(result=outcome)
        proof = await self._prover.prove_if_possible(
            nonce=command.nonce,
            action="use",
            at=self._clock.now(),
            product=command.product,
            device=None,
            license_id=outcome.license_id,
            refused=outcome.reasons if isinstance(outcome, Refused) else (),
        )
        return Answered(result=outcome, proof=proof)

    async def record(self, command: RecordUse) -> UseResult | Refused:
        """
        Count a use, once for its event id.

        Returns:
            The use, and the meter after it; repeated, the same use, and the meter as it is now. `Refused` with
            ``license_not_found``, ``wrong_product``, what `validate` would refuse with, ``meter_not_found``, or
            ``usage_limit_reached``: then nothing of it counted, and the same id may be sent again later.

        Raises:
            UsageError: ``invalid_argument``; ``idempotency_mismatch``: the id was used for another use.
        """
        now = self._clock.now()
        check_text("product", command.product, most=_MAX_PRODUCT)
        check_optional_text("domain", command.domain, most=_MAX_DOMAIN)
        _check_use(command.meter, command.event_id, command.amount, least=1)
        lookups = self._vault.lookups(check_license_key(command.license_key))
        typed = command.license_key.strip()
        enrolment = self._vault.enrolment_hash(typed) if typed.startswith(ENROLMENT_PREFIX) else None

        def decide(facts: UsageFacts) -> UsageChange[UseResult | Refused]:
            license_ = facts.license
            if license_ is None:
                return UsageChange(outcome=refuse("license_not_found"))
            if license_.product != command.product:
                refused = refuse("wrong_product", product=command.product, license_id=license_.id)
                return UsageChange(outcome=refused)
            refused_by = self._refusal(license_, command.domain, now)
            if refused_by is not None:
                return UsageChange(outcome=refused_by)
            return self._count(license_, facts, command, now)

        query = UsageQuery(product=command.product, lookups=lookups, enrolment=enrolment, event_id=command.event_id)
        return await self._storage.count_use(query, decide)

    async def correct(self, command: CorrectUse, actor: Actor) -> UseResult | Refused:
        """
        Put a count right, once for its event id, whatever the license's status.

        Raises:
            UsageError: ``invalid_argument``, ``license_not_found``, ``idempotency_mismatch``.
        """
        now = self._clock.now()
        _check_use(command.meter, command.event_id, command.amount, least=-MAX_AMOUNT)

        def decide(facts: UsageFacts) -> UsageChange[UseResult | Refused]:
            license_ = facts.license
            if license_ is None:
                raise license_not_found()
            return self._count(license_, facts, command, now, corrected_by=actor)

        query = UsageQuery(product="", license_id=command.license_id, event_id=command.event_id)
        return await self._storage.count_use(query, decide)

    async def read(self, license_id: str) -> tuple[MeterView, ...]:
        """
        Every meter of a license with its use in the running period.

        Raises:
            UsageError: ``license_not_found``.
        """
        now = self._clock.now()
        license_ = await self._storage.license(license_id)
        if license_ is None:
            raise license_not_found()
        found = await self._storage.usage(license_id, since=Instant(0))
        used = {(each.meter, each.period_starts_at): each.used for each in found}
        views = []
        for meter in license_.conditions.meters:
            period = period_of(meter.period, now, _began_at(license_))
            views.append(_view(meter, period, used.get((meter.name, period.starts_at), 0)))
        return tuple(views)

    def _refusal(self, license_: License, domain: str | None, now: Instant) -> Refused | None:
        """What `validate` says of the license; a use needs more than nothing of it."""
        decision = judge(
            license_, None, issuer=self._issuer, fingerprint=None, domain=domain, app_version=None, now=now
        )
        if decision:
            return None
        return Refused(code=decision.reasons[0].code, reasons=decision.reasons, license_id=license_.id)

    def _count(
        self,
        license_: License,
        facts: UsageFacts,
        asked: RecordUse | CorrectUse,
        now: Instant,
        *,
        corrected_by: Actor | None = None,
    ) -> UsageChange[UseResult | Refused]:
        event_id, amount = asked.event_id, asked.amount
        meter = license_.conditions.meter(asked.meter)
        if meter is None:
            return UsageChange(outcome=refuse("meter_not_found", license_id=license_.id))
        begun = None if corrected_by is not None else begin_term(license_.progress, "use", now)
        began_at = _began_at(license_) if begun is None else begun.starts_at
        period = period_of(meter.period, now, began_at)
        used = facts.used(meter.name, period.starts_at)
        if facts.counted is not None:
            return UsageChange(outcome=_repeated(license_, facts.counted, meter, amount, _view(meter, period, used)))
        counted = count_use(meter, used, amount)
        if isinstance(counted, NotCounted):
            return UsageChange(outcome=refuse("usage_limit_reached", license_id=license_.id, until=period.ends_at))
        use = UsageEvent(
            license_id=license_.id,
            id=event_id,
            meter=meter.name,
            amount=amount,
            at=now,
            period_starts_at=period.starts_at,
            used_after=counted.used,
        )
        events = []
        if counted.crossed:
            told = {"meter": meter.name, "limit": meter.limit, "used": counted.used}
            events.append(event(self._ids, now, "license.usage_over_limit", license_.id, license_.product, **told))
        audit = []
        if corrected_by is not None:
            audit.append(
                entry(
                    now,
                    corrected_by,
                    "usage.corrected",
                    license_.id,
                    meter=meter.name,
                    amount=amount,
                    before=used,
                    after=counted.used,
                )
            )
        if begun is not None:
            actor = Actor(kind="device", id=license_.id)
            term = {"starts_at": begun.starts_at, "expires_at": begun.expires_at}
            audit.append(entry(now, actor, "license.started", license_.id, **term))
            events.append(event(self._ids, now, "license.started", license_.id, license_.product, **term))
        result = UseResult(
            license_id=license_.id,
            event_id=event_id,
            amount=amount,
            counted_now=True,
            counted_at=now,
            usage=_view(meter, period, counted.used),
        )
        return UsageChange(
            outcome=result,
            event=use,
            progress=None if begun is None else begun.progress,
            term=None if begun is None else (begun.starts_at, begun.expires_at),
            audit=tuple(audit),
            events=tuple(events),
        )


def _repeated(license_: License, counted: UsageEvent, meter: Meter, amount: int, usage: MeterView) -> UseResult:
    if counted.meter != meter.name or counted.amount != amount:
        raise UsageError(
            "idempotency_mismatch",
            "An event of this id was counted already, for another meter or amount.",
            "Give each use an id of its own, and repeat a use exactly as it was.",
        )
    return UseResult(
        license_id=license_.id,
        event_id=counted.id,
        amount=counted.amount,
        counted_now=False,
        counted_at=counted.at,
        usage=usage,
    )


def _began_at(license_: License) -> Instant:
    return license_.created_at if license_.starts_at is None else license_.starts_at


def _view(meter: Meter, period: Period, used: int) -> MeterView:
    return MeterView(
        meter=meter.name,
        period=meter.period,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        used=used,
        limit=meter.limit,
        remaining=None if meter.limit is None else max(0, meter.limit - used),
        is_over=meter.limit is not None and used > meter.limit,
        overage=meter.overage,
    )


def _check_use(meter: str, event_id: str, amount: int, *, least: int) -> None:
    check_text("meter", meter, most=_MAX_METER)
    if not 0 < len(event_id) <= _MAX_EVENT_ID or not all("!" <= character <= "~" for character in event_id):
        raise invalid("event_id", f"1 to {_MAX_EVENT_ID} visible ASCII characters")
    if type(amount) is not int or not least <= amount <= MAX_AMOUNT or amount == 0:
        raise invalid("amount", f"a whole number from {least} to {MAX_AMOUNT}, and not 0")

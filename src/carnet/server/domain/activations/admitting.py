"""
Between the storage's facts and `core.admission`: what is asked of it, and what its answer writes.
"""

from __future__ import annotations

from collections.abc import Iterable

from carnet.core._base import Struct, replace
from carnet.core.admission import Admitted, Circumstances, SeatClaim, admission_reason, decide_admission
from carnet.core.decision import Refused
from carnet.core.enrolment import EnrolmentFacts, enrolment_refusals
from carnet.core.instant import Instant
from carnet.core.overage import seat_mark
from carnet.core.progress import begin_term
from carnet.core.seats import HeldSeat, SeatRequest, decide_activation
from carnet.core.starts import StartEvent
from carnet.server.domain.activations.refusals import server_reason
from carnet.server.domain.activations.requests import held_seats, license_facts
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event, seats_event
from carnet.server.domain.ids import Ids
from carnet.server.ports import Care, SeatFacts, SeatQuery, needs_care
from carnet.server.records import Activation, Actor, AuditEntry, Event, License


class Asked(Struct):
    """
    Who asks for a seat, and how.

    Attributes:
        query: What storage was asked; tells which text was typed, and which seats are to be replaced.
        request: The device, product and domain.
        user: Who uses the device.
        address: The network address it comes from, where it is known.
        by_vendor: The vendor asks.
    """

    query: SeatQuery
    request: SeatRequest
    user: str | None = None
    address: str | None = None
    by_vendor: bool = False


class Effects(Struct):
    """What goes with a seat: changes under the license's lock, rows of the audit, events; and the license after it."""

    license: License
    care: Care | None
    audit: tuple[AuditEntry, ...]
    events: tuple[Event, ...]


def came_with_token(query: SeatQuery, facts: SeatFacts) -> bool:
    """Whether what was typed is an enrolment token, and not the license key."""
    return facts.enrolment is not None and facts.enrolment.token_hash == query.enrolment


def admit(license_: License, facts: SeatFacts, asked: Asked, now: Instant) -> Admitted | Refused:
    """
    Whether a device may have a seat of *license_*, with every reason if not (`core.admission`, `core.enrolment`).

    Args:
        license_: Of the facts.
        facts: Under the lock.
        asked: What is asked.
        now: The server's time.
    """
    held = held_seats(facts)
    if not asked.by_vendor and not needs_care(asked.query, facts):
        return _plainly(license_, held, asked, now)
    judged = license_facts(license_)
    if asked.by_vendor and judged.policy.domains:
        # The vendor speaks of a device and not of a request from a host; the device names its host when it activates.
        judged = replace(judged, policy=replace(judged.policy, domains=()))
    decided = decide_admission(
        judged,
        held,
        asked.request,
        claim=SeatClaim(
            user=asked.user,
            user_seat=None if facts.user_seat is None else _seat(facts.user_seat),
            replaces=tuple(_seat(each) for each in facts.replaced),
            by_vendor=asked.by_vendor,
        ),
        around=Circumstances(
            conditions=license_.conditions,
            license_type=license_.type,
            activations=license_.progress.activations,
            moves=license_.progress.moves,
            trial_license=facts.trial_license,
        ),
        now=now,
    )
    existing = any(seat.device == asked.request.device for seat in held)
    reasons = [server_reason(code) for code in _enrolment_codes(facts, asked, now)]
    named = {each.id for each in facts.replaced}
    if not existing and set(asked.query.replaces) - named:
        # A retry of a replacement that was done finds its own seat held, and the replaced one gone.
        reasons.append(admission_reason("seat_not_held"))
    if not reasons:
        return decided
    told = decided.reasons if isinstance(decided, Refused) else ()
    reasons = [*told, *reasons]
    return Refused(code=reasons[0].code, reasons=tuple(reasons), license_id=license_.id)


def _plainly(license_: License, held: tuple[HeldSeat, ...], asked: Asked, now: Instant) -> Admitted | Refused:
    """`decide_admission` where nothing but the seat rules and the ceiling can speak: what most activations are."""
    facts = license_facts(license_)
    if license_.seat_limit != facts.policy.seat_limit:
        facts = replace(facts, policy=replace(facts.policy, seat_limit=license_.seat_limit))
    decided = decide_activation(facts, held, asked.request, now)
    if isinstance(decided, Refused):
        return decided
    used = license_.seats_used
    progress, mark = license_.progress, None
    if decided.existing is None:
        used += 1
        mark = seat_mark(used, license_.effective.seat_limit, license_.conditions.near_limit_percent)
    return Admitted(
        existing=decided.existing,
        frees=(),
        seats_used=used,
        mark=mark,
        activations=progress.activations,
        moves=progress.moves,
        is_first_trial=False,
    )


def effects(
    ids: Ids,
    license_: License,
    facts: SeatFacts,
    admitted: Admitted,
    *,
    asked: Asked,
    actor: Actor,
    now: Instant,
) -> Effects:
    """
    What goes with the seat that was admitted, besides the seat itself.

    Args:
        ids: For events.
        license_: As it was read.
        facts: Under the lock.
        admitted: The answer.
        asked: What was asked.
        actor: Who, for the audit.
        now: The server's time.
    """
    is_new = admitted.existing is None
    marks = () if admitted.mark is None else (seats_event(ids, now, license_, admitted.mark, admitted.seats_used),)
    if not needs_care(asked.query, facts):
        changed = license_ if not is_new else replace(license_, seats_used=admitted.seats_used)
        return Effects(license=changed, care=None, audit=(), events=marks)
    events: list[Event] = []
    audit: list[AuditEntry] = []
    freed_ids = {seat.activation_id for seat in admitted.frees}
    others = {each.id: each for each in (*facts.replaced, *_only(facts.user_seat)) if each.id in freed_ids}
    frees = tuple(replace(each, deactivated_at=now) for each in others.values())
    for each in frees:
        audit.append(entry(now, actor, "activation.deactivated", each.id, license=license_.id, replaced=True))
        events.append(event(ids, now, "activation.replaced", each.id, license_.product, license=license_.id))
    events += marks
    progress = replace(license_.progress, activations=admitted.activations, moves=admitted.moves)
    begun = begin_term(progress, "activation", now)
    if begun is not None:
        progress = begun.progress
        told = {"starts_at": begun.starts_at, "expires_at": begun.expires_at}
        audit.append(entry(now, actor, "license.started", license_.id, **told))
        events.append(event(ids, now, "license.started", license_.id, license_.product, **told))
    trial_at = now if admitted.is_first_trial and is_new else None
    if trial_at is not None:
        events.append(event(ids, now, "trial.started", license_.id, license_.product))
    enrolled = None
    if is_new and facts.enrolment is not None and came_with_token(asked.query, facts):
        enrolled = facts.enrolment.id
        events.append(event(ids, now, "enrolment.used", enrolled, license_.product, license=license_.id))
    changed = replace(
        license_,
        seats_used=admitted.seats_used,
        progress=progress,
        starts_at=license_.starts_at if begun is None else begun.starts_at,
        expires_at=license_.expires_at if begun is None else begun.expires_at,
    )
    care = Care(
        license_id=license_.id,
        frees=frees,
        progress=None if progress == license_.progress else progress,
        term=None if begun is None else (begun.starts_at, begun.expires_at),
        trial_at=trial_at,
        enrolment_used=enrolled,
    )
    return Effects(license=changed, care=care, audit=tuple(audit), events=tuple(events))


def begun_by(
    ids: Ids, license_: License, happened: StartEvent, actor: Actor, now: Instant
) -> tuple[License, Care | None, tuple[AuditEntry, ...], tuple[Event, ...]]:
    """What *happened* begins: the license from then on, and what is written; nothing where no term waits for it."""
    begun = begin_term(license_.progress, happened, now)
    if begun is None:
        return license_, None, (), ()
    told = {"starts_at": begun.starts_at, "expires_at": begun.expires_at}
    changed = replace(license_, progress=begun.progress, **told)
    care = Care(license_id=license_.id, progress=begun.progress, term=(begun.starts_at, begun.expires_at))
    audit = entry(now, actor, "license.started", license_.id, **told)
    return changed, care, (audit,), (event(ids, now, "license.started", license_.id, license_.product, **told),)


def _enrolment_codes(facts: SeatFacts, asked: Asked, now: Instant) -> tuple[str, ...]:
    token = facts.enrolment
    if token is None or not came_with_token(asked.query, facts):
        return ()
    own = facts.activation
    if own is not None and own.deactivated_at is None and own.enrolment == token.id:
        return ()  # it enrolled with this token, and has its seat whatever became of the token
    judged = EnrolmentFacts(
        max_uses=token.max_uses,
        used=token.used,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        networks=token.networks,
    )
    return enrolment_refusals(judged, asked.address, now)


def _seat(activation: Activation) -> HeldSeat:
    return HeldSeat(
        activation_id=activation.id,
        device=activation.fingerprint,
        device_name=activation.device_name,
        activated_at=activation.created_at,
    )


def _only(activation: Activation | None) -> Iterable[Activation]:
    return () if activation is None else (activation,)

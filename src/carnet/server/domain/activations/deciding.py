"""
What is decided about a seat inside the storage's transaction: facts in, changes out, no I/O (design.md §2 rule 6).

Whether a seat may be held is `core.seats`' to say; here its answer becomes rows: the activation, the claims that will
be signed, the audit row.
"""

from __future__ import annotations

from carnet.core._base import Struct, replace
from carnet.core.decision import Refused
from carnet.core.instant import Instant
from carnet.core.refresh_stamps import next_stamp
from carnet.core.seats import decide_refresh
from carnet.server.domain.activations.admitting import Asked, admit, begun_by, came_with_token, effects
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim, RefreshCommand
from carnet.server.domain.activations.issuing import Issuing, Prepared
from carnet.server.domain.activations.rebinding import drifted, rebound
from carnet.server.domain.activations.refusals import refuse
from carnet.server.domain.activations.requests import (
    PROOF_LEEWAY_SECONDS,
    Authorized,
    held_seats,
    license_facts,
    seat_request,
)
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.domain.licenses.vault import KeyVault
from carnet.server.ports import NextIndex, SeatChanges, SeatFacts, SeatQuery, note
from carnet.server.records import Activation, Actor, Enrolment, Event, License


class Seat(Struct):
    """A seat with prepared claims; once it is durable, what is left is to sign them."""

    created: bool
    license: License
    activation: Activation
    license_key: str
    prepared: Prepared

    def __repr__(self) -> str:
        return f"Seat(activation={self.activation.id!r})"  # never the license key


class Freed(Struct):
    """A seat given back, now or earlier."""

    activation: Activation


class Decided(Struct):
    """
    An outcome, whether the product that was named exists: only then a refusal can be proved; and whether a copy of the
    device was seen.
    """

    outcome: Seat | Refused
    product_known: bool
    is_fork: bool = False


class SeatDecisions:
    """
    Decides about seats.

    Args:
        ids: For activations.
        vault: Opens the license key that machine files are sealed for.
        issuing: Dates and numbers claims.
    """

    def __init__(self, ids: Ids, vault: KeyVault, issuing: Issuing) -> None:
        self._ids = ids
        self._vault = vault
        self._issuing = issuing

    def take(
        self,
        command: ActivateCommand,
        query: SeatQuery,
        facts: SeatFacts,
        *,
        public_key: bytes | None,
        next_index: NextIndex,
        now: Instant,
    ) -> SeatChanges[Decided]:
        """
        Activate: the seat that the device holds, or a new one, or a refusal.

        Args:
            command: What the device asks.
            query: What the facts answer.
            facts: Under the lock.
            public_key: Its checked device key.
            next_index: For a new seat.
            now: The server's time.
        """
        license_ = facts.license
        if license_ is None:
            return _nothing(refuse("license_not_found"), facts)
        request = seat_request(command.product, command.device, command.domain)
        moved = drifted(facts, command.device, now)
        if moved is not None:  # from here on, the device that it was asks
            facts, request = moved.facts, replace(request, device=moved.seat.fingerprint)
        asked = Asked(
            query=query,
            request=request,
            user=command.user,
            address=command.address,
        )
        admitted = admit(license_, facts, asked, now)
        if isinstance(admitted, Refused):
            return _nothing(admitted, facts)
        actor = Actor(kind="device", id=license_.id)
        held = facts.activation if admitted.existing is not None else None
        events: tuple[Event, ...] = ()
        if held is None:
            activation = self._new(license_, command, public_key, next_index(), now)
            events = (self._created(activation, now),)
        else:
            # Who knows the license key and the fingerprint may register a new device key (a reinstalled app lost the
            # old one), but not do without one: that would undo SEC-45 for whoever has the old key.
            user = command.user or held.user
            activation = replace(held, public_key=public_key or held.public_key, user=user)
            activation = _told(replace(activation, fingerprint=command.device.fingerprint), command)
        with_it = effects(self._ids, license_, facts, admitted, asked=asked, actor=actor, now=now)
        if moved is not None:
            with_it = rebound(self._ids, with_it, moved, command.device, actor=actor, now=now)
        license_ = with_it.license
        activation, _ = self._stamped(activation, None, now)
        token = facts.enrolment if came_with_token(query, facts) else None
        activation = replace(
            activation,
            account=activation.user if license_.conditions.seat_scope == "user" else None,
            enrolment=None if token is None else token.id,
            group=activation.group if token is None or held is not None else token.group,
        )
        seat = self._seat(license_, activation, command.ttl_seconds, now, created=held is None, token=token)
        activation = seat.activation
        is_rekeyed = held is not None and held.public_key != activation.public_key
        audit = entry(
            now,
            actor,
            "activation.created" if held is None else "activation.repeated",
            activation.id,
            license=license_.id,
            device=activation.fingerprint,
            covered_until=activation.covered_until,
            rekeyed=is_rekeyed or None,
            enrolment=activation.enrolment,
        )
        return SeatChanges(
            outcome=Decided(outcome=seat, product_known=facts.product_known),
            take=activation if held is None else None,
            update=None if held is None else activation,
            issuances=seat.prepared.issuances,
            audit=(*with_it.audit, audit),
            events=(*events, *with_it.events),
            care=with_it.care,
        )

    def move(
        self,
        device: DeviceClaim,
        asked: Asked,
        facts: SeatFacts,
        *,
        public_key: bytes | None,
        actor: Actor,
        next_index: NextIndex,
        now: Instant,
    ) -> SeatChanges[Activation | Refused]:
        """
        The vendor gives a device the seats of others (users-ask 19). Nothing is signed: the device fetches what it
        needs by activating, and gets this seat.

        Args:
            device: Who gets the seat.
            asked: By the vendor, naming what is replaced.
            facts: Under the lock.
            public_key: Its checked device key.
            actor: The vendor.
            next_index: For the new seat.
            now: The server's time.
        """
        license_ = facts.license
        assert license_ is not None  # noqa: S101 - the caller looked
        admitted = admit(license_, facts, asked, now)
        if isinstance(admitted, Refused):
            return SeatChanges(outcome=admitted)
        events: tuple[Event, ...] = ()
        take = None
        if admitted.existing is not None and facts.activation is not None:
            seat = facts.activation
        else:
            command = ActivateCommand(license_key="", product=license_.product, device=device, user=asked.user)
            seat = take = replace(
                self._new(license_, command, public_key, next_index(), now),
                account=asked.user if license_.conditions.seat_scope == "user" else None,
            )
            events = (self._created(seat, now),)
        with_it = effects(self._ids, license_, facts, admitted, asked=asked, actor=actor, now=now)
        audit = entry(now, actor, "activation.moved", seat.id, license=license_.id, device=seat.fingerprint)
        return SeatChanges(
            outcome=seat, take=take, audit=(*with_it.audit, audit), events=(*events, *with_it.events), care=with_it.care
        )

    def use(self, license_: License, now: Instant) -> SeatChanges[License]:
        """A use that no seat goes with: it begins a term that waits for one, and else writes nothing."""
        changed, care, audit, events = begun_by(self._ids, license_, "use", Actor(kind="device", id=license_.id), now)
        return SeatChanges(outcome=changed, care=care, audit=audit, events=events)

    def refresh(
        self, command: RefreshCommand, authorized: Authorized, facts: SeatFacts, now: Instant
    ) -> SeatChanges[Decided]:
        """Refresh: new claims for the seat that the authorized device holds, or a refusal."""
        license_, activation = facts_of_seat(facts)
        request = seat_request(command.product, command.device, command.domain or activation.domain)
        decided = decide_refresh(license_facts(license_), held_seats(facts), request, now)
        if isinstance(decided, Refused):
            return _nothing(_as_deactivated(decided, activation), facts)
        actor = Actor(kind="device", id=license_.id)
        license_, care, told, events = begun_by(self._ids, license_, "use", actor, now)
        token = None if authorized.by_key else facts.enrolment
        told_of, is_fork = self._stamped(_told(activation, command), command.stamp, now)
        seat = self._seat(license_, told_of, command.ttl_seconds, now, created=False, token=token)
        audit = entry(
            now,
            actor,
            "activation.refreshed",
            activation.id,
            license=license_.id,
            covered_until=seat.activation.covered_until,
        )
        if is_fork:
            forks = {"license": license_.id, "forks": told_of.stamps.forks}
            told = (*told, entry(now, actor, "activation.forked", activation.id, **forks))
            events = (
                *events,
                event(self._ids, now, "activation.forked", activation.id, license_.product, **forks),
            )
        return SeatChanges(
            outcome=Decided(outcome=seat, product_known=facts.product_known, is_fork=is_fork),
            update=seat.activation,
            issuances=seat.prepared.issuances,
            audit=(*told, audit),
            proof_use=authorized.use,
            events=events,
            care=care,
        )

    def free(
        self,
        facts: SeatFacts,
        actor: Actor,
        now: Instant,
        *,
        authorized: Authorized | None = None,
        reason: str | None = None,
    ) -> SeatChanges[Freed]:
        """Deactivate: the seat is given back; one that is free already stays as it was, and nothing is written."""
        license_, activation = facts_of_seat(facts)
        if activation.deactivated_at is not None:
            return SeatChanges(outcome=Freed(activation=activation))
        freed = replace(activation, deactivated_at=now)
        audit = entry(
            now,
            actor,
            "activation.deactivated",
            freed.id,
            license=license_.id,
            covered_until=freed.covered_until,
            reason=reason,
        )
        use = None if authorized is None else authorized.use
        told = event(
            self._ids, now, "activation.deactivated", freed.id, license_.product, license=license_.id, by=actor.kind
        )
        return SeatChanges(outcome=Freed(activation=freed), free=freed, audit=(audit,), proof_use=use, events=(told,))

    def _stamped(self, activation: Activation, shown: str | None, now: Instant) -> tuple[Activation, bool]:
        """*activation* with the stamp for its next refresh; and whether *shown* says that there is a copy (SEC-45)."""
        # For longer no request is on its way: its proof would be too old.
        at_once = abs(now - activation.refreshed_at) <= PROOF_LEEWAY_SECONDS
        stamps, is_fork = next_stamp(activation.stamps, shown, self._ids.random_text(), at_once=at_once)
        return replace(activation, stamps=stamps), is_fork

    def _created(self, activation: Activation, now: Instant) -> Event:
        license_id = activation.license_id
        return event(self._ids, now, "activation.created", activation.id, activation.product, license=license_id)

    def _new(
        self, license_: License, command: ActivateCommand, public_key: bytes | None, status_index: int, now: Instant
    ) -> Activation:
        device = command.device
        return Activation(
            id=self._ids.new(now),
            license_id=license_.id,
            product=license_.product,
            fingerprint=device.fingerprint,
            device_name=device.name,
            platform=device.platform,
            public_key=public_key,
            components=device.components,
            user=command.user,
            domain=command.domain,
            app_version=command.app_version,
            created_at=now,
            refreshed_at=now,
            covered_until=now,
            deactivated_at=None,
            status_index=status_index,
        )

    def _seat(
        self,
        license_: License,
        activation: Activation,
        ttl_seconds: int | None,
        now: Instant,
        *,
        created: bool,
        token: Enrolment | None = None,
    ) -> Seat:
        prepared = self._issuing.prepare(license_, activation, now, ttl_seconds)
        # A seat covers what was ever signed for it: the end only moves out (design.md §9, `covered_until`).
        covered_until = max(activation.covered_until, prepared.window.machine_file_until)
        note(
            token=prepared.token.id,
            machine_file=prepared.machine_file.id,
            renew_after=str(prepared.window.renew_after),
            created="1" if created else "0",
            stamp=activation.stamps.newest or "",
        )
        return Seat(
            created=created,
            license=license_,
            activation=replace(activation, refreshed_at=now, covered_until=covered_until),
            license_key=self._secret(license_, token),  # before the commit: it must be possible
            prepared=prepared,
        )

    def _secret(self, license_: License, token: Enrolment | None) -> str:
        """What the device knows, and its machine file opens with: the license key, or the token that it came with."""
        if token is not None:
            return self._vault.open(token.token_sealed, token.id)
        return self._vault.open(license_.key_sealed, license_.id)


def facts_of_seat(facts: SeatFacts) -> tuple[License, Activation]:
    """License and activation of facts that are known to have both."""
    assert facts.license is not None  # noqa: S101 - an activation has a license: foreign key
    assert facts.activation is not None  # noqa: S101 - the caller looked
    return facts.license, facts.activation


def _nothing(refused: Refused, facts: SeatFacts) -> SeatChanges[Decided]:
    """A refusal is an ordinary result that writes nothing."""
    return SeatChanges(outcome=Decided(outcome=refused, product_known=facts.product_known))


def _told(activation: Activation, command: ActivateCommand | RefreshCommand) -> Activation:
    """*activation* with what the device now says of itself; what it leaves out stays."""
    device: DeviceClaim = command.device
    return replace(
        activation,
        device_name=device.name or activation.device_name,
        platform=device.platform or activation.platform,
        components=device.components or activation.components,
        domain=command.domain or activation.domain,
        app_version=command.app_version or activation.app_version,
    )


def _as_deactivated(refused: Refused, activation: Activation) -> Refused:
    """*refused*, saying when the seat was given back where that is why there is none."""
    if activation.deactivated_at is None:
        return refused
    gone = refuse("deactivated", as_of=activation.deactivated_at).reasons
    reasons = tuple(each for each in refused.reasons if each.code != "activation_not_found") + gone
    return replace(refused, code=reasons[0].code, reasons=reasons, activation_id=activation.id)

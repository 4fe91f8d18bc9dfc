"""A term that waits for its first activation begins with the first floating seat, too (R-01; decision.md §7.2)."""

from __future__ import annotations

from carnet.core.decision import Refused
from carnet.core.instant import Instant
from carnet.server.domain.activations.admitting import begun_by
from carnet.server.domain.ids import Ids
from carnet.server.ports import NextIndex, SeatChanges, SeatFacts, SeatQuery, Storage
from carnet.server.records import Actor


async def begin_waiting_term(
    storage: Storage, ids: Ids, outcome: object, lookups: tuple[bytes, ...], now: Instant
) -> bool:
    """
    Begin the term of a license that refused a claim only because its term waits.

    To the rules of leases such a license has not started. Beginning it is a transaction of its own before the claim is
    made again: a crash between the two leaves a term that has begun, for somebody who was allowed to begin it.

    Args:
        storage: Where the license is.
        ids: For events.
        outcome: Of the claim.
        lookups: Hashes of the license key.
        now: The server's time.

    Returns:
        Whether a term has begun, so that the claim is worth making again.
    """
    if not isinstance(outcome, Refused) or [each.code for each in outcome.reasons] != ["license_not_started"]:
        return False

    def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[bool]:
        license_ = facts.license
        if license_ is None:
            return SeatChanges(outcome=False)
        actor = Actor(kind="device", id=license_.id)
        _changed, care, audit, events = begun_by(ids, license_, "activation", actor, now)
        return SeatChanges(outcome=care is not None, care=care, audit=audit, events=events)

    return await storage.change_seat(SeatQuery(product="", lookups=lookups), decide)

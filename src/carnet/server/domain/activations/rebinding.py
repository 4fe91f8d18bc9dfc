"""
A seat follows its device when parts of that were changed (SEC-19, users-ask 30; specs/fingerprint.md §7).

Whether it is the same device `core.devices` says, from keyed digests alone. What comes of it here: the activation that
the device had is judged as if its own fingerprint had asked, and then written with the new one. The seat is kept, none
is counted, and the audit and the outbox tell it.
"""

from __future__ import annotations

from carnet.core._base import Struct, replace
from carnet.core.devices import count_rebind, may_rebind, overlap, same_device
from carnet.core.instant import Instant
from carnet.server.domain.activations.admitting import Effects
from carnet.server.domain.activations.commands import DeviceClaim
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.events import event
from carnet.server.domain.ids import Ids
from carnet.server.ports import Care, SeatFacts
from carnet.server.records import Activation, Actor


class Drifted(Struct):
    """
    A device that holds a seat under an earlier fingerprint.

    Attributes:
        facts: The facts, with that seat's activation as the asking device's own.
        seat: That activation, as it stands.
        changed: The kinds of parts that were enrolled and are not found again.
    """

    facts: SeatFacts
    seat: Activation
    changed: tuple[str, ...]


def drifted(facts: SeatFacts, device: DeviceClaim, now: Instant) -> Drifted | None:
    """
    The seat that *device* holds under an earlier fingerprint; None where it holds none, or where too many seats of the
    license have followed their devices in the running year.

    Args:
        facts: Under the license's lock, with the seats that are similar.
        device: What the device says of itself.
        now: The server's time.
    """
    license_ = facts.license
    if license_ is None or facts.activation is not None or not facts.similar:
        return None
    place = same_device([each.components for each in facts.similar], device.components)
    if place is None or not may_rebind(license_.progress.rebinds, license_.seats_used, now):
        return None
    seat = facts.similar[place]
    if facts.enrolment is not None and seat.enrolment != facts.enrolment.id:
        return None  # a token speaks for the activations that came with it, and for no others of its license
    changed = overlap(seat.components, device.components).changed
    return Drifted(facts=replace(facts, activation=seat), seat=seat, changed=changed)


def rebound(ids: Ids, written: Effects, moved: Drifted, device: DeviceClaim, *, actor: Actor, now: Instant) -> Effects:
    """
    *written*, and what is written besides when the seat of *moved* follows its device.

    Args:
        ids: For the event.
        written: What goes with the seat anyway.
        moved: The device.
        device: What it says of itself now.
        actor: Who, for the audit.
        now: The server's time.
    """
    license_ = written.license
    progress = replace(license_.progress, rebinds=count_rebind(license_.progress.rebinds, now))
    changed = list(moved.changed)
    told = {"before": moved.seat.fingerprint, "device": device.fingerprint, "changed": changed}
    audit = entry(now, actor, "activation.rebound", moved.seat.id, license=license_.id, **told)
    counted = {"changed": changed, "rebinds": progress.rebinds.count}
    news = event(ids, now, "activation.rebound", moved.seat.id, license_.product, license=license_.id, **counted)
    return Effects(
        license=replace(license_, progress=progress),
        care=replace(written.care or Care(license_id=license_.id), progress=progress),
        audit=(*written.audit, audit),
        events=(*written.events, news),
    )

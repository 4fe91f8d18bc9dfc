"""
What the vendor does with seats: look at them, take one back, give one to another device.
"""

from __future__ import annotations

from typing import Final

from carnet.core.decision import Refused
from carnet.core.errors import UsageError
from carnet.server.domain.activations.admitting import Asked
from carnet.server.domain.activations.commands import ActivationView, DeviceClaim
from carnet.server.domain.activations.deciding import Freed, SeatDecisions
from carnet.server.domain.activations.requests import check_device, seat_request
from carnet.server.domain.checks import check_optional_text, check_page, check_text, invalid
from carnet.server.domain.licenses.service import license_not_found
from carnet.server.domain.pages import after_id, page_of
from carnet.server.ports import Clock, NextIndex, SeatChanges, SeatFacts, SeatQuery, Storage
from carnet.server.records import Activation, Actor, Page

MAX_USER: Final = 255
_MAX_ID: Final = 64
_MAX_REASON: Final = 500
_MAX_REPLACED: Final = 100


class VendorSeats:
    """The vendor's half of `ActivationService`."""

    def __init__(self, storage: Storage, clock: Clock, decisions: SeatDecisions) -> None:
        self._storage = storage
        self._clock = clock
        self._decisions = decisions

    async def get(self, activation_id: str) -> ActivationView:
        """
        One activation, held or given back.

        Raises:
            UsageError: ``activation_not_found``.
        """
        found = await self._storage.activation(activation_id)
        if found is None:
            raise activation_not_found()
        return activation_view(found)

    async def list(
        self, license_id: str, *, include_deactivated: bool = False, after: str | None = None, limit: int = 50
    ) -> Page[ActivationView]:
        """
        Activations of a license, newest first, at most *limit* (1 to 500) older than the id *after*.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
        """
        check_page(limit)
        after_id(after)
        if await self._storage.license(license_id) is None:
            raise license_not_found()
        found = await self._storage.activations(
            license_id, include_deactivated=include_deactivated, after=after, limit=limit + 1
        )
        return page_of(tuple(activation_view(each) for each in found), limit, lambda view: view.id)

    async def deactivate_by_vendor(
        self, activation_id: str, actor: Actor, *, reason: str | None = None
    ) -> ActivationView:
        """
        Free a seat without its device. What the device holds keeps working offline until its `covered_until`; at its
        next contact it is told. Doing it twice changes nothing.

        Raises:
            UsageError: ``activation_not_found``, ``invalid_argument``.
        """
        now = self._clock.now()
        check_optional_text("reason", reason, most=_MAX_REASON)

        def decide(facts: SeatFacts, _: NextIndex) -> SeatChanges[Freed]:
            if facts.activation is None:
                raise activation_not_found()
            return self._decisions.free(facts, actor, now, reason=reason)

        freed = await self._storage.change_seat(SeatQuery(product="", activation_id=activation_id), decide)
        return activation_view(freed.activation)

    async def replace_by_vendor(
        self,
        license_id: str,
        device: DeviceClaim,
        actor: Actor,
        *,
        replaces: tuple[str, ...] = (),
        replaces_all: bool = False,
        user: str | None = None,
    ) -> ActivationView | Refused:
        """
        Give a device the seats of others in one step (users-ask 19); with nothing to replace, give it a seat.

        The owner's quota of moves does not count it. The device activates as usual and gets this seat.

        Raises:
            UsageError: ``license_not_found``, ``invalid_argument``.
            MalformedError: As `activate`, of the device.
        """
        now = self._clock.now()
        public_key = check_device(device)
        check_optional_text("user", user, most=MAX_USER)
        check_replaced(replaces)
        found = await self._storage.license(license_id)
        if found is None:
            raise license_not_found()
        query = SeatQuery(
            product=found.product,
            lookups=(found.key_lookup,),
            fingerprint=device.fingerprint,
            with_holders=True,
            user=user,
            replaces=replaces,
            replaces_all=replaces_all,
        )

        def decide(facts: SeatFacts, next_index: NextIndex) -> SeatChanges[Activation | Refused]:
            request = seat_request(found.product, device, None)
            asked = Asked(query=query, request=request, user=user, by_vendor=True)
            return self._decisions.move(
                device, asked, facts, public_key=public_key, actor=actor, next_index=next_index, now=now
            )

        outcome = await self._storage.change_seat(query, decide)
        return outcome if isinstance(outcome, Refused) else activation_view(outcome)


def activation_view(activation: Activation) -> ActivationView:
    """*activation* without its keys and components."""
    return ActivationView(
        id=activation.id,
        license_id=activation.license_id,
        product=activation.product,
        device=activation.fingerprint,
        device_name=activation.device_name,
        platform=activation.platform,
        created_at=activation.created_at,
        refreshed_at=activation.refreshed_at,
        covered_until=activation.covered_until,
        deactivated_at=activation.deactivated_at,
        forks=activation.stamps.forks,
    )


def check_replaced(replaces: tuple[str, ...]) -> None:
    """Refuse ids that cannot be those of seats to replace."""
    if len(replaces) > _MAX_REPLACED or len(set(replaces)) != len(replaces):
        raise invalid("replaces", f"at most {_MAX_REPLACED} different ids of activations")
    for each in replaces:
        check_text("replaces", each, most=_MAX_ID)


def activation_not_found() -> UsageError:
    """The error for an activation that does not exist, to the vendor."""
    return UsageError("activation_not_found", "There is no such activation.", "List the license's activations.")

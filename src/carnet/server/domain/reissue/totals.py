"""
The sums of a run of the drill.
"""

from __future__ import annotations

from carnet.core.instant import DAY, Instant
from carnet.server.domain.reissue.commands import MAX_NAMED, ProductPart, Reissued
from carnet.server.domain.reissue.signing import Pair
from carnet.server.ports.reissue import ByHand

_SILENT_AFTER = 7 * DAY
_TIMES_LATE = 3


class Tally:
    """What one pass over the register came to."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.live = 0
        self.over = 0
        self.activations = 0
        self.artifacts = 0
        self.bundles = 0
        self._reissued: dict[str, int] = {}
        self._silent: dict[str, int] = {}
        self._customers: dict[str, dict[str, None]] = {}

    def lives(self, pair: Pair, now: Instant, *, is_new: bool) -> None:
        """A device for which the register holds nothing of the lost key any more, since this pass if it *is_new*."""
        self.activations += is_new
        product = pair.seat.activation.product
        self._reissued[product] = self._reissued.get(product, 0) + 1
        if _is_silent(pair, now):
            self._silent[product] = self._silent.get(product, 0) + 1
            named = self._customers.setdefault(product, {})
            if pair.seat.customer is not None and len(named) < MAX_NAMED:
                named[pair.seat.customer] = None

    def products(self) -> tuple[ProductPart, ...]:
        """By product."""
        return tuple(
            ProductPart(
                product=product,
                reissued=count,
                silent=self._silent.get(product, 0),
                silent_customers=tuple(self._customers.get(product, ())),
            )
            for product, count in sorted(self._reissued.items())
        )


def reissued_of(kid: str, first: Tally, last: Tally, *, seconds: float, by_hand: tuple[ByHand, ...]) -> Reissued:
    """What a run did, in its two passes: the first does the work, the last sees who lives and does what came late."""
    activations = first.activations + last.activations
    ended = last.looked_at - last.live + first.over
    return Reissued(
        kid=kid,
        looked_at=last.looked_at,
        ended=ended,
        already=max(0, last.looked_at - ended - activations),
        activations=activations,
        artifacts=first.artifacts + last.artifacts,
        bundles=first.bundles + last.bundles,
        seconds=seconds,
        products=first.products(),
        by_hand=by_hand,
    )


def _is_silent(pair: Pair, now: Instant) -> bool:
    grant = pair.token or pair.machine_file
    wanted = 0 if grant is None else grant.policy.refresh_after_seconds
    return now - pair.seat.activation.refreshed_at > _TIMES_LATE * wanted + _SILENT_AFTER

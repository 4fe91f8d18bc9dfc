"""What the drill is asked, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.ports.reissue import ByHand
from carnet.server.records import Activation

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many activations were looked at, and how many there were when it began."""

MAX_NAMED = 100
"""Customers that a report names."""


class DeviceBundle(Struct):
    """
    One device's bundle, and what support knows it by.

    Attributes:
        activation: The seat.
        customer: Whose license it is, as an opaque id.
        key_last_four: Of the license key.
        covered_until: The end of what is in it.
        text: The bundle.
    """

    activation: Activation
    customer: str | None
    key_last_four: str
    covered_until: Instant
    text: str

    def __repr__(self) -> str:
        return f"DeviceBundle(activation={self.activation.id!r})"


class BundleSink(Protocol):
    """Where bundles go. Called in threads, one call at a time."""

    def has(self, activation: Activation) -> bool:
        """Whether the bundle of *activation* is there already, whole."""
        ...

    def keep(self, bundles: tuple[DeviceBundle, ...]) -> None:
        """
        Keep some bundles, each whole or not at all.

        Raises:
            StateError: ``data_not_writable``.
        """
        ...


class ProductPart(Struct):
    """
    Of one product: how many activations hold something new, how many of those have not been in contact for long, and
    whose these are, as opaque ids (at most `MAX_NAMED`).

    A device is silent that has not come for three times as long as its policy asks it to come, and a week.
    """

    product: str
    reissued: int
    silent: int
    silent_customers: tuple[str, ...]


class Reissued(Struct):
    """
    What a run of the drill did.

    Attributes:
        kid: The lost key.
        looked_at: Activations that ever got a token or machine file under it.
        ended: Those that were given back since, or whose license is suspended or revoked, or over with all its grace.
        already: Those that had something newer: a device that was faster, or an earlier run.
        activations: Those that were given new artifacts by this run.
        artifacts: How many artifacts these are.
        bundles: How many bundles were written.
        seconds: How long it took.
        products: Product by product: everybody who lives, those of earlier runs among them.
        by_hand: What no device fetches by itself: signed license keys and offline tokens under the key.
    """

    kid: str
    looked_at: int
    ended: int
    already: int
    activations: int
    artifacts: int
    bundles: int
    seconds: float
    products: tuple[ProductPart, ...]
    by_hand: tuple[ByHand, ...]

    @property
    def per_second(self) -> float:
        """How many activations it gave new artifacts to in a second."""
        return self.activations / self.seconds if self.seconds else 0.0

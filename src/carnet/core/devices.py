"""
Is this the device that was activated, after some of its parts were changed? (SEC-19, R-38, R-86, users-ask 30, 31;
specs/fingerprint.md §7.)

A device's fingerprint is exact. Beside it, a device sends *components*: keyed digests of what identifies its parts,
each under a kind. Where the fingerprint of an activation is unknown, the components may show that it is a device which
holds a seat already: a system that was installed anew, a machine id that was made anew, a board that was replaced.

Pure and symmetric in nothing: what was enrolled is the measure, and what is offered is compared with it. A digest says
only "the same" or "not the same"; nobody here can tell what it is of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from carnet.core._base import Struct
from carnet.core.instant import DAY, Instant
from carnet.core.tallies import Tally, count_one, has_room

Component = tuple[str, str]
"""A part: its kind, and a keyed digest of what identifies it."""

STRONG: Mapping[str, int] = MappingProxyType(
    {
        "linux-machine-id": 4,
        "linux-product-uuid": 4,
        "windows-machine-guid": 4,
        "windows-smbios-uuid": 4,
        "mac-platform-uuid": 4,
        "cloud-instance-id": 4,
        "disk-serial": 3,
    }
)
"""Kinds that identify a device, or nearly: random or serial numbers that no other machine shows. With their weights."""

WEAK: Mapping[str, int] = MappingProxyType({"board-serial": 2, "network-card": 1, "model": 1})
"""Kinds that support an identity and never make one: they are printed on boxes or seen on a network."""

MAX_STRONG = 8
"""Of more, the first; a device has one or two, and a disk or two."""

REBIND_PERIOD_SECONDS = 365 * DAY
REBINDS_BESIDE_SEATS = 2
"""In a year, a license's seats may follow changed devices once for each seat that is held, and this often beside."""


class Overlap(Struct):
    """
    How much of an enrolled device is found again.

    Attributes:
        matched: Weight of the enrolled kinds of which a digest is offered again.
        total: Weight of all enrolled kinds.
        has_strong: A strong kind is among the matched ones.
        changed: Enrolled kinds of which no digest is offered again, sorted.
    """

    matched: int
    total: int
    has_strong: bool
    changed: tuple[str, ...] = ()

    @property
    def is_same_device(self) -> bool:
        """At least half of the enrolled weight, and a strong kind among it."""
        return self.has_strong and 2 * self.matched >= self.total > 0


def overlap(enrolled: Sequence[Component], offered: Sequence[Component]) -> Overlap:
    """
    Compare what a device offers with what was enrolled.

    Args:
        enrolled: The components of an activation. A kind may stand there several times (two disks, two cards): it
            counts once, and one shared digest is a match.
        offered: What the asking device sent.

    Returns:
        The overlap. Kinds that are not enrolled do not count, so sending more never helps; enrolled kinds that are not
        offered count against it, so leaving out what would differ does not help either. Kinds of which this version
        knows nothing do not count at all.
    """
    matched, total, has_strong = 0, 0, False
    changed: list[str] = []
    seen = frozenset(offered)
    for kind in sorted({kind for kind, _ in enrolled}):
        weight = STRONG.get(kind) or WEAK.get(kind, 0)
        if not weight:
            continue
        total += weight
        if any(component in seen for component in enrolled if component[0] == kind):
            matched += weight
            has_strong = has_strong or kind in STRONG
        else:
            changed.append(kind)
    return Overlap(matched=matched, total=total, has_strong=has_strong, changed=tuple(changed))


def same_device(enrolled: Sequence[Sequence[Component]], offered: Sequence[Component]) -> int | None:
    """
    Which of several enrolled devices it is.

    Returns:
        Its place in *enrolled*; None where it is none of them, and also where it may be more than one: machines that
        were cloned after their activation are told apart by nothing here, and each needs its own seat.
    """
    found = [place for place, components in enumerate(enrolled) if overlap(components, offered).is_same_device]
    return found[0] if len(found) == 1 else None


def may_rebind(rebinds: Tally, seats_used: int, now: Instant) -> bool:
    """Whether one more seat of a license may follow its changed device now; beyond, it is another device."""
    return has_room(rebinds, REBINDS_BESIDE_SEATS + seats_used, REBIND_PERIOD_SECONDS, now)


def count_rebind(rebinds: Tally, now: Instant) -> Tally:
    """*rebinds* with one more."""
    return count_one(rebinds, REBIND_PERIOD_SECONDS, now)


def strong_digests(components: Sequence[Component]) -> tuple[str, ...]:
    """The digests of the strong kinds, at most `MAX_STRONG`: one must be found again, so storage looks for these."""
    return tuple(digest for kind, digest in components if kind in STRONG)[:MAX_STRONG]

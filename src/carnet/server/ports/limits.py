"""
What several processes share about rate limits: levels of buckets, written a few times a minute.
"""

from __future__ import annotations

from typing import Protocol

from carnet.core._base import Struct


class LimitCharge(Struct):
    """
    What one process charged to a bucket since it told last.

    Attributes:
        kind: The limit's name.
        bucket: A keyed hash; nobody's address or key.
        charged_ns: How much later the bucket will be empty, in nanoseconds.
    """

    kind: str
    bucket: bytes
    charged_ns: int


class LimitLevel(Struct):
    """A bucket's level by what all processes told: the moment it will be empty, in nanoseconds since 1970."""

    kind: str
    bucket: bytes
    empty_at_ns: int


class LimitStore(Protocol):
    """Levels of buckets. Statistics: losing them costs nobody anything but a few requests more."""

    async def share_limits(
        self, charges: tuple[LimitCharge, ...], *, now_ns: int, since_ns: int
    ) -> tuple[LimitLevel, ...]:
        """
        Add *charges* to the levels, forget empty buckets, and give those that changed at or after *since_ns*.

        Nothing is written where there is nothing to charge.
        """
        ...

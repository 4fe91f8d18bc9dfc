"""
Buckets that fill with every request and drain with time: rate limits in process, in bounded memory.

The algorithm is the generic cell rate algorithm (ITU-T I.371): of each bucket only the moment is kept at which it will
be empty. No clock is read here. Writes nothing anywhere; what other processes should know is collected for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from carnet.server.domain.limits.rules import Limit

MAX_BUCKETS = 65_536
"""Buckets that are not empty, at about 150 bytes each; more callers than that share `_SHARED` buckets."""

_SHARED = 4_096
_SWEEP_NS = 1_000_000_000


class Buckets:
    """
    The buckets of one limit.

    Args:
        limit: What each of them holds.
        most: How many buckets are kept apart. When that many are in use, newcomers share common ones: memory stays
            bounded, and nobody can wash out a full bucket by filling others.
    """

    def __init__(self, limit: Limit, *, most: int = MAX_BUCKETS) -> None:
        self.limit = limit
        self._interval = limit.interval_ns
        self._room = limit.room_ns
        self._most = most
        self._empty_at: dict[bytes, int] = {}
        self._unsent: dict[bytes, int] = {}
        self._swept_at = 0

    def __len__(self) -> int:
        return len(self._empty_at)

    def take(self, bucket: bytes, now: int) -> int:
        """
        Let one request in, if there is room.

        Args:
            bucket: Whose.
            now: Nanoseconds since 1970. If the clock went back, a bucket is full at most, never fuller.

        Returns:
            0 if it is let in; otherwise the nanoseconds until it would be, and nothing is charged for asking.
        """
        empty_at = self._empty_at.get(bucket)
        if empty_at is None:
            bucket = self._admitted(bucket, now)
            empty_at = self._empty_at.get(bucket, now)
        after = min(max(empty_at, now), now + self._room) + self._interval
        wait = after - now - self._room
        if wait > 0:
            return wait
        self._empty_at[bucket] = after
        self._unsent[bucket] = self._unsent.get(bucket, 0) + self._interval
        return 0

    def look(self, bucket: bytes, now: int) -> int:
        """As `take`, without charging: for what is charged only once it is known to have failed."""
        empty_at = self._empty_at.get(bucket)
        if empty_at is None:
            if len(self._empty_at) < self._most:
                return 0
            empty_at = self._empty_at.get(_shared(bucket))
            if empty_at is None:
                return 0
        return max(0, min(empty_at, now + self._room) + self._interval - now - self._room)

    def collect(self, now: int, *, most: int) -> dict[bytes, int]:
        """
        What was charged here and is worth telling other processes: nanoseconds by bucket, forgotten afterwards.

        Only buckets that are at least a quarter full: the rest is no matter of limits, and there may be thousands.

        Args:
            now: Nanoseconds since 1970.
            most: How many buckets at most, the fullest first.
        """
        worth = now + self._room // 4
        told = [bucket for bucket in self._unsent if self._empty_at.get(bucket, 0) >= worth]
        if len(told) > most:
            told = sorted(told, key=self._empty_at.__getitem__, reverse=True)[:most]
        charges = {bucket: self._unsent.pop(bucket) for bucket in told}
        self._sweep(now)
        return charges

    def give_back(self, charges: Mapping[bytes, int]) -> None:
        """Collect these again next time: they could not be told."""
        for bucket, charged in charges.items():
            self._unsent[bucket] = self._unsent.get(bucket, 0) + charged

    def learn(self, levels: Iterable[tuple[bytes, int]], now: int) -> None:
        """
        Take over what all processes together charged, as (bucket, the moment it will be empty).

        Args:
            levels: What `collect` gave is in them already.
            now: Nanoseconds since 1970.
        """
        for bucket, empty_at in levels:
            known = self._empty_at.get(bucket)
            if known is None and len(self._empty_at) >= self._most:
                continue
            level = empty_at + self._unsent.get(bucket, 0)
            if level > now and (known is None or level > known):
                self._empty_at[bucket] = level

    def _admitted(self, bucket: bytes, now: int) -> bytes:
        """*bucket*, if there is a place for it, or the one that it shares with others."""
        if len(self._empty_at) < self._most:
            return bucket
        if now - self._swept_at >= _SWEEP_NS or now < self._swept_at:
            self._sweep(now)
            if len(self._empty_at) < self._most:
                return bucket
        return _shared(bucket)

    def _sweep(self, now: int) -> None:
        self._swept_at = now
        for bucket in [bucket for bucket, empty_at in self._empty_at.items() if empty_at <= now]:
            del self._empty_at[bucket]
            self._unsent.pop(bucket, None)


def _shared(bucket: bytes) -> bytes:
    return b"shared" + (int.from_bytes(bucket[:4], "big") % _SHARED).to_bytes(2, "big")

"""
The limits of a running server: admits requests or says how long to wait, and shares its buckets with other processes.

Asking costs a few microseconds and touches no row (design.md §2 rule 9). `flush` writes what was charged, and reads
what others charged: between two flushes several processes may let more through than one would, by what each lets
through in that time; and a restarted server knows what the one before it wrote (SEC-35).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import lru_cache

from carnet.core._base import Struct
from carnet.server.domain.limits.addresses import network_of
from carnet.server.domain.limits.buckets import Buckets
from carnet.server.domain.limits.rules import Limit, RateLimits
from carnet.server.ports import LimitCharge, LimitStore

MAX_TOLD = 10_000
"""Buckets of one limit that one flush writes at most."""

_OVERLAP_NS = 60_000_000_000
"""How far back a flush looks for other processes' charges: their clocks and commits may be late."""

_SPELLING = {ord(c): None for c in " \t\r\n-_.\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00a0"} | {
    ord("O"): "0",
    ord("I"): "1",
    ord("L"): "1",
}
"""Spellings of one key that a person may type share a bucket (specs/license-key.md)."""


class Wait(Struct):
    """A request that came too early: which limit stopped it, and the whole seconds until it may come again."""

    limit: Limit
    seconds: int


class RateLimiter:
    """
    Counts requests and failed look-ups.

    Args:
        limits: The limits.
        secret: Bucket names are hashed with it, so that the database holds neither addresses nor keys (R-67, SEC-33).
        store: Where processes share what they charged.
        clock_ns: Nanoseconds since 1970.
    """

    def __init__(
        self, limits: RateLimits, *, secret: bytes, store: LimitStore, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._store = store
        self._clock_ns = clock_ns
        by_kind = {kind: getattr(limits, kind) for kind in RateLimits.__fields__}
        self._kinds = {kind: Buckets(limit) for kind, limit in by_kind.items() if limit is not None}
        self._address, self._misses = self._kinds.get("address"), self._kinds.get("misses")
        self._key, self._product = self._kinds.get("key"), self._kinds.get("product")
        self._secret = hashlib.blake2b(b"carnet/v1/rate-limits\0" + secret, digest_size=32).digest()
        self._since = 0
        self.network_of = lru_cache(maxsize=65_536)(self._network_of)
        self._product_bucket = lru_cache(maxsize=1_024)(self._product_bucket_of)

    def _bucket(self, kind: bytes, text: str) -> bytes:
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret, person=kind
        ).digest()

    def _network_of(self, address: str) -> bytes:
        """The bucket of an address, as `network_of` sees it."""
        return self._bucket(b"address", network_of(address))

    def _product_bucket_of(self, product: str) -> bytes:
        return self._bucket(b"product", product)

    def admit_address(self, address: str) -> Wait | None:
        """Charge a request to its address; how long to wait if it made too many, or too many that failed."""
        now = self._clock_ns()
        bucket = self.network_of(address)
        misses = self._misses
        if misses and (wait := misses.look(bucket, now)):
            return _wait(misses.limit, wait)
        if self._address is not None and (wait := self._address.take(bucket, now)):
            return _wait(self._address.limit, wait)
        return None

    def admit_key(self, license_key: str | None, product: str | None) -> Wait | None:
        """Charge a request to the license key and the product that it names."""
        now = self._clock_ns()
        if self._key is not None and license_key is not None:
            bucket = self._bucket(b"key", license_key.upper().translate(_SPELLING))
            if wait := self._key.take(bucket, now):
                return _wait(self._key.limit, wait)
        if (
            self._product is not None
            and product is not None
            and (wait := self._product.take(self._product_bucket(product), now))
        ):
            return _wait(self._product.limit, wait)
        return None

    def missed(self, address: str) -> None:
        """Charge a failed look-up to the address that it came from."""
        if self._misses is not None:
            self._misses.take(self.network_of(address), self._clock_ns())

    async def flush(self) -> None:
        """
        Tell other processes what was charged here, and learn what they charged.

        Raises:
            StateError: The storage does not take it now; nothing is lost but time.
        """
        now = self._clock_ns()
        told = {name: buckets.collect(now, most=MAX_TOLD) for name, buckets in self._kinds.items()}
        charges = tuple(
            LimitCharge(kind=name, bucket=bucket, charged_ns=charged)
            for name, charged_by in told.items()
            for bucket, charged in charged_by.items()
        )
        try:
            levels = await self._store.share_limits(charges, now_ns=now, since_ns=self._since)
        except BaseException:
            for name, charged_by in told.items():
                self._kinds[name].give_back(charged_by)
            raise
        self._since = max(0, now - _OVERLAP_NS)
        for name, buckets in self._kinds.items():
            buckets.learn(((level.bucket, level.empty_at_ns) for level in levels if level.kind == name), now)


def _wait(limit: Limit, wait_ns: int) -> Wait:
    return Wait(limit=limit, seconds=-(-wait_ns // 1_000_000_000))

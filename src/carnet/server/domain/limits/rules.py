"""
What a rate limit is, the four there are, and how an operator writes them down (SEC-35).

A limit of *count* per *seconds* is a bucket that holds *count* requests and drains evenly: a burst of *count* is let
through at once, and from then on one more every ``seconds / count``.
"""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.errors import UsageError

MAX_COUNT = 100_000_000
MAX_SECONDS = 86_400

_NANOSECONDS = 1_000_000_000


class Limit(Struct):
    """
    At most `count` requests at once, and `count` in `seconds` in the long run.

    Attributes:
        name: As operators and answers call it.
        count: 1 … 100,000,000.
        seconds: 1 … 86,400.
    """

    name: str
    count: int
    seconds: int

    @property
    def interval_ns(self) -> int:
        """How long one request takes to drain."""
        return self.seconds * _NANOSECONDS // self.count

    @property
    def room_ns(self) -> int:
        """How full the bucket can be: `count` requests, exactly."""
        return self.interval_ns * self.count


class RateLimits(Struct):
    """
    The limits of one server; None: not limited.

    The defaults for calls that succeed are a ceiling for floods, above what one small server answers: no office behind
    one address and no fleet under one license key meets them. Failed look-ups are what nobody needs many of, so they
    are limited strictly, and an address that made too many is not answered at all for a while: otherwise it could go on
    guessing and take the first other answer for a hit.

    Attributes:
        address: Requests from one address (IPv6: from one /64 network).
        misses: Failed look-ups from one address: keys, activations, proofs and admin tokens that are not right.
        key: Requests with one license key.
        product: Requests about one product.
    """

    address: Limit | None = Limit(name="address", count=300_000, seconds=60)
    misses: Limit | None = Limit(name="misses", count=1_000, seconds=1_000)
    key: Limit | None = Limit(name="key", count=300_000, seconds=60)
    product: Limit | None = Limit(name="product", count=1_200_000, seconds=60)


NO_LIMITS = RateLimits(address=None, misses=None, key=None, product=None)


def rate_limits_from_text(text: str) -> RateLimits:
    """
    The limits that *text* says: ``off``, or some of ``address``, ``misses``, ``key``, ``product``, each as
    ``name=count/seconds`` or ``name=off``, separated by commas or blanks; those left out keep their defaults.

    Raises:
        UsageError: ``bad_rate_limit``.
    """
    if text.strip() == "off":
        return NO_LIMITS
    given: dict[str, Limit | None] = {}
    for part in text.replace(",", " ").split():
        name, _, figures = part.partition("=")
        if name in given or name not in RateLimits.__fields__:
            raise _bad(part)
        given[name] = None if figures == "off" else _limit(name, figures, part)
    return RateLimits(**given)


def _limit(name: str, figures: str, part: str) -> Limit:
    count, _, seconds = figures.partition("/")
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in (count, seconds)):
        raise _bad(part)
    if not (1 <= int(count) <= MAX_COUNT and 1 <= int(seconds) <= MAX_SECONDS):
        raise _bad(part)
    return Limit(name=name, count=int(count), seconds=int(seconds))


def _bad(part: str) -> UsageError:
    return UsageError(
        "bad_rate_limit",
        f"{part[:40]!r} is not a rate limit.",
        "Write name=count/seconds, such as misses=100/600; the names are address, misses, key and product.",
    )

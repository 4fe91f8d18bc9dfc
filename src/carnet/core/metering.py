"""
Metered licenses: named meters, their periods and limits (R-29, users-ask 63; specs/decision.md §7.4).

Pure: the caller reads a meter's use so far under a lock, asks, and writes the use and the event in one transaction. An
event counts once, whatever happens on the way: its id is remembered, and repeating it answers what it did.
"""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct
from carnet.core.dates import Civil, add_months, civil, months_between, seconds_of
from carnet.core.instant import DAY, Instant

MeterPeriod = Literal["total", "day", "month", "license_year"]
MeterOverage = Literal["refuse", "report"]

METER_PERIODS: tuple[MeterPeriod, ...] = ("total", "day", "month", "license_year")
METER_OVERAGES: tuple[MeterOverage, ...] = ("refuse", "report")
MAX_AMOUNT = 1_000_000_000_000
"""The most that one event may count."""

MAX_USED = 2**53
"""Where a meter stops: the last whole number that every JSON reader holds exactly (RFC 8259 §6)."""


class Meter(Struct):
    """
    Something that is counted.

    Attributes:
        name: ``[a-z0-9][a-z0-9_-]{0,99}``, as entitlements.
        period: When the count begins anew: never, each day or calendar month of UTC, each year of the license.
        limit: How much a period holds, at least 0; None for any amount.
        overage: What happens at the limit: `refuse`, or count on and `report` it.
    """

    name: str
    period: MeterPeriod = "month"
    limit: int | None = None
    overage: MeterOverage = "refuse"


class Period(Struct):
    """The time that a count is about; `ends_at` None for a count that never begins anew. `starts_at` is inclusive."""

    starts_at: Instant
    ends_at: Instant | None


class Counted(Struct):
    """
    An event was counted.

    Attributes:
        used: The use in the period, this event included.
        is_over: More than the limit is used.
        crossed: This event is the one that went over it.
    """

    used: int
    is_over: bool = False
    crossed: bool = False


class NotCounted(Struct):
    """An event that does not fit: nothing of it was counted. `used` is the use so far."""

    used: int


def period_of(kind: MeterPeriod, at: Instant, license_began_at: Instant) -> Period:
    """
    The period in which *at* lies.

    Args:
        kind: Which.
        at: The server's time.
        license_began_at: When the license started, or was made if it never starts: its years count from there, and a
            year that began on 29 February begins on the 28th where there is none. A time before it belongs to the
            first year.
    """
    if kind == "day":
        start = at - at % DAY
        return Period(starts_at=Instant(start), ends_at=Instant(start + DAY))
    if kind == "month":
        date = civil(at)
        start = seconds_of(Civil(year=date.year, month=date.month, day=1))
        return Period(starts_at=Instant(start), ends_at=Instant(add_months(start, 1)))
    if kind == "license_year":
        years = max(0, months_between(license_began_at, at) // 12)
        return Period(
            starts_at=Instant(add_months(license_began_at, 12 * years)),
            ends_at=Instant(add_months(license_began_at, 12 * (years + 1))),
        )
    return Period(starts_at=Instant(0), ends_at=None)


def count_use(meter: Meter, used: int, amount: int) -> Counted | NotCounted:
    """
    What an event of *amount* does to a meter of which *used* is used.

    Args:
        meter: With its limit.
        used: The use in the period so far, at least 0.
        amount: 1 … `MAX_AMOUNT`; or a correction by the vendor, at least -`MAX_AMOUNT`, which never brings the use
            below 0 and is never refused for a limit.
    """
    after = max(0, used + amount)
    is_over = meter.limit is not None and after > meter.limit
    if amount > 0 and ((is_over and meter.overage == "refuse") or after > MAX_USED):
        return NotCounted(used=used)
    crossed = is_over and meter.limit is not None and used <= meter.limit
    return Counted(used=after, is_over=is_over, crossed=crossed)

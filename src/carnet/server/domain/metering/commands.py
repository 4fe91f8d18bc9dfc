"""What can be asked of meters, and how their use is shown."""

from __future__ import annotations

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.core.metering import MeterOverage, MeterPeriod


class RecordUse(Struct):
    """
    Count a use of a license.

    Attributes:
        license_key: As typed; at most 512 characters.
        product: The product's slug; compared exactly.
        meter: The name of one of the license's meters.
        event_id: The caller's own name for this use, 1 to 128 visible ASCII characters: it counts once, however often
            it is sent.
        amount: How much, 1 to 1,000,000,000,000.
        domain: Host name, for domain licenses.
        nonce: 1 to 128 visible ASCII characters; asks for a proof bound to it.
    """

    license_key: str
    product: str
    meter: str
    event_id: str
    amount: int = 1
    domain: str | None = None
    nonce: str | None = None

    def __repr__(self) -> str:
        return f"RecordUse(product={self.product!r}, meter={self.meter!r})"  # never the license key


class CorrectUse(Struct):
    """
    The vendor puts a count right.

    Attributes:
        license_id: Which license.
        meter: Which of its meters.
        event_id: As in `RecordUse`.
        amount: How much more, or less where negative; never 0. A use never falls below 0.
    """

    license_id: str
    meter: str
    event_id: str
    amount: int


class MeterView(Struct):
    """
    A meter of a license and its use in the running period.

    Attributes:
        meter: Its name.
        period: What its period is.
        starts_at: When the running one began.
        ends_at: When it ends; None for never.
        used: The use in it.
        limit: How much it holds; None for any amount.
        remaining: What is left of the limit, at least 0; None without one.
        is_over: More than the limit is used.
        overage: What happens at the limit.
    """

    meter: str
    period: MeterPeriod
    starts_at: Instant
    ends_at: Instant | None
    used: int
    limit: int | None
    remaining: int | None
    is_over: bool
    overage: MeterOverage


class UseResult(Struct):
    """A counted use: whether it counted `now` or had before, and the meter after it."""

    license_id: str
    event_id: str
    amount: int
    counted_now: bool
    counted_at: Instant
    usage: MeterView

"""
How often a license may be validated in a calendar month (R-29: quotas as hosted vendors sell them).

Counted with the statistics, so that no validation writes a row (design.md §2 rule 9): the count of this process is
exact, what other processes have not written yet (a few seconds' worth) is not seen, and a crash forgets as much. It is
a quota for fair use, and no limit that money depends on; what is billed is metered.
"""

from __future__ import annotations

from typing import Final

from carnet.core.dates import Civil, add_months, civil, seconds_of
from carnet.core.instant import DAY, Instant
from carnet.server.domain.statistics.service import Statistics
from carnet.server.ports import Storage
from carnet.server.records import License

VALIDATIONS: Final = "license.validate"
"""Under which name validations of one license are counted, where it has a quota."""


class ValidationQuota:
    """
    Counts validations of licenses that have a quota.

    Args:
        storage: Where counts of past days, and of other processes, are.
        statistics: Where this process counts.
    """

    def __init__(self, storage: Storage, statistics: Statistics) -> None:
        self._storage = storage
        self._statistics = statistics

    async def spend(self, license_: License, now: Instant) -> Instant | None:
        """
        Count one validation.

        Returns:
            None if it was within the license's quota, or there is none; else when the next month begins, and then
            nothing was counted.
        """
        quota = license_.conditions.validation_quota
        if quota is None:
            return None
        date = civil(now)
        month = seconds_of(Civil(year=date.year, month=date.month, day=1))
        first_day, today = month // DAY, int(now) // DAY
        written = await self._storage.day_counts(first_day=first_day, last_day=today, subject_id=license_.id)
        used = sum(each.count for each in written if each.name == VALIDATIONS)
        used += self._statistics.noted(VALIDATIONS, license_.id, range(first_day, today + 1))
        if used >= quota:
            return Instant(add_months(month, 1))
        self._statistics.count(VALIDATIONS, license_.id, now)
        return None

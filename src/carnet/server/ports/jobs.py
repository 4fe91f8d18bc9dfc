"""
Who does which job, and what jobs ask the storage: a job is held by one runner at a time, for as long as it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from carnet.core._base import Struct
from carnet.core.instant import Instant
from carnet.server.ports.outbox import LimitMark
from carnet.server.records import Event, License


class JobRow(Struct):
    """
    A job as it is kept.

    Attributes:
        name: The job's.
        holder: The runner that does it; empty when nobody does.
        every_seconds: How long after it was done it is due again.
        ran_at: When it ended last; None: never.
        ok_at: When it ended well last; when it was known first, until then.
        problem: What went wrong the last time; None when all went well.
    """

    name: str
    holder: str
    every_seconds: int
    ran_at: Instant | None
    ok_at: Instant
    problem: str | None

    def late_seconds(self, now: Instant) -> int:
        """For how long it has been due; 0: it is not, or its time is ahead of *now*."""
        return max(0, now - self.ok_at - self.every_seconds)


class JobReport(Struct):
    """How a job's last run ended, told by its holder: how long ago, and what went wrong."""

    name: str
    seconds_ago: int
    problem: str | None


class JobsKept(Struct):
    """What a runner holds, and the database's time (`JobRow.ran_at` is by the same)."""

    at: Instant
    held: tuple[JobRow, ...]


class PoolLevel(Struct):
    """A license with floating seats: how many are held, how many may be (None: any number), and what was told."""

    license: License
    held: int
    limit: int | None
    mark: LimitMark | None


class JobStore(Protocol):
    """Jobs."""

    async def keep_jobs(
        self,
        holder: str,
        jobs: Mapping[str, int],
        *,
        lease_seconds: int,
        reports: tuple[JobReport, ...] = (),
        at_ms: int | None = None,
    ) -> JobsKept:
        """
        Go on holding what *holder* holds of *jobs*, take what nobody holds, and write *reports* of what it holds.

        Args:
            holder: Who asks.
            jobs: What it would do: names, and how many seconds after it was done each is due again.
            lease_seconds: For how long it holds them from now on unless it asks again.
            reports: How runs ended.
            at_ms: Milliseconds since 1970, for tests; None: the database's time on PostgreSQL, this machine's on
                SQLite. A lease that ends later than one given now would is not believed: the clock was set back.
        """
        ...

    async def release_jobs(self, holder: str) -> None:
        """Hold nothing any more."""
        ...

    async def jobs(self) -> JobsKept:
        """Every job that was ever held, and the time."""
        ...

    async def job_memory(self, name: str) -> str:
        """A job's memory, as `move_job` left it; empty at first."""
        ...

    async def move_job(
        self, name: str, *, was: str, state: str, events: tuple[Event, ...] = (), marks: tuple[LimitMark, ...] = ()
    ) -> bool:
        """Change a job's memory with what it stands for, in one transaction; False if it is not what it *was*."""
        ...

    async def licenses_ending(self, *, after: tuple[Instant, str], until: Instant, limit: int) -> tuple[License, ...]:
        """Licenses by end and id: behind *after* (an end and an id), up to and with the end *until*."""
        ...

    async def pool_levels(self, *, at: Instant, after: str, limit: int) -> tuple[PoolLevel, ...]:
        """Licenses that ever gave a lease, by id, behind *after*."""
        ...

    async def forget_charges(self, *, now_ns: int, limit: int) -> int:
        """Forget rate limits' buckets that are empty, so many at most; how many."""
        ...

    async def forget_proofs(self, now: Instant, *, limit: int) -> int:
        """Forget used device proofs that could not be fresh any more, so many at most; how many."""
        ...

    async def forget_counts(self, *, before_day: int, limit: int) -> int:
        """Forget counts of days before, given in days since 1970, so many at most; how many."""
        ...

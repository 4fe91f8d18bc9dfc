"""
Everything durable, as one protocol that a driver implements.
"""

from __future__ import annotations

from typing import Protocol

from carnet.core._base import Struct
from carnet.server.ports.access import AccessStore
from carnet.server.ports.backup import BackupStore
from carnet.server.ports.bulk import BulkStore
from carnet.server.ports.catalog import CatalogStore
from carnet.server.ports.clock import ClockStore
from carnet.server.ports.idempotency import IdempotencyStore
from carnet.server.ports.jobs import JobStore
from carnet.server.ports.leases import LeaseStore
from carnet.server.ports.licenses import LicenseStore
from carnet.server.ports.limits import LimitStore
from carnet.server.ports.models import ModelStore
from carnet.server.ports.never_issued import NeverIssuedStore
from carnet.server.ports.outbox import OutboxStore
from carnet.server.ports.proof import ProofStore
from carnet.server.ports.reissue import ReissueStore
from carnet.server.ports.seats import SeatStore
from carnet.server.ports.statistics import StatisticsStore
from carnet.server.ports.status import StatusStore
from carnet.server.ports.trust import TrustStore


class ReplicaStats(Struct):
    """
    What reading from a replica came to since start.

    Attributes:
        reads: Answers that were used.
        behind: Answers that were too old, or whose age nobody could tell.
        failures: Reads that brought none.
        age_seconds: How old the last used answer was, at most.
        problem: Why it is not used now; None: it is.
    """

    reads: int = 0
    behind: int = 0
    failures: int = 0
    age_seconds: float = 0.0
    problem: str | None = None


class StorageStats(Struct):
    """Counters of the writer since start, for metrics: jobs per commit is how well grouping works."""

    commits: int = 0
    jobs: int = 0
    failed_jobs: int = 0
    largest_group: int = 0
    waiting: int = 0
    replica: ReplicaStats | None = None


class Storage(
    CatalogStore,
    LicenseStore,
    SeatStore,
    LeaseStore,
    AccessStore,
    BackupStore,
    ClockStore,
    IdempotencyStore,
    LimitStore,
    StatisticsStore,
    BulkStore,
    ModelStore,
    OutboxStore,
    JobStore,
    TrustStore,
    ReissueStore,
    NeverIssuedStore,
    StatusStore,
    ProofStore,
    Protocol,
):
    """
    Everything durable. Every method that writes returns only after the commit.

    Callables given to a method are pure, run inside its transaction, possibly in another thread, and may raise: then
    nothing is written and the exception reaches the caller.

    Raises (all methods): `StateError` ``storage_unavailable``, ``storage_busy`` (both retryable), ``storage_closed``.
    """

    async def ping(self) -> None:
        """Prove that a write transaction can begin and end."""
        ...

    async def check_replica(self) -> str | None:
        """What is wrong with the replica now; None: nothing, or there is none."""
        ...

    def stats(self) -> StorageStats:
        """The writer's counters."""
        ...

    async def close(self) -> None:
        """Finish what waits, then stop."""
        ...

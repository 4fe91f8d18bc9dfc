"""
Reading from a streaming replica what is only shown, never decided on (docs/decisions/0062).

Every read brings along, in its own snapshot, how far the service clock is there. That is held against our own beats on
the primary: the state is no older than the last of them that it holds. What is older than the bound, or of another
installation, or does not come in time, is not used, and the caller asks the primary. So the bound holds for each single
answer, whatever stands between us and the replicas.
"""

from __future__ import annotations

import asyncio
from typing import Final

from carnet.core._base import replace
from carnet.core.errors import CarnetError
from carnet.core.quantities import how_many
from carnet.server.database import PostgresAddress
from carnet.server.ports import ReplicaStats, SeatFacts, SeatQuery
from carnet.server.storage.postgres import seats
from carnet.server.storage.postgres.pool import HotPool
from carnet.server.storage.postgres.service_clock import ServiceClock

READ_SECONDS: Final = 1.0
"""How long a read may take before the primary is asked."""

LEFT_ALONE_SECONDS: Final = 2.0
"""How long the replica is left alone after it was behind or away."""

_NOTHING: Final = SeatQuery(product="", activation_id="")


class Replica:
    """
    A replica of the primary.

    Args:
        address: Where it is.
        clock: Our beats on the primary.
        issuer: The installation that it must be of.
        lag_seconds: How old a state may be.
        size: At most this many connections.
    """

    def __init__(
        self, address: PostgresAddress, clock: ServiceClock, *, issuer: str, lag_seconds: int, size: int
    ) -> None:
        self._pool = HotPool(address, size=size, is_primary=False)
        self._clock = clock
        self._issuer = issuer
        self._lag_seconds = lag_seconds
        self._again_at = 0.0
        self.stats = ReplicaStats()

    async def open(self) -> None:
        """Be ready to connect; a replica that is away is no reason not to start."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def find(self, query: SeatQuery) -> SeatFacts | None:
        """The facts of a seat as they were at most the bound ago; None: ask the primary."""
        if self._clock.running() < self._again_at:
            return None
        problem, is_behind = "", False
        try:
            async with asyncio.timeout(READ_SECONDS), self._pool.operation():
                facts, issuer, ran_ms = await seats.find_with_source(self._pool, query)
            age = None if ran_ms is None else self._clock.age_of(ran_ms)
            if issuer != self._issuer:
                problem = "It is of another installation."
            elif age is not None and age <= self._lag_seconds:
                self.stats = replace(self.stats, reads=self.stats.reads + 1, age_seconds=age, problem=None)
                return replace(facts, is_behind=True)
            else:
                problem, is_behind = f"It is more than {how_many(self._lag_seconds, 'second')} behind.", True
        except TimeoutError:
            problem = f"No answer within {READ_SECONDS:g} seconds."
        except CarnetError as error:
            problem = error.message
        self._leave_alone(problem, is_behind=is_behind)
        return None

    async def check(self) -> str | None:
        """What is wrong with it now; None: nothing."""
        self._again_at = 0.0
        await self.find(_NOTHING)
        return self.stats.problem

    def _leave_alone(self, problem: str, *, is_behind: bool) -> None:
        self._again_at = self._clock.running() + LEFT_ALONE_SECONDS
        stats = self.stats
        self.stats = replace(
            stats, behind=stats.behind + is_behind, failures=stats.failures + (not is_behind), problem=problem
        )

"""What an operator can say about the server's clock, and how its guard keeps up with other processes."""

from __future__ import annotations

from carnet.core.clock_guard import ClockDoubt
from carnet.core.instant import Instant
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.clock.guard import ClockGuard
from carnet.server.ports import Clock, ClockMarks, Storage
from carnet.server.records import Actor


class ClockService:
    """
    The guard, and what the database knows of it.

    Args:
        storage: Knows the signatures and confirmations of every process.
        clock: The server's clock.
        guard: This process's guard.
        issuer: This installation's id.
    """

    def __init__(self, storage: Storage, clock: Clock, guard: ClockGuard, issuer: str) -> None:
        self._storage = storage
        self._clock = clock
        self._issuer = issuer
        self.guard = guard

    async def keep_up(self) -> None:
        """
        Take in what other processes signed or an operator confirmed; two short reads.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        await self._learned()

    async def _learned(self) -> ClockMarks:
        marks = await self._storage.clock_marks(self._issuer)
        self.guard.learn(marks)
        return marks

    async def confirm(self, actor: Actor) -> tuple[Instant, ClockDoubt | None]:
        """
        Say that the clock is right as it is. What was signed later than now is not held against it any more.

        Leases that were given later than now hold their slots no longer than if they were given now: else a clock that
        was ahead would keep seats until its time comes (docs/decisions/0059).

        Every serving process learns of it within seconds (`Settings.flush_seconds`), if its clock shows the same.

        Returns:
            The time that was confirmed, and the doubt that it ends.

        Raises:
            StateError: ``storage_unavailable``, ``storage_busy``.
        """
        marks = await self._learned()
        doubt, now = self.guard.doubt(), self._clock.now()
        # Also what an earlier confirmation disowned: only the newest one counts.
        later = (marks.signed_at, marks.signed_until, None if doubt is None else doubt.known)
        known = max([now, *(at for at in later if at is not None)])
        await self._storage.add_audit(
            entry(now, actor, "clock.confirmed", self._issuer, signed_until=int(known), doubt=doubt and doubt.code)
        )
        await self._storage.redate_leases(now)
        await self.keep_up()
        return now, doubt

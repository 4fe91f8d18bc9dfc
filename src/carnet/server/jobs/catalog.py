"""
Every job: its name, how often, and what it does. Thin: the doing is in the services.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from carnet.core.instant import HOUR, MINUTE
from carnet.server.domain.outbox.sending import Sender
from carnet.server.domain.status.publishing import PUBLISH_SECONDS
from carnet.server.domain.watching.pools import POOLS_JOB
from carnet.server.domain.watching.terms import TERMS_JOB
from carnet.server.installation import Installation
from carnet.server.jobs.backups import ScheduledBackups
from carnet.server.jobs.event_log import EventLog
from carnet.server.jobs.proof import CHECKPOINT_SECONDS, SEAL_SECONDS, checkpointing, sealing
from carnet.server.jobs.runner import Job
from carnet.server.ports.destinations import Destination

PUBLISH_JOB: Final = "publish-status"

HAND_OUT_SECONDS: Final = 1
"""How often the outbox is looked into: about how long an event takes to leave."""


def destinations_of(installation: Installation) -> tuple[Destination, ...]:
    """Where this process can deliver events to."""
    log = installation.settings.event_log
    return () if log is None else (EventLog(log),)


def jobs_of(
    installation: Installation,
    destinations: tuple[Destination, ...],
    failed: Callable[[str, Exception], None],
) -> tuple[Job, ...]:
    """
    What this process would do.

    Args:
        installation: Open.
        destinations: Where it can deliver to.
        failed: Told a destination's name and what it raised.
    """
    upkeep, settings = installation.upkeep, installation.settings
    jobs = [
        Job(
            name="hand-out",
            every_seconds=HAND_OUT_SECONDS,
            about="hand new events out to their destinations",
            run=installation.outbox.hand_out,
        ),
        *(_delivery(installation.sender, each, failed) for each in destinations),
        Job(
            name=PUBLISH_JOB,
            every_seconds=PUBLISH_SECONDS,
            about="publish what was revoked, suspended or given back in the status lists",
            run=installation.publisher.publish,
        ),
        Job(
            name="seal",
            every_seconds=SEAL_SECONDS,
            about="chain the audit and log what was issued",
            run=sealing(installation.sealer, installation.log),
        ),
        Job(
            name="checkpoint",
            every_seconds=CHECKPOINT_SECONDS,
            about="sign how far the log has got, and keep that outside the database",
            run=checkpointing(installation.checkpoints),
        ),
        Job(
            name=TERMS_JOB,
            every_seconds=MINUTE,
            about="tell which licenses and trials end soon, or have ended",
            run=_unless_in_doubt(installation, installation.terms.look),
        ),
        Job(
            name=POOLS_JOB,
            every_seconds=MINUTE,
            about="tell which floating seats run out",
            run=installation.pools.look,
        ),
        Job(
            name="forget-requests",
            every_seconds=10 * MINUTE,
            about="forget Idempotency-Keys that are over",
            run=upkeep.forget_requests,
        ),
        Job(
            name="forget-traffic",
            every_seconds=10 * MINUTE,
            about="forget empty rate limits, used device proofs, and counts and forgeries of years ago",
            run=upkeep.forget_traffic,
        ),
        Job(
            name="forget-events",
            every_seconds=HOUR,
            about="forget events that every destination got long ago",
            run=upkeep.forget_events,
        ),
    ]
    if settings.backups is not None:
        scheduled = ScheduledBackups(
            installation.backups, installation.time, settings.backups.directory, settings.backups.keep
        )
        jobs.append(
            Job(
                name="backup",
                every_seconds=settings.backups.every_seconds,
                about="write a backup, and remove the oldest",
                run=scheduled.run,
            )
        )
    return tuple(jobs)


def _delivery(sender: Sender, destination: Destination, failed: Callable[[str, Exception], None]) -> Job:
    async def deliver() -> bool:
        return await sender.send(destination, lambda error: failed(destination.name, error))

    return Job(
        name=f"deliver:{destination.name}",
        every_seconds=HAND_OUT_SECONDS,
        about=f"deliver events to {destination.name}",
        run=deliver,
    )


def _unless_in_doubt(installation: Installation, look: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    """A clock that is wrong (SEC-31) would end licenses that have not ended."""

    async def careful() -> bool:
        return installation.clock.guard.doubt() is None and await look()

    return careful

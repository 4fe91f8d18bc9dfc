"""
What runs beside requests: jobs that are late, an outbox that does not empty, a replica that is not used (REL-14).

Anybody may ask for readiness: names and numbers only, never what a job said of its failure.
"""

from __future__ import annotations

from typing import Final

from carnet.core.errors import CarnetError
from carnet.core.instant import MINUTE
from carnet.core.quantities import how_many
from carnet.server.ports import JobRow, JobsKept, OutboxState, Storage
from carnet.server.readiness import Check

PROOF_JOBS: Final = ("seal", "checkpoint")
"""The jobs whose failure may mean that the audit or the log was changed; told at once, not when they are late."""

LATE_SECONDS: Final = 2 * MINUTE
"""A job that is due for longer, and longer than three times its own pace, is not done by anybody."""

OLD_SECONDS: Final = 15 * MINUTE
"""An event that waits longer shows that something does not deliver."""


def late_jobs(kept: JobsKept) -> tuple[JobRow, ...]:
    """The jobs that are not done as they should be."""
    return tuple(row for row in kept.held if row.late_seconds(kept.at) > max(LATE_SECONDS, 3 * row.every_seconds))


def outbox_age(kept: JobsKept, state: OutboxState) -> int:
    """For how many seconds the oldest event has waited; 0: none waits."""
    return 0 if state.oldest_at is None else max(0, kept.at - state.oldest_at)


async def background_checks(storage: Storage) -> tuple[Check, ...]:
    """
    Look at ``jobs``, ``outbox``, ``proof`` and ``replica``; the server serves on without any of them.

    An installation whose jobs were never done, such as one that is embedded, has nothing to be late with.
    """
    try:
        kept, state = await storage.jobs(), await storage.outbox_state()
        behind = await storage.check_replica()
    except CarnetError as error:  # the database's own part says so, too
        return (Check(name="jobs", ok=False, problem=error.message, vital=False),)
    late = [_sentence(row, kept) for row in late_jobs(kept)]
    age = outbox_age(kept, state) if kept.held else 0
    waits = f"The oldest event has waited {how_many(age // MINUTE, 'minute')}." if age > OLD_SECONDS else ""
    unused = "" if behind is None else f"It is not read: {behind}"
    failing = [row.name for row in kept.held if row.name in PROOF_JOBS and row.problem is not None]
    unproven = f"{' and '.join(failing)} does not go well; see: carnet audit verify" if failing else ""
    return (
        Check(name="jobs", ok=not late, problem=" ".join(late), vital=False),
        Check(name="outbox", ok=not waits, problem=waits, vital=False),
        Check(name="proof", ok=not unproven, problem=unproven, vital=False),
        Check(name="replica", ok=not unused, problem=unused, vital=False),
    )


def _sentence(row: JobRow, kept: JobsKept) -> str:
    who = "fails" if row.problem is not None else "is done by nobody"
    return f"{row.name} {who}; it is {how_many(row.late_seconds(kept.at), 'second')} late."

"""
Jobs for as long as a process has an installation open, and what the log says of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from carnet.server.api.logs import log
from carnet.server.installation import Installation
from carnet.server.jobs.catalog import destinations_of, jobs_of
from carnet.server.jobs.runner import Runner, Watcher


def _took(names: tuple[str, ...]) -> None:
    log.info("jobs.taken", jobs=names)


def _lost(names: tuple[str, ...]) -> None:
    log.warning("jobs.lost", jobs=names)


def _failed(name: str, problem: str, fault: Exception | None) -> None:
    log.error("job.failed", job=name, problem=problem, exc_info=fault)


def _recovered(name: str) -> None:
    log.info("job.works_again", job=name)


def _not_delivered(destination: str, error: Exception) -> None:
    log.error("delivery.failed", destination=destination, kind=type(error).__name__, exc_info=error)


WATCHER = Watcher(took=_took, lost=_lost, failed=_failed, recovered=_recovered)
"""Writes what happens to the server's log."""


async def runner_of(installation: Installation) -> Runner:
    """
    The runner of this process; events go to its destinations from now on.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    destinations = destinations_of(installation)
    for each in destinations:
        await installation.outbox.begin(each)
    return Runner(installation.store, jobs_of(installation, destinations, _not_delivered), watcher=WATCHER)


@asynccontextmanager
async def running_jobs(installation: Installation) -> AsyncIterator[Runner | None]:
    """
    Do jobs for the length of a `with`, unless the settings leave them to `carnet worker`.

    Raises:
        StateError: ``storage_unavailable``, ``storage_busy``.
    """
    if not installation.settings.jobs:
        yield None
        return
    runner = await runner_of(installation)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()

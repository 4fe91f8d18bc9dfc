"""
`carnet worker`: the jobs without the server, beside as many `carnet serve` as there are (docs/decisions/0061).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import IO

from carnet.server.api.logs import configure_logs, log
from carnet.server.installation import Installation, open_installation
from carnet.server.jobs.running import runner_of
from carnet.server.settings import Settings


def work(settings: Settings, *, once: bool = False, out: IO[str] | None = None) -> dict[str, str | None]:
    """
    Do jobs until told to stop (SIGTERM, Ctrl-C).

    Args:
        settings: As read from the environment; whether `serve` does jobs too makes no difference.
        once: Do what is to be done now, and end.
        out: Where log lines go; standard error when None.

    Returns:
        With *once*, what went wrong, or None, by job that was done here; else nothing.

    Raises:
        CarnetError: It cannot start, or nothing can be known of the database.
    """
    configure_logs(sys.stderr if out is None else out)
    return asyncio.run(_run(settings, once=once))


async def _run(settings: Settings, *, once: bool) -> dict[str, str | None]:
    def say(sentence: str) -> None:
        log.info("worker.starting", note=sentence)

    async with open_installation(settings, say=say) as installation:
        if once:
            return await (await runner_of(installation)).once()
        await _until_stopped(installation)
        return {}


async def _until_stopped(installation: Installation) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: Ctrl-C ends the program by itself
            loop.add_signal_handler(number, stopping.set)
    runner = await runner_of(installation)
    await installation.flusher.start()  # keeps up with the clocks of the others
    await runner.start()
    log.info("worker.ready", holder=runner.holder, jobs=runner.held)
    try:
        await stopping.wait()
    finally:
        log.info("worker.stopping")
        await runner.stop()
        log.info("worker.stopped")

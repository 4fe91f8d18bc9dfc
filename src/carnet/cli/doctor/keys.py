"""What is to be done with signing keys and ceremonies, and what would go wrong if it were not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from carnet.cli.doctor.finding import Finding, ok, problem, warning
from carnet.cli.output import when
from carnet.core.errors import CarnetError
from carnet.core.instant import DAY, Instant

if TYPE_CHECKING:
    from carnet.server.installation import Installation

FORGOTTEN_SECONDS: Final = 14 * DAY
"""A ceremony that nobody went on with for so long, or a key that could have signed for so long, was forgotten."""


async def look_at_keys(installation: Installation, now: Instant) -> list[Finding]:
    """A ceremony that goes on or was lost, announced keys that wait or are missing here."""
    try:
        return [await _ceremony(installation, now), await _announced(installation, now)]
    except CarnetError as error:
        return [problem("ceremony", error.message, error.fix)]


async def _ceremony(installation: Installation, now: Instant) -> Finding:
    pending = await installation.ceremonies.pending()
    if pending is None:
        return ok("ceremony", "none goes on")
    version = pending.version
    if pending.was_in_force:
        message = f"Root version {version} was in force here, and the database that was put back does not know it."
        return problem("ceremony", message, "Put it in force again before anything else: carnet key ceremony finish")
    if pending.may_be_in_force:
        message = f"Root version {version} may have been in force: the run that was to see to that was cut off."
        return problem("ceremony", message, "Put it in force: carnet key ceremony finish")
    message = f"One for root version {version} goes on since {when(pending.issued_at)}."
    fix = "See what to do next: carnet key ceremony status. To drop it: carnet key ceremony cancel"
    if now - pending.issued_at > FORGOTTEN_SECONDS:
        return warning("ceremony", message, fix)
    return ok("ceremony", f"{message} {fix}")


async def _announced(installation: Installation, now: Instant) -> Finding:
    service = installation.ceremonies
    waiting = [key for key in await service.keys() if key.state == "announced"]
    for key in waiting:
        try:
            await service.prove(key)
        except CarnetError as error:
            message = f"The announced key {key.kid} does not open on this host: {error.message}"
            return problem("announced keys", message, "Copy its file from the host where it was made, before it signs.")
    ripe = [key for key in waiting if now >= key.announced_at + service.announce_seconds]
    if any(now >= key.announced_at + service.announce_seconds + FORGOTTEN_SECONDS for key in ripe):
        message = f"{len(ripe)} could have signed for {FORGOTTEN_SECONDS // DAY} days or more."
        return warning("announced keys", message, "Let them sign: carnet key rotate --all")
    if not waiting:
        return ok("announced keys", "none wait")
    return ok("announced keys", f"{len(waiting)} wait, {len(ripe)} may sign: carnet key rotate --all")

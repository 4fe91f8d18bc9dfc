"""
Proof as jobs: sealing every second (SEC-46), a checkpoint at most once a minute.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from carnet.core.instant import MINUTE
from carnet.server.api.logs import log
from carnet.server.domain.proof.checkpoints import Checkpoints
from carnet.server.domain.proof.growing import Log
from carnet.server.domain.proof.sealing import AuditSealer

SEAL_SECONDS: Final = 1
CHECKPOINT_SECONDS: Final = MINUTE


def sealing(sealer: AuditSealer, grown: Log) -> Callable[[], Awaitable[bool]]:
    """Chain some of the audit, and once all of it is chained log some of what was issued; whether there is more."""
    grows = False

    async def seal() -> bool:
        nonlocal grows
        grew, grows = grows, False  # a log that is damaged keeps nothing from being sealed
        if not grew and await sealer.seal():
            return True
        grows = await grown.grow()  # what is chained is logged before more is chained
        return grows

    return seal


def checkpointing(checkpoints: Checkpoints) -> Callable[[], Awaitable[bool]]:
    """Sign a checkpoint and write it to the server's log as well, from where anybody can collect it."""

    async def sign() -> bool:
        note = await checkpoints.sign()
        if note is not None:
            log.info("checkpoint.signed", checkpoint=note)
        return False

    return sign

"""
Signing checkpoints: how far the log has got, for a place that the database's administrator does not write (SEC-46).

Nothing is signed that does not continue what was signed before: a log that is shorter than its last checkpoint, or has
another past, was put back or changed, and a signature would cover that up.
"""

from __future__ import annotations

import asyncio

from carnet.core.errors import StateError
from carnet.core.quantities import how_many
from carnet.formats.checkpoint import Checkpoint, origin_of, read_checkpoint, sign_checkpoint, verify_checkpoint
from carnet.server.domain.proof.edge import Edge, range_hash
from carnet.server.domain.proof.growing import Log
from carnet.server.domain.signing import sign_off_the_loop
from carnet.server.ports import Clock, SigningKeys, Storage
from carnet.server.ports.proof import CheckpointPlace


class Checkpoints:
    """
    Signs checkpoints.

    Args:
        storage: Where the log is, and in which life the installation is.
        log: The log.
        place: Where they go, outside the database.
        keys: The signing keys.
        issuer: The installation.
        clock: The time.
    """

    def __init__(
        self, *, storage: Storage, log: Log, place: CheckpointPlace, keys: SigningKeys, issuer: str, clock: Clock
    ) -> None:
        self._storage = storage
        self._log = log
        self._place = place
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    async def newest(self) -> str | None:
        """The newest checkpoint that any process signed; None: none yet."""
        return (await self._storage.proof_state()).checkpoint

    async def sign(self) -> str | None:
        """
        Sign where the log is now, if it has grown since it was signed last, and keep that.

        Returns:
            The signed note; None: there was nothing to sign.

        Raises:
            StateError: ``log_went_back``: the log does not continue an earlier checkpoint; ``log_damaged``,
                ``checkpoints_not_readable``, ``checkpoint_not_kept``, ``no_signing_key``, ``clock_behind``,
                ``clock_jumped``.
        """
        edge = await self._log.tie()
        origin = origin_of(self._issuer, (await self._storage.life()).epoch)
        size, root = edge.size, edge.root()
        is_grown = size > 0
        for text in (await asyncio.to_thread(self._place.newest, origin), await self.newest()):
            before = None if text is None else read_checkpoint(text).unverified
            if before is not None and before.origin == origin:
                await self._check_continues(before, edge)
                is_grown = is_grown and before.size < size
        if not is_grown:
            return None
        signer = self._keys.signer("checkpoint")
        checkpoint = Checkpoint(origin=origin, size=size, root=root)
        note = await sign_off_the_loop(signer, lambda: sign_checkpoint(checkpoint, signer))
        verify_checkpoint(read_checkpoint(note), [signer.public_key])  # own output, before anybody relies on it
        now = self._clock.now()
        await asyncio.to_thread(self._place.add, note, now)
        await self._storage.keep_checkpoint(note, now)
        return note

    async def _check_continues(self, before: Checkpoint, edge: Edge) -> None:
        if before.size > edge.size:
            raise _went_back(f"it holds {how_many(edge.size, 'entry', 'entries')} of {before.size}")
        known = edge.root() if before.size == edge.size else await range_hash(self._storage, (0, before.size))
        if known != before.root:
            raise _went_back(f"its first {before.size} entries are not those that were signed")


def _went_back(how: str) -> StateError:
    return StateError(
        "log_went_back",
        f"The log of what was issued does not continue its last checkpoint: {how}. No checkpoint is signed.",
        "Find out what was changed: carnet audit verify",
    )

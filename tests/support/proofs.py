"""Installations whose audit is sealed and whose log has checkpoints, and hands that change them past the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

from carnet.core.instant import MINUTE, Instant
from carnet.formats.log_leaves import IssuedRow, chain_link, chain_start, head_leaf, issued_leaf
from carnet.formats.merkle import leaf_hash
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.proof.edge import Edge
from carnet.server.domain.proof.findings import Verdict
from carnet.server.installation import Installation
from carnet.server.layout import Layout, read_record
from carnet.server.proof_desk import ProofDesk
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.storage.rows.proof import audit_row
from support.installations import Device, HeldClock, execute, licensed

P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test that waits in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def settle(installation: Installation) -> None:
    """Seal and log all there is, as the job does until nothing is left."""
    while await installation.sealer.seal() or await installation.log.grow():
        pass


async def history(installation: Installation, clock: HeldClock, *, rows: int = 8) -> str:
    """Sells, activates and changes things over a few minutes, with a checkpoint after each of three steps."""
    made = await licensed(installation)
    for step in range(3):
        if step < 2:
            await installation.activations.activate(Device(step, seed=step + 1).activate(made.key))
        for number in range(rows):
            noted = entry(clock.now(), OPERATOR, "license.noted", f"lic-{step}-{number}", number=number)
            await installation.store.add_audit(noted)
        await settle(installation)
        await installation.checkpoints.sign()
        clock.advance(5 * MINUTE)
    return made.license.id


async def check(installation: Installation) -> Verdict:
    """What `carnet audit verify` says."""
    settings = installation.settings
    layout = Layout(data=settings.data)
    desk = ProofDesk(installation.store, read_record(layout), installation.roots, layout)
    return await desk.verify((settings.checkpoint_folder,))


def blob(settings: Settings, value: bytes) -> str:
    """*value* as SQL."""
    return f"X'{value.hex()}'" if settings.postgres is None else f"'\\x{value.hex()}'::bytea"


def audit_rows(settings: Settings) -> list[Any]:
    """The audit as it stands."""
    return execute(settings, "SELECT * FROM audit ORDER BY seq")


def chain_anew(settings: Settings, issuer: str) -> None:
    """What a careful attacker does after a change: compute the chain anew over the rows as they are now."""
    hash_ = chain_start(issuer)
    rows = execute(settings, "SELECT a.* FROM audit_chain c JOIN audit a ON a.seq = c.seq ORDER BY c.position")
    statements = []
    for row in map(audit_row, rows):
        hash_ = chain_link(hash_, row.digest())
        statements.append(f"UPDATE audit_chain SET hash = {blob(settings, hash_)} WHERE seq = {row.seq}")  # noqa: S608
    execute(settings, *statements)


def log_anew(settings: Settings) -> None:
    """And a more careful one: compute the leaves of what was issued and of the chain anew, too."""
    issued = [
        IssuedRow(**dict(zip(IssuedRow.__fields__, row, strict=True)))
        for row in execute(settings, "SELECT i.* FROM issuances i JOIN log_leaves l ON l.jti = i.jti")
    ]
    statements = [
        f"UPDATE log_leaves SET hash = {blob(settings, leaf_hash(issued_leaf(row)))} WHERE jti = '{row.jti}'"  # noqa: S608
        for row in issued
    ]
    heads = execute(
        settings,
        "SELECT l.number, c.position, c.hash FROM log_leaves l JOIN audit_chain c ON c.position = l.position"
        " WHERE l.kind = 'audit-head'",
    )
    statements += [
        f"UPDATE log_leaves SET hash = {blob(settings, leaf_hash(head_leaf(position, bytes(hash_))))}"  # noqa: S608
        f" WHERE number = {number}"
        for number, position, hash_ in heads
    ]
    execute(settings, *statements)
    edge = Edge()
    tiles = []
    for (hash_,) in execute(settings, "SELECT hash FROM log_leaves ORDER BY number"):
        tiles += edge.add(bytes(hash_))
    execute(
        settings,
        *(
            f"UPDATE log_tiles SET hash = {blob(settings, tile.hash)}"  # noqa: S608 - our own numbers
            f" WHERE level = {tile.level} AND number = {tile.number}"
            for tile in tiles
        ),
    )


def started() -> HeldClock:
    """A clock a while after the installation was made."""
    return HeldClock(Instant(1_790_000_000 + 60))

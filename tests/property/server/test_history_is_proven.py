"""
R-89, SEC-46: whatever happened, and whatever single thing is done to it afterwards, is found, and the row that is named
is the one it was done to. On a real database, with the real sealer, log and checkpoints.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carnet.core.instant import MINUTE
from carnet.formats.keys import Ed25519Signer, Role
from carnet.server.checkpoint_folder import CheckpointFolder
from carnet.server.domain.proof.checkpoints import Checkpoints
from carnet.server.domain.proof.findings import Verdict
from carnet.server.domain.proof.growing import Log
from carnet.server.domain.proof.sealing import AuditSealer
from carnet.server.domain.proof.verifying import Outside, check_all
from carnet.server.storage.migrate import upgrade
from carnet.server.storage.sqlite.store import SqliteStorage
from support.campaigns import LONG
from support.installations import HeldClock

ISSUER: Final = "installation-1"
SIGNER: Final = Ed25519Signer(bytes(range(32)))
AUDIT: Final = "at, actor_kind, actor_id, action, object_kind, object_id, details"
REGISTER: Final = "jti, kind, kid, license_id, activation_id, issued_at, expires_at, claims"


class Keys:
    """One key for every role."""

    def signer(self, role: Role) -> Ed25519Signer:  # noqa: ARG002 - as the port has it
        return SIGNER

    def earlier(self, kid: str) -> Ed25519Signer | None:  # noqa: ARG002 - as the port has it
        return None


class World:
    """A database with a history; between two checks somebody may have changed it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "carnet.db"
        upgrade(self.path)
        self.folder = CheckpointFolder(folder / "checkpoints")
        self.clock = HeldClock()
        self.sql("INSERT INTO installation (id, issuer, created_at) VALUES (1, 'installation-1', 1)")
        self.issued = 0

    def sql(self, statement: str, *values: Any) -> list[Any]:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=120)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def happen(self, steps: list[int]) -> None:
        """A few rows at each step, sealed, logged and signed; after each some minutes pass."""
        asyncio.run(self._happen(steps))

    async def _happen(self, steps: list[int]) -> None:
        storage = await SqliteStorage.open(self.path, lambda number: number)
        try:
            sealer, log = AuditSealer(storage, ISSUER, lot=3), Log(storage, lot=2)
            checkpoints = Checkpoints(
                storage=storage, log=log, place=self.folder, keys=Keys(), issuer=ISSUER, clock=self.clock
            )
            for count in steps:
                for number in range(count):
                    self._change(number)
                while await sealer.seal() or await log.grow():
                    pass
                await checkpoints.sign()
                self.clock.advance(3 * MINUTE)
        finally:
            await storage.close()

    def _change(self, number: int) -> None:
        at = int(self.clock.now())
        kind = ("license", "key", "activation")[number % 3]
        self.sql(
            f"INSERT INTO audit ({AUDIT}) VALUES (?, 'operator', NULL, ?, ?, ?, ?)",  # noqa: S608 - our own columns
            at, f"{kind}.changed", kind, f"object-{self.issued}", f'{{"number":{self.issued}}}',
        )  # fmt: skip
        self.issued += 1
        jti = f"{at * 1000:012x}{self.issued:020x}"
        jti = f"{jti[:8]}-{jti[8:12]}-7{jti[13:16]}-8{jti[17:20]}-{jti[20:]}"
        self.sql(
            f"INSERT INTO issuances ({REGISTER}) VALUES (?, 'token', 'kid-1', 'license-1', NULL, ?, ?, ?)",  # noqa: S608
            jti, at, at + 900, f'{{"n":{self.issued}}}',
        )  # fmt: skip

    def check(self) -> Verdict:
        return asyncio.run(self._check())

    async def _check(self) -> Verdict:
        storage = await SqliteStorage.open(self.path, lambda number: number)
        try:
            life = await storage.life()
            outside = Outside(checkpoints=tuple(self.folder.all()), keys=(SIGNER.public_key,))
            return await storage.read_proof(lambda reader: check_all(reader, issuer=ISSUER, life=life, outside=outside))
        finally:
            await storage.close()

    def numbers(self) -> list[int]:
        return [row[0] for row in self.sql("SELECT seq FROM audit ORDER BY seq")]

    def jtis(self) -> list[str]:
        return [row[0] for row in self.sql("SELECT jti FROM log_leaves WHERE jti IS NOT NULL ORDER BY number")]


Named = tuple[str, set[str], set[str]]
"""Part, kinds that are right, rows that are right."""


def edit(world: World, draw: Callable[[Any], Any]) -> Named:
    seq = draw(st.sampled_from(world.numbers()))
    column = draw(st.sampled_from(AUDIT.split(", ")))
    change = "at + 1" if column == "at" else f"coalesce({column}, '') || 'x'"
    world.sql(f"UPDATE audit SET {column} = {change} WHERE seq = ?", seq)  # noqa: S608 - our own columns
    return "audit", {"edited"}, {str(seq)}


def delete(world: World, draw: Callable[[Any], Any]) -> Named:
    seq = draw(st.sampled_from(world.numbers()))
    world.sql("DELETE FROM audit WHERE seq = ?", seq)
    return "audit", {"deleted", "truncated"}, {str(seq)}


def delete_and_close_the_gap(world: World, draw: Callable[[Any], Any]) -> Named:
    numbers = world.numbers()
    seq = draw(st.sampled_from(numbers))
    world.sql("DELETE FROM audit WHERE seq = ?", seq)
    for each in range(seq + 1, numbers[-1] + 1):
        world.sql("UPDATE audit SET seq = ? WHERE seq = ?", each - 1, each)
    return "audit", {"deleted", "truncated"}, {str(seq)}


def insert(world: World, draw: Callable[[Any], Any]) -> Named:
    numbers = world.numbers()
    seq = draw(st.sampled_from(numbers))
    for each in range(numbers[-1], seq - 1, -1):
        world.sql("UPDATE audit SET seq = ? WHERE seq = ?", each + 1, each)
    world.sql(
        f"INSERT INTO audit (seq, {AUDIT}) VALUES (?, 1790000000, 'operator', NULL, 'license.forged', 'license', 'x',"  # noqa: S608
        " '{}')",
        seq,
    )
    # Of the last row it cannot be told whether it was edited, and its old text added behind.
    return "audit", {"inserted", "edited"} if seq == numbers[-1] else {"inserted"}, {str(seq)}


def swap(world: World, draw: Callable[[Any], Any]) -> Named:
    one, two = sorted(draw(st.lists(st.sampled_from(world.numbers()), min_size=2, max_size=2, unique=True)))
    for old, new in ((one, -1), (two, one), (-1, two)):
        world.sql("UPDATE audit SET seq = ? WHERE seq = ?", new, old)
    return "audit", {"swapped"}, {str(one)}


def truncate(world: World, draw: Callable[[Any], Any]) -> Named:
    numbers = world.numbers()
    first = draw(st.sampled_from(numbers))
    world.sql("DELETE FROM audit WHERE seq >= ?", first)
    return "audit", {"truncated"}, {str(first)}


def truncate_with_the_chain(world: World, draw: Callable[[Any], Any]) -> Named:
    first = draw(st.sampled_from(world.numbers()))
    world.sql("DELETE FROM audit WHERE seq >= ?", first)
    world.sql("DELETE FROM audit_chain WHERE seq >= ?", first)
    return "audit", {"truncated"}, {f"position {first}"}  # on SQLite a row's position is its number


def change_a_seal(world: World, draw: Callable[[Any], Any]) -> Named:
    numbers = world.numbers()
    seq = draw(st.sampled_from(numbers))
    world.sql("UPDATE audit_chain SET hash = ? WHERE seq = ?", bytes(32), seq)
    return "audit", {"seal_changed"} if seq < numbers[-1] else {"seal_changed", "edited"}, {str(seq)}


def edit_what_was_issued(world: World, draw: Callable[[Any], Any]) -> Named:
    jti = draw(st.sampled_from(world.jtis()))
    column = draw(st.sampled_from(REGISTER.split(", ")[1:]))
    change = f"{column} + 1" if column.endswith("_at") else f"coalesce({column}, '') || 'x'"
    world.sql(f"UPDATE issuances SET {column} = {change} WHERE jti = ?", jti)  # noqa: S608 - our own columns
    return "register", {"edited"}, {jti}


def delete_what_was_issued(world: World, draw: Callable[[Any], Any]) -> Named:
    jti = draw(st.sampled_from(world.jtis()))
    world.sql("DELETE FROM issuances WHERE jti = ?", jti)
    return "register", {"deleted"}, {jti}


def roll_back(world: World, draw: Callable[[Any], Any]) -> Named:
    """To an older state, with everything that the database itself holds of a later one."""
    sizes = [row[0] for row in world.sql("SELECT number + 1 FROM log_leaves WHERE kind = 'audit-head' ORDER BY number")]
    if len(sizes) < 2:
        return edit(world, draw)
    size = draw(st.sampled_from(sizes[:-1]))
    (head,) = world.sql("SELECT position FROM log_leaves WHERE number = ?", size - 1)[0]
    world.sql("DELETE FROM audit WHERE seq > ?", head)
    world.sql("DELETE FROM audit_chain WHERE position > ?", head)
    world.sql("DELETE FROM issuances WHERE jti IN (SELECT jti FROM log_leaves WHERE number >= ?)", size)
    world.sql("DELETE FROM log_leaves WHERE number >= ?", size)
    world.sql("DELETE FROM log_tiles WHERE (number + 1) * 256 > ?", size)
    world.sql("UPDATE log_state SET sealed_to = ?, logged_to = ?", head, head)
    return "log", {"rolled_back"}, {str(size)}


HANDS: Final = [
    edit,
    delete,
    delete_and_close_the_gap,
    insert,
    swap,
    truncate,
    truncate_with_the_chain,
    change_a_seal,
    edit_what_was_issued,
    delete_what_was_issued,
    roll_back,
]


@pytest.mark.parametrize("hand", HANDS, ids=[hand.__name__ for hand in HANDS])
@settings(max_examples=500 if LONG else 5, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=st.lists(st.integers(1, 6), min_size=1, max_size=4), data=st.data())
def test_sec_46_any_single_change_to_any_history_is_found_and_the_row_is_the_right_one(
    tmp_path_factory: pytest.TempPathFactory,
    hand: Callable[[World, Callable[[Any], Any]], Named],
    steps: list[int],
    data: st.DataObject,
) -> None:
    world = World(tmp_path_factory.mktemp("history"))
    world.happen([2, *steps])
    sound = world.check()
    assert (sound.findings, sound.unsealed, sound.unlogged) == ((), 0, 0)
    part, kinds, rows = hand(world, data.draw)
    verdict = world.check()
    assert verdict.findings, "nothing was found"
    first = verdict.findings[0]
    assert (first.part, first.row) == (part, *rows), verdict.findings
    assert first.kind in kinds, verdict.findings

"""
REL-05: the database server restarts, orderly and by a crash, while clients take and give back seats. A ledger of what
they were told is compared with the database afterwards.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from carnet.core.errors import StateError
from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.storage.errors import StorageError
from carnet.server.storage.postgres.store import PostgresStorage
from support.campaigns import LONG
from support.databases import Cluster
from support.installations import CHEAP, START, Device, HeldClock, execute, licensed
from support.stories import granted

_T = TypeVar("_T")

RESTARTS = 200 if LONG else 10
CLIENTS = 8
BACK_WITHIN_SECONDS = 10


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A server that the test has for itself, where the user that it runs as can get at its files."""
    with tempfile.TemporaryDirectory(prefix="carnet-restarts-") as folder:
        Path(folder).chmod(0o755)
        own = Cluster(Path(folder))
        try:
            yield own
        finally:
            own.end()


class Ledger:
    """What the clients were told: which device holds a seat, and which gave it back."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.given_back: set[str] = set()
        self.errors: list[str] = []
        self.told = asyncio.Condition()

    async def note(self, activation: str, *, is_held: bool) -> None:
        (self.held if is_held else self.given_back).add(activation)
        if not is_held:
            self.held.remove(activation)
        async with self.told:
            self.told.notify_all()

    async def more(self, count: int) -> None:
        """Wait until *count* more were told something."""
        until = len(self.held) + 2 * len(self.given_back) + count
        async with self.told:
            await self.told.wait_for(lambda: len(self.held) + 2 * len(self.given_back) >= until)

    async def insist(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """What *ask* gives, however often the database is away meanwhile: an outage is retryable and says so."""
        while True:
            try:
                return await ask()
            except StorageError as error:
                self.errors.append(error.code if error.retryable else f"final: {error.code}")
                await asyncio.sleep(0.02)


async def client(installation: Installation, key: str, number: int, ledger: Ledger, over: asyncio.Event) -> None:
    turn = 0
    while not over.is_set():
        turn += 1
        command = Device(f"{number}-{turn}").activate(key)
        seat = granted(await ledger.insist(partial(installation.activations.activate, command))).activation.id
        await ledger.note(seat, is_held=True)
        if turn % 2:
            await ledger.insist(partial(installation.activations.deactivate_by_vendor, seat, OPERATOR))
            await ledger.note(seat, is_held=False)


async def restart_under_load(server: Cluster, installation: Installation, key: str, ledger: Ledger) -> list[float]:
    """How long after each return of the server the first client was served again."""
    over = asyncio.Event()
    clients = [asyncio.create_task(client(installation, key, number, ledger, over)) for number in range(CLIENTS)]
    waited = []

    async def served(count: int) -> None:
        more = asyncio.create_task(ledger.more(count))
        done, _ = await asyncio.wait({more, *clients}, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            await each  # a client never ends by itself

    for number in range(RESTARTS):
        await served(2 * CLIENTS)
        await asyncio.to_thread(server.restart, "immediate" if number % 2 else "fast")
        back = time.monotonic()
        await served(CLIENTS)
        waited.append(time.monotonic() - back)
    over.set()
    await asyncio.gather(*clients)
    return waited


@pytest.mark.timeout(3600 if LONG else 300)
def test_rel_05_restarts_under_load_lose_nothing_that_was_acknowledged(server: Cluster, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", postgres=server.fresh())
    create_installation(settings, InitOptions(root_keys=tmp_path / "root"), now=START, cost=CHEAP)

    async def story() -> tuple[Ledger, list[float]]:
        ledger = Ledger()
        async with open_installation(settings, clock=HeldClock()) as installation:
            created = await licensed(installation, overrides={"seat_limit": None})
            return ledger, await restart_under_load(server, installation, created.key, ledger)

    ledger, waited = asyncio.run(story())
    assert len(waited) == RESTARTS
    assert sorted(waited)[len(waited) * 8 // 10] < BACK_WITHIN_SECONDS, "what a busy machine does to some is not judged"
    assert ledger.errors  # it did come down under them
    assert set(ledger.errors) <= {"storage_unavailable", "storage_busy"}
    stored = execute(settings, "SELECT id, deactivated_at IS NULL FROM activations")
    assert {activation for activation, is_held in stored if is_held} == ledger.held
    assert {activation for activation, is_held in stored if not is_held} == ledger.given_back
    assert execute(settings, "SELECT seats_used FROM licenses") == [(len(ledger.held),)]
    for action, expected in (
        ("activation.created", len(stored)),
        ("activation.deactivated", len(ledger.given_back)),
    ):
        told = f"SELECT count(*), count(DISTINCT object_id) FROM audit WHERE action = '{action}'"  # noqa: S608
        assert execute(settings, told) == [(expected, expected)]
    acknowledged = len(ledger.held) + 2 * len(ledger.given_back)
    print(  # noqa: T201 - the campaign's counts
        f"REL-05: {RESTARTS} restarts, {acknowledged} acknowledged, {len(ledger.errors)} told to come again, 0 lost,"
        f" served again after {max(waited):.1f} s at most"
    )


def test_rel_03_a_server_that_does_not_wait_for_its_disk_is_refused(server: Cluster) -> None:
    address = server.fresh()
    server.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    server.restart("fast")
    with pytest.raises(StateError) as caught:
        asyncio.run(PostgresStorage.open(address, lambda number: number))
    assert caught.value.code == "database_not_durable"

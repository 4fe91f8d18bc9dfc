from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from carnet.core.errors import StateError
from carnet.server.storage.errors import StorageError
from carnet.server.storage.sqlite.connection import JoinedConnection, connect
from carnet.server.storage.sqlite.writer import GroupCommitWriter


def database(folder: Path) -> Path:
    path = folder / "jobs.db"
    connection = connect(path)
    connection.execute("CREATE TABLE done (name TEXT PRIMARY KEY)")
    connection.close()
    return path


def stored(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM done")}
    finally:
        connection.close()


def insert(name: str) -> Callable[[sqlite3.Connection], str]:
    def job(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO done VALUES (?)", (name,))
        return name

    return job


@contextlib.asynccontextmanager
async def writing(
    path: Path, connection: type[sqlite3.Connection] = JoinedConnection, **options: int
) -> AsyncIterator[GroupCommitWriter]:
    writer = GroupCommitWriter(lambda: connect(path, factory=connection), **options)
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()


class Gate:
    """A job that holds the writer until the test has queued what it wants in one group."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, _: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.open.wait(120)


class Queued:
    """Jobs that wait behind a gate, to be taken as one group when it opens."""

    def __init__(self, writer: GroupCommitWriter) -> None:
        self.gate = Gate()
        self.writer = writer
        self.held = asyncio.create_task(writer.submit(self.gate))
        self.tasks: list[asyncio.Task[object]] = []

    async def add(self, jobs: Iterable[Callable[[sqlite3.Connection], object]]) -> list[asyncio.Task[object]]:
        await asyncio.to_thread(self.gate.entered.wait)
        self.tasks = [asyncio.create_task(self.writer.submit(job)) for job in jobs]
        await asyncio.sleep(0)  # each task runs as far as the queue
        assert self.writer.stats().waiting == len(self.tasks)
        return self.tasks

    async def run(self) -> list[object | BaseException]:
        self.gate.open.set()
        return await asyncio.gather(self.held, *self.tasks, return_exceptions=True)


async def grouped(
    writer: GroupCommitWriter, jobs: list[Callable[[sqlite3.Connection], object]]
) -> list[object | BaseException]:
    """Run *jobs* as one group."""
    queued = Queued(writer)
    await queued.add(jobs)
    return (await queued.run())[1:]


def test_jobs_that_wait_together_share_one_commit(tmp_path: Path) -> None:
    path = database(tmp_path)

    async def story() -> None:
        async with writing(path) as writer:
            results = await grouped(writer, [insert(str(number)) for number in range(50)])
            assert results == [str(number) for number in range(50)]
            stats = writer.stats()
            assert (stats.commits, stats.jobs, stats.largest_group) == (2, 51, 50)

    asyncio.run(story())
    assert len(stored(path)) == 50


def test_a_group_is_no_larger_than_allowed(tmp_path: Path) -> None:
    path = database(tmp_path)

    async def story() -> None:
        async with writing(path, max_group=8) as writer:
            await grouped(writer, [insert(str(number)) for number in range(20)])
            assert writer.stats().largest_group == 8
            assert writer.stats().commits == 1 + 3

    asyncio.run(story())


def test_a_job_that_fails_is_undone_alone(tmp_path: Path) -> None:
    path = database(tmp_path)

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO done VALUES ('half')")
        raise ValueError("in the middle")

    def breaks(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO done VALUES ('half too')")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    async def story() -> None:
        async with writing(path) as writer:
            one, failed, two, broken, again, three = await grouped(
                writer, [insert("one"), fails, insert("two"), breaks, insert("one"), insert("three")]
            )
            assert (one, two, three) == ("one", "two", "three")
            assert isinstance(failed, ValueError)
            assert isinstance(broken, StorageError)
            assert broken.code == "storage_unavailable"
            assert isinstance(again, StorageError)  # the key is taken
            assert writer.stats().failed_jobs == 3

    asyncio.run(story())
    assert stored(path) == {"one", "two", "three"}


def test_rel_03_what_is_acknowledged_can_be_read_by_others_at_that_moment(tmp_path: Path) -> None:
    path = database(tmp_path)

    async def one(writer: GroupCommitWriter, name: str) -> None:
        assert await writer.submit(insert(name)) == name
        assert name in stored(path)

    async def story() -> None:
        async with writing(path) as writer:
            await asyncio.gather(*(one(writer, str(number)) for number in range(40)))

    asyncio.run(story())


class RefusesCommit(JoinedConnection):
    """A disk that is full exactly when it matters."""

    refusing = False

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and RefusesCommit.refusing:
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *arguments)


def test_rel_06_a_commit_that_fails_fails_every_job_of_its_group_and_the_next_group_works(tmp_path: Path) -> None:
    path = database(tmp_path)

    async def story() -> None:
        async with writing(path, RefusesCommit) as writer:
            queued = Queued(writer)
            await queued.add(insert(str(number)) for number in range(5))
            RefusesCommit.refusing = True
            # The gate itself is a group of its own, and cannot be committed either.
            results = await queued.run()
            RefusesCommit.refusing = False
            assert all(isinstance(result, StorageError) and result.retryable for result in results)
            assert len({id(result) for result in results}) == 6  # an own error each
            assert stored(path) == set()
            assert await writer.submit(insert("after")) == "after"

    asyncio.run(story())
    assert stored(path) == {"after"}


def test_a_transaction_that_sqlite_gives_up_in_the_middle_fails_its_whole_group(tmp_path: Path) -> None:
    path = database(tmp_path)

    def gives_up(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")  # what SQLite does by itself when the disk is full in the middle
        raise sqlite3.OperationalError("database or disk is full")

    async def story() -> None:
        async with writing(path) as writer:
            results = await grouped(writer, [insert("before"), gives_up, insert("behind")])
            assert all(isinstance(result, StorageError) for result in results)
            assert stored(path) == set()
            assert await writer.submit(insert("after")) == "after"

    asyncio.run(story())
    assert stored(path) == {"after"}


def test_closing_commits_what_waits_and_refuses_what_comes_later(tmp_path: Path) -> None:
    path = database(tmp_path)

    async def story() -> None:
        async with writing(path) as writer:
            queued = Queued(writer)
            await queued.add(insert(str(number)) for number in range(300))
            closing = asyncio.create_task(writer.close())
            await asyncio.sleep(0)
            assert await queued.run() == [None, *(str(number) for number in range(300))]
            await closing
            with pytest.raises(StateError) as caught:
                await writer.submit(insert("late"))
            assert caught.value.code == "storage_closed"

    asyncio.run(story())
    assert len(stored(path)) == 300


def test_a_caller_that_gave_up_waiting_harms_nobody(tmp_path: Path) -> None:
    path = database(tmp_path)

    async def story() -> None:
        async with writing(path) as writer:
            queued = Queued(writer)
            gone, stays = await queued.add([insert("gone"), insert("stays")])
            gone.cancel()
            await queued.run()
            assert stays.result() == "stays"
            assert gone.cancelled()

    asyncio.run(story())
    assert stored(path) == {"gone", "stays"}  # it may still have happened


def test_another_process_holding_the_lock_gives_a_retryable_error_and_then_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carnet.server.storage.sqlite.connection.BUSY_TIMEOUT_SECONDS", 0.05)
    path = database(tmp_path)

    async def story() -> None:
        async with writing(path) as writer:
            other = connect(path)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError) as caught:
                await writer.submit(insert("blocked"))
            assert (caught.value.code, caught.value.retryable) == ("storage_busy", True)
            other.execute("ROLLBACK")
            other.close()
            assert await writer.submit(insert("free")) == "free"

    asyncio.run(story())
    assert stored(path) == {"free"}


def test_a_writer_that_cannot_open_its_database_says_so_at_start(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"not a database" * 100)
    writer = GroupCommitWriter(lambda: connect(tmp_path / "jobs.db"))
    with pytest.raises(StorageError) as caught:
        writer.start()
    assert caught.value.code == "storage_unavailable"


def test_rel_03_every_connection_waits_for_the_disk(tmp_path: Path) -> None:
    connection = connect(tmp_path / "jobs.db")
    pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()


WRITES_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from typing import Any
from carnet.server.storage.sqlite.connection import JoinedConnection, connect
from carnet.server.storage.sqlite.writer import GroupCommitWriter

async def client(writer, number):
    for turn in range(10_000):
        name = f"{number}-{turn}"
        await writer.submit(lambda c, name=name: c.execute("INSERT INTO done VALUES (?)", (name,)) and None)
        print(name, flush=True)

async def main():
    writer = GroupCommitWriter(lambda: connect(Path(sys.argv[1]), factory=JoinedConnection))
    writer.start()
    await asyncio.gather(*(client(writer, number) for number in range(16)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
def test_rel_04_a_process_killed_in_the_middle_loses_nothing_it_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = database(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(acknowledged)]
        process.kill()
        told += [line.strip() for line in process.stdout.read().split("\n")[:-1]]
    assert len(told) >= acknowledged
    assert set(told) <= stored(path)

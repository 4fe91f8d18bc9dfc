"""
The one writer of a SQLite database: waiting jobs are grouped into one transaction and acknowledged after its commit.

Why (design.md §9, measurements.md B3): with `synchronous=FULL` a commit costs one fsync, so 64 waiting activations
share one instead of paying for 64. Each job runs inside a SAVEPOINT of its own: one that fails is undone alone.

Jobs that one turn of the event loop submits are queued together, at its end. Otherwise the first would wake the thread
and be committed alone, while the others of the same turn are still being read from their sockets: 2 jobs a commit at 16
clients instead of 13.

Invariants:
* a job's caller learns its result only after COMMIT returned; if COMMIT fails, all callers learn that;
* only this thread touches the write connection; `BEGIN IMMEDIATE` takes the write lock before anything is read, so a
  job's reads and writes are one (libraries.md §1.1 item 8), also against other processes;
* after `close`, everything submitted before it is committed or failed, and nothing else is accepted.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from carnet.server.ports import StorageStats
from carnet.server.storage.errors import StorageError, storage_closed

_T = TypeVar("_T")

Job: TypeAlias = Callable[[sqlite3.Connection], Any]
_Waiting: TypeAlias = "tuple[Job, asyncio.Future[Any], asyncio.AbstractEventLoop]"
_Settled: TypeAlias = "tuple[asyncio.Future[Any], Any, BaseException | None]"

MAX_GROUP = 128
"""Jobs in one transaction; bounds how long the first of them waits for the last."""


def storage_error(error: sqlite3.Error) -> StorageError:
    """What a driver's error means to a caller: busy, or unavailable with SQLite's own name of the fault."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageError("storage_busy", "The database is in use by another process.", "Try again in a moment.")
    return StorageError(
        "storage_unavailable",
        f"The database could not be read or written ({name}).",
        "Check the disk's free space and the data directory's permissions, then try again.",
    )


class GroupCommitWriter:
    """
    Runs jobs on the write connection, in order, in groups.

    Args:
        connect: Opens the write connection; called in the writer's thread, must not begin transactions by itself
            (`isolation_level=None`).
        max_group: At most this many jobs share a transaction.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, max_group: int = MAX_GROUP) -> None:
        self._connect = connect
        self._max_group = max_group
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._stats = StorageStats()
        self._opened: threading.Event = threading.Event()
        self._open_error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="carnet-writer", daemon=True)

    def start(self) -> None:
        """
        Open the connection and begin to work.

        Raises:
            StorageError: The connection cannot be opened.
        """
        self._thread.start()
        self._opened.wait()
        if self._open_error is not None:
            self._closed = True
            raise self._open_error

    async def submit(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """
        Run *job* in the next group; return its result once it is durable.

        A caller that is cancelled while waiting learns nothing; its job may still be committed.

        Raises:
            StateError: ``storage_closed``.
            StorageError: ``storage_busy``, ``storage_unavailable``: not written.
            Exception: Whatever *job* raised; not written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        with self._lock:  # nothing may enter the queue behind the end mark
            if self._closed:
                raise storage_closed()
            gathered = self._gathered.get(loop)
            if gathered is None:
                gathered = self._gathered[loop] = []
                loop.call_soon(self._hand_over, loop)
            gathered.append((job, future, loop))
        return await future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Queue what one turn of *loop* submitted."""
        with self._lock:
            for waiting in self._gathered.pop(loop, ()):
                self._queue.put(waiting)

    def stats(self) -> StorageStats:
        """Counters since start."""
        stats = self._stats
        return StorageStats(
            commits=stats.commits,
            jobs=stats.jobs,
            failed_jobs=stats.failed_jobs,
            largest_group=stats.largest_group,
            waiting=self._queue.qsize() + sum(map(len, self._gathered.values())),
        )

    async def close(self) -> None:
        """Commit what waits, close the connection, end the thread. Closing twice is fine."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for gathered in self._gathered.values():
                    for waiting in gathered:
                        self._queue.put(waiting)
                self._gathered.clear()
                self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # ── the writer's thread ──────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            self._open_error = storage_error(error)
            self._opened.set()
            return
        except BaseException as error:  # noqa: BLE001 - handed to whoever called start()
            self._open_error = error
            self._opened.set()
            return
        self._opened.set()
        try:
            ended = False
            while not ended:
                group, ended = self._next_group()
                if group:
                    self._acknowledge(group, self._commit_group(connection, [job for job, _, _ in group]))
        finally:
            connection.close()

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Wait for a job, then take along what waits behind it."""
        first = self._queue.get()
        if first is None:
            return [], True
        group = [first]
        while len(group) < self._max_group:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                break
            if waiting is None:
                return group, True
            group.append(waiting)
        return group, False

    def _commit_group(self, connection: sqlite3.Connection, jobs: list[Job]) -> list[tuple[Any, BaseException | None]]:
        """Run *jobs* in one transaction; one (result, error) each. Any doubt about the commit is an error for all."""
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                outcomes.append(_run_job(connection, job))
                if not connection.in_transaction:
                    # SQLite gave the whole transaction up by itself (disk full, I/O error, out of memory).
                    raise outcomes[-1][1] or sqlite3.OperationalError("the transaction ended")  # noqa: TRY301
            connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - the caller of every job is told; the thread must live on
            _roll_back(connection)
            outcomes = [(None, _told(error)) for _ in jobs]
        failed = sum(error is not None for _, error in outcomes)
        stats = self._stats
        self._stats = StorageStats(
            commits=stats.commits + (failed < len(jobs)),
            jobs=stats.jobs + len(jobs),
            failed_jobs=stats.failed_jobs + failed,
            largest_group=max(stats.largest_group, len(jobs)),
        )
        return outcomes

    @staticmethod
    def _acknowledge(group: list[_Waiting], outcomes: list[tuple[Any, BaseException | None]]) -> None:
        """Wake the callers: one call into each event loop for the whole group."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
        for (_, future, loop), (result, error) in zip(group, outcomes, strict=True):
            by_loop.setdefault(loop, []).append((future, result, error))
        for loop, settled in by_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, settled)
            except RuntimeError:  # the loop is closed: nobody waits any more, and what was committed stays
                continue


def _run_job(connection: sqlite3.Connection, job: Job) -> tuple[Any, BaseException | None]:
    connection.execute("SAVEPOINT job")
    try:
        result = job(connection)
    except Exception as error:  # noqa: BLE001 - one job's failure must never reach another job of its group
        if connection.in_transaction:
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        return None, _told(error)
    connection.execute("RELEASE job")
    return result, None


def _told(error: BaseException) -> BaseException:
    """What a caller is told about *error*: an own object for each caller where the driver's error is wrapped."""
    if not isinstance(error, sqlite3.Error):
        return error
    told = storage_error(error)
    told.__cause__ = error
    return told


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:  # it is over either way; the next BEGIN tells whether the database is well again
            return


def _settle(settled: list[_Settled]) -> None:
    for future, result, error in settled:
        if future.done():  # cancelled
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

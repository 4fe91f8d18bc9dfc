"""
`carnet serve` with several processes (`CARNET_WORKERS`, PostgreSQL only): a parent that listens and watches, and
workers that answer on its socket.

The parent opens no database and no key: it binds the address, starts the workers, starts anew whoever died, and passes
a stop on to all. The first worker starts alone, so that a database is upgraded once and what is wrong (a passphrase, an
address) is said once, by the parent, before anybody serves. A worker that loses its parent stops by itself.

POSIX only: workers are forks. Nothing here runs in threads.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, Protocol

from carnet.core import errors
from carnet.core._base import Struct
from carnet.core.errors import CarnetError, StateError
from carnet.formats.strict_json import dump_json, parse_object
from carnet.server.api.logs import log

KILL_SECONDS: Final = 15
"""How long workers may take to stop before they are killed: longer than each gives its own requests (REL-14)."""

STEADY_SECONDS: Final = 10
"""Who lived this long is started anew at once; who did not waits, each time twice as long, up to `MAX_WAIT_SECONDS`."""

MAX_WAIT_SECONDS: Final = 30
_FIRST_WAIT_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 1.0
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
_MESSAGE_BYTES: Final = 65536


class Post(Protocol):
    """What a worker has of its parent."""

    @property
    def number(self) -> int:
        """Which worker it is, from 0; one that is started anew takes the number of the one that died."""
        ...

    @property
    def lifeline(self) -> int:
        """A file descriptor that ends when the parent does."""
        ...

    def ready(self, address: str) -> None:
        """Say that requests are answered at *address*."""
        ...


class _Post:
    def __init__(self, number: int, lifeline: int, telling: int) -> None:
        self.number = number
        self.lifeline = lifeline
        self._telling = telling

    def ready(self, address: str) -> None:
        self._tell({"ready": address})

    def failed(self, error: CarnetError) -> None:
        kind = type(error).__name__
        self._tell({"kind": kind, "code": error.code, "message": error.message, "fix": error.fix})

    def _tell(self, message: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # the parent has gone: the lifeline says so, too
            os.write(self._telling, dump_json(message) + b"\n")


class _Worker(Struct):
    """A running worker: its process, its end of the pipe for what it tells, when it was started, and its number."""

    pid: int
    told: int
    since: float
    number: int = 0


class Workers:
    """
    Runs *count* workers until told to stop.

    Args:
        count: How many, 2 or more.
        work: What a worker does; its result is its exit status.
    """

    def __init__(self, count: int, work: Callable[[Post], int]) -> None:
        self._count = count
        self._work = work
        self._running: dict[int, _Worker] = {}
        self._wait = _FIRST_WAIT_SECONDS
        self._again_at: list[float] = []
        self._stopping = False
        self._lifeline = self._held = -1

    def run(self, ready: Callable[[str], None]) -> int:
        """
        Work until SIGTERM or SIGINT.

        Args:
            ready: Told the address once, when the first worker answers.

        Returns:
            0 after an orderly stop, 1 if a worker had to be killed or cut requests off.

        Raises:
            CarnetError: The first worker cannot start; its own words.
        """
        with self._listening_to_signals():
            try:
                first = self._start_first()
                address = self._first_words(first)
                if address is not None:
                    ready(address)
                    self._again_at += [0.0] * (self._count - 1)
                    self._watch()
            finally:
                unclean = self._stop()
        return int(unclean)

    # ── in the parent ────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _listening_to_signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: object) -> None:
            self._stopping = True

        def look(_number: int, _frame: object) -> None:
            """Only wake up."""

        self._lifeline, self._held = os.pipe()
        self._wakening, wakened = socket.socketpair()
        wakened.setblocking(False)
        self._wakening.setblocking(False)
        before = {number: signal.signal(number, stop) for number in _STOPPING}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, look)
        woken = signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            for each in (self._lifeline, self._held):
                os.close(each)
            self._wakening.close()
            wakened.close()

    def _start(self) -> _Worker:
        told, telling = os.pipe()
        taken = {worker.number for worker in self._running.values()}
        number = min(set(range(len(taken) + 1)) - taken)
        # Until the worker has put the parent's handlers away, a signal must not be lost in them.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPPING, signal.SIGCHLD))
        try:
            pid = os.fork()
            if pid == 0:
                os.close(told)
                self._become_worker(_Post(number, self._lifeline, telling))
        except OSError:
            os.close(told)
            os.close(telling)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_STOPPING, signal.SIGCHLD))
        os.close(telling)
        worker = _Worker(pid=pid, told=told, since=time.monotonic(), number=number)
        self._running[pid] = worker
        log.info("worker.started", pid=pid)
        return worker

    def _start_first(self) -> _Worker:
        try:
            return self._start()
        except OSError as error:
            raise StateError(
                "worker_died",
                f"The system has no room for a server process ({error.strerror}).",
                "Raise its limits of processes and open files, then try again.",
            ) from error

    def _start_or_wait(self) -> None:
        """Start a worker; where the system has no process or descriptor to give, those that run go on (REL-06)."""
        try:
            self._start()
        except OSError as error:
            wait = self._longer_wait()
            self._again_at.append(time.monotonic() + wait)
            log.error("worker.not_started", problem=error.strerror, again_in_seconds=round(wait, 1))

    def _longer_wait(self) -> float:
        wait, self._wait = self._wait, min(2 * self._wait, MAX_WAIT_SECONDS)
        return wait

    def _first_words(self, worker: _Worker) -> str | None:
        """The address that the first worker answers at; None when told to stop before."""
        while not self._stopping:
            waited_for: list[Any] = [worker.told, self._wakening]
            readable, _, _ = select.select(waited_for, [], [], _LOOK_SECONDS)
            self._drain()
            if worker.told in readable:
                said = _message(worker.told)
                if "ready" in said:
                    address: str = said["ready"]
                    return address
                raise _as_error(said)
        return None

    def _watch(self) -> None:
        while not self._stopping:
            now = time.monotonic()
            due = [at for at in self._again_at if at <= now]
            self._again_at = [at for at in self._again_at if at > now]
            for _ in due:
                self._start_or_wait()
            wait = min([_LOOK_SECONDS, *(at - now for at in self._again_at)])
            select.select([self._wakening], [], [], max(0.0, wait))
            self._drain()
            for worker, status, said in self._ended():
                if not self._stopping:
                    self._note_death(worker, status, said)

    def _note_death(self, worker: _Worker, status: int, said: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - worker.since >= STEADY_SECONDS:
            self._wait = _FIRST_WAIT_SECONDS
            wait = 0.0
        else:
            wait = self._longer_wait()
        self._again_at.append(now + wait)
        log.error(
            "worker.died",
            pid=worker.pid,
            status=status,
            code=said.get("code"),
            problem=said.get("message"),
            again_in_seconds=round(wait, 1),
        )

    def _ended(self) -> list[tuple[_Worker, int, dict[str, Any]]]:
        """The workers that have ended since; exit status, negative: by that signal; and what they said of it."""
        ended = []
        for pid, worker in list(self._running.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self._running[pid]
                said = _message(worker.told)
                os.close(worker.told)
                ended.append((worker, os.waitstatus_to_exitcode(status), said))
        return ended

    def _stop(self) -> bool:
        """Let every worker stop; kill who does not. Whether anything was cut off."""
        unclean = False
        if self._running:
            log.info("workers.stopping", workers=len(self._running))
        self._signal_all(signal.SIGTERM)
        kill_at = time.monotonic() + KILL_SECONDS
        while self._running:
            for worker, status, _ in self._ended():
                # One that was told to stop before it listened to signals has answered nobody.
                unclean |= status not in {0, -signal.SIGTERM}
                log.info("worker.stopped", pid=worker.pid, status=status)
            if time.monotonic() > kill_at:
                self._signal_all(signal.SIGKILL)
            if self._running:
                select.select([self._wakening], [], [], 0.1)
                self._drain()
        return unclean

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakening.recv(4096)

    # ── in a worker ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _become_worker(self, post: _Post) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _STOPPING:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_STOPPING, signal.SIGCHLD))
            os.close(self._held)  # or the lifeline would never end
            for other in self._running.values():
                os.close(other.told)
            status = self._work(post)
        except CarnetError as error:  # for the parent to say
            post.failed(error)
        except BaseException as error:  # noqa: BLE001 - it must not return into the parent's code
            log.error("worker.failed", kind=type(error).__name__, exc_info=error)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def _message(told: int) -> dict[str, Any]:
    """The last thing that a worker told and nobody read; empty when there is nothing."""
    lines = os.read(told, _MESSAGE_BYTES).splitlines()
    return parse_object(lines[-1], max_bytes=_MESSAGE_BYTES, what="A worker's message") if lines else {}


def _as_error(said: dict[str, Any]) -> CarnetError:
    if "code" in said:
        kind = getattr(errors, said["kind"], StateError)  # its exit status is by the class
        error: CarnetError = kind(said["code"], said["message"], said["fix"])
        return error
    return StateError("worker_died", "A server process ended before it was ready.", "Read the lines above.")

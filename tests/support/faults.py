"""
Real server processes that can be killed and started anew in a fraction of a second, and faults planted in them. This
file is also the program of the process that starts them.

Importing the server takes longer than starting it. So one process imports it once and forks a server for each line that
it reads: the child does what `carnet serve` does, on a port of its own, and is killed like any process. POSIX only.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from carnet.server.settings import Settings
from support.faults_load import Target
from support.faults_shim import SHIM, Shim, count_steps
from support.installations import environment_of

START_SECONDS: Final = 10.0
"""REL-04: back in service within ten seconds; see `Servers.back_after`."""


class Running:
    """
    A server process.

    Attributes:
        port: Where it answers.
        started_in: Seconds from the order to start to the first answer it can give.
    """

    def __init__(self, pid: int, port: int, started_in: float) -> None:
        self.pid = pid
        self.port = port
        self.started_in = started_in

    def kill(self) -> None:
        """kill -9; returns when it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """An orderly stop."""
        os.kill(self.pid, signal.SIGTERM)
        self.wait()

    def wait(self, seconds: float = 120) -> None:
        """Until it is gone."""
        until = time.monotonic() + seconds
        while self.is_alive():
            assert time.monotonic() < until, "the server does not end"
            os.sched_yield()

    def is_alive(self) -> bool:
        """Whether it runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def descriptors(self) -> int:
        """How many it has open; Linux only."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def cpu_seconds(self) -> float:
        """What it has used of the processors; Linux only."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kib(self) -> int:
        """What it holds of the machine's memory; 0 where the system does not say."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


class Servers:
    """Starts servers, one at a time; `faults_in` makes one."""

    def __init__(self, process: subprocess.Popen[str], settings: Settings, log: Path) -> None:
        self._process = process
        self._settings = settings
        self._log = log
        self.target = Target()
        self.running: Running | None = None
        self.started_in: list[float] = []

    def start(self, plant: str = "") -> Running:
        """
        A server on the installation, answering when this returns.

        Args:
            plant: The name of a fault in `_PLANTS`.
        """
        assert self._process.stdin is not None
        since = time.monotonic()
        order = {"environment": _server_environment(self._settings), "log": str(self._log), "plant": plant}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told = self._hear()
        assert "port" in told, told
        self.running = Running(told["pid"], told["port"], time.monotonic() - since)
        self.started_in.append(self.running.started_in)
        self.target.move(self.running.port)
        return self.running

    @property
    def slowest(self) -> float:
        """The longest start in seconds, on a machine that may have stalled meanwhile."""
        return max(self.started_in)

    def back_after(self) -> float:
        """In how many seconds nine of ten starts were done: what a busy machine does to some of them is not judged."""
        return sorted(self.started_in)[len(self.started_in) * 9 // 10]

    def said(self) -> str:
        """The log of all of them."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            assert selector.select(120), f"no word from the server: {self.said()[-2000:]}"
        line = self._process.stdout.readline()
        assert line, self.said()[-2000:]
        told = json.loads(line)
        assert isinstance(told, dict)
        return told


def _server_environment(settings: Settings) -> dict[str, str]:
    given = environment_of(settings)
    kept = {"CARNET_DATA", "CARNET_DATABASE_URL"}
    return {
        "CARNET_PORT": "0",
        "CARNET_RATE_LIMITS": "off",
        **{name: value for name, value in given.items() if name in kept},
    }


@contextmanager
def faults_in(settings: Settings, shim: Shim | None = None) -> Iterator[Servers]:
    """Servers on the installation of *settings*; every one of them runs with *shim*."""
    log = settings.data.parent / "server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    if shim is not None:
        environment |= shim.environment
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        servers = Servers(process, settings, log)
        try:
            yield servers
        finally:
            if servers.running is not None and servers.running.is_alive():
                servers.running.kill()
            process.communicate(timeout=120)


# ── in the process that starts servers ───────────────────────────────────────────────────────────────────────────────


def _late_commit() -> None:
    """The planted fault: acknowledge what is not committed yet; the commit comes with the next group."""
    from carnet.server.storage.sqlite import writer

    def commit_later(self: Any, connection: Any, jobs: list[Any]) -> list[Any]:
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        return [writer._run_job(connection, job) for job in jobs]

    writer.GroupCommitWriter._commit_group = commit_later  # type: ignore[method-assign]


def _no_sync() -> None:
    """The planted fault: commits are not brought to the disk."""
    from carnet.server.storage.sqlite import store

    connect = vars(store)["connect"]

    def without(*args: Any, **named: Any) -> Any:
        connection = connect(*args, **named)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    setattr(store, "connect", without)  # noqa: B010 - it is not the module's own name


def _loop_accepts() -> None:
    """The planted fault: the event loop takes connections by itself, and one shortage is its last."""
    import uvicorn

    from carnet.server.serve import Server

    async def startup(self: Any, sockets: Any = None) -> None:
        await uvicorn.Server.startup(self, sockets)
        self.on_started()

    Server.startup = startup  # type: ignore[method-assign]


_PLANTS: Final = {"late commit": _late_commit, "no sync": _no_sync, "loop accepts": _loop_accepts}


def _serve(order: dict[str, Any], out: int) -> int:
    from carnet.core.errors import CarnetError
    from carnet.server.serve import serve
    from carnet.server.settings import settings_from_environment

    def tell(**what: Any) -> None:
        os.write(out, json.dumps({"pid": os.getpid(), **what}).encode() + b"\n")

    if SHIM in os.environ:
        count_steps(os.environ[SHIM])
    if order["plant"]:
        _PLANTS[order["plant"]]()
    settings = settings_from_environment(order["environment"])
    with Path(order["log"]).open("a", encoding="utf-8") as log:
        try:
            return serve(settings, out=log, ready=lambda address: tell(port=int(address.rpartition(":")[2])))
        except CarnetError as error:
            tell(code=error.code)
            return 1


def _main() -> None:
    import carnet.server.app
    import carnet.server.serve
    import carnet.server.storage.postgres.store
    import carnet.server.storage.sqlite.store

    # Half of a start goes into the contract's page, which nobody reads here.
    setattr(carnet.server.app, "document", lambda *_, **__: {})  # noqa: B010 - it is not the module's own name
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the killed leave no zombies
    out = os.dup(1)
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(_serve(order, out))


if __name__ == "__main__":
    _main()

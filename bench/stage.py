"""
A real server for measuring: `carnet serve` as a process of its own, on one core, over an installation with many
licenses; and the load generator on another core.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.load import write_requests
from bench.population import PRODUCT, device_of
from carnet.cli.demo.stage import free_port
from carnet.server.ceremony import InitOptions
from carnet.server.database import PostgresAddress
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.domain.licenses.commands import CreateLicense
from carnet.server.domain.products.commands import CreateProduct
from carnet.server.installation import create_installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings
from carnet.server.signing.sealing import ScryptCost

_TICKS = os.sysconf("SC_CLK_TCK")
_PIN = (
    "import os,sys; os.sched_setaffinity(0, set(map(int, sys.argv[1].split(',')))); os.execv(sys.argv[2], sys.argv[2:])"
)


def cores() -> tuple[str, str]:
    """The core of the server and that of everything else; the same one where there is only one."""
    found = sorted(os.sched_getaffinity(0))
    return str(found[0]), str(found[-1])


def pinned(core: str, command: Sequence[str]) -> list[str]:
    """*command*, kept on *core*."""
    return [sys.executable, "-c", _PIN, core, *command]


def cpu_seconds(pid: int) -> float:
    """User and system CPU of a process and its children of now, in seconds."""
    spent = 0.0
    for each in (pid, *_children(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) / _TICKS
    return spent


def resident_mb(pid: int, field: str = "VmHWM") -> float:
    """The largest resident memory that a process had, in MB; with *field* ``VmRSS`` that of now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def resident_now_mb(pid: int) -> float:
    """The resident memory of a process now, in MB."""
    return resident_mb(pid, "VmRSS")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_children(child)]
    return found


class Stage:
    """
    An installation in a temporary directory, with one license and one activation; `close` removes it.

    Args:
        database_url: None is the embedded database.
    """

    def __init__(self, database_url: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="carnet-bench-"))
        self.port = free_port()
        postgres = None if database_url is None else PostgresAddress(url=database_url)
        self.settings = Settings(data=self.folder / "data", port=self.port, postgres=postgres)
        self.server: subprocess.Popen[bytes] | None = None
        create_installation(self.settings, InitOptions(root_keys=self.folder / "root"), cost=ScryptCost(log2_n=10))
        asyncio.run(self._first())

    async def _first(self) -> None:
        async with open_installation(self.settings) as installation:
            await installation.products.create(CreateProduct(id=PRODUCT), OPERATOR)
            made = await installation.licenses.create(CreateLicense(product=PRODUCT, policy="enterprise"), OPERATOR)
            device = DeviceClaim(fingerprint=device_of(0, 99), name="Line 0", platform="linux")
            await installation.activations.activate(
                ActivateCommand(license_key=made.key, product=PRODUCT, device=device)
            )

    def start(self, *, workers: int = 1) -> None:
        """Start the server on its core and wait until it is ready."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "CARNET_DATA": str(self.settings.data),
            "CARNET_PORT": str(self.port),
            "CARNET_WORKERS": str(workers),
        }
        if self.settings.postgres is not None:
            environment["CARNET_DATABASE_URL"] = self.settings.postgres.url
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                pinned(cores()[0], [sys.executable, "-m", "carnet.cli", "serve"]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                probe.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                if probe.recv(100).startswith(b"HTTP/1.1 200"):
                    return
            if self.server.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """Stop the server in order."""
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(30)
            self.server = None

    def close(self) -> None:
        """Stop, and remove everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def requests(self, name: str, requests: Iterable[bytes]) -> Path:
        """A file of requests in the stage's directory."""
        path = self.folder / f"{name}.requests"
        write_requests(path, requests)
        return path

    def load(self, requests: Path, **options: Any) -> Iterator[dict[str, Any]]:
        """
        Rounds of the load generator, each with the server's CPU per request in ms (`server_cpu_ms`).

        Args:
            requests: A file of requests.
            options: The generator's options, by name; `once` is a flag.
        """
        assert self.server is not None
        words = [str(requests), "--port", str(self.port)]
        for name, value in options.items():
            words += [f"--{name}"] if value is True else [] if value is False else [f"--{name}", str(value)]
        began = cpu_seconds(self.server.pid)
        command = pinned(cores()[1], [sys.executable, "-m", "bench.load", *words])
        with subprocess.Popen(command, stdout=subprocess.PIPE) as generator:
            assert generator.stdout is not None
            for line in generator.stdout:
                ended = cpu_seconds(self.server.pid)
                figures = json.loads(line)
                figures["server_cpu_ms"] = (ended - began) / figures["requests"] * 1e3
                began = ended
                yield figures
        if generator.returncode:
            raise RuntimeError("the load generator failed")

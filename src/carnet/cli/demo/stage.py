"""
The real parts of the story: a server process on loopback, a vendor's and two devices' `carnet` processes.

Nothing is imitated: the vendor's commands, the server and the devices are separate processes that share only files and
a socket. Everything lives in one directory, which `close` removes.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carnet.core._base import Struct
from carnet.core.errors import CarnetError, MalformedError
from carnet.formats.limits import MAX_BUNDLE
from carnet.formats.strict_json import parse_object

LOOPBACK = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 15
COMMAND_SECONDS = 120


class StoryError(CarnetError):
    """A step of the story did not come out as it must. Always a defect, of Carnet or of this computer."""


class Said(Struct):
    """What a `carnet … --json` process answered: its exit code, its data, and its problem if it had one."""

    code: int
    data: Mapping[str, Any]
    problem: Mapping[str, Any]


class Device(Struct):
    """One device of the story: what it is called, what identifies it, and where its state is."""

    name: str
    id: str
    state: Path


def free_port() -> int:
    """
    A port that nobody listens on just now, and that the system gives to nobody else.

    It has to stay free while the server is stopped, so it lies below the ports that systems hand out by themselves
    (from 32768 on Linux, 49152 elsewhere: RFC 6335 §6).
    """
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


class Stage:
    """
    The directory, the server and the devices of one performance.

    Args:
        port: Where the server listens.
        directory: Where everything is kept; None makes a temporary directory, which `close` removes.
    """

    def __init__(self, port: int, *, directory: Path | None = None) -> None:
        self.port = port
        self._temporary = directory is None
        self.directory = Path(tempfile.mkdtemp(prefix="carnet-demo-")) if directory is None else directory
        self.data = self.directory / "server"
        self.root_keys = self.directory / "root-keys"
        self.root_path = self.data / "root.json"
        self._server: subprocess.Popen[bytes] | None = None
        self._log = self.directory / "server.log"

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://{LOOPBACK}:{self.port}"

    def device(self, name: str, device_id: str) -> Device:
        """A device with an empty state directory."""
        state = self.directory / "devices" / device_id
        state.mkdir(parents=True)
        return Device(name=name, id=device_id, state=state)

    def ask_vendor(self, *words: str) -> Said:
        """Run a vendor's command, whatever it answers."""
        return self._carnet([*words, "--json"], self._vendor_environment())

    def vendor(self, *words: str) -> Mapping[str, Any]:
        """Run a vendor's command; it must succeed."""
        said = self.ask_vendor(*words)
        if said.code != 0:
            detail = said.problem.get("detail", "no reason given")
            raise StoryError("story_failed", f"`carnet {' '.join(words)}` failed: {detail}", "Please report this.")
        return said.data

    def on(self, device: Device, *words: str, stdin: str = "") -> Said:
        """Run a command on *device*, in a process of its own."""
        return self._carnet([*words, "--json"], self.device_environment(device), stdin)

    def device_environment(self, device: Device) -> dict[str, str]:
        """What an app on *device* is configured with."""
        return {
            **_bare_environment(),
            "CARNET_PRODUCT": "hustl",
            "CARNET_SERVER": self.url,
            "CARNET_ROOT": str(self.root_path),
            "CARNET_DEVICE_ID": device.id,
            "CARNET_STATE": str(device.state),
        }

    def start_server(self) -> float:
        """Start `carnet serve` and wait until it is ready; returns the seconds that took."""
        began = time.monotonic()
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "carnet.cli", "serve"],
                env=self._vendor_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the story, which then stops the server in order
            )
        while not self.server_answers():
            if self._server.poll() is not None or time.monotonic() - began > START_SECONDS:
                tail = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
                raise StoryError(
                    "story_failed", f"The server did not start. It said: {' '.join(tail)}", "Read the above."
                )
            time.sleep(0.05)
        return time.monotonic() - began

    def stop_server(self) -> None:
        """Stop the server in order, and make sure that nothing answers any more."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
            raise StoryError("story_failed", "The server did not stop when asked.", "Please report this.") from None
        finally:
            self._server = None
        if self.server_answers():
            raise StoryError("story_failed", "Something still answers on the server's port.", "Please report this.")

    def server_answers(self) -> bool:
        """Whether a request to the server is answered, and well."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait(self) -> None:
        """Wait until the server ends by itself, which it does not."""
        if self._server is not None:
            self._server.wait()

    def close(self) -> None:
        """Stop the server and remove everything that was made."""
        with contextlib.suppress(StoryError):
            self.stop_server()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _vendor_environment(self) -> dict[str, str]:
        return {
            **_bare_environment(),
            "CARNET_DATA": str(self.data),
            "CARNET_HOST": LOOPBACK,
            "CARNET_PORT": str(self.port),
        }

    def _carnet(self, words: list[str], environment: Mapping[str, str], stdin: str = "") -> Said:
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "carnet.cli", *words],
            env=dict(environment),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return Said(code=done.returncode, data=_last_object(done.stdout), problem=_last_object(done.stderr))


def _bare_environment() -> dict[str, str]:
    """This process's environment without any setting of Carnet's: the story must not touch a real installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    direct = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), LOOPBACK)))
    return {**kept, "NO_PROXY": direct, "no_proxy": direct}  # a proxy cannot reach this computer's loopback


def _last_object(text: str) -> dict[str, Any]:
    lines = text.strip().splitlines()
    if not lines:
        return {}
    try:
        return parse_object(lines[-1].encode(), max_bytes=MAX_BUNDLE, what="The answer")
    except MalformedError:
        return {"detail": lines[-1][:500]}

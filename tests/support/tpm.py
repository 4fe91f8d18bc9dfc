"""Software TPMs: real ones of libtpms, each a process with a chip of its own (tools/prepare_tpm.py prepares it)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Self

RECORD = Path(sys.prefix) / "tpm" / "tpm.json"
PREPARED: dict[str, Any] = (
    json.loads(RECORD.read_text(encoding="utf-8"))
    if RECORD.is_file()
    else {"missing": "make test-long prepares a software TPM"}
)
if "missing" not in PREPARED and importlib.util.find_spec("tpm2_pytss") is None:
    PREPARED = {"missing": "the extra tpm is not installed"}
MISSING: str | None = PREPARED.get("missing")
"""Why there is no software TPM on this machine, or None."""


class SoftTpm:
    """A TPM 2.0, whose chip is the directory it is given: the same directory is the same chip, started again."""

    def __init__(self, chip: Path) -> None:
        chip.mkdir(exist_ok=True)
        self._process_id = chip / "pid"
        # The library takes a port and the next one. The program says nothing of ports that it chose, so two that are
        # free are found first, and others if somebody was faster. It goes to the background once it listens.
        for _ in range(20):
            port = two_free_ports()
            done = subprocess.run(
                [
                    *(PREPARED["program"], "socket", "--tpm2", "--tpmstate", f"dir={chip}"),
                    *("--server", f"type=tcp,port={port},disconnect", "--ctrl", f"type=tcp,port={port + 1}"),
                    *("--flags", "not-need-init,startup-clear"),
                    *("--daemon", "--pid", f"file={self._process_id}", "--log", f"file={chip / 'log'}"),
                ],
                env={"LD_LIBRARY_PATH": ":".join(PREPARED["libraries"])},
                capture_output=True,
                text=True,
                check=False,
            )
            if not done.returncode:
                break
        else:
            raise RuntimeError(done.stderr)
        self.port = port
        self.connection = connection_to(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(int(self._process_id.read_text()), signal.SIGTERM)

    def do(self, command: str, *arguments: Any) -> None:
        """What the chip's owner does with it, by the binding's own name; names of handles are looked up."""
        tss = import_module("tpm2_pytss")
        name, _, configuration = self.connection.partition(":")
        with tss.TCTILdr(name, configuration) as tcti, tss.ESAPI(tcti) as tpm:
            handles = [getattr(tss.ESYS_TR, each) if isinstance(each, str) else each for each in arguments]
            getattr(tpm, command)(*handles)


def connection_to(port: int) -> str:
    """How the TSS libraries reach what listens there."""
    return f"swtpm:host=127.0.0.1,port={port}"


def two_free_ports() -> int:
    """The first of two ports in a row that nobody had a moment ago."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except (OSError, OverflowError):
                continue
            return port


class Stand:
    """Listens where the library looks for a TPM, and one port further for its control; what it hears, it `talk`s to."""

    def __init__(self) -> None:
        port = two_free_ports()
        self.connection = connection_to(port)
        self._listening = [socket.create_server(("127.0.0.1", port + which)) for which in (0, 1)]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        for which, listening in enumerate(self._listening):
            self._start(self._serve, listening, which)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop(0).join(120)
        for each in (*self._listening, *self._open):
            each.close()

    def talk(self, caller: socket.socket, which: int) -> None:
        """Answer *caller*: 0 for commands, 1 for the control."""
        raise NotImplementedError

    def _start(self, work: Any, *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _serve(self, listening: socket.socket, which: int) -> None:
        with suppress(OSError):
            while True:
                caller, _ = listening.accept()
                self._open.append(caller)
                self._start(self._talk, caller, which)

    def _talk(self, caller: socket.socket, which: int) -> None:
        with suppress(OSError):
            self.talk(caller, which)


class BadChip(Stand):
    """Answers each command with *answer*, whatever it was; None for nothing at all."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self.asked = 0
        super().__init__()

    def talk(self, caller: socket.socket, which: int) -> None:
        while caller.recv(4096):
            if which == 1:  # where the library says from which locality it asks: all is well there
                caller.sendall(bytes(4))
                continue
            self.asked += 1
            if self._answer is not None:
                caller.sendall(self._answer)
                caller.shutdown(socket.SHUT_WR)


class Bus(Stand):
    """Lies between the library and *chip*, and writes down what passes in both directions."""

    def __init__(self, chip: SoftTpm) -> None:
        self._chip = chip
        self.seen = bytearray()
        super().__init__()

    def talk(self, caller: socket.socket, which: int) -> None:
        there = socket.create_connection(("127.0.0.1", self._chip.port + which))
        self._open.append(there)
        self._start(self._carry, there, caller)
        self._carry(caller, there)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.seen += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

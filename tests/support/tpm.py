"""Software TPMs: real ones of libtpms, each a process with a chip of its own (tools/prepare_tpm.py prepares it)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
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

"""
Ports for servers that have to be told theirs before they start; everything else binds port 0.

A port that was bound, noted and let go may be given to anybody before it is used: the system hands out the ports from
32768 on to whoever asks for any. So these lie below, and who was given one here holds a lock on it until he ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

_PORTS: Final = range(20_000, 32_000)
_PLACE: Final = Path(tempfile.gettempdir()) / f"carnet-test-ports-{os.getuid()}"

_held: list[int] = []


def own_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no other test is given as long as this process runs."""
    _PLACE.mkdir(mode=0o700, exist_ok=True)
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_PORTS)
        lock = os.open(_PLACE / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(lock)
            continue
        _held.append(lock)
        return port

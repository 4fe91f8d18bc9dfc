"""
`carnet key` killed at its k-th step: a real process that ends by SIGKILL, wherever it is.

Run as a program it is warm: everything is imported once, and each command is a fork of it. A step is what changes
something outside the process: before and after each write, rename or removal of a file of the installation, each
statement of SQLite's writer and each query to PostgreSQL.

One line of JSON in (`words`, `env`, `at`; 0: never), one out (`code`, `steps`; code -9: killed).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KILLED = -signal.SIGKILL


class Killer:
    """Runs `carnet` commands in forks of one warm process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.ceremony_killing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def run(self, words: Sequence[str | Path], env: Mapping[str, str], at: int = 0) -> tuple[int, int]:
        """The exit code of `carnet WORDS`, killed at step *at*, and how many steps it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"words": [str(word) for word in words], "env": dict(env), "at": at}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["steps"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()


def _serve() -> None:
    import asyncpg  # type: ignore[import-untyped]  # noqa: F401 - loaded before the forks

    import carnet.cli.keys.ceremony
    import carnet.server.app
    import carnet.server.storage.postgres.store  # noqa: F401 - loaded before the forks

    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os._exit(_child(order, writing))
        os.close(writing)
        steps = b""
        while more := os.read(reading, 65536):
            steps += more
        os.close(reading)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "steps": len(steps)}) + "\n")
        sys.stdout.flush()


def _child(order: dict[str, Any], told: int) -> int:
    from carnet.cli.main import main
    from carnet.cli.output import Output

    taken = [0]

    def step() -> None:
        taken[0] += 1
        os.write(told, b".")
        if taken[0] == order["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    _count(step)
    os.environ.clear()
    os.environ.update(order["env"])
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        return main(order["words"], Output(json=True, stdout=nowhere))


def _count(step: Any) -> None:
    import asyncpg

    from carnet.server.files import Files
    from carnet.server.storage.sqlite import store

    def around(function: Any) -> Any:
        def called(*args: Any, **named: Any) -> Any:
            step()
            result = function(*args, **named)
            step()
            return result

        return called

    for name in ("write", "remove"):
        setattr(Files, name, around(getattr(Files, name)))
    Path.replace = around(Path.replace)  # type: ignore[method-assign]
    connect = vars(store)["connect"]

    def connected(*args: Any, **named: Any) -> Any:
        connection = connect(*args, **named)
        connection.set_trace_callback(lambda _: step())
        return connection

    setattr(store, "connect", connected)  # noqa: B010 - it is not the module's own name
    for name in ("fetch", "execute", "_execute"):
        original = getattr(asyncpg.connection.Connection, name)

        async def asked(self: Any, *args: Any, _original: Any = original, **named: Any) -> Any:
            step()
            found = await _original(self, *args, **named)
            step()
            return found

        setattr(asyncpg.connection.Connection, name, asked)


if __name__ == "__main__":
    _serve()

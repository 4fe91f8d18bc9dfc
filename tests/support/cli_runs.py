"""Run the `carnet` command: in this process (fast, the usual way) or as a real one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from carnet.cli.main import main
from carnet.cli.output import Output
from carnet.core._base import Struct


class Run(Struct):
    """What one run printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object it must be."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def problem(self) -> dict[str, Any]:
        """Standard error as the one problem object it must be."""
        value = json.loads(self.err)
        assert isinstance(value, dict)
        return value


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any `CARNET_…` of its own, plus *extra*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARNET_")}
    return {**kept, **extra}


@contextmanager
def _streams(stdin: str) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape")), encoding="utf-8")
    with mock.patch.multiple(sys, stdin=given, stdout=out, stderr=err):
        yield out, err


def carnet(*words: str | Path, stdin: str = "", env: Mapping[str, str] | None = None) -> Run:
    """Run `carnet WORDS` in this process, with no `CARNET_…` variables but *env*."""
    arguments = [str(word) for word in words]
    with mock.patch.dict(os.environ, environment(env or {}), clear=True), _streams(stdin) as (out, err):
        code = main(arguments, Output(json="--json" in arguments, stdout=out, stderr=err))
    return Run(code=code, out=out.getvalue(), err=err.getvalue())


def carnet_process(
    *words: str | Path, stdin: str = "", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Run:
    """Run `carnet WORDS` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "carnet.cli", *(str(word) for word in words)],
        input=stdin,
        env=environment(env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Run(code=done.returncode, out=done.stdout, err=done.stderr)

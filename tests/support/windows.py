"""Runs the stages of Tk and Qt in processes of their own, for the tests of windows and `tools/make_pictures.py`."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from support import display

Toolkit = Literal["tk", "qt"]
TOOLKITS: tuple[Toolkit, ...] = ("tk", "qt")
TIMEOUT_SECONDS = 280


def missing(toolkit: Toolkit) -> str | None:
    """Why windows of *toolkit* cannot be opened on this machine, or None."""
    if toolkit == "qt" and importlib.util.find_spec("PySide6") is None:
        return "PySide6 has no wheel for this machine"
    return display.MISSING


def run_stage(toolkit: Toolkit, directory: Path, names: list[str]) -> dict[str, Any]:
    """Play the scenes named (all, if none is): what became of each; the pictures are in *directory*."""
    if toolkit == "qt":
        return _run(["support.qt_stage", str(directory), *names], {"QT_QPA_PLATFORM": "offscreen"})
    with display.Display() as screen:
        return _run(["support.tk_stage", screen.framebuffer, str(directory), *names], {"DISPLAY": screen.name})


def _run(arguments: list[str], variables: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=display.environment(**variables),
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report

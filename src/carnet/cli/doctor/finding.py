"""One thing that was looked at, and how it is."""

from __future__ import annotations

from typing import Literal

from carnet.core._base import Struct

Health = Literal["ok", "warning", "problem"]


class Finding(Struct):
    """
    What a check saw.

    Attributes:
        name: Of the check, the same whatever it finds; part of `--json`.
        health: `problem` stops something that matters now; `warning` will, or makes it less safe.
        message: One sentence.
        fix: What to do about it; empty where nothing is to be done.
    """

    name: str
    health: Health
    message: str
    fix: str = ""


def ok(name: str, message: str) -> Finding:
    """Nothing to be done."""
    return Finding(name=name, health="ok", message=message)


def warning(name: str, message: str, fix: str) -> Finding:
    """It works, and should be better."""
    return Finding(name=name, health="warning", message=message, fix=fix)


def problem(name: str, message: str, fix: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(name=name, health="problem", message=message, fix=fix)

"""
How we measure: the two sides of a ratio take turns in short rounds, and the ratio is the median of the rounds' ratios.

The machines this runs on change speed from second to second; turns keep both sides in the same weather.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence

ROUND_SECONDS = 0.02


def per_call(function: Callable[[], object], seconds: float = ROUND_SECONDS) -> float:
    """Seconds per call of *function*, called for about *seconds*."""
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            function()
        spent = time.perf_counter() - start
        if spent >= seconds / 2:
            return spent / count
        count = max(count * 2, int(count * seconds / max(spent, 1e-9)))


def ratio(function: Callable[[], object], base: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median ratio of *function* to *base* over *rounds* turns, and both medians in seconds."""
    gc.collect()
    gc.disable()
    try:
        pairs = [(per_call(function), per_call(base)) for _ in range(rounds)]
    finally:
        gc.enable()
    return (
        statistics.median(ours / theirs for ours, theirs in pairs),
        statistics.median(ours for ours, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
    )


def process_cpu(command: Sequence[str], environment: dict[str, str]) -> float:
    """User and system CPU seconds of one run of *command*, which must succeed; as the kernel accounts the child."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def process_ratios(
    commands: dict[str, Sequence[str]], floor: str, base: str, environment: dict[str, str], rounds: int
) -> dict[str, tuple[float, float]]:
    """
    For each command: median CPU above *floor*, in seconds, and its ratio to that of *base*.

    All commands take turns in every round; the floor is taken off within the round.
    """
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        process_cpu(command, environment)  # once uncounted: byte code is written, files are cached
    for _ in range(rounds):
        spent = {name: process_cpu(command, environment) for name, command in commands.items()}
        for name in commands:
            samples[name].append(spent[name] - spent[floor])
    medians = {name: statistics.median(values) for name, values in samples.items()}
    return {name: (medians[name], medians[name] / medians[base]) for name in commands if name != floor}

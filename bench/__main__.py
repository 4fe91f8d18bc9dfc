"""`make bench [ARGS=--quick]`: every figure with its bound; exit 1 where one is not reached."""

from __future__ import annotations

import argparse
import platform
import sys

from bench import process, signed_keys, verification
from bench.report import Row


def main(argv: list[str]) -> int:
    """Measure and print; the exit code says whether every bound was reached. Never part of `make test`."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 9 if parser.parse_args(argv).quick else 41
    print(
        f"Python {platform.python_version()}, {platform.machine()}; medians of {rounds} interleaved rounds", flush=True
    )
    found: list[Row] = []
    for measure in (verification.rows, process.rows, signed_keys.rows, verification.healing_rows):
        for row in measure(rounds):
            print(row.line(), flush=True)
            found.append(row)
    return int(any(row.reach is not None and row.value > row.reach for row in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

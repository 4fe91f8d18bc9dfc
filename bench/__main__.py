"""`make bench [ARGS="--quick --only NAME"]`: every figure with its bound; exit 1 where one is not reached."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable

from bench import (
    audit,
    background,
    bulk,
    drill,
    leases,
    lists,
    lookups,
    process,
    seats,
    signed_keys,
    soak,
    status,
    verification,
)
from bench.report import Row, print_rows

PARTS: dict[str, Callable[[int], Iterable[Row]]] = {
    "verification": verification.rows,
    "process": process.rows,
    "audit": audit.rows,
    "background": background.rows,
    "signed-keys": signed_keys.rows,
    "healing": verification.healing_rows,
    "postgres": seats.postgres_rows,
    "sqlite": seats.sqlite_rows,
    "size": seats.size_rows,
    "bulk": bulk.rows,
    "drill": drill.rows,
    "leases": leases.rows,
    "lists": lists.rows,
    "lookups": lookups.rows,
    "status": status.rows,
    "soak": soak.rows,
}


def main(argv: list[str]) -> int:
    """Measure and print; the exit code says whether every bound was reached. Never part of `make test`."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller databases")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    given = parser.parse_args(argv)
    rounds = 9 if given.quick else 41
    print(
        f"Python {platform.python_version()}, {platform.machine()}; in process: medians of {rounds} interleaved rounds;"
        f" servers: best of {seats.rounds_of(rounds)}, interleaved with their limit",
        flush=True,
    )
    return max(print_rows(PARTS[name](rounds)) for name in given.only or PARTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

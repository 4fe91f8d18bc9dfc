"""`make check`: every static rule of the project, one line each; all of them run even when one fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("types", ["mypy", "--no-error-summary"]),
    ("import rules", ["lint-imports", "--no-cache"]),
    ("type completeness of the SDK", ["basedpyright", "--ignoreexternal", "--verifytypes", "carnet"]),
)


def main() -> int:
    """Run every check; return how many failed."""
    failed = 0
    for name, (tool, *arguments) in CHECKS:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [str(BIN / tool), *arguments], cwd=ROOT, check=False, capture_output=True, text=True
        )
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name}", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout[-8000:], done.stderr[-4000:], sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""`make check`: every static rule of the project, one line each; all of them run even when one fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("types", ["mypy", "--no-error-summary"]),
    ("import rules", ["lint-imports", "--no-cache"]),
)

NOT_THE_SDK = ("carnet.server", "carnet.cli", "carnet.ui.qt")
"""What vendors do not embed, or what derives from a library whose own types are not complete; mypy sees to both."""


def main() -> int:
    """Run every check; return how many failed."""
    failed = 0
    for name, (tool, *arguments) in CHECKS:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [str(BIN / tool), *arguments], cwd=ROOT, check=False, capture_output=True, text=True
        )
        failed += _told(name, "" if done.returncode == 0 else f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}")
    failed += _told("type completeness of the SDK", _incomplete_types())
    return failed


def _told(name: str, problem: str) -> bool:
    print(f"{'FAIL' if problem else 'ok  '} {name}", flush=True)
    if problem:
        print(problem)
    return bool(problem)


def _incomplete_types() -> str:
    """What pyright's `--verifytypes` finds in the public names of the SDK; empty when every type is known."""
    with tempfile.TemporaryDirectory() as elsewhere:  # inside the project it would not look for an installed package
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [
                str(BIN / "basedpyright"),
                *("--pythonpath", sys.executable, "--ignoreexternal", "--outputjson", "--verifytypes", "carnet"),
            ],
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            check=False,
            capture_output=True,
            text=True,
        )
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    if len(symbols) < 100:
        return f"Only {len(symbols)} symbols were found: the package was not read.\n{done.stderr[-2000:]}"
    bad = [
        f"{symbol['name']}: {' '.join(each['message'] for each in symbol['diagnostics'])}"
        for symbol in symbols
        if symbol["isExported"]
        and (not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"])
        and not symbol["name"].startswith(NOT_THE_SDK)
    ]
    return "\n".join(bad)


if __name__ == "__main__":
    sys.exit(main())

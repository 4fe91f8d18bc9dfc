"""`make pictures`: the dialogs and badges in docs/pictures, taken from real windows on a virtual display."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.window_scenes import PICTURED  # noqa: E402 - found by the line above
from support.windows import TOOLKITS, missing, run_stage  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"


def main() -> int:
    """Take every picture; 1 where a toolkit cannot be run here."""
    PICTURES.mkdir(exist_ok=True)
    failed = 0
    for toolkit in TOOLKITS:
        why = missing(toolkit)
        if why is not None:
            print(f"{toolkit}: {why}")
            failed = 1
            continue
        with tempfile.TemporaryDirectory() as directory:
            run_stage(toolkit, Path(directory), list(PICTURED))
            for name in PICTURED:
                shutil.copy(Path(directory, f"{name}.png"), PICTURES / f"{toolkit}-{name}.png")
                if "-" not in name:
                    shutil.copy(Path(directory, f"{name}-badge.png"), PICTURES / f"{toolkit}-{name}-badge.png")
    print(f"{len(list(PICTURES.glob('*.png')))} pictures in docs/pictures")
    return failed


if __name__ == "__main__":
    sys.exit(main())

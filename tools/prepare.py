"""
Prepare the virtual environment: create it, install the locked dependencies, install Carnet itself.

Runs on a bare Python >= 3.11 (standard library only). Every step says what it does; a failure says what to do next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(argv: list[str]) -> int:
    """Make *argv[1]* an environment that holds exactly what the lock file *argv[2]* names, and Carnet."""
    if sys.version_info < (3, 11):  # noqa: UP036 - runs before any installer could check it
        print(f"Carnet needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 …")
        return 2
    environment, lock = ROOT / argv[1], ROOT / argv[2]
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"-- creating {argv[1]}", flush=True)
        try:
            venv.create(environment, with_pip=True)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"Could not create the environment: {error}. On Debian and Ubuntu: apt-get install python3-venv")
            return 1
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    print(f"-- installing what {argv[2]} locks (about a minute the first time)", flush=True)
    steps = (
        [*pip, "--require-hashes", "--requirement", str(lock)],
        [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        [str(python), "-m", "compileall", "-q", str(ROOT / "src")],  # so that the first start is as quick as the next
    )
    for step in steps:
        if subprocess.run(step, check=False).returncode:  # noqa: S603 - fixed arguments
            print("The installation failed; the lines above say why. Is a package index reachable?")
            return 1
    print("-- ready", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

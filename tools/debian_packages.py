"""
Debian packages for the tests, unpacked below the environment: nothing is installed on the system, no right is needed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

NEVER = ("libc6", "libc-bin", "libgcc-s1", "libstdc++6", "python3", "python3.11", "dpkg", "perl")
"""Never taken from elsewhere than the system that Python runs on."""


class Unavailable(Exception):  # noqa: N818 - a fact about this machine, not an error of the program
    """Why something cannot be prepared here, as a sentence."""


def unpack(place: Path, wanted: list[str], always: tuple[str, ...], what: str) -> Path:
    """
    Unpack *wanted*, and what they need that this system does not have, into ``place/root``.

    Args:
        place: An empty directory.
        wanted: Names of packages.
        always: Those of them that are brought along even where the system has them.
        what: What they are for, as a sentence's beginning.

    Raises:
        Unavailable: This is no Debian, or its package sources do not give them.
        OSError, subprocess.SubprocessError: A package cannot be unpacked.
    """
    if platform.system() != "Linux" or not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unavailable(f"{what} is only prepared on Debian and its relatives (apt-get and dpkg-deb).")
    packages = place / "packages"
    packages.mkdir()
    try:
        _download(packages, wanted, always, [])
    except subprocess.CalledProcessError:  # no lists of packages, or old ones: fetch lists of our own
        for part in ("state/lists/partial", "cache/archives/partial"):
            (place / "apt" / part).mkdir(parents=True)
        own = ["-o", f"Dir::State={place / 'apt' / 'state'}", "-o", f"Dir::Cache={place / 'apt' / 'cache'}"]
        own += ["-o", f"Dir::State::lists={place / 'apt' / 'state' / 'lists'}"]
        own += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
        try:
            run(["apt-get", "-q", *own, "-o", "APT::Sandbox::User=root", "update"], packages)
            _download(packages, wanted, always, own)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"the system's package sources gave no {wanted[0]}: {error.stderr[-300:]}") from error
    root = place / "root"
    for package in sorted(packages.glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(root)], place)
    shutil.rmtree(packages)
    shutil.rmtree(place / "apt", ignore_errors=True)
    return root


def run(command: list[str], directory: Path, **variables: str) -> str:
    """What *command* prints; raises where it fails."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **variables}
    done = subprocess.run(  # noqa: S603 - fixed programs, arguments of ours
        command, cwd=directory, env=environment, check=True, capture_output=True, text=True, timeout=600
    )
    return done.stdout


def _download(into: Path, wanted: list[str], always: tuple[str, ...], options: list[str]) -> None:
    plan = run(["apt-get", "-q", *options, "-s", "install", "--no-install-recommends", *wanted], into)
    new = [words[1] for line in plan.splitlines() if (words := line.split())[:1] == ["Inst"] and words[2][0] == "("]
    names = sorted({*always, *new} - set(NEVER))
    run(["apt-get", "-q", *options, "-o", "APT::Sandbox::User=root", "download", *names], into)

"""
Debian packages for the tests, unpacked below the environment: nothing is installed on the system, no right is needed.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

NEVER = ("libc6", "libc-bin", "libgcc-s1", "libstdc++6", "python3", "python3.11", "dpkg", "perl")
"""Never taken from elsewhere than the system that Python runs on."""


class Unavailable(Exception):  # noqa: N818 - a fact about this machine, not an error of the program
    """Why something cannot be prepared here, as a sentence."""


def prepare_once(place: Path, wanted: dict[str, object], doing: str, make: Callable[[], dict[str, object]]) -> int:
    """
    Make *place* with *make*, unless it was made as *wanted* before, and keep what came of it in ``<name>.json`` there.

    Args:
        place: A directory; emptied first.
        wanted: What a record of before must say to be left alone.
        doing: What is told while it is made.
        make: Returns what to record beside *wanted*; an error of it is recorded and told, and it is tried again the
            next time.

    Returns:
        0 always: the tests say what is missing.
    """
    record = place / f"{place.name}.json"
    if record.is_file() and wanted.items() <= json.loads(record.read_text(encoding="utf-8")).items():
        return 0
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    print(f"-- {doing}", flush=True)
    try:
        found = {**wanted, **make()}
    except (Unavailable, OSError, subprocess.SubprocessError) as reason:
        why = f"{reason} {(getattr(reason, 'stderr', None) or '')[-300:]}".strip()
        print(f"   not here: {why}", flush=True)
        found = {"missing": why}
    record.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


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

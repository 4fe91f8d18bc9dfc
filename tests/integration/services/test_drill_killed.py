"""SEC-24: kill -9 while everything is signed anew, at every kind of moment; then a second run ends it."""

from __future__ import annotations

import asyncio
import csv
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carnet.formats.bundle import read_bundle
from carnet.formats.license_token import verify_license_token
from carnet.server.bundle_folder import COLUMNS, BundleFolder
from carnet.server.domain.activations.issuing import grant_from_json
from carnet.server.records import OPERATOR
from support.drills import compromised
from support.installations import (
    Device,
    HeldClock,
    environment_of,
    execute,
    licensed,
    opened,
    root_keys,
    settings_in,
)

COUNT = 30
SCRIPT = """
import asyncio, os, signal, sys
from pathlib import Path
import carnet.server.domain.reissue.service as service
from carnet.core.instant import Instant
from carnet.server.bundle_folder import BundleFolder
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import settings_from_environment

kid, folder, now, moment = sys.argv[1:]
service.BATCH = 7
calls = iter(range(100))

def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)

class Clock:
    def now(self):
        return Instant(int(now))

async def main():
    async with open_installation(settings_from_environment(os.environ), clock=Clock()) as installation:
        sink = BundleFolder(Path(folder))
        if moment == "before the first commit":
            installation.store.register_again = die
        if moment == "after a commit":
            keep = sink.keep
            sink.keep = lambda bundles: die() if next(calls) == 1 else keep(bundles)
        if moment == "between list and files":
            write = sink._write
            sink._write = lambda product, some: die() if next(calls) == 1 else write(product, some)
        if moment == "between two files":
            def write(product, some):
                BundleFolder._write(sink, product, some[:2])
                die()
            sink._write = write
        await installation.reissue.run(kid, OPERATOR, sink=sink, settle_seconds=0)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "moment", ["before the first commit", "after a commit", "between list and files", "between two files"]
)
def test_sec_24_killed_at_any_moment_a_second_run_does_the_rest_and_nothing_twice(tmp_path: Path, moment: str) -> None:
    clock, folder = HeldClock(), tmp_path / "bundles"

    async def before() -> str:
        async with opened(tmp_path, clock) as installation:
            for number in range(COUNT):
                made = await licensed(installation)
                await installation.activations.activate(Device(number).activate(made.key))
            clock.advance(3600)
            return await compromised(installation, root_keys(), "token")

    async def after() -> tuple[Any, Any]:
        async with opened(tmp_path, clock) as installation:
            run = installation.reissue.run
            first = await run(kid, OPERATOR, sink=BundleFolder(folder), settle_seconds=0)
            second = await run(kid, OPERATOR, sink=BundleFolder(folder), settle_seconds=0)
            assert (second.activations, second.bundles) == (0, 0)
            return first, installation.ring

    kid = asyncio.run(before())
    settings = settings_in(tmp_path)
    words = [sys.executable, "-c", SCRIPT, f"{kid}", str(folder), str(int(clock.at)), moment]
    environment = {**environment_of(settings), "CARNET_PUBLIC_URL": str(settings.public_url)}
    died = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr
    clock.advance(1)
    report, ring = asyncio.run(after())

    lines = execute(settings, "SELECT activation_id, kid, claims FROM issuances WHERE kind = 'token'")
    again = [line for line in lines if line[1] != kid]
    assert len(again) == len({line[0] for line in again}) == COUNT, "each once"
    old = {line[0]: grant_from_json(line[2]) for line in lines if line[1] == kid}
    for seat, _, claims in again:
        assert grant_from_json(claims).offline_until == old[seat].offline_until
    files = sorted((folder / "hustl").glob("*"))
    assert [each.suffix for each in files] == [".carnet"] * COUNT, "nothing is left half-written"
    held = {line[0]: grant_from_json(line[2]) for line in again}
    for each in files:
        token = verify_license_token(str(read_bundle(each.read_bytes()).token), ring)
        assert token == held[str(token.activation_id)], "what the register says"
        assert each.name == f"{token.license_id}.{token.activation_id}.carnet"
    with (folder / "hustl.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS
    assert sorted(row[0] for row in rows[1:]) == [each.name for each in files], "each once, whatever was killed"
    done = {"before the first commit": 0, "after a commit": 14, "between list and files": 14, "between two files": 7}
    assert report.activations == COUNT - done[moment]


def test_a_torn_line_at_the_end_of_the_list_is_taken_off(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as installation:
            for number in range(2):
                made = await licensed(installation)
                await installation.activations.activate(Device(number).activate(made.key))
            kid = await compromised(installation, root_keys(), "token")
            folder = BundleFolder(tmp_path / "bundles")
            await installation.reissue.run(kid, OPERATOR, sink=folder, settle_seconds=0)
            path = tmp_path / "bundles" / "hustl.csv"
            whole = path.read_bytes()
            *lines, _ = whole.splitlines(keepends=True)
            path.write_bytes(b"".join(lines) + b"01a0,half of a li")
            for each in (tmp_path / "bundles" / "hustl").iterdir():
                each.unlink()
            again = await installation.reissue.run(
                kid, OPERATOR, sink=BundleFolder(tmp_path / "bundles"), settle_seconds=0
            )
            assert again.bundles == 2
            assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())

    asyncio.run(story())

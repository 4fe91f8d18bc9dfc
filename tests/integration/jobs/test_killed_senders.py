"""
REL-09: senders are killed with kill -9 while events are made and delivered; none is lost, each object's order is kept,
and another takes over in time.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carnet.server.domain.bulk.commands import BulkAction, ChangeLicenses
from carnet.server.installation import open_installation
from carnet.server.records import OPERATOR
from support import outbox_senders
from support.campaigns import LONG
from support.databases import Kind
from support.installations import START, environment_of, execute, licensed, settings_in
from support.outbox import Receiver

KILLS = 50 if LONG else 8
LICENSES, CHANGES = (400, 249) if LONG else (40, 24)


def until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    ends_at, moment = time.monotonic() + seconds, threading.Event()
    while not is_so():
        assert time.monotonic() < ends_at, "it does not come to an end"
        moment.wait(0.02)


def delivered(path: Path) -> list[tuple[str, str, int, str]]:
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    words = [line.split() for line in lines]
    return [(pid, event, int(seq), about) for pid, event, seq, about in words]


def test_rel_09_killed_senders_lose_nothing_and_keep_the_order_of_each_object(
    tmp_path: Path, database: Kind, record_property: Any
) -> None:
    settings, path = settings_in(tmp_path), tmp_path / "delivered"
    chance = random.Random(11)  # noqa: S311 - when to kill

    async def make() -> None:
        async with open_installation(settings) as installation:
            await installation.outbox.begin(Receiver())
            ids = tuple([(await licensed(installation)).license.id for _ in range(LICENSES)])
            made.set()
            for number in range(CHANGES):
                action: BulkAction = "reinstate" if number % 2 else "suspend"
                await installation.bulk.change(ChangeLicenses(action=action, ids=ids), OPERATOR)
                await asyncio.sleep(0.2)

    made = threading.Event()
    making = threading.Thread(target=asyncio.run, args=(make(),))
    command = [sys.executable, outbox_senders.__file__, str(path), "7", str(int(START))]
    with subprocess.Popen(
        command, env=environment_of(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        making.start()
        assert made.wait(120)
        slowest, holders = 0.0, set()
        for _ in range(KILLS):
            wanted = len(delivered(path)) + chance.randint(1, 40)
            since = time.monotonic()
            until(lambda wanted=wanted: len(delivered(path)) >= wanted or not making.is_alive())  # type: ignore[misc]
            slowest = max(slowest, time.monotonic() - since)
            process.stdin.write("kill\n")
            process.stdin.flush()
            holders.add(str(json.loads(process.stdout.readline())["killed"]))
        making.join(120)
        until(lambda: not _undone(settings))
        process.stdin.close()
        assert process.wait(120) == 0
    found, stored = delivered(path), [row[0] for row in execute(settings, "SELECT id FROM events")]
    assert len(stored) == LICENSES * (CHANGES + 1)
    assert {event for _, event, _, _ in found} == set(stored)
    assert _out_of_order(found) == []
    assert holders & {pid for pid, _, _, _ in found}, "nobody who delivered was killed"
    record_property("deliveries", len(found))
    record_property("longest silence", round(slowest, 1))


def _undone(settings: Any) -> bool:
    waiting = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
    not_out = "SELECT count(*) FROM events WHERE delivered_at IS NULL"
    return any(execute(settings, each)[0][0] for each in (not_out, waiting))


def _out_of_order(found: list[tuple[str, str, int, str]]) -> list[str]:
    wrong, last, seen = [], defaultdict[str, int](int), set[str]()
    for _, event, seq, about in found:
        if event not in seen and seq < last[about]:
            wrong.append(f"{about}: {seq} after {last[about]}")
        seen.add(event)
        last[about] = max(last[about], seq)
    return wrong

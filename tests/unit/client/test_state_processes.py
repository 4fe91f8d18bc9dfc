"""
Many processes on one state (REL-19): no update is lost, no reader sees half a state, no old answer undoes a newer one.

Processes are forked, so that sixteen start in no time, and work in memory where there is such a place: what is tested
is the lock and the order of the writes, not how fast a disk syncs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from carnet.client.clock import ClockFacts, Uptime, observe, trusted_now
from carnet.client.driving import drive
from carnet.client.fingerprint.values import Anchor
from carnet.client.operations import refresh
from carnet.client.state import Loaded, StateStore
from carnet.client.state_file import DeviceState
from carnet.client.wire import HttpAnswer, HttpRequest
from carnet.core._base import replace
from carnet.core.instant import Instant
from carnet.testing import MemoryTransport
from support.issuing import LICENSE_KEY, NOW
from support.sdk import Desk

HERE = (Anchor(kind="linux-machine-id", value="9f4c1d6f0e7b4a0c8f5d2b3a1e6c7d88", strength="strong"),)
MEMORY = Path("/dev/shm")  # noqa: S108
FORK = get_context("fork")
PROCESSES, OPERATIONS = 16, 1000
PATIENT = 240.0
Told = Callable[[str, object], None]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield made
    shutil.rmtree(made)


def together(work: Callable[[int], None], processes: int = PROCESSES) -> None:
    """Run *work* in that many processes at once; all must come to their end."""
    running = [FORK.Process(target=work, args=(number,)) for number in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join(PATIENT)
        assert process.exitcode == 0


def counted(number: int) -> Callable[[Loaded], DeviceState]:
    """One more by process *number*, and one more in all; what others wrote stays."""

    def change(found: Loaded) -> DeviceState:
        assert found.condition == "open"
        mine = dict(found.state.others)
        mine[f"p{number}"] = mine.get(f"p{number}", 0) + 1
        return replace(found.state, contacts=found.state.contacts + 1, others=tuple(sorted(mine.items())))

    return change


def test_rel_19_sixteen_processes_of_a_thousand_operations_lose_no_update(folder: Path, record_property: Told) -> None:
    """Seven operations in ten write, and three read, as they come; each write reads what it changes."""
    store = StateStore(str(folder / "hustl"), "hustl")
    store.update(HERE, lambda _: DeviceState(license_key="K"))
    reads = FORK.Value("q", 0)

    def work(number: int) -> None:
        own = StateStore(store.directory, "hustl")
        seen = sequence = done = 0
        for step in range(OPERATIONS):
            if (step * 7 + number) % 10 < 3:
                loaded = own.load(HERE)
                done += 1
            else:
                loaded = own.update(HERE, counted(number), lock_seconds=PATIENT)
            assert loaded.condition == "open"
            assert loaded.state.license_key == "K"
            assert loaded.state.contacts >= seen, "never back to an older state"
            assert loaded.sequence >= sequence
            assert loaded.copies[0] == "open" or loaded.copies[1] == "open"
            seen, sequence = loaded.state.contacts, loaded.sequence
        with reads.get_lock():
            reads.value += done

    together(work)
    loaded = store.load(HERE)
    written = PROCESSES * OPERATIONS - reads.value
    assert loaded.state.contacts == sum(dict(loaded.state.others).values()) == written
    assert len(loaded.state.others) == PROCESSES
    assert loaded.sequence == written
    assert loaded.copies == ("open", "open")
    assert sorted(path.name for path in Path(store.directory).iterdir()) == ["lock", "state.0", "state.1"]
    record_property("processes", PROCESSES)
    record_property("operations", PROCESSES * OPERATIONS)
    record_property("writes", written)


def test_sec_29_processes_that_all_write_the_time_down_never_make_it_later_than_it_is(
    folder: Path, record_property: Told
) -> None:
    """One running clock for all; each reads it under the lock, so nothing is counted twice however they interleave."""
    store = StateStore(str(folder / "hustl"), "hustl")
    ticks = FORK.Value("q", 0)
    start = observe(ClockFacts(), Uptime(boot="b", seconds=0), NOW, NOW, "key")
    store.update(HERE, lambda _: DeviceState(clock=start))
    times = 100

    def work(_: int) -> None:
        for _ in range(times):
            with ticks.get_lock():
                ticks.value += 1

            def record(found: Loaded) -> DeviceState:
                return replace(
                    found.state, clock=observe(found.state.clock, Uptime(boot="b", seconds=ticks.value), NOW)
                )

            facts = store.update(HERE, record, lock_seconds=PATIENT).state.clock
            bound = trusted_now(facts, Uptime(boot="b", seconds=ticks.value))
            assert bound is not None
            assert bound <= NOW + ticks.value

    together(work, 8)
    facts = store.load(HERE).state.clock
    assert trusted_now(facts, Uptime(boot="b", seconds=ticks.value)) == NOW + ticks.value
    record_property("records", 8 * times)


def test_rel_19_sixteen_apps_whose_answers_overtake_each_other_never_go_back(
    folder: Path, record_property: Told
) -> None:
    """
    Each app refreshes again and again. The vendor's clock goes on by a second with each answer; every second answer is
    held back until another app's newer one has been written, as a slow network does.
    """
    desk = Desk(folder / "state")
    desk.app().activate(LICENSE_KEY)
    signed = FORK.Value("q", 0)
    overtaken = FORK.Value("q", 0)
    each = 12

    def work(number: int) -> None:
        seen = Instant(0)

        def answer(request: HttpRequest) -> HttpAnswer:
            with signed.get_lock():
                signed.value += 1
                mine = signed.value
            desk.vendor.now = lambda: Instant(NOW + mine)
            made = desk.vendor.answer(request)
            if (mine + number) % 2 and _is_overtaken(desk, NOW + mine):
                with overtaken.get_lock():
                    overtaken.value += 1
            return made

        for _ in range(each):
            # Past `turns.py`, which lets one ask at a time: the rule must hold where that fails, on a host of its own.
            device = desk.app()._device
            assert drive(refresh(device), MemoryTransport(answer), PATIENT).problem is None
            state = device.look().state
            assert state.server_time is not None
            assert state.server_time >= seen, "an answer was undone by an older one"
            seen = state.server_time

    together(work)
    state = desk.app()._device.look().state
    assert overtaken.value > each
    assert state.server_time == NOW + signed.value
    assert desk.app().check().state == "active"
    record_property("answers", signed.value)
    record_property("overtaken", overtaken.value)


def _is_overtaken(desk: Desk, at: int) -> bool:
    """Waits until another app has written a later answer; not for ever, because the last of them waits in vain."""
    for _ in range(40):
        os.sched_yield()
        server_time: Any = desk.app()._device.look().state.server_time
        if server_time is not None and server_time > at:
            return True
    return False

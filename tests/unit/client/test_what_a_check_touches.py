"""What a check and a write do to the system, seen by the interpreter's own audit hook (SEC-48)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.clock_life import Life

WATCHED = """
import json, os, sys
from support.issuing import ROOT_TEXT, NOW
from carnet import Carnet
from carnet.testing import FakeClock
state, late = sys.argv[1], int(sys.argv[2])
clock = FakeClock(NOW, uptime_seconds=1000)
clock.advance(late)
def app():
    return Carnet(product="hustl", root=ROOT_TEXT, state=state, device_id="line-4", clock=clock)
app().check()  # everything is imported
seen = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def watch(event, arguments):
    if event == "open":
        seen.append(["write" if (arguments[2] or 0) & WRITING else "read", str(arguments[0])])
    elif not event.startswith(("object.", "import", "os.listdir", "sys._getframe", "time.")):
        seen.append([event, ""])
sys.addaudithook(watch)
decision = app().check()
print(json.dumps([decision.state, seen]))
"""
NEVER = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "pickle.",
    "marshal.",
    "exec",
    "compile",
)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    life = Life(tmp_path)
    life.activate()
    return life


def watched(life: Life, late: int) -> tuple[str, list[list[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(life.desk.state), str(late)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state, seen = json.loads(done.stdout)
    told: list[Any] = seen
    return state, told


def test_sec_48_a_check_reads_two_copies_and_writes_nothing_and_asks_no_network(life: Life) -> None:
    state, seen = watched(life, 60)
    assert state == "active"
    assert [event for event, _ in seen if event.startswith(NEVER)] == []
    assert [event for event, _ in seen if event != "read"] == []
    own = [Path(path).name for _, path in seen if path.startswith(str(life.desk.state))]
    assert own == ["state.0", "state.1"]


def test_sec_48_what_a_check_writes_about_once_an_hour_is_the_state_and_nothing_else(life: Life) -> None:
    """The first check of the two writes it down; a second, in the same hour, only reads."""
    before = sorted(path.name for path in (life.desk.state / "hustl").iterdir())
    state, seen = watched(life, 2 * 3600)
    assert state == "active"
    assert [event for event, _ in seen if event != "read"] == []
    assert sorted(path.name for path in (life.desk.state / "hustl").iterdir()) == before
    life.desk.pass_time(2 * 3600)
    facts = life.desk.app()._device.look().clock
    assert facts.trusted_at == life.desk.true_time.now()


def test_sec_48_the_state_is_only_the_owners_after_every_kind_of_write(life: Life) -> None:
    life.use(1)
    life.contact()
    for path in (life.desk.state / "hustl", *(life.desk.state / "hustl").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path.name

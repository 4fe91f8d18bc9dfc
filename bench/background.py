"""
What a started app costs while nothing is due, and how 10,000 of them come back after an outage (REL-17, issue 5).

Idle: a real process with a real state from a real server, looked at from outside. The herd: the SDK's own pure rules
(`carnet.client.schedule`), drawn by chance for every client; the worst case, in which all fell due at one moment.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.report import Row
from carnet import Carnet
from carnet.cli.demo.stage import Stage, free_port
from carnet.client.schedule import begun, due_at, may_ask, retry_seconds
from carnet.client.upkeep import Rest
from carnet.core.instant import DAY, HOUR, MINUTE

APP = """
import sys
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
import carnet
imported = resident()
from carnet import Carnet
app = Carnet(product="hustl", server="http://127.0.0.1:9", root={root!r}, state={state!r}, device_id="bench")
made = resident()
assert app.check().state == "active"
if {starts!r}:
    app.start()
    assert app.settle(30)
print(made - imported, resident() - imported, flush=True)
sys.stdin.read()
"""

CLIENTS = 10_000
OUTAGE_SECONDS = HOUR
SPREAD_SECONDS = 10 * MINUTE
_IDLE_SECONDS = 5.0


def rows(rounds: int) -> Iterator[Row]:
    """Memory and wake-ups of an idle app; how a herd spreads."""
    yield from _idle(5 if rounds >= 20 else 2)
    yield from herd()


def _idle(rounds: int) -> Iterator[Row]:
    stage = Stage(free_port())
    try:
        stage.vendor("init", "--data", str(stage.data), "--root-keys", str(stage.root_keys))
        stage.start_server()
        stage.vendor("product", "create", "hustl")
        key = stage.vendor("license", "create", "--product", "hustl", "--policy", "professional")["key"]
        device = stage.device("bench", "bench")
        assert stage.on(device, "activate", "--license-key-stdin", stdin=key).data.get("state") == "active"
        stage.stop_server()
        root = stage.root_path.read_text(encoding="utf-8")
        checked = min(_resident(root, device.state, starts=False)[1] for _ in range(rounds))
        started, made, woken = 0.0, 0.0, 0
        for number in range(rounds):
            made, mb, slept = _resident(root, device.state, starts=True, seconds=_IDLE_SECONDS)
            started = mb if not number else min(started, mb)
            woken += slept
        parts = f"above `import carnet`: {made:.1f} made, {checked:.1f} checked, {started:.1f} started"
        yield Row("idle: MB resident of a started app above one that only checks", started - checked, 1.0, detail=parts)
        yield Row(
            f"idle: wake-ups in {_IDLE_SECONDS * rounds:.0f} s of a started app (the policy's cadence is a day)",
            woken,
            0,
        )
        yield _wake_ups_of_a_month(root, device.state)
    finally:
        stage.close()


def _resident(root: str, state: Path, *, starts: bool, seconds: float = 0.0) -> tuple[float, float, int]:
    """MB above the import when made and at rest, and how often any of its threads ran in *seconds* of idling."""
    script = APP.format(root=root, state=str(state), starts=starts)
    app = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert app.stdout is not None
        made, resident = (float(word) for word in app.stdout.readline().split())
        time.sleep(0.2)
        before = _switches(app.pid)
        time.sleep(seconds)
        return made, resident, _switches(app.pid) - before
    finally:
        app.communicate(timeout=30)


def _switches(pid: int) -> int:
    """How often the threads of *pid* went to sleep again, which is how often they were woken."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def _wake_ups_of_a_month(root: str, state: Path) -> Row:
    """The plans of a month in which nothing is heard of the server's being away: each plan sleeps until the next."""
    app = Carnet(product="hustl", server="http://127.0.0.1:9", root=root, state=state, device_id="bench")
    upkeep = app._planned()  # noqa: SLF001 - what its background goes by
    plan = upkeep.next()
    assert isinstance(plan, Rest)
    assert plan.seconds is not None
    return Row(
        "idle: seconds until the background wakes ÷ the policy's cadence",
        plan.seconds / DAY,
        0.99,
        at_least=True,
        detail="with up to a tenth of jitter, no more than an hour",
    )


def herd() -> Iterator[Row]:
    """10,000 running apps whose refresh fell due in one second, at the beginning of an outage of an hour."""
    chance = random.Random(1)  # noqa: S311 - a simulation
    for name, dues in (
        ("all due at once", [0] * CLIENTS),
        (
            "activated together a day before",
            [int(due_at(0, DAY, 30 * DAY, chance.random())) - DAY for _ in range(CLIENTS)],
        ),
    ):
        back = [_back_at(due, chance) - OUTAGE_SECONDS for due in dues]
        ordered = sorted(back)
        middle = ordered[CLIENTS * 95 // 100] - ordered[CLIENTS * 5 // 100]
        minutes = Counter(max(at, 0) // MINUTE for at in back)
        parts = (
            f"the busiest minute has {max(minutes.values())} of {CLIENTS:,}; the last: {ordered[-1] / MINUTE:.0f} min"
        )
        title = f"herd, {name}: seconds over which 90 % come back"
        yield Row(title, middle, SPREAD_SECONDS, at_least=True, detail=parts)
        print(histogram(back), flush=True)


def _back_at(due: int, chance: random.Random) -> int:
    """When an app whose refresh is due at *due* has its first contact after the outage; 0 is its beginning."""
    now, memory = due, None
    while now < OUTAGE_SECONDS:
        assert may_ask(memory, now, "", is_start=False) == "ask"
        wait = retry_seconds((memory.failures if memory else 0) + 1, chance.random())
        memory = begun(memory, now, "", holder="", busy_seconds=0, wait_seconds=wait)
        now = memory.next_at
    return now


def histogram(back: list[int]) -> str:
    """How many come in each five minutes after the outage."""
    counts = Counter(max(at, 0) // (5 * MINUTE) for at in back)
    most = max(counts.values())
    lines = [
        f"      {5 * slot:3d}-{5 * slot + 5:<3d} min {counts[slot]:6d} {'█' * round(40 * counts[slot] / most)}"
        for slot in range(max(counts) + 1)
    ]
    return "\n".join(lines)

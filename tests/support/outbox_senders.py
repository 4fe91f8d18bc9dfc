"""
Two sender processes on one installation, killed at random with kill -9 and started anew. Run as a program: it imports
the server once and forks a sender for each start.

Senders do what the jobs do, with short holds and a clock that runs a hundred times as fast, so that waits of seconds
are waits of moments. What they deliver is one line each in a file: who, which event, which number, of which object.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final, Literal

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from carnet.core.instant import Instant
from carnet.server.domain.ids import Ids
from carnet.server.domain.outbox.sending import Sender
from carnet.server.installation import Installation, open_installation
from carnet.server.jobs.runner import Job, Runner
from carnet.server.ports.destinations import Sent
from carnet.server.records import Event
from carnet.server.settings import settings_from_environment

SPEED: Final = 100
LEASE_SECONDS: Final = 1
CLAIM_SECONDS: Final = LEASE_SECONDS * SPEED


class FastClock:
    """A hundred seconds for each of the machine's, the same in every process."""

    def __init__(self, began: float) -> None:
        self._began = began

    def now(self) -> Instant:
        return Instant(int(self._began + (time.time() - self._began) * SPEED))


class FileReceiver:
    """A receiver that writes down what it gets, is slow, and fails now and then."""

    name = "test"
    lanes: Literal["object", "all"] = "object"
    at_once = 4

    def __init__(self, path: Path, seed: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._chance = random.Random(seed)  # noqa: S311 - which calls fail

    async def deliver(self, events: tuple[Event, ...]) -> Sent:
        for number, event in enumerate(events):
            await asyncio.sleep(self._chance.random() / 500)
            if self._chance.random() < 0.05:
                return Sent(count=number, problem="It answered 503.")
            os.write(self._file, f"{os.getpid()} {event.id} {event.seq} {event.object_id}\n".encode())
            if self._chance.random() < 0.05:  # it got it, and the answer was lost
                return Sent(count=number, problem="Connection reset.")
        return Sent(count=len(events))


def jobs(installation: Installation, receiver: FileReceiver, clock: FastClock) -> tuple[Job, ...]:
    """What a sender does."""
    sender = Sender(installation.store, clock, Ids(os.urandom), os.urandom, claim_seconds=CLAIM_SECONDS)

    async def deliver() -> bool:
        return await sender.send(receiver, lambda _: None)

    hand_out = Job(name="hand-out", every_seconds=1, about="", run=installation.outbox.hand_out)
    return hand_out, Job(name="deliver:test", every_seconds=1, about="", run=deliver)


async def send(settings: Any, path: Path, began: float, seed: int) -> None:
    """Send until killed."""
    clock = FastClock(began)
    async with open_installation(settings) as installation:
        receiver = FileReceiver(path, seed)
        runner = Runner(
            installation.store, jobs(installation, receiver, clock), lease_seconds=LEASE_SECONDS, beat_seconds=0.1
        )
        await runner.start()
        await asyncio.Event().wait()


def main() -> None:
    """Keep two senders; kill one for each line that is read; end them both at the end of input."""
    settings = settings_from_environment(os.environ)
    path, seed, began = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    chance = random.Random(seed)  # noqa: S311 - whom to kill
    started = 0
    children: list[int] = []

    def start() -> None:
        nonlocal started
        started += 1
        pid = os.fork()
        if pid == 0:
            asyncio.run(send(settings, path, began, seed + started))
            os._exit(0)
        children.append(pid)

    start()
    start()
    for _ in sys.stdin:
        victim = children.pop(chance.randrange(len(children)))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        start()
        print(json.dumps({"killed": victim}), flush=True)  # noqa: T201 - to the test
    for each in children:
        os.kill(each, signal.SIGKILL)
        os.waitpid(each, 0)


if __name__ == "__main__":
    main()

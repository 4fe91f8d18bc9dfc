"""
Clients that race for seats from several processes: this file is also the program of such a process.

A process opens the installation as `carnet serve` would, and then takes one JSON line after the other from standard
input: which devices activate which key, all at once. It answers each with a line: how many were told yes, and how many
of these were told that the seat is new.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from carnet.core._base import Struct
from carnet.core.decision import Refused
from carnet.core.lease_terms import LeaseHolder
from carnet.server.domain.leases.commands import ClaimLease
from carnet.server.installation import Installation, open_installation
from carnet.server.records import OPERATOR
from carnet.server.settings import Settings, settings_from_environment
from support.installations import PRODUCT, Device, HeldClock, environment_of, execute

How: TypeAlias = Literal["activate", "count then insert", "claim", "count then claim"]


class Told(Struct):
    """What the clients of a race were told: yes, and that the seat is new."""

    granted: int
    created: int


class Racer:
    """One process with clients."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self, **message: Any) -> None:
        """Start the clients."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """What came of it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read() if self._process.stderr else ""
        return json.loads(line)


class Racers:
    """Processes that race against each other."""

    def __init__(self, racers: Sequence[Racer]) -> None:
        self._racers = racers

    def race(self, key: str, devices: Sequence[str], how: How = "activate") -> Told:
        """Let *devices*, dealt out to the processes, activate *key* at once."""
        for number, racer in enumerate(self._racers):
            racer.say(key=key, devices=devices[number :: len(self._racers)], how=how)
        told = [racer.hear() for racer in self._racers]
        return Told(granted=sum(each["granted"] for each in told), created=sum(each["created"] for each in told))

    def beside(self, others: Racers) -> Racers:
        """These and *others*, in one race."""
        return Racers([*self._racers, *others._racers])

    def churn(self, key: str, rounds: int) -> list[str]:
        """Let each process activate and give back seats of *key*, again and again; what went wrong."""
        for number, racer in enumerate(self._racers):
            racer.say(churn=rounds, key=key, devices=[f"{number}-{device}" for device in range(4)])
        return [problem for racer in self._racers for problem in racer.hear()["problems"]]


@contextmanager
def racers(settings: Settings, count: int = 2, program: Sequence[str] = (__file__,)) -> Iterator[Racers]:
    """As many processes on the installation of *settings*, of this *program* or of another that speaks as it does."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, *program],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=environment_of(settings),
                )
            )
            for _ in range(count)
        ]
        ready = [Racer(process) for process in started]
        for each in ready:
            assert each.hear() == "ready"
        yield Racers(ready)
        for process in started:
            _, err = process.communicate(timeout=120)
            assert (process.returncode, err) == (0, "")


# ── in the process ───────────────────────────────────────────────────────────────────────────────────────────────────


async def activate(installation: Installation, key: str, device: str) -> tuple[bool, bool]:
    """One client as it should be: told yes, told that the seat is new."""
    answered = await installation.activations.activate(Device(device).activate(key))
    if isinstance(answered.result, Refused):
        assert answered.result.code == "seat_limit_reached", answered.result
        return False, False
    return True, answered.result.created


_COUNT_UP = (
    "UPDATE licenses SET seats_used = CASE WHEN seats_used < seat_limit THEN seats_used + 1 ELSE seat_limit END"
    " WHERE id = '{}'"
)


async def count_then_insert(installation: Installation, key: str, device: str) -> tuple[bool, bool]:
    """The planted fault: look whether a seat is free, then, in a second step, take one without asking the database."""
    command = Device(device).activate(key)
    found = await installation.licenses.find(key)
    assert found.seats.limit is not None
    if found.seats.used >= found.seats.limit:
        return False, False
    await asyncio.sleep(0)  # any other request runs here
    columns = "id, license_id, fingerprint, device_name, platform, components, created_at, refreshed_at, covered_until"
    values = f"'{found.id} {device}', '{found.id}', '{command.device.fingerprint}', '', '', '[]', 1, 1, 1"
    position = hash((found.id, device)) % 2**40
    await asyncio.to_thread(
        execute,
        installation.settings,
        f"INSERT INTO activations ({columns}, status_index) VALUES ({values}, {position})",  # noqa: S608 - a test's
        _COUNT_UP.format(found.id),
    )
    return True, True


async def claim(installation: Installation, key: str, device: str) -> tuple[bool, bool]:
    """One client that claims a floating seat: told yes, told that the lease is new."""
    holder = LeaseHolder(kind="process", id=device)
    answered = await installation.leases.claim(ClaimLease(license_key=key, product=PRODUCT, holder=holder))
    if isinstance(answered.result, Refused):
        assert answered.result.code == "lease_limit_reached", answered.result
        return False, False
    return True, answered.result.created


async def count_then_claim(installation: Installation, key: str, device: str) -> tuple[bool, bool]:
    """The planted fault: count the live leases, then, in a second step, write one without asking the database."""
    found = await installation.licenses.find(key)
    terms = await installation.leases.terms(license_id=found.id)
    assert terms.terms is not None
    assert terms.terms.limit is not None
    if len((await installation.leases.list(found.id)).items) >= terms.terms.limit:
        return False, False
    await asyncio.sleep(0)  # any other request runs here
    columns = "license_id, slot, id, holder_kind, holder_id, name, is_borrowed, ttl_seconds, claimed_at, renewed_at"
    values = f"'{found.id}', {hash((found.id, device)) % 2**40}, '{found.id} {device}', 'process', '{device}', '', 0, 9"
    await asyncio.to_thread(
        execute,
        installation.settings,
        f"INSERT INTO leases ({columns}, deadline, expires_at, covered_until, mark, jti, kid)"  # noqa: S608 - a test's
        f" VALUES ({values}, 1, 1, 999999, 4000000000, 4000000000, 0, '', '')",
    )
    return True, True


async def churn(installation: Installation, key: str, devices: list[str], rounds: int) -> list[str]:
    """Each device takes a seat and gives it back, *rounds* times; what was neither granted nor refused properly."""
    problems: list[str] = []

    async def one(device: str) -> None:
        for _ in range(rounds):
            answered = await installation.activations.activate(Device(device).activate(key))
            if isinstance(answered.result, Refused):
                if answered.result.code != "seat_limit_reached":
                    problems.append(answered.result.code)
                continue
            await installation.activations.deactivate_by_vendor(answered.result.activation.id, OPERATOR)

    await asyncio.gather(*(one(device) for device in devices))
    return problems


_CLIENTS: dict[How, Callable[[Installation, str, str], Awaitable[tuple[bool, bool]]]] = {
    "activate": activate,
    "count then insert": count_then_insert,
    "claim": claim,
    "count then claim": count_then_claim,
}


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    async with open_installation(settings_from_environment(os.environ), clock=HeldClock()) as installation:
        _tell("ready")
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            if "churn" in asked:
                problems = await churn(installation, asked["key"], asked["devices"], asked["churn"])
                _tell({"problems": problems})
                continue
            client = _CLIENTS[asked["how"]]
            told = await asyncio.gather(*(client(installation, asked["key"], each) for each in asked["devices"]))
            _tell({"granted": sum(yes for yes, _ in told), "created": sum(new for _, new in told)})


def _tell(what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - a program's output


if __name__ == "__main__":
    asyncio.run(main())

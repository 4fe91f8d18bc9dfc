"""
What the audit and its proof cost (SEC-46, issue 6): activations with and without them, and how fast it is sealed,
logged and checked. Both databases take turns in one run.

Activations are done in process by 16 callers at once, in turns of four kinds: without audit rows at all, with them,
with them while they are sealed every second, and while what was issued is logged as well, as every server does.
Compared is the CPU that an activation takes, of the process with all its threads and of the database, until everything
of the turn is done: a machine that has other things to do does not change it.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

from bench.population import PRODUCT, device_of, fill_postgres, fill_sqlite, key_of
from bench.postgres import Postgres
from bench.report import Row
from bench.seats import rounds_of
from bench.stage import Stage
from carnet.core._base import replace
from carnet.core.decision import Refused
from carnet.server.domain.activations.commands import ActivateCommand, DeviceClaim
from carnet.server.domain.audit.entries import entry
from carnet.server.domain.proof.verifying import Outside, check_all
from carnet.server.installation import Installation, open_installation
from carnet.server.jobs.proof import SEAL_SECONDS, sealing
from carnet.server.records import OPERATOR
from carnet.server.storage import rows as stored
from carnet.server.storage.core.inserting import insert_many
from carnet.server.storage.tables import audit

CALLERS: Final = 16
SECONDS: Final = 4.0
LICENSES: Final = 20_000
ROWS: Final = 10_000


def rows(rounds: int) -> Iterator[Row]:
    """Figures of both databases."""
    postgres = Postgres()
    stages: dict[str, Stage] = {}
    try:
        url = postgres.database("audit")
        stages = {"SQLite": Stage(), "PostgreSQL": Stage(url)}
        fill_sqlite(stages["SQLite"].settings.data, 1, LICENSES)
        data = stages["PostgreSQL"].settings.data
        postgres.run(lambda connection: fill_postgres(connection, data, 1, LICENSES), url)
        yield from asyncio.run(_measured(stages, postgres, rounds_of(rounds)))
    finally:
        for stage in stages.values():
            stage.close()
        postgres.close()


async def _measured(stages: dict[str, Stage], postgres: Postgres, turns: int) -> list[Row]:
    def used(name: str) -> float:
        return time.process_time() + (postgres.cpu if name == "PostgreSQL" else 0.0)

    async with contextlib.AsyncExitStack() as opened:
        installations = {
            name: await opened.enter_async_context(open_installation(stage.settings)) for name, stage in stages.items()
        }
        figures: dict[str, dict[str, list[float]]] = {name: {} for name in stages}
        for turn in range(turns):
            for name, installation in installations.items():
                taken = figures[name]
                for kind in _KINDS[turn % 4 :] + _KINDS[: turn % 4]:
                    cpu, ms = await _activations(installation, turn, kind, lambda name=name: used(name))  # type: ignore[misc]
                    taken.setdefault(kind, []).append(cpu)
                    taken.setdefault(f"{kind}, by the clock", []).append(ms)
                    if kind == "rows":
                        taken.setdefault("leaves", []).append(await _leaves_per_second(installation))
                taken.setdefault("rows/s", []).append(await _sealed_per_second(installation))
        found: list[Row] = []
        for name, installation in installations.items():
            found += _rows_of(name, figures[name])
            found += await _checked(name, installation)
        return found


def _rows_of(name: str, taken: dict[str, list[float]]) -> Iterator[Row]:
    middle = {kind: statistics.median(values) for kind, values in taken.items()}

    def ratio(kind: str) -> float:
        return statistics.median([own / none for own, none in zip(taken[kind], taken["none"], strict=True)])

    parts = f"CPU {middle['none']:.3f} ms without; by the clock {middle['none, by the clock']:.1f} ms at 16 callers"
    yield Row(f"activate on {name}: with audit rows ÷ without", ratio("rows"), 1.10, detail=parts)
    for kind, said in (("sealed", "that are sealed"), ("logged", "that are sealed, and all issued is logged")):
        parts = f"CPU {middle[kind]:.3f} ms; by the clock {middle[f'{kind}, by the clock']:.1f} ms"
        bound = 1.10 if kind == "sealed" else None
        yield Row(f"activate on {name}: with rows {said} ÷ without", ratio(kind), bound, 1.10, parts)
    spread = f"of {len(taken['rows/s'])} turns {min(taken['rows/s']):.0f} to {max(taken['rows/s']):.0f}"
    yield Row(f"sealer on {name}, rows/s", middle["rows/s"], 2000, detail=spread, at_least=True)
    yield Row(f"log on {name}, entries appended/s", middle["leaves"], 2000, at_least=True)


class _Without:
    """The storage, but for the audit rows of seats."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def change_seat(self, query: Any, decide: Callable[..., Any]) -> Any:
        return await self._storage.change_seat(query, lambda *facts: replace(decide(*facts), audit=()))


_KINDS: Final = ("none", "rows", "sealed", "logged")


async def _activations(
    installation: Installation, turn: int, kind: str, used: Callable[[], float]
) -> tuple[float, float]:
    """Milliseconds of CPU of an activation, and milliseconds as one caller sees it; the means of a turn."""
    service = installation.activations
    storage = service._storage  # noqa: SLF001 - the place where the audit's rows are left out
    if kind == "none":
        service._storage = _Without(storage)  # noqa: SLF001
    done = 0
    before, began = used(), time.perf_counter()
    until = began + SECONDS

    async def caller(own: int) -> None:
        nonlocal done
        number = own
        while time.perf_counter() < until:
            run = turn * len(_KINDS) + _KINDS.index(kind)
            which = run * 1_000_000 + number
            device = DeviceClaim(fingerprint=device_of(which, 7), name="Line", platform="linux")
            key = key_of(1 + (run * 1300 + number) % LICENSES)  # none is sold out
            answer = await service.activate(ActivateCommand(license_key=key, product=PRODUCT, device=device))
            if isinstance(answer.result, Refused):
                raise RuntimeError(f"an activation was refused: {answer}")  # noqa: TRY004 - no wrong type
            number += CALLERS
            done += 1

    job = _JOBS[kind](installation)
    async with _every_second(job):
        await asyncio.gather(*(caller(own) for own in range(CALLERS)))
        spent = time.perf_counter() - began
    service._storage = storage  # noqa: SLF001
    while await job():  # what is left of this turn belongs to it
        pass
    cpu = used() - before
    if kind != "rows":  # what these issued is logged where the log is measured
        await _settle(installation)
    return cpu * 1000 / done, spent * 1000 * CALLERS / done


async def _nothing() -> bool:
    return False


_JOBS: Final[dict[str, Callable[[Installation], Callable[[], Awaitable[bool]]]]] = {
    "none": lambda _: _nothing,
    "rows": lambda _: _nothing,
    "sealed": lambda installation: installation.sealer.seal,
    "logged": lambda installation: sealing(installation.sealer, installation.log),
}
"""What is done every second."""


@contextlib.asynccontextmanager
async def _every_second(job: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    async def every_second() -> None:
        while True:
            while await job():
                pass
            await asyncio.sleep(SEAL_SECONDS)

    task = asyncio.create_task(every_second())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _settle(installation: Installation) -> None:
    while await installation.sealer.seal() or await installation.log.grow():
        pass


async def _leaves_per_second(installation: Installation) -> float:
    """How fast what the last turn issued is logged, once its rows are sealed."""
    while await installation.sealer.seal():
        pass
    before = (await installation.store.proof_state()).leaves
    began = time.perf_counter()
    while await installation.log.grow():
        pass
    spent = time.perf_counter() - began
    return ((await installation.store.proof_state()).leaves - before) / spent


async def _sealed_per_second(installation: Installation) -> float:
    now = installation.time.now()
    values = [
        stored.audit_values(entry(now, OPERATOR, "license.renewed", f"license-{number}", until="2027-01-01"))
        for number in range(ROWS)
    ]
    await installation.store._write(lambda connection: insert_many(connection, audit, values))  # type: ignore[attr-defined]  # noqa: SLF001
    began = time.perf_counter()
    while await installation.sealer.seal():
        pass
    spent = time.perf_counter() - began
    await _settle(installation)
    return ROWS / spent


async def _checked(name: str, installation: Installation) -> list[Row]:
    life = await installation.store.life()
    outside = Outside(checkpoints=(), keys=())
    began = time.perf_counter()
    verdict = await installation.store.read_proof(
        lambda reader: check_all(reader, issuer=installation.issuer, life=life, outside=outside)
    )
    spent = time.perf_counter() - began
    if not verdict.is_sound or verdict.unsealed:
        raise RuntimeError(f"the check found {verdict.findings}")
    count = verdict.rows + verdict.leaves
    detail = f"{verdict.rows} rows and {verdict.leaves} entries in {spent:.1f} s"
    return [Row(f"carnet audit verify on {name}, rows and entries/s", count / spent, detail=detail)]

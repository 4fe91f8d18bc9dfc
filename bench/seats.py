"""
Validate and activate through HTTP, each beside what the database does with the same statements in the same run.

The server, or pgbench in its place, has one core; PostgreSQL, and the load generator where there is one, have the
other. Rounds of both take turns, and the best of each is compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from bench.population import PLAIN, activations_of_new_devices, fill_postgres, fill_sqlite, validations
from bench.postgres import Postgres
from bench.report import Row
from bench.stage import Stage, resident_mb
from bench.statements import Script, script_of_activation, script_of_validation

CLIENTS = 16
SECONDS = 2.0
LICENSES = 20_000
SMALL, LARGE = 10_000, 1_000_000
ASKED_ABOUT = 50_000
"""How many different licenses the size comparison asks about."""


def rounds_of(rounds: int) -> int:
    """How many rounds of a server: five, or two where *rounds* are few."""
    return 5 if rounds >= 20 else 2


def postgres_rows(rounds: int) -> Iterator[Row]:
    """Validate and activate on PostgreSQL against pgbench, throughput, percentiles and memory of a server core."""
    turns = rounds_of(rounds)
    postgres = Postgres()
    try:
        url = postgres.database("seats")
        stage = Stage(url)
        try:
            for first in (1, PLAIN):
                _fill(postgres, stage, url, first, LICENSES)
            asking = stage.requests("validate", validations(range(1, LICENSES + 1)))
            activating = stage.requests("activate", activations_of_new_devices(range(1, LICENSES + 1), 1))
            found = script_of_validation(stage.settings, LICENSES)
            taken = script_of_activation(stage.settings, LICENSES)
            stage.start()
            done = 0

            def validate() -> dict[str, Any]:
                return _granted(stage, asking, "200")

            def activate() -> dict[str, Any]:
                nonlocal done
                figures = _granted(stage, activating, "201", once=True, skip=done)
                done += figures["requests"]
                return figures

            validate()  # uncounted: connections are made, statements are prepared
            ours, limit = _turns(turns, validate, lambda _: _pgbench(postgres, url, found, 0))
            yield Row("validate on PostgreSQL ÷ pgbench with its statement, 16 clients", _of(ours) / _of(limit),
                      0.25, 0.4, f"{_shown(ours)} against {_of(limit):.0f}/s", at_least=True)  # fmt: skip
            yield Row("validate on PostgreSQL, 16 clients, requests/s of one server core", _of(ours), 2500, 4600,
                      f"by its CPU alone {1000 / ours['server_cpu_ms']:.0f}/s", at_least=True)  # fmt: skip
            yield Row("    its p99, ms", ours["p99_ms"], 30, detail=_percentiles(ours))
            activate()
            ours, limit = _turns(turns, activate, lambda turn: _pgbench(postgres, url, taken, turn))
            yield Row("activate, durable ÷ pgbench with its two statements", _of(ours) / _of(limit), 0.4, 0.6,
                      f"{_shown(ours)} against {_of(limit):.0f}/s", at_least=True)  # fmt: skip
            yield Row("    its p99, ms", ours["p99_ms"], detail=_percentiles(ours))
            assert stage.server is not None
            yield Row("resident memory of the worker after that load, MB", resident_mb(stage.server.pid), 150)
        finally:
            stage.close()
    finally:
        postgres.close()


def sqlite_rows(rounds: int) -> Iterator[Row]:
    """Validate and activate on the embedded database."""
    stage = Stage()
    try:
        fill_sqlite(stage.settings.data, 1, LICENSES)
        asking = stage.requests("validate", validations(range(1, LICENSES + 1)))
        activating = stage.requests("activate", activations_of_new_devices(range(1, LICENSES + 1), 1))
        stage.start()
        _granted(stage, asking, "200")
        best = max((_granted(stage, asking, "200") for _ in range(rounds_of(rounds))), key=_of)
        yield Row("validate on SQLite, 16 clients, requests/s", _of(best), 4000, detail=_shown(best), at_least=True)
        yield Row("    its p99, ms", best["p99_ms"], 30, detail=_percentiles(best))
        done, taken = 0, []
        for _ in range(rounds_of(rounds)):
            taken.append(_granted(stage, activating, "201", once=True, skip=done))
            done += taken[-1]["requests"]
        best = max(taken, key=_of)
        yield Row("activate on SQLite, durable, 16 clients, requests/s", _of(best), detail=_shown(best))
        yield Row("    its p99, ms", best["p99_ms"], detail=_percentiles(best))
    finally:
        stage.close()


def size_rows(rounds: int) -> Iterator[Row]:
    """p99 of validate with a million licenses against that with ten thousand, on PostgreSQL; a tenth of both if few."""
    divisor = 1 if rounds >= 20 else 10
    postgres = Postgres()
    stages: list[Stage] = []
    try:
        asked = []
        for number, size in enumerate((SMALL // divisor, LARGE // divisor)):
            url = postgres.database(f"size_{number}")
            stage = Stage(url)
            stages.append(stage)
            _fill(postgres, stage, url, 1, size)
            chance = random.Random(20261122)  # noqa: S311 - which licenses, no secret
            numbers = [chance.randrange(1, size + 1) for _ in range(ASKED_ABOUT)]
            asked.append(stage.requests("validate", validations(numbers)))
            stage.start()
            for _ in range(3):
                _granted(stage, asked[-1], "200")
        small, large = [], []
        for _ in range(rounds_of(rounds)):
            small.append(_granted(stages[0], asked[0], "200"))
            large.append(_granted(stages[1], asked[1], "200"))
        one, other = (min(figures, key=lambda each: each["p99_ms"]) for figures in (small, large))
        name = f"p99 of validate with {LARGE // divisor:,} licenses ÷ with {SMALL // divisor:,}"
        detail = f"p99 {other['p99_ms']:.1f} against {one['p99_ms']:.1f} ms; {_of(other):.0f} and {_of(one):.0f}/s"
        yield Row(name, other["p99_ms"] / one["p99_ms"], 1.3, 1.1, detail)
    finally:
        for stage in stages:
            stage.close()
        postgres.close()


def _fill(postgres: Postgres, stage: Stage, url: str, first: int, count: int) -> None:
    postgres.run(lambda connection: fill_postgres(connection, stage.settings.data, first, count), url)


def _turns(
    turns: int, ours: Callable[[], dict[str, Any]], limit: Callable[[int], dict[str, float]]
) -> tuple[dict[str, Any], dict[str, float]]:
    """The best of *turns* of both, one after the other."""
    pairs = [(limit(turn), ours()) for turn in range(turns)]
    return max((own for _, own in pairs), key=_of), max((other for other, _ in pairs), key=_of)


def _pgbench(postgres: Postgres, url: str, script: Script, turn: int) -> dict[str, float]:
    variables = {"round": turn, "i": 0, **script.variables}
    return postgres.pgbench(url, script.text, variables=variables, clients=CLIENTS, seconds=SECONDS)


def _granted(stage: Stage, requests: Any, status: str, **options: Any) -> dict[str, Any]:
    """One round, in which every answer must have *status*."""
    (figures,) = stage.load(requests, clients=CLIENTS, seconds=SECONDS, rounds=1, **options)
    if set(figures["statuses"]) != {status}:
        raise RuntimeError(f"not every answer was {status}: {figures['statuses']}")
    if figures["generator_cpu"] > 0.8:
        raise RuntimeError("the load generator was the limit; nothing is said about the server")
    return figures


def _of(figures: dict[str, Any]) -> float:
    return float(figures["per_second"])


def _percentiles(figures: dict[str, Any]) -> str:
    return f"p50 {figures['p50_ms']:.1f}, p90 {figures['p90_ms']:.1f}, p99 {figures['p99_ms']:.1f} ms"


def _shown(figures: dict[str, Any]) -> str:
    return (
        f"{_of(figures):.0f}/s, server CPU {figures['server_cpu_ms'] * 1e3:.0f} µs a request,"
        f" generator {figures['generator_cpu']:.0%} of its core"
    )
